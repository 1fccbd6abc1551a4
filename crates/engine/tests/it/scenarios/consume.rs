//! Consumers: rounds, prefetch, outboxes.

use std::sync::Arc;

use warren_engine::{Access, Command, SessionId};

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn a_consumer_gets_what_waits_and_what_comes() {
    scenario(
        "
        given declare queue q; publish '' q 1
        consume q c
          > s1.1 consume-ok c
          > s1.1 deliver c 1 1
        publish '' q 2 | '' q 3
          > s1.1 deliver c 2 2
          > s1.1 deliver c 3 3
        ",
    );
}

#[test]
fn deliveries_without_acknowledgement_are_settled_at_once() {
    scenario(
        "
        given declare queue q durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 | '' q 4 persistent
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
          > s1.1 deliver c 3 3
          > s1.1 deliver c 4 4
          > write settled q:1..2
          > write settled q:4
        publish '' q 5 persistent
          > s1.1 deliver c 5 5
          > write 5 -> q:5
          > write settled q:5
        ",
    );
}

#[test]
fn a_silent_consumer_is_still_told_to_its_session() {
    scenario(
        "
        given declare queue q
        consume q c no_wait
          > s1.1 consume-ok c (silent)
        cancel c no_wait
          > s1.1 cancel-ok c (silent)
        ",
    );
}

#[test]
fn a_consumer_tag_is_used_once_a_channel() {
    scenario(
        "
        given open s1.2; declare queue q; consume q c; consume q c on s1.2
        consume q c
          > s1 connection error 60.20: attempt to reuse consumer tag 'c'
        ",
    );
}

#[test]
fn a_consumer_tag_is_free_again_after_cancel() {
    scenario(
        "
        given declare queue q; consume q c; cancel c
        consume q c
          > s1.1 consume-ok c
        ",
    );
}

#[test]
fn cancelling_an_unknown_tag_is_no_error() {
    scenario(
        "
        cancel nobody
          > s1.1 cancel-ok nobody
        ",
    );
}

#[test]
fn an_exclusive_consumer_keeps_others_away() {
    scenario(
        "
        given open s2.1; declare queue q; consume q c exclusive
        consume q d on s2.1
          > s2.1 channel error 60.20: queue 'q' in vhost '/' in exclusive use
        cancel c
          > s1.1 cancel-ok c
        open s2.1
        consume q d on s2.1
          > s2.1 consume-ok d
        ",
    );
}

#[test]
fn an_exclusive_consumer_wants_nobody_there() {
    scenario(
        "
        given open s2.1; declare queue pq; consume pq c
        consume pq d exclusive on s2.1
          > s2.1 channel error 60.20: queue 'pq' in vhost '/' in exclusive use
        ",
    );
}

#[test]
fn an_exclusive_consumer_does_not_keep_get_away() {
    scenario(
        "
        given open s2.1; declare queue q; qos 1; consume q c exclusive; publish '' q 1 | '' q 2
        get q on s2.1
          > s2.1 get-ok 1 2, 0 left
        ",
    );
}

#[test]
fn an_exclusive_consumer_that_is_gone_makes_room() {
    scenario(
        "
        given open s2.1; declare queue q; consume q c exclusive on s2.1
        lose s2
        consume q d
          > s1.1 consume-ok d
        ",
    );
}

#[test]
fn cancelling_keeps_what_is_unacknowledged() {
    scenario(
        "
        given declare queue q durable; consume q c; publish '' q 1 persistent | '' q 2
        cancel c
          > s1.1 cancel-ok c
        ack 1
          > write settled q:1
        nack 2 requeue
        declare queue q durable passive
          > s1.1 declare-ok q, 1 ready, 0 consumers
        ",
    );
}

#[test]
fn consumers_are_served_in_rounds() {
    scenario(
        "
        given open s2.1; declare queue q; consume q a; consume q b; consume q c on s2.1
        publish '' q 1 | '' q 2 | '' q 3 | '' q 4
          > s1.1 deliver a 1 1
          > s1.1 deliver b 2 2
          > s2.1 deliver c 1 3
          > s1.1 deliver a 3 4
        publish '' q 5
          > s1.1 deliver b 4 5
        publish '' q 6
          > s2.1 deliver c 2 6
        ",
    );
}

#[test]
fn a_consumer_of_several_queues_has_credit_for_each() {
    scenario(
        "
        given declare queue q; declare queue r; qos 1; consume q a; consume r b
        publish '' q 1 | '' r 2 | '' q 3 | '' r 4
          > s1.1 deliver a 1 1
          > s1.1 deliver b 2 2
        ack 2
          > s1.1 deliver b 3 4
        ",
    );
}

#[test]
fn prefetch_counts_for_each_consumer_made_later() {
    scenario(
        "
        given declare queue q; consume q free; cancel free; qos 2; consume q c
        publish '' q 1 | '' q 2 | '' q 3 | '' q 4
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
        ack 1
          > s1.1 deliver c 3 3
        qos 5
          > s1.1 qos-ok
        publish '' q 5
        ack 2
          > s1.1 deliver c 4 4
        ",
    );
}

#[test]
fn prefetch_zero_is_no_limit() {
    scenario(
        "
        given declare queue q; qos 1; qos 0; consume q c
        publish '' q 1 | '' q 2 | '' q 3
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
          > s1.1 deliver c 3 3
        ",
    );
}

#[test]
fn prefetch_of_a_channel_counts_for_all_its_consumers() {
    scenario(
        "
        given declare queue q; declare queue r; qos 2 global; consume q a; consume r b
        publish '' q 1 | '' r 2 | '' q 3 | '' r 4
          > s1.1 deliver a 1 1
          > s1.1 deliver a 2 3
        ack 1
          > s1.1 deliver b 3 2
        ack 2 | ack 3
          > s1.1 deliver b 4 4
        ",
    );
}

#[test]
fn both_prefetches_count() {
    scenario(
        "
        given declare queue q; qos 1; consume q a; qos 2; consume q b; qos 2 global
        publish '' q 1 | '' q 2 | '' q 3 | '' q 4
          > s1.1 deliver a 1 1
          > s1.1 deliver b 2 2
        ack 2
          > s1.1 deliver b 3 3
        ack 1
          > s1.1 deliver a 4 4
        ",
    );
}

#[test]
fn raising_the_prefetch_of_a_channel_delivers() {
    scenario(
        "
        given declare queue q; qos 1 global; consume q c; publish '' q 1 | '' q 2 | '' q 3
        qos 2 global
          > s1.1 qos-ok
          > s1.1 deliver c 2 2
        qos 0 global
          > s1.1 qos-ok
          > s1.1 deliver c 3 3
        ",
    );
}

#[test]
fn lowering_the_prefetch_of_a_channel_waits_for_acknowledgements() {
    scenario(
        "
        given declare queue q; qos 3 global; consume q c; publish '' q 1 | '' q 2 | '' q 3 | '' q 4
        qos 1 global
          > s1.1 qos-ok
        ack 1
        ack 2
        ack 3
          > s1.1 deliver c 4 4
        ",
    );
}

#[test]
fn prefetch_does_not_count_for_no_ack() {
    scenario(
        "
        given declare queue q; qos 1; qos 1 global; consume q c no_ack
        publish '' q 1 | '' q 2 | '' q 3
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
          > s1.1 deliver c 3 3
        ",
    );
}

#[test]
fn get_does_not_count_for_prefetch() {
    scenario(
        "
        given declare queue q; qos 1; qos 1 global; publish '' q 1 | '' q 2
        get q
          > s1.1 get-ok 1 1, 1 left
        consume q c
          > s1.1 consume-ok c
          > s1.1 deliver c 2 2
        ",
    );
}

#[test]
fn parked_consumers_come_back_at_the_end_of_the_round() {
    scenario(
        "
        given declare queue q; qos 1; consume q a; consume q b; qos 0; consume q c
        publish '' q 1 | '' q 2 | '' q 3 | '' q 4 | '' q 5
          > s1.1 deliver a 1 1
          > s1.1 deliver b 2 2
          > s1.1 deliver c 3 3
          > s1.1 deliver c 4 4
          > s1.1 deliver c 5 5
        ack 2
        ack 1
        publish '' q 6 | '' q 7 | '' q 8
          > s1.1 deliver c 6 6
          > s1.1 deliver b 7 7
          > s1.1 deliver a 8 8
        ",
    );
}

#[test]
fn a_full_outbox_stops_deliveries_and_flushing_goes_on() {
    scenario(
        "
        given open s2.1; declare queue q; consume q c no_ack; consume q d no_ack on s2.1
        publish '' q *1000000 | '' q *1000001 | '' q *1000002 | '' q *1000003 | '' q *1000004
          > s1.1 deliver c 1 *1000000
          > s2.1 deliver d 1 *1000001
          > s1.1 deliver c 2 *1000002
          > s2.1 deliver d 2 *1000003
          > s1.1 deliver c 3 *1000004
        publish '' q *1000005
          > s2.1 deliver d 3 *1000005
        publish '' q *1000006
        publish '' q 1
        flushed s1 2000000
          > s1.1 deliver c 4 *1000006
          > s1.1 deliver c 5 1
        flushed s2
        publish '' q 2
          > s1.1 deliver c 6 2
        ",
    );
}

#[test]
fn a_get_waits_for_room_in_the_outbox_and_keeps_nobody_else_waiting() {
    scenario(
        "
        given declare queue q; declare queue r; open s2.1
        given consume q c no_ack; publish '' q *2100000; publish '' r 1 | '' r 2 | '' r 3 | '' r 4
        get r
        get r no_ack
        get r on s2.1
          > s2.1 get-ok 1 1, 3 left
        flushed s1
          > s1.1 get-ok 2 2, 2 left
          > s1.1 get-ok 3 3, 1 left
        get r
          > s1.1 get-ok 4 4, 0 left
        ",
    );
}

#[test]
fn gets_are_answered_as_far_as_the_outbox_has_room() {
    scenario(
        "
        given declare queue q; open s1.2
        given publish '' q *1500000 | '' q *1600000 | '' q *1700000 | '' q 4
        get q
          > s1.1 get-ok 1 *1500000, 3 left
        get q
          > s1.1 get-ok 2 *1600000, 2 left
        get q
        get q on s1.2
        get q
        flushed s1 2000000
          > s1.1 get-ok 3 *1700000, 1 left
        close s1.1
          > s1.1 close-ok
        flushed s1
          > s1.2 get-ok 1 *1500000 again, 3 left
        ",
    );
}

#[test]
fn a_get_that_waited_for_a_queue_that_is_gone_finds_nothing() {
    scenario(
        "
        given declare queue q; declare queue r; open s2.1
        given consume q c no_ack; publish '' q *2100000; publish '' r 1
        get r
        delete queue r on s2.1
          > s2.1 delete-ok 1
        flushed s1
          > s1.1 get-empty
        ",
    );
}

#[test]
fn flushing_a_little_of_a_full_outbox_delivers_nothing() {
    scenario(
        "
        given declare queue q; consume q c no_ack; publish '' q *4000000 | '' q 1
        flushed s1 1000000
        flushed s1 1000000
          > s1.1 deliver c 2 1
        ",
    );
}

#[test]
fn a_full_outbox_holds_for_all_channels_of_a_session() {
    scenario(
        "
        given open s1.2; declare queue q; declare queue r; consume q c no_ack
        given consume r d no_ack on s1.2; publish '' q *2100000
        publish '' r 1
        flushed s1
          > s1.2 deliver d 1 1
        ",
    );
}

#[test]
fn a_closed_channel_takes_its_consumers_along() {
    scenario(
        "
        given open s1.2; declare queue q; consume q a; consume q b on s1.2
        close s1.2
          > s1.2 close-ok
        publish '' q 1 | '' q 2
          > s1.1 deliver a 1 1
          > s1.1 deliver a 2 2
        ",
    );
}

#[test]
fn a_channel_on_which_a_message_is_refused_ends_with_the_reason() {
    scenario(
        "
        given declare queue q durable; consume q c; publish '' q 1 persistent
        fail
          > s1.1 channel error 60.40: too large
        open s1.1
        get q
          > s1.1 get-ok 1 1 again, 0 left
        ",
    );
}

#[test]
fn a_session_that_is_opened_again_keeps_its_consumers() {
    let mut world = World::new();
    world.run("declare queue q");
    world.run("consume q c");
    let access = Arc::new(Access::everything("guest"));
    let open = Command::OpenSession { session: SessionId(1), access };
    let again = world.apply(open, "open s1 again");
    assert!(again.is_empty());
    assert_eq!(world.run("publish '' q 1"), ["s1.1 deliver c 1 1"]);
}
