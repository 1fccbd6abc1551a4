//! Exchanges that do more than to route: one chooses by chance, one keeps its last messages for who is
//! bound later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use warren_amqp::FieldValue;
use warren_engine::{BindingRecord, Destination, ExchangeType};

use super::dead_letters::Past;
use super::{Model, QueueNumber};
use crate::messages::MessageId;
use crate::names::CHANCE;
use crate::{Violation, limits};

pub(crate) const RECENT_HISTORY_LENGTH: &str = "x-recent-history-length";

/// Where a message goes.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// To these queues.
    All(Vec<String>),
    /// To one of these, or nowhere if there is none.
    One(Vec<String>),
}

/// How often the exchange that chooses by chance had the choice between some queues, and on which of
/// them it fell.
pub(super) type Choices = BTreeMap<Vec<String>, (usize, BTreeSet<String>)>;

/// The messages that an exchange keeps, the oldest one first.
pub(super) type History = VecDeque<(MessageId, Past)>;

impl Model {
    /// Where a message goes that was published now; None if it is refused. Exchanges keep it.
    pub(super) fn way(&mut self, id: MessageId) -> Option<Way> {
        let published = self.messages.get(id as usize)?;
        let publication = &published.publication;
        if publication.exchange == CHANCE {
            self.topology.exchanges.get(CHANCE)?;
            let bindings = self.topology.bindings.iter().map(|(binding, _)| binding);
            let bound = bindings.filter(|binding| binding.source == CHANCE);
            let mut names: Vec<String> = bound.filter_map(queue_of).collect();
            names.sort_unstable();
            return Some(Way::One(names));
        }
        let is_queue = |name: &str| self.names.contains_key(name);
        let route = self.topology.route(publication, is_queue)?;
        if !publication.is_not_kept {
            route.exchanges.iter().for_each(|name| self.keep(name, id, &Past::default()));
        }
        Some(Way::All(route.queues.into_iter().collect()))
    }

    /// The queues that the engine has chosen of those that a message may go to.
    pub(super) fn chosen(&mut self, id: MessageId, way: Way) -> Result<Vec<String>, Violation> {
        let of = match way {
            Way::All(names) => return Ok(names),
            Way::One(of) if of.is_empty() => return Ok(of),
            Way::One(of) => of,
        };
        let mut found = self.said.written.get(&id).cloned().unwrap_or_default();
        found.extend(self.refused_by(id));
        match found.as_slice() {
            [name] if of.contains(name) => {
                if of.len() > 1 {
                    let (made, fell_on) = self.choices.entry(of).or_default();
                    *made += 1;
                    fell_on.insert(name.clone());
                }
                Ok(found)
            }
            _ => {
                let text = format!("message {id} goes to {found:?}, not to one of {of:?}");
                Err(Violation::new("P10", text))
            }
        }
    }

    /// The queues that refuse a message in the command at hand, as it was published.
    fn refused_by(&self, id: MessageId) -> impl Iterator<Item = String> {
        let refused = self.said.refused.iter();
        let refused = refused.filter(move |it| it.message == id && it.deaths.is_empty());
        refused.map(|it| it.queue.clone())
    }

    /// The same for a message that waited for a commit: its queue may be gone by now.
    pub(super) fn chosen_before(
        &mut self,
        id: MessageId,
        of: &[QueueNumber],
    ) -> Result<Vec<String>, Violation> {
        let there = of.iter().filter_map(|number| self.queues.get(number));
        let names: Vec<String> = there.map(|queue| queue.name.clone()).collect();
        let is_chosen = self.said.written.contains_key(&id) || self.refused_by(id).next().is_some();
        if names.len() < of.len() && !is_chosen {
            return Ok(vec![]);
        }
        self.chosen(id, Way::One(names))
    }

    /// Chance does not always fall on the same queue.
    pub(crate) fn check_choices(&self) -> Result<(), Violation> {
        let is_one = |(made, fell_on): &(usize, BTreeSet<String>)| {
            *made >= limits::CHOICES_MIN && fell_on.len() == 1
        };
        match self.choices.iter().find(|(_, choice)| is_one(choice)) {
            Some((of, (made, _))) => {
                let text = format!("all of {made} messages went to the same of {of:?}");
                Err(Violation::new("P10", text))
            }
            None => Ok(()),
        }
    }

    /// An exchange that keeps its last messages has one more.
    pub(super) fn keep(&mut self, exchange: &str, id: MessageId, past: &Past) {
        let found = self.topology.exchanges.get(exchange);
        let Some((record, _)) = found else { return };
        if record.kind != ExchangeType::RecentHistory {
            return;
        }
        let most = match record.arguments.inner().get(RECENT_HISTORY_LENGTH) {
            Some(FieldValue::LongInt(most)) => *most as usize,
            _ => 0,
        };
        let history = self.histories.entry(exchange.to_owned()).or_default();
        history.push_back((id, past.clone()));
        while history.len() > most {
            history.pop_front();
        }
    }

    /// What is newly bound to an exchange gets what that has kept. Its time in a queue begins now.
    pub(super) fn give_history(&mut self, binding: &BindingRecord) -> Result<(), Violation> {
        for (id, past) in self.histories.get(&binding.source).cloned().unwrap_or_default() {
            let names = match &binding.destination {
                Destination::Queue(name) => vec![name.clone()],
                Destination::Exchange(name) => {
                    let Some(published) = self.messages.get(id as usize) else { continue };
                    let route = self.topology.route_at(name, &past.of(&published.publication));
                    route.exchanges.iter().for_each(|name| self.keep(name, id, &past));
                    route.queues.into_iter().collect()
                }
            };
            self.enter(id, &past, &names, self.now)?;
        }
        Ok(())
    }
}

fn queue_of(binding: &BindingRecord) -> Option<String> {
    match &binding.destination {
        Destination::Queue(name) => Some(name.clone()),
        Destination::Exchange(_) => None,
    }
}
