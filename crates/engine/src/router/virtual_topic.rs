//! Routing to groups: each group gets a message once, however many of its patterns match.
//!
//! A binding is a pattern of words, as with topic exchanges; `>` is the rest of a key, like `#`. It
//! belongs to the group that its argument `x-group` names, or that the queue's name holds, or else
//! to a group of the queue's own. When several queues of one group match, the one with the most
//! exact pattern gets the message.

use std::borrow::Cow;
use std::cmp::Reverse;

use rustc_hash::FxHashMap;
use warren_amqp::{FieldTable, FieldValue};

use super::topic::TopicRouter;
use super::{Target, Targets};
use crate::Error;
use crate::exchange::GroupNames;
use crate::record::{BindingRecord, Destination};

const GROUP: &str = "x-group";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Group {
    Named(String),
    /// Of a target that is bound without a group.
    Own(Target),
}

/// How exact a pattern is, and then the name of where it leads: the least one comes first.
type Rank = (Reverse<usize>, usize, usize, Destination);

/// What one pattern leads to.
#[derive(Debug)]
struct Member {
    target: Target,
    group: Group,
    rank: Rank,
}

/// The number of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct MemberId(u32);

#[derive(Debug)]
pub(crate) struct VirtualTopicRouter {
    names: GroupNames,
    patterns: TopicRouter<MemberId>,
    members: Vec<Option<Member>>,
    free: Vec<u32>,
    /// Members by pattern, target and group, each with how many bindings say so.
    known: FxHashMap<(String, Target, Group), (MemberId, u32)>,
    /// The targets of each group.
    groups: FxHashMap<Group, Targets>,
    /// How many groups have more than one target.
    shared: usize,
    found: Vec<MemberId>,
}

/// The group that arguments of a binding name.
pub(crate) fn group(arguments: &FieldTable) -> Result<Option<&str>, Error> {
    let text = match arguments.inner().get(GROUP) {
        None => return Ok(None),
        Some(FieldValue::LongString(text)) => str::from_utf8(text.as_bytes()).ok(),
        Some(FieldValue::ShortString(text)) => Some(text.as_str()),
        Some(_) => None,
    };
    let group = text.filter(|text| !text.is_empty());
    let reason = || format!("Invalid argument, '{GROUP}' must be a text that is not empty");
    group.map(Some).ok_or_else(|| Error::Unacceptable { reason: reason() })
}

/// The arguments of a binding to a group.
pub(crate) fn group_arguments(group: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(GROUP.into(), FieldValue::LongString(group.into()));
    arguments
}

/// The pattern of a binding key: `>` is `#`, and what comes after it does not count.
pub(crate) fn pattern(key: &str, separator: char) -> Cow<'_, str> {
    match key.split(separator).position(|word| word == ">") {
        None => Cow::Borrowed(key),
        Some(at) => {
            let words = key.split(separator).take(at).chain(["#"]);
            Cow::Owned(words.collect::<Vec<_>>().join(separator.encode_utf8(&mut [0; 4])))
        }
    }
}

fn rank(pattern: &str, separator: char, name: &Destination) -> Rank {
    let words = || pattern.split(separator);
    let count = |wanted: fn(&str) -> bool| words().filter(|word| wanted(word)).count();
    let (stars, hashes) = (count(|word| word == "*"), count(|word| word == "#"));
    (Reverse(count(|word| word != "*" && word != "#")), hashes, stars, name.clone())
}

impl VirtualTopicRouter {
    pub(crate) fn new(names: GroupNames) -> Self {
        Self {
            patterns: TopicRouter::apart_by(names.separator),
            names,
            members: vec![],
            free: vec![],
            known: FxHashMap::default(),
            groups: FxHashMap::default(),
            shared: 0,
            found: vec![],
        }
    }

    fn group_of(&self, binding: &BindingRecord, target: Target) -> Group {
        let from_name = |name: &str| self.names.parse(name).map(|(group, _)| group.to_owned());
        let named = match (group(&binding.arguments), &binding.destination) {
            (Ok(Some(group)), _) => Some(group.to_owned()),
            (_, Destination::Queue(name)) => from_name(name),
            (_, Destination::Exchange(_)) => None,
        };
        named.map_or(Group::Own(target), Group::Named)
    }

    pub(crate) fn insert(&mut self, binding: &BindingRecord, target: Target) {
        let pattern = pattern(&binding.routing_key, self.names.separator);
        let group = self.group_of(binding, target);
        let key = (pattern.into_owned(), target, group);
        if let Some((_, bindings)) = self.known.get_mut(&key) {
            *bindings += 1;
            return;
        }
        let (pattern, _, group) = key.clone();
        let rank = rank(&pattern, self.names.separator, &binding.destination);
        let member = Member { target, rank, group: group.clone() };
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                self.members.push(None);
                self.members.len() as u32 - 1
            }
        };
        if let Some(slot) = self.members.get_mut(id as usize) {
            *slot = Some(member);
        }
        self.known.insert(key, (MemberId(id), 1));
        self.patterns.insert(&pattern, MemberId(id));
        let targets = self.groups.entry(group).or_default();
        let before = targets.len();
        targets.insert(target);
        self.shared += usize::from(before == 1 && targets.len() == 2);
    }

    pub(crate) fn remove(&mut self, binding: &BindingRecord, target: Target) {
        let pattern = pattern(&binding.routing_key, self.names.separator);
        let group = self.group_of(binding, target);
        let key = (pattern.into_owned(), target, group);
        let Some((id, bindings)) = self.known.get_mut(&key) else { return };
        let id = *id;
        *bindings -= 1;
        if *bindings > 0 {
            return;
        }
        self.known.remove(&key);
        let (pattern, _, group) = key;
        self.patterns.remove(&pattern, id);
        if let Some(slot) = self.members.get_mut(id.0 as usize) {
            *slot = None;
        }
        self.free.push(id.0);
        if let Some(targets) = self.groups.get_mut(&group) {
            let before = targets.len();
            targets.remove(target);
            self.shared -= usize::from(before == 2 && targets.len() == 1);
            if targets.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    pub(crate) fn route(&mut self, keys: &[&str], found: &mut Vec<Target>) {
        self.found.clear();
        for key in keys {
            self.patterns.route(key, &mut self.found);
        }
        let members = self.found.iter().filter_map(|id| self.members.get(id.0 as usize)?.as_ref());
        if self.shared == 0 {
            found.extend(members.map(|member| member.target));
            return;
        }
        let mut best: FxHashMap<&Group, &Member> = FxHashMap::default();
        for member in members {
            let chosen = best.entry(&member.group).or_insert(member);
            if member.rank < chosen.rank {
                *chosen = member;
            }
        }
        // In an order that does not hang on hashes.
        let mut targets: Vec<Target> = best.values().map(|member| member.target).collect();
        targets.sort_unstable();
        found.extend(targets);
    }
}

#[cfg(test)]
mod tests;
