//! Ways into the crate's inside for the fuzz targets (feature `fuzzing`); nothing else uses them.

use warren_amqp::FieldTable;

use crate::router::{Router, Target};
use crate::{Error, ExchangeType, QueueId};

/// The bindings of one exchange, all to queues.
#[derive(Debug)]
pub struct Routes(Router);

impl Routes {
    /// An exchange without bindings.
    #[must_use]
    pub fn new(kind: ExchangeType) -> Self {
        Self(Router::new(kind))
    }

    /// Adds a binding.
    ///
    /// # Errors
    /// Arguments that the kind of exchange does not take.
    pub fn bind(&mut self, key: &str, arguments: &FieldTable, queue: u64) -> Result<(), Error> {
        self.0.check(arguments)?;
        self.0.insert(key, arguments, Target::Queue(QueueId(queue)));
        Ok(())
    }

    /// Takes a binding away that was added.
    pub fn unbind(&mut self, key: &str, arguments: &FieldTable, queue: u64) {
        self.0.remove(key, arguments, Target::Queue(QueueId(queue)));
    }

    /// The queues that a message goes to, in order, each once. `headers` is a raw table.
    pub fn route(&mut self, key: &str, headers: &[u8]) -> Vec<u64> {
        let mut found = Vec::new();
        self.0.route(key, headers, &mut found);
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
