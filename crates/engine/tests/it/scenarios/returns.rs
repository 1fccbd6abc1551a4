//! How often messages come back to quorum queues.

use crate::scenario::scenario;

#[test]
fn a_message_tells_how_often_it_came_back() {
    scenario(
        "
        given declare queue q durable x-queue-type=quorum; publish '' q 1 persistent
        get q
          > s1.1 get-ok 1 1, 0 left
          > write delivered q:1
        nack 1 requeue
          > write returned q:1 1
        get q
          > s1.1 get-ok 2 1 {came back 1} again, 0 left
        nack 2 requeue
          > write returned q:1 2
        close s1.1
          > s1.1 close-ok
        restart
        open s1.1
        get q
          > load q:1
        loaded
          > s1.1 get-ok 1 1 {came back 2} again, 0 left
        lose s1
          > write returned q:1 3
        ",
    );
}

#[test]
fn a_message_that_came_back_too_often_is_dropped() {
    scenario(
        "
        given declare queue q durable x-queue-type=quorum x-delivery-limit=1
        given publish '' q 1 persistent | '' q 2 persistent; get q; get q
        nack 2 multiple requeue
          > write returned q:1..2 1
        get q
          > s1.1 get-ok 3 1 {came back 1} again, 1 left
        reject 3 requeue
          > write settled q:1
        get q
          > s1.1 get-ok 4 2 {came back 1} again, 0 left
        ",
    );
}

#[test]
fn a_message_that_came_back_too_often_is_dead_lettered() {
    scenario(
        "
        given declare queue dead durable
        given declare queue q durable x-queue-type=quorum x-delivery-limit=0 x-dead-letter-exchange='' x-dead-letter-routing-key=dead
        given publish '' q 1 persistent; get q
        recover
          > s1.1 recover-ok
          > write 1 {q delivery_limit 1} -> dead:1
          > write settled q:1
        ",
    );
}

#[test]
fn without_a_limit_messages_come_back_for_ever_and_are_counted() {
    scenario(
        "
        given declare queue q durable x-queue-type=quorum x-delivery-limit=-1; publish '' q 1
        given get q; nack 1 requeue; get q; nack 2 requeue
        get q
          > s1.1 get-ok 3 1 {came back 2} again, 0 left
        ",
    );
}

#[test]
fn a_classic_queue_counts_nothing() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; get q
        nack 1 requeue
        get q
          > s1.1 get-ok 2 1 again, 0 left
        ",
    );
}
