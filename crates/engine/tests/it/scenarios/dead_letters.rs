//! Messages that queues give up, and where they go.

use warren_engine::limits;

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn a_rejected_message_goes_to_the_dead_letter_exchange_in_one_command() {
    scenario(
        "
        given declare queue q durable x-dead-letter-exchange='' x-dead-letter-routing-key=dead
        given declare queue dead durable; consume q c; publish '' q 1 persistent
        reject 1
          > write 1 {q rejected 1} -> dead:1
          > write settled q:1
        get dead
          > s1.1 get-ok 2 1 {q rejected 1}, 0 left
          > write delivered dead:1
        ",
    );
}

#[test]
fn a_message_keeps_its_key_and_goes_wherever_that_leads() {
    scenario(
        "
        given declare exchange dlx topic; declare queue a; declare queue b; declare queue other
        given bind a dlx q; bind b dlx #; bind other dlx x
        given declare queue q x-dead-letter-exchange=dlx; consume q c
        given publish '' q 1
        nack 1
        get a
          > s1.1 get-ok 2 1 {q rejected 1}, 0 left
        get b
          > s1.1 get-ok 3 1 {q rejected 1}, 0 left
        get other
          > s1.1 get-empty
        ",
    );
}

#[test]
fn without_the_exchange_a_dead_letter_is_dropped() {
    scenario(
        "
        given declare queue q durable x-dead-letter-exchange=none
        given consume q c; publish '' q 1 persistent | '' q 2 persistent
        nack 2 multiple
          > write settled q:1..2
        ",
    );
}

#[test]
fn a_message_may_go_round_if_somebody_refuses_it_each_time() {
    scenario(
        "
        given declare queue q x-dead-letter-exchange='' x-dead-letter-routing-key=q
        given publish '' q 1
        get q
          > s1.1 get-ok 1 1, 0 left
        reject 1
        get q
          > s1.1 get-ok 2 1 {q rejected 1}, 0 left
        reject 2
        get q
          > s1.1 get-ok 3 1 {q rejected 2}, 0 left
        ",
    );
}

#[test]
fn a_message_that_goes_round_by_itself_is_dropped() {
    scenario(
        "
        given declare queue a x-max-length=1 x-dead-letter-exchange='' x-dead-letter-routing-key=b
        given declare queue b x-max-length=1 x-dead-letter-exchange='' x-dead-letter-routing-key=a
        given publish '' a 1 | '' a 2 | '' a 3
        get a no_ack
          > s1.1 get-ok 1 3, 0 left
        get b no_ack
          > s1.1 get-ok 2 2 {a maxlen 1}, 0 left
        get a
          > s1.1 get-empty
        get b
          > s1.1 get-empty
        ",
    );
}

#[test]
fn contents_on_disk_are_read_before_they_go() {
    scenario(
        "
        given declare queue q durable x-dead-letter-exchange='' x-dead-letter-routing-key=dead
        given declare queue dead durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
        given memory 1; consume q c
        nack 3 multiple
          > write 1 {q rejected 1} -> dead:1
          > write settled q:1
          > load q:2..3
        loaded
          > write 2 {q rejected 1} -> dead:2
          > write settled q:2
          > write 3 {q rejected 1} -> dead:3
          > write settled q:3
        ",
    );
}

#[test]
fn what_cannot_be_read_is_lost_and_the_others_go() {
    scenario(
        "
        given declare queue q durable x-dead-letter-exchange='' x-dead-letter-routing-key=dead
        given declare queue dead durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
        given memory 1; consume q c
        nack 3 multiple
          > write 1 {q rejected 1} -> dead:1
          > write settled q:1
          > load q:2..3
        loaded without 2
          > write settled q:2
          > write 3 {q rejected 1} -> dead:2
          > write settled q:3
          > lost q:2
        ",
    );
}

#[test]
fn a_restart_before_they_went_finds_them_in_their_queue() {
    scenario(
        "
        given declare queue q durable x-dead-letter-exchange='' x-dead-letter-routing-key=dead
        given declare queue dead durable
        given publish '' q 1 persistent | '' q 2 persistent; memory 1; consume q c
        nack 2 multiple
          > write 1 {q rejected 1} -> dead:1
          > write settled q:1
          > load q:2
        restart
        open s1.1
        get q
          > load q:2
        loaded
          > s1.1 get-ok 1 2 again, 0 left
        get dead
          > load dead:1
        ",
    );
}

#[test]
fn what_left_a_queue_goes_before_the_queue_is_deleted() {
    let mut world = World::new();
    world.run("declare queue q x-dead-letter-exchange='' x-dead-letter-routing-key=dead");
    world.run("declare queue dead");
    let count = 2 * limits::DEAD_LETTER_STEP;
    let parts: Vec<_> = (1..=count).map(|body| format!("'' q {body}")).collect();
    world.run(&format!("publish {}", parts.join(" | ")));
    world.run("consume q c");
    world.run("nack 0 multiple");
    world.run("delete queue q");
    assert_eq!(world.run("purge dead"), [format!("s1.1 purge-ok {count}")]);
}

#[test]
fn many_at_once_go_step_by_step() {
    let mut world = World::new();
    world.run("declare queue q durable x-dead-letter-exchange='' x-dead-letter-routing-key=dead");
    world.run("declare queue dead");
    let count = 3 * limits::DEAD_LETTER_STEP;
    let parts: Vec<_> = (1..=count).map(|body| format!("'' q {body}")).collect();
    world.run(&format!("publish {}", parts.join(" | ")));
    world.run("consume q c");
    let ready = |world: &World| world.summary().messages_ready;
    world.run("nack 0 multiple");
    assert_eq!(ready(&world), limits::DEAD_LETTER_STEP);
    // A new one goes behind the others.
    world.run("publish '' q new");
    world.run(&format!("nack {}", count + 1));
    assert_eq!(world.next_due(), Some(0));
    world.run("clock 1");
    world.run("clock 2");
    assert_eq!(world.next_due(), None);
    assert_eq!(ready(&world), count + 1);
    world.run("consume dead d no_ack");
    let mut last = vec![];
    for _ in 0..100 {
        last.extend(world.run("flushed s1"));
    }
    assert_eq!(world.run("get dead"), ["s1.1 get-empty"]);
}
