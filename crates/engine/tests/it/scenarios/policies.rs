//! Policies: what applies, and that it holds at once for what is there.

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn a_queue_has_the_policy_that_matches_from_its_declaration_on() {
    scenario(
        "
        policy low '' max-length=9
        policy high ^q priority=1 max-length=2
        operator policy op ^q message-ttl=60000
        declare queue q x-max-length=5
        > s1.1 declare-ok q, 0 ready, 0 consumers
        holds queue q
        > 'high' 'op': max-length=2 (policy) message-ttl=60000 (operator)
        declare queue other
        > s1.1 declare-ok other, 0 ready, 0 consumers
        holds queue other
        > 'low' '': max-length=9 (policy)
        given publish '' q 1 | '' q 2 | '' q 3
        get q no_ack
        > s1.1 get-ok 1 2, 1 left
        holds exchange amq.topic
        > 'low' '': max-length=9 (policy)
        holds queue none
        > nothing is there
        ",
    );
}

#[test]
fn a_policy_changes_queues_that_are_there() {
    scenario(
        "
        given declare queue q; publish '' q 1 | '' q 2 | '' q 3
        policy p q max-length=2
        declare queue q passive
        > s1.1 declare-ok q, 2 ready, 0 consumers
        no policy p
        publish '' q 4
        get q no_ack
        > s1.1 get-ok 1 2, 2 left
        # What is said of it again is no change.
        policy p q max-length=2
        policy p q max-length=2
        publish '' q 5
        get q no_ack
        > s1.1 get-ok 2 4, 1 left
        holds queue q
        > 'p' '': max-length=2 (policy)
        ",
    );
}

#[test]
fn a_policy_of_durable_messages_is_written_as_their_end() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
        policy p ^q max-length=1
        > write settled q:1..2
        policy p ^q max-length=1 overflow=reject-publish
        given confirm
        publish '' q 4 persistent
        > s1.1 refuse 1
        policy p ^q max-length-bytes=3 overflow=reject-publish
        publish '' q 56 persistent
        > once written: s1.1 confirm 2
        > write 56 -> q:4
        publish '' q 7 persistent
        > s1.1 refuse 3
        policy p ^q max-length-bytes=2
        > write settled q:3
        ",
    );
}

#[test]
fn messages_that_wait_have_the_time_that_is_newly_set() {
    scenario(
        "
        clock 1000
        given declare queue q; publish '' q old
        clock 5000
        publish '' q young
        policy p q message-ttl=2000
        declare queue q passive
        > s1.1 declare-ok q, 1 ready, 0 consumers
        due
        > 7000
        clock 6999
        get q
        > s1.1 get-ok 1 young, 0 left
        nack 1 requeue
        clock 7000
        declare queue q passive
        > s1.1 declare-ok q, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn messages_that_have_not_expired_stay_when_the_time_is_taken_away() {
    scenario(
        "
        clock 1000
        given declare queue q; declare queue own x-message-ttl=3000
        policy p '' message-ttl=2000
        given publish '' q 1 | '' own 1
        no policy p
        due
        > 4000
        clock 3500
        publish '' q 2
        clock 60000
        declare queue q passive
        > s1.1 declare-ok q, 2 ready, 0 consumers
        declare queue own passive
        > s1.1 declare-ok own, 0 ready, 0 consumers
        # A longer time holds for what waits, too, and a shorter one for what comes back.
        get q
        > s1.1 get-ok 1 1, 1 left
        policy p '' message-ttl=100000
        due
        > 103500
        policy p '' message-ttl=1000
        declare queue q passive
        > s1.1 declare-ok q, 0 ready, 0 consumers
        nack 1 requeue
        clock 60001
        declare queue q passive
        > s1.1 declare-ok q, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn a_time_of_its_own_counts_again_when_that_of_the_queue_is_gone() {
    scenario(
        "
        clock 1000
        given declare queue q
        policy p q message-ttl=1000
        given publish '' q a | '' q b expiration:5000 | '' q c expiration:90000 | '' q d
        policy p q message-ttl=60000
        due
        > 6000
        clock 6000
        declare queue q passive
        > s1.1 declare-ok q, 3 ready, 0 consumers
        no policy p
        clock 6001
        due
        > 91000
        clock 91000
        get q no_ack
        > s1.1 get-ok 1 a, 1 left
        get q no_ack
        > s1.1 get-ok 2 d, 0 left
        ",
    );
}

#[test]
fn what_is_on_disk_has_the_new_time() {
    scenario(
        "
        memory 0
        clock 1000
        given declare queue q durable; publish '' q a persistent | '' q b persistent expiration:9000
        clock 3000
        publish '' q c persistent
        > write c -> q:3
        policy p q message-ttl=4000
        > load q:1..3
        loaded
        due
        > 5000
        clock 5000
        > write settled q:1
        > load q:2..3
        loaded
        > write settled q:2
        > load q:3
        loaded
        policy p q message-ttl=8000
        due
        > 11000
        clock 11000
        > write settled q:3
        ",
    );
}

#[test]
fn what_came_while_a_restart_was_looked_through_has_its_own_time_again() {
    scenario(
        "
        memory 0
        clock 1000
        given declare queue q durable; publish '' q a persistent expiration:90000
        given restart; open s1.1
        clock 2000
        policy p q message-ttl=5000
        publish '' q b persistent expiration:6000
        > write b -> q:2
        no policy p
        loaded
        > load q:2
        loaded
        clock 8000
        > load q:2
        loaded
        > write settled q:2
        ",
    );
}

#[test]
fn a_message_without_content_has_its_own_time_again() {
    scenario(
        "
        memory 0
        clock 1000
        given declare queue q durable
        policy p q message-ttl=1000
        given publish '' q a persistent expiration:5000 | '' q b persistent
        get q
        loaded
        > s1.1 get-ok 1 a, 1 left
        > write delivered q:1
        > load q:2
        nack 1 requeue
        no policy p
        loaded
        > load q:1
        loaded
        due
        > 6000
        ",
    );
}

#[test]
fn a_message_that_comes_back_after_the_change_has_its_own_time() {
    scenario(
        "
        memory 0
        clock 1000
        given declare queue q durable
        policy p q message-ttl=1000
        given publish '' q a persistent expiration:5000
        get q
        loaded
        > s1.1 get-ok 1 a, 0 left
        > write delivered q:1
        no policy p
        nack 1 requeue
        > load q:1
        loaded
        due
        > 6000
        ",
    );
}

#[test]
fn an_unused_queue_goes_by_a_policy_and_its_time_begins_with_it() {
    scenario(
        "
        clock 1000
        given declare queue q; declare queue used; consume used c
        clock 9000
        policy p '' expires=2000
        due
        > 11000
        clock 10999
        holds queue q
        > 'p' '': expires=2000 (policy)
        clock 11000
        holds queue q
        > nothing is there
        holds queue used
        > 'p' '': expires=2000 (policy)
        no policy p
        cancel c
        > s1.1 cancel-ok c
        due
        > never
        ",
    );
}

#[test]
fn dead_letters_go_where_a_policy_says() {
    scenario(
        "
        given declare queue q; declare queue dead; declare queue other
        policy p ^q dead-letter-exchange='' dead-letter-routing-key=dead
        given publish '' q 1 | '' q 2 | '' q 3
        given get q
        reject 1
        get dead no_ack
        > s1.1 get-ok 2 1 {q rejected 1}, 0 left
        policy p ^q dead-letter-exchange='' dead-letter-routing-key=other
        given get q
        reject 3
        get other no_ack
        > s1.1 get-ok 4 2 {q rejected 1}, 0 left
        no policy p
        given get q
        reject 5
        get other
        > s1.1 get-empty
        get dead
        > s1.1 get-empty
        ",
    );
}

#[test]
fn letters_on_their_way_are_dropped_when_the_policy_is_gone() {
    scenario(
        "
        memory 0
        given declare queue dead durable; declare queue q durable
        policy p ^q dead-letter-exchange='' dead-letter-routing-key=dead
        given publish '' q 1 persistent
        get q
        > load q:1
        loaded
        > s1.1 get-ok 1 1, 0 left
        > write delivered q:1
        reject 1
        > load q:1
        no policy p
        clock 1
        > write settled q:1
        loaded
        ",
    );
}

#[test]
fn a_message_comes_back_as_often_as_a_policy_lets_it() {
    scenario(
        "
        given declare queue q durable x-queue-type=quorum; publish '' q 1 persistent
        policy p ^q delivery-limit=1
        get q
        > s1.1 get-ok 1 1, 0 left
        > write delivered q:1
        nack 1 requeue
        > write returned q:1 1
        policy p ^q delivery-limit=2
        given get q; nack 2 requeue
        policy p ^q delivery-limit=-1
        given get q; nack 3 requeue; get q; nack 4 requeue
        operator policy op ^q delivery-limit=1
        get q
        > s1.1 get-ok 5 1 {came back 4} again, 0 left
        nack 5 requeue
        > write settled q:1
        ",
    );
}

#[test]
fn a_consumer_is_waited_for_as_long_as_a_policy_says() {
    scenario(
        "
        clock 1000
        given declare queue q; publish '' q 1 | '' q 2; qos 1; consume q c
        given open s1.2; qos 1 on s1.2; consume q d x-consumer-timeout=60000 on s1.2
        clock 2000
        policy p ^q consumer-timeout=5000
        clock 2500
        clock 7000
        clock 8000
        > s1.1 channel error 0.0: delivery acknowledgement on channel 1 timed out. Timeout value used: 5000 ms. This timeout value can be configured, see consumers doc guide to learn more
        ",
    );
}

#[test]
fn a_message_without_a_binding_goes_where_a_policy_says() {
    scenario(
        "
        given declare exchange x direct; declare exchange y direct alternate-exchange=amq.topic
        given declare exchange other fanout; declare queue q; bind q other ''; declare queue t; bind t amq.topic #
        publish x k 1 mandatory
        > s1.1 return 1
        policy p ^(x|y)$ alternate-exchange=other apply=exchanges
        publish x k 2 mandatory
        publish y k 3 mandatory
        get q no_ack
        > s1.1 get-ok 1 2, 0 left
        get t no_ack
        > s1.1 get-ok 2 3, 0 left
        holds exchange y
        > 'p' '': alternate-exchange=<<\"amq.topic\">> (argument)
        given delete exchange x; declare exchange x direct
        publish x k 4 mandatory
        no policy p
        publish x k 5 mandatory
        > s1.1 return 5
        ",
    );
}

#[test]
fn a_restart_finds_queues_with_their_policies() {
    scenario(
        "
        clock 1000
        given declare queue q durable; declare queue r durable; declare exchange x direct durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
        policy p ^(q|x)$ max-length=2 message-ttl=5000 alternate-exchange=amq.fanout
        > write settled q:1
        restart
        clock 2000
        > load q:2..3
        open s1.1
        declare queue q passive
        > s1.1 declare-ok q, 2 ready, 0 consumers
        holds queue q
        > 'p' '': alternate-exchange=<<\"amq.fanout\">> (policy) max-length=2 (policy) message-ttl=5000 (policy)
        publish '' q 4 persistent
        > write 4 -> q:4
        loaded
        > write settled q:2
        clock 6000
        > write settled q:3
        > load q:4
        loaded
        clock 7000
        > write settled q:4
        ",
    );
}

#[test]
fn a_stream_keeps_what_a_policy_says() {
    let mut world = World::new();
    world.run("declare queue s durable x-queue-type=stream x-stream-max-segment-size-bytes=1000");
    for _ in 0..10 {
        world.run("publish '' s *500 persistent");
    }
    let lines = world.run("policy p ^s max-length-bytes=2000");
    assert!(lines.iter().any(|line| line.starts_with("write settled s:1..")), "{lines:?}");
    let lines = world.run("declare queue s passive");
    assert_eq!(lines, ["s1.1 declare-ok s, 2 ready, 0 consumers"]);
}

#[test]
fn priorities_and_their_lanes_have_the_new_time() {
    scenario(
        "
        clock 1000
        given declare queue q x-max-priority=5; publish '' q low p0 | '' q high p5
        given get q
        clock 2000
        publish '' q new p5
        policy p q message-ttl=500
        declare queue q passive
        > s1.1 declare-ok q, 1 ready, 0 consumers
        # The lane of the message that comes back is a new one, or was used since.
        nack 1 requeue
        clock 2001
        declare queue q passive
        > s1.1 declare-ok q, 1 ready, 0 consumers
        clock 2500
        declare queue q passive
        > s1.1 declare-ok q, 0 ready, 0 consumers
        ",
    );
}

/// No command does more than a part of it, and in the end all of it is done.
#[test]
fn many_queues_and_many_messages_are_worked_off_in_parts() {
    let mut world = World::new();
    world.checks = false;
    for number in 0..3000 {
        world.run(&format!("declare queue q{number}"));
    }
    let many = vec!["'' q7 x"; 1000].join(" | ");
    for _ in 0..20 {
        world.run(&format!("publish {many}"));
    }
    world.run("clock 1000");
    world.run("policy p ^q max-length=10 x-message-deduplication=1");
    assert_eq!(world.run("due"), ["1000"], "there is more to do");
    for step in 0..200 {
        world.run("clock 1000");
        if world.run("due") == ["never"] {
            assert!(step > 2, "it came in parts");
            world.checks = true;
            let lines = world.run("declare queue q7 passive");
            assert_eq!(lines, ["s1.1 declare-ok q7, 10 ready, 0 consumers"]);
            assert_eq!(world.run("holds queue q2999")[0].split(' ').next(), Some("'p'"));
            return;
        }
    }
    panic!("it does not end");
}
