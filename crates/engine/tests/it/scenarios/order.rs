//! The order of answers on a channel whose `basic.get` waits.

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn later_answers_on_a_channel_come_after_that_of_a_get() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; restart
        given open s1.1; open s1.2; open s2.1; confirm
        get q
          > load q:1..2
        declare queue r
        consume r c
        publish '' r 3 | '' nobody 4 mandatory
        # Other channels do not wait.
        declare queue r on s1.2
          > s1.2 declare-ok r, 1 ready, 1 consumers
        declare queue r on s2.1
          > s2.1 declare-ok r, 1 ready, 1 consumers
        loaded
          > s1.1 get-ok 1 1, 1 left
          > s1.1 declare-ok r, 0 ready, 0 consumers
          > s1.1 consume-ok c
          > s1.1 return 4
          > s1.1 confirm 1..2
          > s1.1 deliver c 2 3
          > write delivered q:1
        ",
    );
}

#[test]
fn each_get_is_answered_in_its_place() {
    scenario(
        "
        given declare queue q durable; declare queue r
        given publish '' q 1 persistent | '' q 2 persistent; restart; open s1.1
        given declare queue r; publish '' r 3
        get q
          > load q:1..2
        qos 1
        get r
        qos 2
        get r
        recover
        loaded
          > s1.1 get-ok 1 1, 1 left
          > s1.1 qos-ok
          > s1.1 get-ok 2 3, 0 left
          > s1.1 qos-ok
          > s1.1 get-empty
          > s1.1 recover-ok
          > write delivered q:1
        ",
    );
}

#[test]
fn consumers_of_a_channel_with_a_waiting_get_keep_their_turn_until_it_is_answered() {
    scenario(
        "
        given declare queue q durable; declare queue r durable
        given publish '' q 1 persistent; restart; open s1.1; open s2.1
        given consume r c; consume r d on s2.1
        get q
          > load q:1
        publish '' r 2 | '' r 3 on s2.1
          > s2.1 deliver d 1 2
          > s2.1 deliver d 2 3
        loaded
          > s1.1 get-ok 1 1, 0 left
          > write delivered q:1
        publish '' r 4 | '' r 5 on s2.1
          > s2.1 deliver d 3 4
          > s1.1 deliver c 2 5
        ",
    );
}

#[test]
fn a_get_whose_queue_goes_lets_go_what_waited_for_it() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; restart
        given open s1.1; open s2.1
        get q
          > load q:1
        declare queue r
        delete queue q on s2.1
          > s1.1 get-empty
          > s1.1 declare-ok r, 0 ready, 0 consumers
          > once written: s2.1 delete-ok 1
          > write no queue q
        qos 1
          > s1.1 qos-ok
        ",
    );
}

#[test]
fn a_channel_that_is_closed_forgets_its_get_and_what_waited_for_it() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; restart; open s1.1
        get q
          > load q:1
        declare queue r
        close s1.1
          > s1.1 close-ok
        given open s1.1
        qos 1
          > s1.1 qos-ok
        loaded
        get q
          > s1.1 get-ok 1 1, 0 left
          > write delivered q:1
        ",
    );
}

#[test]
fn a_client_that_asks_for_very_much_behind_a_get_is_sent_away() {
    let mut world = World::new();
    world.checks = false;
    world.run("declare queue q durable");
    world.run("publish '' q 1 persistent");
    world.run("restart");
    world.run("open s1.1");
    world.run("open s2.1");
    assert_eq!(world.run("get q"), ["load q:1"]);
    let most = warren_engine::limits::HELD_BYTES / warren_engine::limits::DELIVERY_OVERHEAD_BYTES;
    for _ in 0..most {
        assert!(world.run("qos 1").is_empty());
    }
    let limit = warren_engine::limits::HELD_BYTES;
    let text = format!("more than {limit} bytes of answers wait for that of a basic.get");
    assert_eq!(world.run("qos 1"), [format!("s1 connection error 60.70: {text}")]);
    world.checks = true;
    assert!(world.run("loaded").is_empty());
    assert_eq!(world.run("get q on s2.1"), ["s2.1 get-ok 1 1, 0 left", "write delivered q:1"]);
}
