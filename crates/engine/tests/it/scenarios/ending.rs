//! Virtual hosts that are deleted.

use crate::world::World;

fn ended(lines: &str) -> usize {
    let mut world = World::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        world.run(line);
    }
    assert!(!world.durable.is_empty(), "there is something to delete");
    let steps = world.end();
    assert!(world.durable.is_empty(), "something is left");
    steps
}

#[test]
fn nothing_is_left_on_disk() {
    ended(
        "
        memory 100
        declare queue q durable
        declare queue t
        declare queue d durable x-dead-letter-exchange=x
        declare exchange x fanout durable
        declare exchange y topic durable
        bind q x k
        bind t x k
        bind q y a.*
        bind exchange:amq.fanout amq.topic k
        publish '' q 1 persistent | '' q 2 persistent | '' t 3 | '' t 4 | '' d 5 persistent
        open s2.1
        declare queue e exclusive durable on s2.1
        publish '' e 6 persistent | '' e 7 persistent
        consume q c on s2.1
        consume d c
        get t
        ",
    );
}

#[test]
fn it_goes_in_steps() {
    let mut lines = String::new();
    for number in 0..1000 {
        lines.push_str(&format!("declare queue q{number} durable\n"));
        lines.push_str(&format!("bind q{number} amq.topic k\n"));
    }
    assert!(ended(&lines) > 5);
}
