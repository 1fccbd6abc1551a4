//! The named limits of the engine, reached. These need loops, so they are no scenarios of text.

use warren_engine::limits;

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
    assert_eq!(asked, ["s1.1 consume-ok c", &format!("load q:1..{}", limits::LOAD_MESSAGES)]);
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
    for round in 0..2 {
        for key in 0..keys {
            let parity = if key % 2 == 0 { "even" } else { "odd" };
            world.run(&format!("publish amq.topic {parity}.{key} {round}"));
        }
    }
    for queue in ["q", "r"] {
        assert_eq!(world.run(&format!("purge {queue}")), [format!("s1.1 purge-ok {keys}")]);
    }
}

#[test]
fn a_channel_has_only_so_many_consumers() {
    let mut world = World::new();
    // One queue each, or else each consumer would make checking the others dearer.
    for number in 0..limits::CONSUMERS_PER_CHANNEL {
        world.run(&format!("declare queue q{} no_wait", number % 100));
        world.run(&format!("consume q{} c{number}", number % 100));
    }
    assert_eq!(
        world.run("consume q0 one_more"),
        ["s1 connection error 60.20: reached maximum (10000) of consumers per channel"]
    );
    assert_eq!(world.summary().consumers, 0);
}
