//! The way of a message from exchange to exchange, with what each binding says to it.

use rustc_hash::FxHashSet;
use warren_amqp::properties;

use super::{Binding, Exchange, Topology};
use crate::explain::near::{self, Work};
use crate::explain::{Explanation, Judged, Step, different_key, unlike_pattern};
use crate::record::ExchangeType;
use crate::router::{Asked, ExchangeKey, Router, Target, headers, virtual_topic};
use crate::{Message, copies, limits};

impl Topology {
    /// Follows a message that is not published. `None` if there is no such exchange.
    pub(crate) fn explain(&mut self, message: &Message) -> Option<Explanation> {
        let keys = copies::keys(message);
        let mut explanation = Explanation::default();
        let start = match message.exchange() {
            "" => self.explain_default(&keys, &mut explanation),
            name => Some(*self.exchange_names.get(name)?),
        };
        let properties = message.properties();
        let headers = properties::headers(properties).unwrap_or_default();
        // The number that comes next by chance, which stays the next one.
        let random = self.random.peek();
        let asked = Asked { keys: &keys, headers, properties, random };
        let mut seen: FxHashSet<ExchangeKey> = start.into_iter().collect();
        let mut pending: Vec<ExchangeKey> = start.into_iter().collect();
        while let Some(at) = pending.pop() {
            let Some((step, targets)) = self.explain_at(at, &asked) else { continue };
            explanation.steps.push(step);
            for target in targets {
                match target {
                    Target::Queue(id) => {
                        let queue = self.queues.get(&id).map(|(name, _)| name.clone());
                        explanation.queues.extend(queue);
                    }
                    Target::Exchange(next) => {
                        if seen.insert(next) {
                            pending.push(next);
                        }
                    }
                }
            }
        }
        explanation.queues.sort_unstable();
        explanation.queues.dedup();
        Some(explanation)
    }

    /// The default exchange leads to the queue of that name; or to a virtual topic, which is given.
    fn explain_default(&self, keys: &[&str], out: &mut Explanation) -> Option<ExchangeKey> {
        let named = |key: &&&str| self.queue_or_part(key).and_then(|id| self.queues.get(&id));
        out.queues.extend(keys.iter().filter_map(|key| named(&key)).map(|(name, _)| name.clone()));
        out.steps.push(Step {
            exchange: String::new(),
            kind: ExchangeType::Direct,
            bindings: vec![],
            unlisted: 0,
            alternate: None,
        });
        let unnamed = keys.iter().filter(|key| named(key).is_none());
        unnamed.filter_map(|key| self.topic_of_key(key)).next()
    }

    fn explain_at(&mut self, at: ExchangeKey, asked: &Asked<'_>) -> Option<(Step, Vec<Target>)> {
        let exchange = self.exchanges.get_mut(&at)?;
        let mut found = vec![];
        exchange.router.route(asked, &mut found);
        let exchange = self.exchanges.get(&at)?;
        let mut alternate = None;
        if found.is_empty()
            && let Some(name) = exchange.settings.alternate()
            && let Some(next) = self.exchange_names.get(name)
        {
            alternate = Some(name.to_owned());
            found.push(Target::Exchange(*next));
        }
        let name = &exchange.record.name;
        let (mut listed, mut others, mut unlisted) = (vec![], vec![], 0);
        let mut work = Work::new(limits::NEARNESS_COMPARISONS);
        for binding in exchange.bindings.iter().filter_map(|id| self.bindings.get(id)) {
            let chosen = alternate.is_none() && found.contains(&binding.key.target);
            let (is_way, reason) = exchange.judge(binding, chosen, asked);
            if !is_way {
                others.push((exchange.distance(binding, asked, &mut work), binding));
                continue;
            }
            if listed.len() >= limits::EXPLAINED_BINDINGS {
                unlisted += 1;
                continue;
            }
            let Some(record) = self.binding_record(name, binding) else { continue };
            listed.push(Judged { binding: record, matched: true, reason, distance: Some(0) });
        }
        // As they come where they are the same; nothing is farther than what was not compared.
        others.sort_by_key(|(distance, _)| distance.unwrap_or(u32::MAX));
        unlisted += others.len().saturating_sub(limits::EXPLAINED_BINDINGS);
        for (distance, binding) in others.into_iter().take(limits::EXPLAINED_BINDINGS) {
            let Some(record) = self.binding_record(name, binding) else { continue };
            let chosen = alternate.is_none() && found.contains(&binding.key.target);
            let (_, reason) = exchange.judge(binding, chosen, asked);
            listed.push(Judged { binding: record, matched: false, reason, distance });
        }
        let (exchange, kind) = (name.clone(), exchange.record.kind);
        Some((Step { exchange, kind, bindings: listed, unlisted, alternate }, found))
    }
}

impl Exchange {
    /// Whether a binding leads a message on, and why; `chosen` is whether the message goes to where
    /// it leads, by this binding or another one.
    fn judge(&self, binding: &Binding, chosen: bool, asked: &Asked<'_>) -> (bool, String) {
        let key = &binding.key.routing_key;
        let by = |reason: Option<String>, fits: String| match reason {
            None => (true, fits),
            Some(reason) => (false, reason),
        };
        match &self.router {
            Router::Direct(_) => by(different_key(key, asked.keys), format!("the key is '{key}'")),
            Router::Fanout(_) => (true, "every message goes this way".to_owned()),
            Router::Topic(_) => {
                by(unlike_pattern(key, asked.keys, '.'), format!("the key fits '{key}'"))
            }
            Router::Headers(_) => match headers::Pattern::parse(&binding.arguments) {
                Ok(pattern) => pattern.judge(asked.headers),
                Err(error) => (false, error.to_string()),
            },
            Router::Choice(_) if chosen => {
                (true, "the exchange chooses this one for the message".to_owned())
            }
            Router::Choice(_) => (false, "the exchange chooses another one".to_owned()),
            Router::VirtualTopic(_) => {
                let names = self.settings.groups.as_ref();
                let separator = names.map_or('.', |names| names.separator);
                let pattern = virtual_topic::pattern(key, separator);
                match unlike_pattern(&pattern, asked.keys, separator) {
                    Some(reason) => (false, reason),
                    None if chosen => (true, format!("the key fits '{key}'")),
                    None => {
                        let reason = "another queue of the group fits more exactly";
                        (false, reason.to_owned())
                    }
                }
            }
        }
    }

    /// How far a binding that does not lead a message on is from doing so.
    fn distance(&self, binding: &Binding, asked: &Asked<'_>, work: &mut Work) -> Option<u32> {
        let key = &binding.key.routing_key;
        match &self.router {
            Router::Direct(_) => near::key(key, asked.keys, work),
            Router::Topic(_) => near::pattern(key, asked.keys, '.', work),
            Router::Headers(_) => {
                headers::Pattern::parse(&binding.arguments).ok()?.distance(asked.headers)
            }
            Router::VirtualTopic(_) => {
                let names = self.settings.groups.as_ref();
                let separator = names.map_or('.', |names| names.separator);
                let pattern = virtual_topic::pattern(key, separator);
                near::pattern(&pattern, asked.keys, separator, work)
            }
            Router::Fanout(_) | Router::Choice(_) => None,
        }
    }
}
