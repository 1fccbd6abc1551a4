//! Ways into the crate's inside for the fuzz targets (feature `fuzzing`); nothing else uses them.

use warren_amqp::FieldTable;

use crate::exchange::ExchangeSettings;
use crate::router::{Asked, Router, Target};
use crate::{BindingRecord, Destination, Error, ExchangeType, QueueId};

/// The bindings of one exchange, all to queues.
#[derive(Debug)]
pub struct Routes(Router);

impl Routes {
    /// An exchange without bindings.
    #[must_use]
    pub fn new(kind: ExchangeType) -> Self {
        Self(Router::new(&ExchangeSettings::plain(kind)))
    }

    /// Adds a binding.
    ///
    /// # Errors
    /// Arguments that the kind of exchange does not take.
    pub fn bind(&mut self, key: &str, arguments: &FieldTable, queue: u64) -> Result<(), Error> {
        self.0.check(key, arguments)?;
        self.0.insert(&binding(key, arguments, queue), Target::Queue(QueueId(queue)));
        Ok(())
    }

    /// Takes a binding away that was added.
    pub fn unbind(&mut self, key: &str, arguments: &FieldTable, queue: u64) {
        self.0.remove(&binding(key, arguments, queue), Target::Queue(QueueId(queue)));
    }

    /// The queues that a message goes to, in order, each once. `headers` is a raw table.
    pub fn route(&mut self, key: &str, headers: &[u8]) -> Vec<u64> {
        let mut found = Vec::new();
        let asked = Asked { keys: &[key], headers, properties: &[0, 0], random: 0 };
        self.0.route(&asked, &mut found);
        let queue = |target| match target {
            Target::Queue(QueueId(queue)) => Some(queue),
            Target::Exchange(_) => None,
        };
        let mut queues: Vec<u64> = found.into_iter().filter_map(queue).collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }
}

fn binding(key: &str, arguments: &FieldTable, queue: u64) -> BindingRecord {
    BindingRecord {
        source: String::new(),
        destination: Destination::Queue(queue.to_string()),
        routing_key: key.to_owned(),
        arguments: arguments.clone(),
    }
}
