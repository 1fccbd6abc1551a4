//! The named limits of the engine, reached. These need loops, so they are no scenarios of text.

use std::sync::Arc;

use warren_amqp::FieldTable;
use warren_engine::{
    Access, Command, Declaration, Destination, Effects, Event, MessageBatch, Outgoing,
    PublishBatch, Request, SessionId, VirtualHost, VirtualHostId, limits,
};

use crate::world::World;

/// A publish of `count` persistent messages to the queue q, with bodies 1, 2, ...
fn publish(count: usize) -> String {
    let parts: Vec<_> = (1..=count).map(|body| format!("'' q {body} persistent")).collect();
    format!("publish {}", parts.join(" | "))
}

#[test]
fn a_long_backlog_is_read_back_in_parts() {
    let count = limits::LOAD_MESSAGES + 3;
    let mut world = World::new();
    world.run("declare queue q durable");
    world.run(&publish(count));
    world.run("restart");
    world.run("open s1.1");
    let asked = world.run("consume q c no_ack");
    assert_eq!(asked, ["s1.1 consume-ok c", &format!("load q:1..{count}")]);
    let first = world.run("loaded");
    let deliveries = first.iter().filter(|line| line.contains("deliver")).count();
    assert_eq!(deliveries, limits::LOAD_MESSAGES);
    let rest = format!("load q:{}..{count}", limits::LOAD_MESSAGES + 1);
    assert_eq!(first.last(), Some(&rest));
    let second = world.run("loaded");
    assert_eq!(second[2], format!("s1.1 deliver c {count} {count}"));
    assert_eq!(world.summary().messages_ready, 0);
}

#[test]
fn more_keys_than_are_remembered_are_still_routed() {
    let mut world = World::new();
    for line in ["declare queue q", "declare queue r", "bind q amq.topic even.#"] {
        world.run(line);
    }
    world.run("bind r amq.topic odd.#");
    let keys = limits::CACHED_ROUTES_PER_EXCHANGE + 10;
    world.checks = false;
    for round in 0..2 {
        for key in 0..keys {
            let parity = if key % 2 == 0 { "even" } else { "odd" };
            world.run(&format!("publish amq.topic {parity}.{key} {round}"));
        }
    }
    world.checks = true;
    for queue in ["q", "r"] {
        assert_eq!(world.run(&format!("purge {queue}")), [format!("s1.1 purge-ok {keys}")]);
    }
}

#[test]
fn a_channel_has_only_so_many_consumers() {
    let mut world = World::new();
    world.checks = false;
    world.run("declare queue q");
    for number in 0..limits::CONSUMERS_PER_CHANNEL {
        world.run(&format!("consume q c{number}"));
    }
    world.checks = true;
    assert_eq!(
        world.run("consume q one_more"),
        ["s1 connection error 60.20: reached maximum (10000) of consumers per channel"]
    );
    assert_eq!(world.summary().consumers, 0);
}

#[test]
fn contents_beyond_the_share_of_a_queue_wait_on_disk() {
    // So many stay in memory: the last of them goes over the limit.
    let stay = limits::QUEUE_RESIDENT_BYTES / 1_000_000 + 1;
    let mut world = World::new();
    world.run("declare queue q durable");
    for _ in 0..stay {
        world.run("publish '' q *1000000 persistent");
    }
    world.run("publish '' q far persistent | '' q light");
    for tag in 1..=stay {
        let left = stay - tag + 2;
        let got = world.run("get q");
        let expected = format!("s1.1 get-ok {tag} *1000000, {left} left");
        assert_eq!(got, [expected, format!("write delivered q:{tag}")]);
        world.run("flushed s1");
    }
    let far = stay + 1;
    assert_eq!(world.run("get q"), [format!("load q:{far}..{}", far + 1)]);
    let expected = format!("s1.1 get-ok {far} far, 1 left");
    assert_eq!(world.run("loaded"), [expected, format!("write delivered q:{far}")]);
    // So many are unacknowledged that one more content is not kept for its return.
    world.run(&format!("reject {far} requeue"));
    assert_eq!(world.run("get q"), [format!("load q:{far}")]);
    let tag = far + 1;
    assert_eq!(world.run("loaded"), [format!("s1.1 get-ok {tag} far again, 1 left")]);
    let tag = tag + 1;
    assert_eq!(world.run("get q"), [format!("s1.1 get-ok {tag} light, 0 left")]);
}

#[test]
fn transient_messages_that_pile_up_leave_memory() {
    let mut world = World::new();
    world.run("memory 250");
    world.run("declare queue q");
    let written = world.run("publish '' q 1 | '' q 2 | '' q 3 | '' q 4 | '' q 5");
    assert_eq!(written, ["write 4 -> spilled-1:4", "write 5 -> spilled-1:5"]);
    assert_eq!(world.durable.spilled(), 2);
    assert_eq!(
        world.run("consume q c no_ack"),
        [
            "s1.1 consume-ok c",
            "s1.1 deliver c 1 1",
            "s1.1 deliver c 2 2",
            "s1.1 deliver c 3 3",
            "load queue-1:4..5"
        ]
    );
    // What comes meanwhile does not overtake.
    assert_eq!(world.run("publish '' q 6"), ["write 6 -> spilled-1:6"]);
    assert_eq!(
        world.run("loaded"),
        [
            "s1.1 deliver c 4 4",
            "s1.1 deliver c 5 5",
            "write settled spilled-1:4..5",
            "load queue-1:6"
        ]
    );
    assert_eq!(world.run("loaded"), ["s1.1 deliver c 6 6", "write settled spilled-1:6"]);
    assert_eq!(world.durable.spilled(), 0);
    assert_eq!(world.run("publish '' q 7"), ["s1.1 deliver c 7 7"]);
    world.run("restart");
    assert_eq!(world.summary().queues, 0);
}

#[test]
fn unacknowledged_contents_beyond_the_share_wait_on_disk() {
    let mut world = World::new();
    world.run("declare queue q durable");
    world.run("consume q c");
    world.run("memory 150");
    assert_eq!(world.run("publish '' q 1"), ["s1.1 deliver c 1 1"]);
    assert_eq!(world.run("publish '' q 2"), ["s1.1 deliver c 2 2"]);
    assert_eq!(
        world.run("publish '' q 3 persistent"),
        ["s1.1 deliver c 3 3", "write 3 -> q:3", "write delivered q:3"]
    );
    assert_eq!(world.run("publish '' q 4"), ["s1.1 deliver c 4 4", "write 4 -> spilled-1:4"]);
    assert_eq!(world.run("ack 3"), ["write settled q:3"]);
    assert_eq!(world.run("cancel c"), ["s1.1 cancel-ok c"]);
    world.run("recover");
    assert_eq!(world.run("get q no_ack"), ["s1.1 get-ok 5 1 again, 2 left"]);
    assert_eq!(world.run("get q no_ack"), ["s1.1 get-ok 6 2 again, 1 left"]);
    assert_eq!(world.run("get q no_ack"), ["load q:4"]);
    assert_eq!(world.run("loaded"), ["s1.1 get-ok 7 4 again, 0 left", "write settled spilled-1:4"]);
}

#[test]
fn a_purge_forgets_what_is_on_disk_too() {
    let mut world = World::new();
    world.run("memory 150");
    world.run("declare queue q durable");
    world.run("publish '' q 1 | '' q 2 | '' q 3 persistent | '' q 4");
    assert_eq!(
        world.run("purge q"),
        ["once written: s1.1 purge-ok 4", "write settled q:3..4", "write settled spilled-1:3..4"]
    );
    assert_eq!(world.durable.spilled(), 0);
    world.run("publish '' q 5 | '' q 6 | '' q 7");
    assert_eq!(
        world.run("delete queue q"),
        ["once written: s1.1 delete-ok 3", "write no queue q", "write no queue spilled-1"]
    );
}

#[test]
fn a_batch_for_very_many_queues_is_published_in_steps_and_in_order() {
    const QUEUES: u32 = 300;
    const MESSAGES: u32 = 200;
    let session = SessionId(1);
    let mut host = VirtualHost::new(VirtualHostId(1), "/");
    let mut effects = Effects::default();
    let access = Arc::new(Access::everything("guest"));
    host.apply(Command::OpenSession { session, access }, &mut effects);
    let mut request = |host: &mut VirtualHost, request| {
        host.apply(Command::Request { session, channel: 1, request }, &mut effects);
    };
    request(&mut host, Request::ChannelOpen);
    request(&mut host, Request::ConfirmSelect { no_wait: true });
    for number in 0..QUEUES {
        let declaration = Declaration { no_wait: true, ..Declaration::default() };
        let (name, arguments) = (format!("q{number}"), FieldTable::default());
        let name = Request::QueueDeclare { name, generated: false, declaration, arguments };
        request(&mut host, name);
        request(
            &mut host,
            Request::Bind {
                source: "amq.fanout".to_owned(),
                destination: Destination::Queue(format!("q{number}")),
                routing_key: String::new(),
                arguments: FieldTable::default(),
                no_wait: true,
            },
        );
    }
    effects.clear();
    let mut messages = MessageBatch::default();
    for _ in 0..MESSAGES {
        messages.push("amq.fanout", "", &[0, 0], b"body");
    }
    messages.finish();
    let publishes = vec![(1, false); MESSAGES as usize];
    let batch = PublishBatch { session, messages: messages.into(), publishes, to: None };
    host.apply(Command::Publish(batch), &mut effects);
    let mut next = 1;
    let mut steps = 0;
    loop {
        for Outgoing { event, .. } in effects.events.drain(..) {
            let Event::Confirm { first, last, .. } = event else { panic!("{event:?}") };
            assert_eq!(first, next, "confirms are in order");
            next = last + 1;
        }
        steps += 1;
        let ready = host.summary().messages_ready;
        assert!(ready <= steps * (limits::PUBLISH_STEP_COPIES + QUEUES as usize), "{ready}");
        if effects.unfinished.is_none() {
            break;
        }
        host.go_on(&mut effects);
    }
    assert!(steps > 2, "{steps} steps");
    assert_eq!(next, u64::from(MESSAGES) + 1, "all are confirmed");
    assert_eq!(host.summary().messages_ready, (QUEUES * MESSAGES) as usize);
}

#[test]
fn a_session_that_asks_without_end_is_ended() {
    let mut world = World::new();
    world.checks = false;
    world.run("declare queue q durable");
    world.run("publish '' q 1 persistent");
    world.run("restart");
    world.run("open s1.1");
    let mut last = world.run("get q");
    assert_eq!(last, ["load q:1"]);
    for _ in 0..=limits::WAITING_GETS {
        last = world.run("get q");
    }
    assert_eq!(
        last,
        [
            "s1 connection error 60.70: reached maximum (16384) of basic.get requests that wait for an \
          answer"
        ]
    );
}

/// A queue that has so many messages on their way out that no more of them may expire is looked at
/// again when these have gone.
#[test]
fn a_message_expires_though_very_many_leave_its_queue_at_that_time() {
    let mut world = World::new();
    world.checks = false;
    world.run("clock 1000");
    world.run("declare queue dead");
    let letters = "x-dead-letter-exchange='' x-dead-letter-routing-key=dead";
    world.run(&format!("declare queue q x-message-ttl=1000 {letters}"));
    world.run("consume q c");
    let many = vec!["'' q x"; 1000].join(" | ");
    for _ in 0..10 {
        world.run(&format!("publish {many}"));
    }
    world.run("cancel c");
    world.run("publish '' q last");
    world.run("nack 0 multiple");
    for _ in 0..300 {
        world.run("clock 2000");
        world.checks = true;
        if world.run("due") == ["never"] {
            break;
        }
    }
    let lines = world.run("declare queue dead passive");
    assert_eq!(lines, ["s1.1 declare-ok dead, 10001 ready, 0 consumers"]);
}
