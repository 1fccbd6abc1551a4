//! The policies of a run, few and short, so that they meet queues and messages often.

use std::sync::Arc;

use warren_engine::{
    Access, Definition, Milliseconds, Permission, Policies, PolicyRecord, PolicyValue,
};

use crate::random::Random;

/// What policies say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Of queues whose names begin with d, t or q.
    ttl: Option<Milliseconds>,
    /// Dead letters of d0 go to this queue.
    letters: Option<&'static str>,
    /// Of the quorum queue.
    delivery_limit: Option<u32>,
}

const TTLS: [Option<Milliseconds>; 6] = [None, None, Some(0), Some(60), Some(1_500), Some(100_000)];

impl Rules {
    pub(crate) fn draw(random: &mut Random) -> Self {
        Self {
            ttl: random.pick(&TTLS).flatten(),
            letters: random.pick(&[None, Some("d3")]).flatten(),
            delivery_limit: random.pick(&[None, Some(1), Some(9)]).flatten(),
        }
    }

    pub(crate) fn ttl(self, queue: &str) -> Option<Milliseconds> {
        self.ttl.filter(|_| queue.starts_with(['d', 't', 'q']))
    }

    pub(crate) fn letters(self, queue: &str) -> Option<&'static str> {
        self.letters.filter(|_| queue == "d0")
    }

    pub(crate) fn delivery_limit(self) -> Option<u32> {
        self.delivery_limit
    }

    /// The same for the engine. What the quorum queue has of its own is the operator's, as at most
    /// one policy of users applies.
    pub(crate) fn compile(self) -> Arc<Policies> {
        let record = |name: &str, pattern: &str, values: &[(&str, PolicyValue)]| {
            let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
            PolicyRecord {
                name: name.to_owned(),
                pattern: pattern.to_owned(),
                priority: 0,
                definition: values.collect::<Definition>(),
                ..PolicyRecord::default()
            }
        };
        let number = |number: u64| PolicyValue::Number(number as i64);
        let text = |text: &str| PolicyValue::Text(text.to_owned());
        let limit = self
            .delivery_limit
            .map(|limit| record("limit", "^q", &[("delivery-limit", number(u64::from(limit)))]));
        let ttl = self.ttl.map(|ttl| record("ttl", "^[dtq]", &[("message-ttl", number(ttl))]));
        let letters = self.letters.map(|to| {
            let mut values =
                vec![("dead-letter-exchange", text("")), ("dead-letter-routing-key", text(to))];
            values.extend(self.ttl.map(|ttl| ("message-ttl", number(ttl))));
            PolicyRecord { priority: 1, ..record("letters", "^d0$", &values) }
        });
        let users: Vec<_> = ttl.into_iter().chain(letters).collect();
        let operators: Vec<_> = limit.into_iter().collect();
        Arc::new(Policies::compile(&users, &operators).unwrap_or_default())
    }
}

/// The exchange that some sessions may not publish to.
pub(crate) const BARRED: &str = "fanout";

/// What a session may do: everything, or everything but to publish to one exchange.
pub(crate) fn access(may_everything: bool) -> Arc<Access> {
    let all = || ".*".to_owned();
    let permission = Permission { configure: all(), write: format!("^(?!{BARRED}$)"), read: all() };
    let limited = Access::from_patterns("guest", "/", None, &permission, &[]);
    Arc::new(match limited {
        Ok(limited) if !may_everything => limited,
        _ => Access::everything("guest"),
    })
}
