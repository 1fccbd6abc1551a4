//! Queues that may have only so much ready.

use crate::scenario::scenario;

#[test]
fn the_oldest_messages_go_and_are_settled() {
    scenario(
        "
        given declare queue q durable x-max-length=2
        publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent | '' q 4
          > write 1 -> q:1
          > write 2 -> q:2
          > write 3 -> q:3
          > write settled q:1..2
        declare queue q durable x-max-length=2
          > once written: s1.1 declare-ok q, 2 ready, 0 consumers
        get q no_ack
          > s1.1 get-ok 1 3, 1 left
          > write settled q:3
        ",
    );
}

#[test]
fn bytes_of_bodies_count() {
    scenario(
        "
        given declare queue q x-max-length-bytes=10; publish '' q 1234 | '' q 56 | '' q 7890
        declare queue q passive
          > s1.1 declare-ok q, 3 ready, 0 consumers
        publish '' q x
        get q
          > s1.1 get-ok 1 56, 2 left
        declare queue q passive
          > s1.1 declare-ok q, 2 ready, 0 consumers
        publish '' q *11
        declare queue q passive
          > s1.1 declare-ok q, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn only_ready_messages_count_and_consumers_come_first() {
    scenario(
        "
        given declare queue q x-max-length=1; qos 2; consume q c
        publish '' q 1 | '' q 2 | '' q 3 | '' q 4
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
        nack 2 multiple requeue
          > s1.1 deliver c 3 4
        ",
    );
}

#[test]
fn a_queue_that_keeps_nothing_still_serves_consumers() {
    scenario(
        "
        given declare queue q x-max-length=0; consume q c no_ack
        publish '' q 1 | '' q 2
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
        ",
    );
}

#[test]
fn dropped_messages_are_dead_lettered() {
    scenario(
        "
        given declare queue q durable x-max-length=1 x-dead-letter-exchange=amq.fanout
        given declare queue dead; bind dead amq.fanout ''
        publish '' q 1 persistent | '' q 2 persistent
          > write 1 -> q:1
          > write 2 -> q:2
          > write settled q:1
        get dead
          > s1.1 get-ok 1 1 {q maxlen 1}, 0 left
        ",
    );
}

#[test]
fn new_messages_are_refused_and_the_publisher_told() {
    scenario(
        "
        given declare queue q durable x-max-length=1 x-overflow=reject-publish; confirm
        given declare queue r; bind q amq.fanout ''; bind r amq.fanout ''
        publish '' q 1 persistent | '' q 2 persistent | amq.fanout '' 3 | '' r 4
          > once written: s1.1 confirm 1
          > s1.1 refuse 2..3
          > s1.1 confirm 4
          > write 1 -> q:1
        get q no_ack
          > s1.1 get-ok 1 1, 0 left
          > write settled q:1
        get r
          > s1.1 get-ok 2 3, 1 left
        publish '' q 5
          > s1.1 confirm 5
        ",
    );
}

#[test]
fn refused_messages_are_dead_lettered_where_the_queue_says_so() {
    scenario(
        "
        given declare queue dead durable; confirm
        given declare queue q durable x-max-length=1 x-overflow=reject-publish-dlx x-dead-letter-exchange='' x-dead-letter-routing-key=dead
        publish '' q 1 persistent | '' q 2 persistent
          > once written: s1.1 confirm 1
          > s1.1 refuse 2
          > write 1 -> q:1
          > write 2 {q maxlen 1} -> dead:1
        ",
    );
}

#[test]
fn a_full_queue_refuses_dead_letters_too() {
    scenario(
        "
        given declare queue dead x-max-length=1 x-overflow=reject-publish
        given declare queue q x-dead-letter-exchange='' x-dead-letter-routing-key=dead
        given consume q c; publish '' q 1 | '' q 2
        nack 2 multiple
        get dead
          > s1.1 get-ok 3 1 {q rejected 1}, 0 left
        ",
    );
}

#[test]
fn heads_that_are_on_disk_are_read_and_dropped() {
    scenario(
        "
        given declare queue q durable x-max-length=2; memory 1
        publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
          > write 1 -> q:1
          > write 2 -> q:2
          > write 3 -> q:3
          > write settled q:1
        publish '' q 4 persistent
          > write 4 -> q:4
          > load q:2..4
        declare queue q passive
          > s1.1 declare-ok q, 2 ready, 0 consumers
        get q no_ack
        loaded
          > write settled q:2
          > load q:3..4
        loaded
          > s1.1 get-ok 1 3, 1 left
          > write settled q:3
        ",
    );
}

#[test]
fn a_queue_is_within_its_limit_after_a_restart() {
    scenario(
        "
        given declare queue q durable x-max-length=2; qos 2; consume q c
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent | '' q 4 persistent
        restart
        open s1.1
          > load q:1..4
        loaded
          > write settled q:1..2
        get q
          > s1.1 get-ok 1 3, 1 left
          > write delivered q:3
        ",
    );
}

#[test]
fn what_somebody_wanted_to_take_goes_before_what_stands_behind_it() {
    scenario(
        "
        given memory 0; declare queue q durable x-max-priority=5; open s1.2
        given publish '' q low persistent; get q; loaded; nack 1 requeue
        given publish '' q urgent persistent p5
        take q 5-2 on s1.2
          > load q/5:2
        given close s1.2
        policy p q max-length=0
        loaded
          > write settled q/5:2
          > write settled q:1
        ",
    );
}
