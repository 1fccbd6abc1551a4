//! Policies, kept as plainly as can be: which apply to a queue or an exchange, and what holds then.
//! They are drawn here, too.

use std::collections::BTreeMap;
use std::sync::Arc;

use warren_engine::{ApplyTo, Definition, Policies, PolicyRecord, PolicyValue};

use crate::names::{is_quorum, is_stream};
use crate::random::Random;
use crate::settings::{
    AGE, ALTERNATE, BYTES, EXPIRES, LENGTH, LETTERS, LETTERS_KEY, OVERFLOW, RETURNS, SEGMENT,
    Settings, TIMEOUT, TTL, Value, Values, declared, seconds,
};

/// The names that a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    All,
    Beginning(&'static str),
    NotBeginning(&'static str),
    Having(&'static str),
    One(&'static str),
}

impl Names {
    fn has(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Beginning(part) => name.starts_with(part),
            Self::NotBeginning(part) => !name.starts_with(part),
            Self::Having(part) => name.contains(part),
            Self::One(only) => name == only,
        }
    }

    /// As a regular expression.
    fn pattern(self) -> String {
        match self {
            Self::All => ".*".to_owned(),
            Self::Beginning(part) => format!("^{part}"),
            Self::NotBeginning(part) => format!("^(?!{part})"),
            Self::Having(part) => part.to_owned(),
            Self::One(only) => format!("^{only}$"),
        }
    }
}

/// A policy of a user or of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Policy {
    name: &'static str,
    names: Names,
    apply_to: ApplyTo,
    priority: i64,
    values: Values,
}

impl Policy {
    fn is_operators(&self) -> bool {
        OPERATORS.contains(&self.name)
    }

    fn is_for_queue(&self, name: &str) -> bool {
        let (quorum, stream) = (is_quorum(name), is_stream(name));
        let is_type = match self.apply_to {
            ApplyTo::All | ApplyTo::Queues => true,
            ApplyTo::Exchanges => false,
            ApplyTo::ClassicQueues => !quorum && !stream,
            ApplyTo::QuorumQueues => quorum,
            ApplyTo::Streams => stream,
        };
        // A policy with a setting that a type does not have is not for it.
        let has = |key: &&str| match *key {
            RETURNS => quorum,
            AGE | SEGMENT => stream,
            BYTES | TIMEOUT | ALTERNATE => true,
            _ => !stream,
        };
        is_type && self.names.has(name) && self.values.keys().all(has)
    }

    fn is_for_exchange(&self, name: &str) -> bool {
        matches!(self.apply_to, ApplyTo::All | ApplyTo::Exchanges) && self.names.has(name)
    }

    fn record(&self) -> PolicyRecord {
        let value = |value: &Value| match value {
            Value::Number(number) => PolicyValue::Number(*number),
            Value::Text(text) => PolicyValue::Text((*text).to_owned()),
        };
        let values = self.values.iter();
        PolicyRecord {
            name: self.name.to_owned(),
            pattern: self.names.pattern(),
            apply_to: self.apply_to,
            priority: self.priority,
            definition: values
                .map(|(key, said)| ((*key).to_owned(), value(said)))
                .collect::<Definition>(),
        }
    }
}

const USERS: [&str; 4] = ["p", "pa", "pb", "pc"];
const OPERATORS: [&str; 2] = ["o", "oa"];

/// All policies of the virtual host, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PolicySet(BTreeMap<&'static str, Policy>);

impl PolicySet {
    /// As the broker wants them. Patterns are right.
    pub(crate) fn compiled(&self) -> Arc<Policies> {
        let (operators, users): (Vec<&Policy>, Vec<&Policy>) =
            self.0.values().partition(|policy| policy.is_operators());
        let records = |list: Vec<&Policy>| list.into_iter().map(Policy::record).collect::<Vec<_>>();
        let compiled = Policies::compile(&records(users), &records(operators));
        Arc::new(compiled.unwrap_or_default())
    }

    /// The one with the highest priority, and of those the one whose name comes first.
    fn first(&self, is_operators: bool, applies: impl Fn(&Policy) -> bool) -> Option<&Policy> {
        let all = self.0.values().filter(|policy| policy.is_operators() == is_operators);
        let rank = |policy: &&Policy| (-policy.priority, policy.name);
        all.filter(|policy| applies(policy)).min_by_key(rank)
    }

    /// What holds for a queue: of numbers and ages the least, of all else what was said first by
    /// the declaration, the operator, the user.
    pub(crate) fn settings(&self, name: &str, times_out: bool) -> Settings {
        let mut values = declared(name, times_out);
        for is_operators in [true, false] {
            let found = self.first(is_operators, |policy| policy.is_for_queue(name));
            for (key, value) in found.iter().flat_map(|policy| &policy.values) {
                let held = values.entry(key).or_insert(*value);
                if is_less(*value, *held) {
                    *held = *value;
                }
            }
        }
        Settings::of(name, &values)
    }

    /// Where messages go for which an exchange has no binding, if a policy says so.
    pub(crate) fn alternate(&self, exchange: &str) -> Option<&'static str> {
        // Operators say nothing of it.
        let found = self.first(false, |policy| policy.is_for_exchange(exchange))?;
        match found.values.get(ALTERNATE) {
            Some(Value::Text(name)) => Some(name),
            _ => None,
        }
    }
}

fn is_less(value: Value, than: Value) -> bool {
    // -1 is no limit.
    let measured = |number: i64| if number < 0 { i64::MAX } else { number };
    match (value, than) {
        (Value::Number(value), Value::Number(than)) => measured(value) < measured(than),
        (Value::Text(value), Value::Text(than)) => match (seconds(value), seconds(than)) {
            (Some(value), Some(than)) => value < than,
            _ => false,
        },
        _ => false,
    }
}

/// Policies that are about to change.
pub(crate) struct Drawing<'a> {
    pub(crate) random: &'a mut Random,
    /// Deliveries may not stay unacknowledged for as long as they like, and nothing expires.
    pub(crate) times_out: bool,
}

impl Drawing<'_> {
    /// Sets a policy, changes one, or takes one away.
    pub(crate) fn change(&mut self, policies: &mut PolicySet) {
        let known: Vec<&str> = policies.0.keys().copied().collect();
        if let Some(name) = self.random.pick(&known).filter(|_| self.random.percent(30)) {
            policies.0.remove(name);
            return;
        }
        let is_operators = self.random.percent(30);
        let names = if is_operators { &OPERATORS[..] } else { &USERS[..] };
        let name = self.random.pick(names).unwrap_or_default();
        let policy = self.policy(name, is_operators);
        policies.0.insert(name, policy);
    }

    fn policy(&mut self, name: &'static str, is_operators: bool) -> Policy {
        if !is_operators && self.random.percent(20) {
            return self.of_exchanges(name);
        }
        if self.times_out && !is_operators && self.random.percent(40) {
            return self.of_deliveries(name);
        }
        const NAMES: [Names; 12] = [
            Names::All,
            Names::All,
            Names::Beginning("d"),
            Names::Beginning("l"),
            Names::Beginning("t"),
            Names::Beginning("q"),
            Names::Beginning("s"),
            Names::NotBeginning("d"),
            Names::Having("0"),
            Names::Having("l"),
            Names::One("d0"),
            Names::One("l3"),
        ];
        let names = self.random.pick(&NAMES).unwrap_or(Names::All);
        let kinds = [ApplyTo::All, ApplyTo::Queues, ApplyTo::ClassicQueues];
        let kinds = [&kinds[..], &[ApplyTo::QuorumQueues, ApplyTo::Streams]].concat();
        let apply_to = match self.random.percent(60) {
            true => ApplyTo::Queues,
            false => self.random.pick(&kinds).unwrap_or_default(),
        };
        let mut values = Values::new();
        for _ in 0..1 + self.random.below(3) {
            self.say(is_operators, &mut values);
        }
        let priority = self.priority();
        Policy { name, names, apply_to, priority, values }
    }

    fn priority(&mut self) -> i64 {
        self.random.pick(&[-1, 0, 0, 1, 7]).unwrap_or_default()
    }

    /// One that says how long deliveries may take, whatever the queue.
    fn of_deliveries(&mut self, name: &'static str) -> Policy {
        let timeout = self.random.pick(&[100, 500]).unwrap_or(100);
        let values = [(TIMEOUT, Value::Number(timeout))].into();
        let (names, apply_to) = (Names::All, ApplyTo::Queues);
        Policy { name, names, apply_to, priority: self.priority(), values }
    }

    /// One that says where messages go for which an exchange has no binding.
    fn of_exchanges(&mut self, name: &'static str) -> Policy {
        const NAMES: [Names; 4] = [
            Names::Beginning("d"),
            Names::One("topic"),
            Names::Beginning("amq"),
            Names::Beginning("h"),
        ];
        let names = self.random.pick(&NAMES).unwrap_or(Names::One("topic"));
        let to = self.random.pick(&["fanout", "amq.topic", "amq.fanout", "nowhere"]);
        let values = [(ALTERNATE, Value::Text(to.unwrap_or("fanout")))].into();
        let apply_to = self.random.pick(&[ApplyTo::All, ApplyTo::Exchanges]).unwrap_or_default();
        Policy { name, names, apply_to, priority: self.priority(), values }
    }

    /// Says something more.
    fn say(&mut self, is_operators: bool, values: &mut Values) {
        let all = [LENGTH, LENGTH, BYTES, OVERFLOW, OVERFLOW, TTL, EXPIRES, RETURNS];
        let of_users = [LETTERS, LETTERS, TIMEOUT, AGE, SEGMENT];
        let keys = if is_operators { all.to_vec() } else { [&all[..], &of_users].concat() };
        let Some(key) = self.random.pick(&keys) else { return };
        // Where deliveries are waited for nothing expires, and the other way round.
        let key = match key {
            TTL | EXPIRES if self.times_out && is_operators => return,
            TTL | EXPIRES if self.times_out => TIMEOUT,
            TIMEOUT if !self.times_out => TTL,
            key => key,
        };
        let numbers: &[i64] = match key {
            LENGTH => &[0, 1, 1, 2, 3, 20],
            BYTES => &[0, 40, 100, 300, 2_000],
            TTL => &[0, 30, 200, 2_000],
            EXPIRES => &[400, 3_000],
            RETURNS => &[-1, 0, 1, 3],
            TIMEOUT => &[100, 500],
            SEGMENT => &[0, 200, 1_000],
            _ => &[],
        };
        let texts: &[&'static str] = match key {
            OVERFLOW => &["drop-head", "reject-publish", "reject-publish-dlx"],
            LETTERS => &["", "", "", "amq.fanout", "direct", "nowhere"],
            AGE => &["1s", "3s"],
            _ => &[],
        };
        let number = self.random.pick(numbers).map(Value::Number);
        let text = self.random.pick(texts).map(Value::Text);
        values.extend(number.or(text).map(|value| (key, value)));
        if key == LETTERS && self.random.percent(70) {
            let to = self.random.pick(&["d0", "d1", "l0", "l3", "t0", "q0", "k0"]);
            values.extend(to.map(|to| (LETTERS_KEY, Value::Text(to))));
        }
    }
}
