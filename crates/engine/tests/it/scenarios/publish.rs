//! Publishing: what is written, returned, confirmed, refused.

use crate::scenario::scenario;

#[test]
fn a_message_is_stored_once_with_all_its_queues() {
    scenario(
        "
        given declare queue q durable; declare queue r durable; declare queue t
        given bind q amq.fanout ''; bind r amq.fanout ''; bind t amq.fanout ''
        publish amq.fanout '' hello persistent
          > write hello -> q:1 r:1
        publish amq.fanout '' light
        publish amq.fanout '' again persistent
          > write again -> q:3 r:3
        ",
    );
}

#[test]
fn a_transient_message_or_queue_is_not_written() {
    scenario(
        "
        given declare queue q durable; declare queue t
        publish '' q light | '' t heavy persistent
        get q
          > s1.1 get-ok 1 light, 0 left
        ack 1
        get t
          > s1.1 get-ok 2 heavy, 0 left
        ack 2
        ",
    );
}

#[test]
fn an_unroutable_message_is_returned_before_its_confirm() {
    scenario(
        "
        given confirm
        publish '' nobody one mandatory | '' nobody two | '' nobody three mandatory
          > s1.1 return one
          > s1.1 return three
          > s1.1 confirm 1..3
        ",
    );
}

#[test]
fn a_message_routed_to_no_queue_by_an_exchange_is_returned() {
    scenario(
        "
        given declare exchange x direct; declare exchange y direct; bind exchange:y x k
        publish x k hello mandatory
          > s1.1 return hello
        ",
    );
}

#[test]
fn confirms_are_given_in_runs() {
    scenario(
        "
        given declare queue q; confirm
        publish '' q 1 | '' q 2 | '' q 3
          > s1.1 confirm 1..3
        publish '' q 4
          > s1.1 confirm 4
        ",
    );
}

#[test]
fn confirms_of_written_messages_wait_for_the_disk() {
    scenario(
        "
        given declare queue q durable; declare queue t; confirm
        publish '' q 1 persistent | '' q 2 persistent | '' t 3 persistent | '' q 4 | '' q 5 \
            persistent
          > once written: s1.1 confirm 1..2
          > s1.1 confirm 3..4
          > once written: s1.1 confirm 5
          > write 1 -> q:1
          > write 2 -> q:2
          > write 5 -> q:4
        ",
    );
}

#[test]
fn confirms_are_numbered_for_each_channel() {
    scenario(
        "
        given open s1.2; declare queue q; publish '' q before
        confirm
          > s1.1 select-ok
        confirm on s1.2
          > s1.2 select-ok
        confirm on s1.2
          > s1.2 select-ok
        publish '' q 1 | '' q 1 on s1.2 | '' q 2 on s1.2 | '' q 2
          > s1.1 confirm 1
          > s1.2 confirm 1..2
          > s1.1 confirm 2
        publish '' q 3
          > s1.1 confirm 3
        ",
    );
}

#[test]
fn without_confirm_mode_there_are_no_confirms() {
    scenario(
        "
        given declare queue q durable
        publish '' q hello persistent
          > write hello -> q:1
        ",
    );
}

#[test]
fn publishing_to_a_missing_exchange_closes_the_channel_and_only_that() {
    scenario(
        "
        given open s1.2; declare queue q; confirm; confirm on s1.2
        publish '' q 1 | '' q 1 on s1.2 | nope k 2 | '' q 3 | '' q 2 on s1.2
          > s1.1 confirm 1
          > s1.2 confirm 1
          > once written: s1.1 channel error 60.40: no exchange 'nope' in vhost '/'
          > s1.2 confirm 2
        declare queue q passive on s1.2
          > s1.2 declare-ok q, 3 ready, 0 consumers
        # The channel is closed, and what comes for it goes nowhere.
        publish '' q late
        declare queue q
        ",
    );
}

#[test]
fn an_error_comes_after_the_confirms_of_what_was_before_it() {
    scenario(
        "
        given declare queue q durable; confirm
        publish '' q 1 persistent | '' q 2 | nope k 3
          > once written: s1.1 confirm 1
          > s1.1 confirm 2
          > once written: s1.1 channel error 60.40: no exchange 'nope' in vhost '/'
          > write 1 -> q:1
        ",
    );
}

#[test]
fn what_was_delivered_on_a_channel_comes_back_when_publishing_closes_it() {
    scenario(
        "
        given open s2.1; declare queue q; consume q c; publish '' q 1 | '' q 2; consume q d on s2.1
        publish '' q 3 | nope k 4
          > s1.1 channel error 60.40: no exchange 'nope' in vhost '/'
          > s2.1 deliver d 1 1 again
          > s2.1 deliver d 2 2 again
          > s2.1 deliver d 3 3
        ",
    );
}

#[test]
fn publishing_to_an_auto_delete_exchange_that_goes_in_the_same_read() {
    scenario(
        "
        given open s1.2; declare queue q auto_delete; declare exchange x fanout auto_delete
        given bind q x ''; consume q c on s1.2
        publish x '' 1 | nope '' 2 on s1.2 | x '' 3
          > s1.2 channel error 60.40: no exchange 'nope' in vhost '/'
          > s1.1 channel error 60.40: no exchange 'x' in vhost '/'
        ",
    );
}

#[test]
fn messages_keep_their_order_over_batches() {
    scenario(
        "
        given declare queue q
        publish '' q 1 | '' q 2
        publish '' q 3 | '' q 4
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
          > s1.1 deliver c 3 3
          > s1.1 deliver c 4 4
        ",
    );
}

#[test]
fn a_message_that_was_published_before_goes_into_a_queue_past_the_exchanges() {
    scenario(
        "
        given confirm; declare queue q durable; declare queue other; bind other amq.fanout ''
        publish amq.fanout k one persistent into:q | gone k two persistent into:q
          > once written: s1.1 confirm 1..2
          > write one -> q:1
          > write two -> q:2
        publish amq.fanout k three mandatory into:nobody
          > s1.1 return three
          > s1.1 confirm 3
        get other
          > s1.1 get-empty
        ",
    );
}
