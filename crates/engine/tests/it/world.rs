//! A virtual host with what is around it: the disk that its writes go to, and the outboxes that
//! its deliveries wait in.

use std::collections::BTreeMap;
use std::sync::Arc;

use warren_engine::{
    Access, Command, Effects, Event, Load, MemoryLimits, Milliseconds, Outgoing, Policies,
    PolicyRecord, PolicySource, QueueType, Reply, Request, SessionId, Summary, VirtualHost,
    VirtualHostId,
};

use crate::durable::{Durable, returns_of};
use crate::mirror::{Known, Mirror};
use crate::render;
use crate::script::{self, At};

const ID: VirtualHostId = VirtualHostId(1);

pub(crate) struct World {
    host: VirtualHost,
    pub(crate) durable: Durable,
    sessions: Vec<SessionId>,
    /// The tags of consumers, by channel and number.
    tags: BTreeMap<(At, u32), String>,
    /// What the deliveries weigh that no `flushed` has told of.
    outboxes: BTreeMap<SessionId, usize>,
    /// Loads that are not answered, the oldest in front.
    pub(crate) loads: Vec<Load>,
    /// An answer that was read and is still on its way.
    stale: Option<Command>,
    /// Check everything after each command. It costs as much as there is, so that the few tests
    /// with tens of thousands of commands do without until the last ones.
    pub(crate) checks: bool,
    memory: Option<usize>,
    /// Policies of users and of operators.
    policies: [Vec<PolicyRecord>; 2],
    /// As `clock` last said.
    now: Milliseconds,
    /// What the virtual host has shown of itself.
    pub(crate) mirror: Mirror,
}

fn memory_limits(bytes: usize) -> MemoryLimits {
    MemoryLimits {
        queue_bytes: bytes,
        host_bytes: 2 * bytes,
        transient_queue_bytes: bytes,
        transient_host_bytes: 2 * bytes,
    }
}

impl World {
    /// A fresh virtual host with the channel s1.1.
    pub(crate) fn new() -> Self {
        let mut world = Self::fresh();
        world.run("open s1.1");
        world
    }

    /// A fresh virtual host without a session.
    pub(crate) fn fresh() -> Self {
        let mut host = VirtualHost::new(ID, "/");
        host.set_consumer_timeout(None);
        Self {
            host,
            durable: Durable::default(),
            sessions: vec![],
            tags: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            loads: vec![],
            stale: None,
            checks: true,
            memory: None,
            policies: Default::default(),
            now: 0,
            mirror: Mirror::default(),
        }
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        self.host.next_due()
    }

    pub(crate) fn summary(&self) -> Summary {
        self.host.summary()
    }

    /// Carries out a line and gives what follows from it, a line each.
    pub(crate) fn run(&mut self, line: &str) -> Vec<String> {
        if line == "due" {
            return vec![self.host.next_due().map_or("never".to_owned(), |due| due.to_string())];
        }
        if let Some(look) = self.look(line) {
            return look;
        }
        if let Some(what) = line.strip_prefix("holds ") {
            return vec![self.holds(what)];
        }
        if line == "show" {
            return self.mirror.show(&mut self.host);
        }
        let mut lines = vec![];
        for command in self.commands(line) {
            let effects = self.apply(command, line);
            lines.extend(self.render(&effects));
        }
        lines
    }

    /// What a look shows: `browse q [from 0-7] [max 2]`, `out q`.
    fn look(&self, line: &str) -> Option<Vec<String>> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let option = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).copied()
        };
        match words.as_slice() {
            ["browse", queue, ..] => {
                let from = option("from").map(script::place);
                let max = option("max").map_or(100, |max| max.parse().unwrap());
                let page = self.host.browse(queue, from, max).unwrap();
                Some(render::page(&page))
            }
            ["out", queue] => {
                let (found, count) = self.host.outstanding(queue, 0, 100).unwrap();
                let lines = found.iter().map(render::outstanding);
                Some(lines.chain([format!("{count} in all")]).collect())
            }
            _ => None,
        }
    }

    /// Somebody looks at so many things that have changed.
    pub(crate) fn peek(&mut self, items: usize) {
        self.mirror.peek(&mut self.host, items);
    }

    /// What was shown up to now, bit by bit, and what is shown to somebody who comes now.
    pub(crate) fn shown(&mut self) -> (Known, Known) {
        self.mirror.catch_up(&mut self.host);
        let mut newcomer = Mirror::default();
        self.host.observe_anew();
        newcomer.catch_up(&mut self.host);
        (std::mem::take(&mut self.mirror.known), newcomer.known)
    }

    /// The virtual host, to ask it something.
    pub(crate) fn host(&mut self) -> &mut VirtualHost {
        &mut self.host
    }

    /// The commands that a line stands for. Most lines are one; a few are about the world.
    pub(crate) fn commands(&mut self, line: &str) -> Vec<Command> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["restart"] => {
                self.restart();
                vec![]
            }
            ["open", at] => self.open(at),
            // What a session may do, opened if it is not.
            ["access", at, rest @ ..] => {
                let (session, _) = script::parse_at(at);
                let access = Arc::new(script::access(rest));
                if self.sessions.contains(&session) {
                    return vec![Command::SetAccess { session, access }];
                }
                self.sessions.push(session);
                vec![Command::OpenSession { session, access }]
            }
            ["flushed", at, bytes @ ..] => {
                let (session, _) = script::parse_at(at);
                let outbox = self.outboxes.entry(session).or_default();
                let bytes = bytes.first().map_or(*outbox, |bytes| bytes.parse().unwrap());
                *outbox -= bytes;
                vec![Command::Flushed { session, bytes }]
            }
            ["clock", milliseconds] => {
                self.now = milliseconds.parse().unwrap();
                vec![Command::Clock(self.now)]
            }
            ["default_queue_type", name] => {
                self.host.set_default_queue_type(QueueType::from_name(name.as_bytes()));
                vec![]
            }
            ["consumer_timeout", milliseconds] => {
                self.host.set_consumer_timeout(Some(milliseconds.parse().unwrap()));
                vec![]
            }
            // The oldest load is read now, and answered later by `loaded stale`.
            ["stale"] => {
                self.stale = Some(self.answer(&[]));
                vec![]
            }
            ["loaded", "stale"] => self.stale.take().into_iter().collect(),
            ["loaded", rest @ ..] => vec![self.answer(rest)],
            // Adds a policy of a user or of an operator, in the place of one of the same name.
            ["policy", name, rest @ ..] => {
                let record = script::policy(name, rest);
                self.change_policies(0, name, Some(record))
            }
            ["operator", "policy", name, rest @ ..] => {
                let record = script::policy(name, rest);
                self.change_policies(1, name, Some(record))
            }
            ["no", "policy", name] => self.change_policies(0, name, None),
            ["no", "operator", "policy", name] => self.change_policies(1, name, None),
            // So many bytes of contents may a queue have in memory, and all queues twice as many.
            ["memory", bytes] => {
                let bytes = bytes.parse().unwrap();
                self.host.set_memory_limits(memory_limits(bytes));
                self.memory = Some(bytes);
                vec![]
            }
            _ => vec![script::parse(line, self.now)],
        }
    }

    fn restart(&mut self) {
        self.host = VirtualHost::recover(ID, "/", &self.durable.recovered(ID));
        self.host.set_consumer_timeout(None);
        self.host.set_policies(Arc::new(self.compiled()));
        if let Some(bytes) = self.memory {
            self.host.set_memory_limits(memory_limits(bytes));
        }
        self.sessions.clear();
        self.outboxes.clear();
        self.loads.clear();
    }

    fn open(&mut self, at: &str) -> Vec<Command> {
        let (session, channel) = script::parse_at(at);
        let mut commands = vec![];
        if !self.sessions.contains(&session) {
            self.sessions.push(session);
            let access = Arc::new(Access::everything("guest"));
            commands.push(Command::OpenSession { session, access });
        }
        if channel != 0 {
            let request = Request::ChannelOpen;
            commands.push(Command::Request { session, channel, request });
        }
        commands
    }

    fn compiled(&self) -> Policies {
        let [user, operator] = &self.policies;
        Policies::compile(user, operator).unwrap()
    }

    fn change_policies(
        &mut self,
        whose: usize,
        name: &str,
        record: Option<PolicyRecord>,
    ) -> Vec<Command> {
        self.policies[whose].retain(|other| other.name != name);
        self.policies[whose].extend(record);
        vec![Command::SetPolicies(Arc::new(self.compiled()))]
    }

    /// What holds for `queue q` or `exchange x`, and why.
    fn holds(&self, what: &str) -> String {
        let (kind, name) = what.split_once(' ').unwrap();
        let found = match kind {
            "queue" => self.host.queue_policies(name),
            _ => self.host.exchange_policies(name),
        };
        let Some(found) = found else { return "nothing is there".to_owned() };
        let names = [found.policy, found.operator_policy].map(Option::unwrap_or_default);
        let values = found.values.iter().map(|value| {
            let source = match value.source {
                PolicySource::Argument => "argument",
                PolicySource::Policy => "policy",
                PolicySource::OperatorPolicy => "operator",
            };
            format!(" {}={} ({source})", value.key, value.value)
        });
        format!("'{}' '{}':{}", names[0], names[1], values.collect::<String>())
    }

    /// The answer to the oldest load: all that it asked for, `through N`, `without N`.
    fn answer(&mut self, words: &[&str]) -> Command {
        let load = self.loads.remove(0);
        let (mut through, mut without) = (load.last, vec![]);
        for pair in words.chunks(2) {
            match pair {
                ["through", place] => through = place.parse().unwrap(),
                ["without", place] => without.push(place.parse().unwrap()),
                other => panic!("what is {other:?}?"),
            }
        }
        let mut messages = self.durable.contents(&load);
        if messages.len() == load.messages_max as usize {
            through = through.min(messages.last().map_or(through, |(place, _)| *place));
        }
        messages.retain(|(place, _)| *place <= through);
        let (unread, messages): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|(place, _)| without.contains(place));
        let damaged = unread.into_iter();
        let damaged = damaged.map(|(place, message)| (place, message.body().len() as u32));
        let returns = returns_of(&self.durable, &load, &messages);
        Command::Loaded { load, through, messages, damaged: damaged.collect(), returns }
    }

    /// Deletes the virtual host, and gives in how many steps.
    pub(crate) fn end(&mut self) -> usize {
        let mut ending = std::mem::replace(&mut self.host, VirtualHost::new(ID, "/")).end();
        let mut steps = 0;
        loop {
            let mut effects = Effects::default();
            let ended = ending.step(&mut effects);
            assert!(effects.writes.len() < 1000, "{} writes at one time", effects.writes.len());
            for write in &effects.writes {
                if let Err(fault) = self.durable.apply(write) {
                    panic!("while the virtual host ends: {fault}");
                }
            }
            steps += 1;
            if ended {
                return steps;
            }
        }
    }

    /// Carries out a command, keeps what it wrote, and checks what must hold.
    pub(crate) fn apply(&mut self, command: Command, line: &str) -> Effects {
        let mut effects = Effects::default();
        self.host.apply(command, &mut effects);
        while effects.unfinished.is_some() {
            self.host.go_on(&mut effects);
        }
        if self.checks
            && let Err(fault) = self.host.check_invariants()
        {
            panic!("after {line:?}: {fault}");
        }
        for write in &effects.writes {
            if let Err(fault) = self.durable.apply(write) {
                panic!("after {line:?}: {fault}");
            }
        }
        for outgoing in &effects.events {
            let session = outgoing.session;
            if outgoing.event.is_delivery() {
                *self.outboxes.entry(session).or_default() += outgoing.event.weight();
            }
            match &outgoing.event {
                Event::Reply {
                    channel,
                    reply: Reply::ConsumeOk { consumer, consumer_tag, .. },
                } => {
                    self.tags.insert(((session, *channel), *consumer), consumer_tag.clone());
                }
                Event::SessionClosed | Event::SessionError { .. } => {
                    self.outboxes.remove(&session);
                    self.sessions.retain(|other| *other != session);
                }
                _ => {}
            }
        }
        if let Some(lost) = line.strip_prefix("lose ") {
            let (session, _) = script::parse_at(lost);
            self.outboxes.remove(&session);
            self.sessions.retain(|other| *other != session);
        }
        self.loads.extend(effects.loads.iter().cloned());
        effects
    }

    pub(crate) fn render(&self, effects: &Effects) -> Vec<String> {
        let mut lines = vec![];
        lines.extend(effects.events.iter().map(|outgoing| self.render_event(outgoing)));
        lines.extend(effects.writes.iter().map(|write| render::write(write, &self.durable)));
        lines.extend(effects.loads.iter().map(|load| {
            let name = self.durable.name(load.queue);
            match &load.only {
                Some(only) => format!("load {name}:{}", render::list(only)),
                None if load.is_sync() => render::places("sync", &name, load.first, load.last),
                None => render::places("load", &name, load.first, load.last),
            }
        }));
        lines.extend(effects.lost.iter().map(|(queue, place)| {
            render::places("lost", &self.durable.name(*queue), *place, *place)
        }));
        lines
    }

    pub(crate) fn render_event(&self, outgoing: &Outgoing) -> String {
        render::outgoing(outgoing, |at, number| {
            self.tags.get(&(at, number)).cloned().unwrap_or_else(|| format!("#{number}"))
        })
    }
}
