//! Whose turn it is when several consumers share one limit: of a channel, or of a connection's
//! outbox. Nobody is left behind as long as the others are served.

use crate::scenario::scenario;

#[test]
fn queues_that_share_the_limit_of_a_channel_are_served_in_turn() {
    scenario(
        "
        given qos 1 global; declare queue q; declare queue r; declare queue s
        given publish '' q 1 | '' q 2 | '' r 3 | '' r 4 | '' s 5 | '' s 6
        given consume q a; consume r b; consume s c
        ack 1
          > s1.1 deliver b 2 3
        ack 2
          > s1.1 deliver c 3 5
        ack 3
          > s1.1 deliver a 4 2
        ack 4
          > s1.1 deliver b 5 4
        ",
    );
}

#[test]
fn consumers_of_one_queue_that_share_the_limit_of_a_channel_are_served_in_turn() {
    scenario(
        "
        given qos 1 global; declare queue q; consume q a; consume q b; consume q c
        publish '' q 1 | '' q 2 | '' q 3 | '' q 4
          > s1.1 deliver a 1 1
        ack 1
          > s1.1 deliver b 2 2
        ack 2
          > s1.1 deliver c 3 3
        ack 3
          > s1.1 deliver a 4 4
        ",
    );
}

#[test]
fn a_larger_limit_of_a_channel_is_passed_on_whole() {
    scenario(
        "
        given qos 2 global; declare queue q; declare queue r
        given publish '' q 1 | '' q 2 | '' q 3 | '' q 4 | '' r 5 | '' r 6 | '' r 7
        given consume q a; consume r b
        ack 2 multiple
          > s1.1 deliver b 3 5
          > s1.1 deliver b 4 6
        ack 3
          > s1.1 deliver a 5 3
        ack 5 multiple
          > s1.1 deliver b 6 7
          > s1.1 deliver a 7 4
        ",
    );
}

#[test]
fn queues_that_share_a_full_outbox_are_served_in_turn() {
    scenario(
        "
        given open s1.2; declare queue q; declare queue r; declare queue s
        given publish '' q *2100000 | '' q *2100001 | '' r *2100002 | '' r *2100003
        given publish '' s *2100004 | '' s *2100005
        given consume q a no_ack; consume r b no_ack; consume s c no_ack on s1.2
        flushed s1
          > s1.2 deliver c 1 *2100004
        flushed s1
          > s1.1 deliver b 2 *2100002
        flushed s1
          > s1.2 deliver c 2 *2100005
        flushed s1
          > s1.1 deliver a 3 *2100001
        ",
    );
}
