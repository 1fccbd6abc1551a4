//! Random commands, played to the engine and to the naive broker of `model.rs` side by side.

use proptest::prelude::*;
use proptest::sample::select;
use warren_engine::{Event, MessageCounters, Outgoing, Reply};

use crate::model::Model;
use crate::script::parse_at;
use crate::world::World;

/// A random line. In it, `@` is a body that no other message has, `~3` one of the tags that are
/// unacknowledged on the line's channel, and `some binding 3` one of the bindings there are.
#[derive(Clone, Debug)]
struct Step {
    line: String,
    at: &'static str,
    /// Open the channel first if it is closed; otherwise the command may go nowhere.
    reopen: bool,
}

const QUEUES: &[&str] = &["a", "b", "c", "d"];
const EXCHANGES: &[&str] = &["x", "y", "z", "amq.topic", "amq.match"];
const KEYS: &[&str] = &["k", "k", "l", "k.l", "''"];
const PATTERNS: &[&str] = &["k", "k", "l", "#", "k.*"];
const BINDING_HEADERS: &[&str] = &["h=1", "h=2 i=1", "x-match=any h=1 i=1"];

/// One word of a line, or none, each as likely as it stands here.
fn words(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    select(choices)
}

/// Nearly always nothing, so that what is declared mostly is what is there.
fn flags() -> impl Strategy<Value = &'static str> {
    words(&[
        "",
        "",
        "",
        "",
        "",
        "durable",
        "auto_delete",
        "exclusive",
        "passive",
        "x-max-length=5000",
    ])
}

/// The arguments of each name are the same.
fn arguments(queue: &str) -> &'static str {
    match queue {
        "b" => "x-max-priority=3",
        "c" => "x-max-priority=200",
        "d" => "x-single-active-consumer=true",
        _ => "",
    }
}

fn declaration() -> impl Strategy<Value = String> {
    // The flags of each name are fixed but for the rare other one.
    let queue = (words(QUEUES), flags()).prop_map(|(queue, other)| {
        let usual = match queue {
            "a" | "b" => "durable",
            "c" => "auto_delete",
            _ => "",
        };
        let flags = if other == usual { "" } else { other };
        let arguments = arguments(queue);
        format!("declare queue {queue} {usual} {flags} {arguments}")
    });
    let exchange = (words(&["x", "y", "z"]), flags(), words(&["direct", "topic"])).prop_map(
        |(name, other, kind)| {
            let (kind, usual) = match name {
                "x" => ("topic", "durable alternate-exchange=z"),
                "y" => ("fanout", "auto_delete"),
                _ => (kind, "durable auto_delete alternate-exchange=y"),
            };
            let passive = if other == "passive" { "passive" } else { "" };
            format!("declare exchange {name} {kind} {usual} {passive}")
        },
    );
    prop_oneof![3 => queue, 2 => exchange]
}

fn topology() -> impl Strategy<Value = String> {
    let destination = prop_oneof![
        4 => words(QUEUES).prop_map(str::to_owned),
        1 => words(&["''"]).prop_map(str::to_owned),
        1 => words(EXCHANGES).prop_map(|name| format!("exchange:{name}")),
    ];
    // Few different ones, so that what is bound is unbound now and then.
    let source = prop_oneof![
        4 => (words(&["x", "y", "z", "amq.topic"]), words(PATTERNS))
            .prop_map(|(name, key)| format!("{name} {key}")),
        1 => words(BINDING_HEADERS).prop_map(|headers| format!("amq.match '' {headers}")),
        2 => (words(PATTERNS), words(&["", "x-group=g", "x-group=g", "x-group=h"]))
            .prop_map(|(key, group)| format!("amq.virtual-topic {key} {group}")),
    ];
    let binding = (words(&["bind", "bind", "unbind"]), destination, source)
        .prop_map(|(verb, to, source)| format!("{verb} {to} {source}"));
    let delete_queue = (words(QUEUES), words(&["", "if_unused", "if_empty"]))
        .prop_map(|(queue, how)| format!("delete queue {queue} {how}"));
    let delete_exchange = (words(&["x", "y", "z"]), words(&["", "if_unused"]))
        .prop_map(|(name, how)| format!("delete exchange {name} {how}"));
    let purge = words(QUEUES).prop_map(|queue| format!("purge {queue}"));
    prop_oneof![
        8 => declaration(),
        8 => binding,
        3 => (0..20_u8).prop_map(|nth| format!("unbind some binding {nth}")),
        1 => delete_queue,
        1 => delete_exchange,
        1 => purge,
    ]
}

/// Messages of one read, on the channels of one session.
fn publish(session: &'static str) -> impl Strategy<Value = String> {
    let exchange = prop_oneof![
        12 => words(&["''"]),
        12 => words(&["x", "y", "amq.topic", "amq.match", "amq.virtual-topic"]),
        1 => words(&["z", "nowhere", "amq.rabbitmq.trace"]),
    ];
    let exchange = exchange.prop_flat_map(|name| {
        let keys = if name == "''" { &["a", "a", "b", "c", "d"] } else { KEYS };
        (Just(name), select(keys))
    });
    let body = prop_oneof![5 => Just("@"), 1 => Just("*@")];
    let headers = words(&[
        "",
        "h=1",
        "h=2 i=1",
        "i=1",
        "CC=[l,b]",
        "CC=[k.l] BCC=[a]",
        "BCC=[k,c,5] h=1",
        "",
        "CC=[]",
    ]);
    let flags = words(&["", "persistent", "persistent", "mandatory", "mandatory persistent"]);
    let priority = words(&["", "", "p0", "p1", "p2", "p3", "p4", "p255"]);
    let part = (exchange, body, headers, flags, priority, 1..3_u8).prop_map(
        move |((exchange, key), body, headers, flags, priority, channel)| {
            format!("{exchange} {key} {body} {headers} {flags} {priority} on {session}.{channel}")
        },
    );
    proptest::collection::vec(part, 1..7).prop_map(|parts| format!("publish {}", parts.join(" | ")))
}

fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => (0..8_u8).prop_map(|nth| format!("~{nth}")),
        1 => Just("0 multiple".to_owned()),
        1 => words(&["999", "1"]).prop_map(str::to_owned),
    ]
}

fn consuming() -> impl Strategy<Value = String> {
    let multiple = || words(&["", "", "multiple"]);
    let consume = (
        words(&["a", "a", "b", "b", "c", "d", "''"]),
        words(&["t", "u", "v"]),
        words(&["", "", "", "", "", "no_ack", "no_ack", "exclusive"]),
        words(&["", "", "", "x-priority=1", "x-priority=9", "x-priority=-1"]),
    );
    prop_oneof![
        8 => consume.prop_map(|(queue, tag, how, priority)| {
            format!("consume {queue} {tag} {how} {priority}")
        }),
        2 => words(&["t", "u", "v"]).prop_map(|tag| format!("cancel {tag}")),
        4 => (words(&["0", "1", "2", "3"]), words(&["", "global"]))
            .prop_map(|(count, global)| format!("qos {count} {global}")),
        12 => (tag(), multiple()).prop_map(|(tag, multiple)| format!("ack {tag} {multiple}")),
        2 => (tag(), tag()).prop_map(|(first, second)| format!("ack {first} | ack {second}")),
        6 => (tag(), multiple(), words(&["", "requeue"]))
            .prop_map(|(tag, multiple, requeue)| format!("nack {tag} {multiple} {requeue}")),
        2 => (tag(), words(&["", "requeue"])).prop_map(|(tag, how)| format!("reject {tag} {how}")),
        6 => (words(&["a", "b", "c", "d", "''"]), words(&["", "no_ack"]))
            .prop_map(|(queue, how)| format!("get {queue} {how}")),
        1 => words(&["recover", "recover", "recover discard"]).prop_map(str::to_owned),
        2 => Just("confirm".to_owned()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let places = [("s1.1", "s1"), ("s1.2", "s1"), ("s2.1", "s2"), ("s3.2", "s3")];
    let at = select(places.to_vec());
    at.prop_flat_map(|(at, session)| {
        let on = move |line: String| format!("{line} on {at}");
        let line = prop_oneof![
            8 => topology().prop_map(on),
            14 => publish(session),
            18 => consuming().prop_map(on),
            3 => Just(format!("flushed {session}")),
            1 => Just(format!("close {at}")).prop_map(on),
            1 => Just("fail".to_owned()).prop_map(on),
            1 => words(&["close", "lose"]).prop_map(move |how| format!("{how} {session}")),
            2 => Just("restart".to_owned()),
        ];
        (line, prop::bool::weighted(0.95)).prop_map(move |(line, reopen)| Step { line, at, reopen })
    })
}

/// The engine and the model, playing the same lines.
struct Pair {
    world: World,
    model: Model,
    /// The lines as played, and what followed.
    played: Vec<String>,
    transcript: Vec<String>,
    bodies: usize,
    tally: Tally,
}

/// What sessions were told of, to compare with what is counted.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    deliver: u64,
    get: u64,
    get_empty: u64,
    redeliver: u64,
    returned: u64,
    confirmed: u64,
}

impl Tally {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Deliver { redelivered, .. } => {
                self.deliver += 1;
                self.redeliver += u64::from(*redelivered);
            }
            Event::GetOk { redelivered, .. } => {
                self.get += 1;
                self.redeliver += u64::from(*redelivered);
            }
            Event::Reply { reply: Reply::GetEmpty, .. } => self.get_empty += 1,
            Event::Return { .. } => self.returned += 1,
            Event::Confirm { first, last, .. } => self.confirmed += last - first + 1,
            _ => {}
        }
    }

    /// The same as the virtual host counted it.
    fn counted(counted: &MessageCounters) -> Self {
        Self {
            deliver: counted.deliver + counted.deliver_no_ack,
            get: counted.get + counted.get_no_ack,
            get_empty: counted.get_empty,
            redeliver: counted.redeliver,
            returned: counted.return_unroutable,
            confirmed: counted.confirm,
        }
    }
}

impl Pair {
    fn new(memory: usize) -> Self {
        let mut pair = Self {
            world: World::fresh(),
            model: Model::new(),
            played: vec![],
            transcript: vec![],
            bodies: 0,
            tally: Tally::default(),
        };
        // Something to begin with, so that short runs meet each other too.
        pair.play(&format!("memory {memory}")).expect("no fault");
        let scene = "open s1.1; declare queue a durable; \
                     declare queue b durable x-max-priority=3; \
                     declare queue d x-single-active-consumer=true; \
                     declare exchange x topic durable alternate-exchange=z; bind a x #; bind d x k";
        for line in scene.split(';').map(str::trim) {
            pair.play(line).expect("a scene without faults");
        }
        pair
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        if step.reopen && !self.model.is_open(parse_at(step.at)) {
            self.play(&format!("open {}", step.at))?;
        }
        let line = match step.line.strip_prefix("unbind some binding ") {
            None => step.line.clone(),
            Some(rest) => {
                let (nth, on) = rest.split_once(' ').expect("a line with a channel");
                let Some(binding) = self.model.binding(nth.parse().unwrap()) else { return Ok(()) };
                format!("unbind {binding} {on}")
            }
        };
        // The model knows no `basic.get` that waits; scenarios do.
        if line.starts_with("get ") && self.model.outbox_is_full(parse_at(step.at).0) {
            return Ok(());
        }
        let tags = self.model.tags(parse_at(step.at));
        let mut words = vec![];
        for word in line.split_whitespace() {
            words.push(match (word, word.strip_prefix('~')) {
                ("@", _) => {
                    self.bodies += 1;
                    format!("m{}", self.bodies)
                }
                // Two of these fill an outbox.
                ("*@", _) => {
                    self.bodies += 1;
                    format!("*{}", 1_100_000 + self.bodies)
                }
                (_, Some(_)) if tags.is_empty() => return Ok(()),
                (_, Some(nth)) => tags[nth.parse::<usize>().unwrap() % tags.len()].to_string(),
                (word, None) => word.to_owned(),
            });
        }
        self.play(&words.join(" "))
    }

    /// Plays a line to both and compares.
    fn play(&mut self, line: &str) -> Result<(), String> {
        self.played.push(line.to_owned());
        if line == "restart" {
            self.model.restart();
            self.tally = Tally::default();
        }
        for command in self.world.commands(line) {
            let expected = self.model.apply(&command);
            let events = play_through(&mut self.world, command, line, &mut self.transcript);
            events.iter().for_each(|outgoing| self.tally.note(&outgoing.event));
            // Somebody looks on all the time, at a little of what has changed.
            self.world.peek(2);
            self.compare(&expected, &events)?;
        }
        self.model.check(self.world.summary())?;
        self.model.check_durable(&self.world.durable)?;
        if self.model.has_dangling_binding() {
            return Err("the model itself is wrong".to_owned());
        }
        Ok(())
    }

    fn compare(&mut self, expected: &[String], events: &[Outgoing]) -> Result<(), String> {
        let (first, deliveries) = events.split_at(expected.len().min(events.len()));
        let first: Vec<_> = first.iter().map(|event| self.world.render_event(event)).collect();
        if first != expected {
            return Err(format!("expected {expected:#?}, the engine gave {first:#?}"));
        }
        for Outgoing { session, event, .. } in events.iter().take(expected.len()) {
            if matches!(event, Event::GetOk { .. }) {
                self.model.fill_outbox(*session, event.weight());
            }
        }
        for outgoing in deliveries {
            let delivered = self.model.deliver(outgoing.session, &outgoing.event);
            delivered.map_err(|fault| format!("{}: {fault}", self.world.render_event(outgoing)))?;
        }
        Ok(())
    }

    /// Compares what is counted with what sessions were told, and what was shown bit by bit with what
    /// somebody sees who comes now.
    fn check_shown(&mut self) -> Result<(), String> {
        let (bit_by_bit, at_once) = self.world.shown();
        if bit_by_bit != at_once {
            return Err(format!("shown was {bit_by_bit:#?}, there is {at_once:#?}"));
        }
        let counted = Tally::counted(&at_once.host.messages);
        if counted != self.tally {
            return Err(format!("{:?} happened, {counted:?} is counted", self.tally));
        }
        let queues = at_once.queues.values().map(|(_, counts)| counts);
        let ready: u64 = queues.clone().map(|counts| counts.ready.messages).sum();
        let of_queues: u64 = queues.clone().map(|counts| counts.unacknowledged.messages).sum();
        let out = at_once.channels.values().map(|channel| channel.messages_unacknowledged);
        let out: u64 = out.sum();
        // Channels hold messages of queues that are gone, too.
        if of_queues > out {
            return Err(format!("queues have given {of_queues}, channels hold {out}"));
        }
        let summary = self.world.summary();
        let found = (at_once.queues.len(), at_once.bindings.len(), at_once.channels.len());
        let found = (found, at_once.consumers.len(), ready as usize, out as usize);
        let there = (summary.queues, summary.bindings, summary.channels);
        let there = (there, summary.consumers, summary.messages_ready);
        if found != (there.0, there.1, there.2, summary.messages_unacknowledged) {
            return Err(format!("{found:?} is shown, there is {summary:?}"));
        }
        let published: u64 = queues.map(|counts| counts.messages.publish).sum();
        if published > at_once.host.exchanges.publish_out {
            return Err(format!("{published} came to queues, more than exchanges gave"));
        }
        Ok(())
    }

    /// Restarts and empties all queues, each message compared.
    fn drain(&mut self) -> Result<(), String> {
        self.play("restart")?;
        self.play("open s1.1")?;
        for (queue, messages) in self.model.backlog() {
            for _ in 0..=messages {
                self.play(&format!("get {queue} no_ack"))?;
                self.play("flushed s1")?;
            }
        }
        Ok(())
    }
}

/// Carries out a command and answers the loads that follow, as if the disk took no time.
fn play_through(
    world: &mut World,
    command: warren_engine::Command,
    line: &str,
    transcript: &mut Vec<String>,
) -> Vec<Outgoing> {
    let mut events = vec![];
    let mut commands = vec![command];
    while let Some(command) = commands.pop() {
        let effects = world.apply(command, line);
        transcript.extend(world.render(&effects));
        events.extend(effects.events);
        if let Some(load) = world.loads.first() {
            // One message at a time, so that many loads follow each other.
            let answer = format!("loaded through {}", load.first);
            commands.extend(world.commands(&answer));
        }
    }
    events
}

proptest! {
    // A failure shows the commands themselves, so that no file of seeds is wanted.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        // 256 cases; the environment variable PROPTEST_CASES asks for others.
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_does_what_a_naive_broker_does(
        // A few messages fit, or hardly one, or all: the rest is on disk.
        memory in select(vec![usize::MAX / 2, usize::MAX / 2, 300, 120, 0]),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut pair = Pair::new(memory);
        for step in &steps {
            if let Err(fault) = pair.step(step) {
                let played = pair.played.join("\n");
                return Err(TestCaseError::fail(format!("after\n{played}\n---\n{fault}")));
            }
        }
        if let Err(fault) = pair.check_shown().and_then(|()| pair.drain()) {
            let played = pair.played.join("\n");
            return Err(TestCaseError::fail(format!("after\n{played}\n---\n{fault}")));
        }
        // The same lines to another engine: the same effects, the writes included.
        let mut again = World::fresh();
        let mut transcript = vec![];
        for line in &pair.played {
            for command in again.commands(line) {
                play_through(&mut again, command, line, &mut transcript);
            }
        }
        prop_assert_eq!(transcript, pair.transcript);
        again.end();
        prop_assert!(again.durable.is_empty(), "a deleted virtual host leaves something");
    }
}

/// A delivery is compared by its text, so texts must tell bodies apart.
#[test]
fn long_bodies_are_told_apart_by_their_length() {
    let mut world = World::new();
    world.run("declare queue q");
    world.run("publish '' q *700001 | '' q *700002");
    assert_eq!(world.run("get q no_ack"), ["s1.1 get-ok 1 *700001, 1 left"]);
    assert_eq!(world.run("get q no_ack"), ["s1.1 get-ok 2 *700002, 0 left"]);
}
