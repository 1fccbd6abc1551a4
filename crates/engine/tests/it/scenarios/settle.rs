//! Acknowledging, rejecting, requeueing; channels and sessions that end.

use crate::scenario::scenario;

#[test]
fn acknowledging_settles_one() {
    scenario(
        "
        given declare queue q durable; consume q c
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
        ack 2
          > write settled q:2
        ack 1
          > write settled q:1
        ack 3
          > write settled q:3
        ",
    );
}

#[test]
fn acknowledging_multiple_settles_all_up_to_it() {
    scenario(
        "
        given declare queue q durable; consume q c
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
        ack 2 multiple
          > write settled q:1..2
        ack 3
          > write settled q:3
        ",
    );
}

#[test]
fn acknowledging_zero_multiple_settles_all() {
    scenario(
        "
        given declare queue q durable; consume q c; publish '' q 1 persistent | '' q 2 persistent
        ack 0 multiple
          > write settled q:1..2
        ack 0 multiple
        ",
    );
}

#[test]
fn acknowledgements_of_one_read_make_one_run() {
    scenario(
        "
        given declare queue q durable; consume q c
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
        ack 1 | ack 2 | ack 3
          > write settled q:1..3
        ",
    );
}

#[test]
fn runs_end_where_a_message_was_not_written() {
    scenario(
        "
        given declare queue q durable; consume q c
        given publish '' q 1 persistent | '' q 2 | '' q 3 persistent
        ack 3 multiple
          > write settled q:1
          > write settled q:3
        ",
    );
}

#[test]
fn acknowledging_over_several_queues() {
    scenario(
        "
        given declare queue q durable; declare queue r durable; consume q c; consume r d
        given publish '' q 1 persistent | '' q 2 persistent | '' r 3 persistent
        ack 0 multiple
          > write settled q:1..2
          > write settled r:1
        ",
    );
}

#[test]
fn an_unknown_tag_closes_the_channel_and_settles_nothing() {
    scenario(
        "
        given open s1.2; declare queue q durable; consume q c
        given publish '' q 1 persistent | '' q 2 persistent
        ack 99
          > s1.1 channel error 60.80: unknown delivery tag 99
        get q on s1.2
          > s1.2 get-ok 1 1 again, 1 left
        get q on s1.2
          > s1.2 get-ok 2 2 again, 0 left
        ",
    );
}

#[test]
fn a_tag_is_acknowledged_once() {
    scenario(
        "
        given declare queue q; consume q c; publish '' q 1
        ack 1
        ack 1
          > s1.1 channel error 60.80: unknown delivery tag 1
        ",
    );
}

#[test]
fn a_tag_of_another_channel_is_unknown() {
    scenario(
        "
        given open s1.2; declare queue q; consume q c; publish '' q 1
        ack 1 on s1.2
          > s1.2 channel error 60.80: unknown delivery tag 1
        ",
    );
}

#[test]
fn a_tag_of_no_ack_is_unknown() {
    scenario(
        "
        given declare queue q; consume q c no_ack; publish '' q 1
        ack 1
          > s1.1 channel error 60.80: unknown delivery tag 1
        ",
    );
}

#[test]
fn tag_zero_without_multiple_is_unknown() {
    scenario(
        "
        given declare queue q; consume q c; publish '' q 1
        ack 0
          > s1.1 channel error 60.80: unknown delivery tag 0
        ",
    );
}

#[test]
fn multiple_up_to_a_settled_tag_is_unknown() {
    scenario(
        "
        given declare queue q durable; consume q c; publish '' q 1 persistent | '' q 2 persistent
        ack 2
          > write settled q:2
        ack 2 multiple
          > once written: s1.1 channel error 60.80: unknown delivery tag 2
        ",
    );
}

#[test]
fn an_unknown_tag_in_nack_says_so() {
    scenario(
        "
        nack 99 requeue
          > s1.1 channel error 60.120: unknown delivery tag 99
        ",
    );
}

#[test]
fn an_unknown_tag_in_reject_says_so() {
    scenario(
        "
        reject 99 requeue
          > s1.1 channel error 60.90: unknown delivery tag 99
        ",
    );
}

#[test]
fn acknowledgements_after_an_unknown_tag_go_nowhere() {
    scenario(
        "
        given open s1.2; declare queue q durable; consume q c
        given publish '' q 1 persistent | '' q 2 persistent
        ack 1 | ack 99 | ack 2
          > once written: s1.1 channel error 60.80: unknown delivery tag 99
          > write settled q:1
        get q on s1.2
          > s1.2 get-ok 1 2 again, 0 left
        ",
    );
}

#[test]
fn rejecting_settles_for_good() {
    scenario(
        "
        given declare queue q durable; consume q c
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent
        reject 1
          > write settled q:1
        nack 3 multiple
          > write settled q:2..3
        purge q
          > once written: s1.1 purge-ok 0
        ",
    );
}

#[test]
fn a_requeued_message_returns_to_its_old_place_and_says_so() {
    scenario(
        "
        given declare queue q; publish '' q 1 | '' q 2 | '' q 3
        get q
          > s1.1 get-ok 1 1, 2 left
        get q
          > s1.1 get-ok 2 2, 1 left
        nack 1 requeue
        get q
          > s1.1 get-ok 3 1 again, 1 left
        nack 2 requeue
        get q
          > s1.1 get-ok 4 2 again, 1 left
        get q
          > s1.1 get-ok 5 3, 0 left
        ",
    );
}

#[test]
fn requeueing_many_keeps_their_order() {
    scenario(
        "
        given open s1.2; declare queue q; publish '' q 1 | '' q 2 | '' q 3 | '' q 4
        given get q; get q; get q
        nack 0 multiple requeue
        consume q c no_ack on s1.2
          > s1.2 consume-ok c
          > s1.2 deliver c 1 1 again
          > s1.2 deliver c 2 2 again
          > s1.2 deliver c 3 3 again
          > s1.2 deliver c 4 4
        ",
    );
}

#[test]
fn a_message_goes_between_those_that_came_back_before() {
    scenario(
        "
        given declare queue q; publish '' q 1 | '' q 2 | '' q 3 | '' q 4
        given get q; get q; get q
        reject 1 requeue
        reject 3 requeue
        reject 2 requeue
        get q no_ack
          > s1.1 get-ok 4 1 again, 3 left
        get q no_ack
          > s1.1 get-ok 5 2 again, 2 left
        get q no_ack
          > s1.1 get-ok 6 3 again, 1 left
        get q no_ack
          > s1.1 get-ok 7 4, 0 left
        ",
    );
}

#[test]
fn a_requeued_message_goes_to_another_consumer_that_waits() {
    scenario(
        "
        given open s2.1; declare queue q; qos 1; consume q a; publish '' q 1 | '' q 2
        given consume q b on s2.1
        nack 1 requeue
          > s2.1 deliver b 2 1 again
        ",
    );
}

#[test]
fn a_requeued_message_comes_back_to_its_only_consumer() {
    scenario(
        "
        given declare queue q; consume q c; publish '' q 1
        reject 1 requeue
          > s1.1 deliver c 2 1 again
        ",
    );
}

#[test]
fn a_requeued_durable_message_stays_on_disk() {
    scenario(
        "
        given declare queue q durable; consume q c; publish '' q 1 persistent
        reject 1 requeue
          > s1.1 deliver c 2 1 again
        ack 2
          > write settled q:1
        ",
    );
}

#[test]
fn requeueing_into_a_deleted_queue_loses() {
    scenario(
        "
        given declare queue q; consume q c; publish '' q 1; delete queue q; declare queue q
        nack 1 requeue
        get q
          > s1.1 get-empty
        ",
    );
}

#[test]
fn closing_a_channel_returns_its_messages_in_order() {
    scenario(
        "
        given open s1.2; declare queue q; qos 2; consume q a; publish '' q 1 | '' q 2 | '' q 3
        consume q b on s1.2
          > s1.2 consume-ok b
          > s1.2 deliver b 1 3
        close s1.1
          > s1.1 close-ok
          > s1.2 deliver b 2 1 again
          > s1.2 deliver b 3 2 again
        ",
    );
}

#[test]
fn closing_a_channel_waits_for_the_disk_if_it_settled() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; open s1.2
        get q
          > s1.1 get-ok 1 1, 0 left
          > write delivered q:1
        ack 1
          > write settled q:1
        close s1.1
          > once written: s1.1 close-ok
        close s1.2
          > s1.2 close-ok
        ",
    );
}

#[test]
fn closing_a_channel_with_confirms_waits_for_the_disk() {
    scenario(
        "
        given declare queue q durable; confirm
        publish '' q 1 persistent
          > once written: s1.1 confirm 1
          > write 1 -> q:1
        close s1.1
          > once written: s1.1 close-ok
        ",
    );
}

#[test]
fn closing_a_session_returns_what_its_channels_had() {
    scenario(
        "
        given open s2.1; open s2.2; declare queue q; qos 1 on s2.1; qos 1 on s2.2
        given consume q a on s2.1; consume q b on s2.2
        publish '' q 1 | '' q 2 | '' q 3
          > s2.1 deliver a 1 1
          > s2.2 deliver b 1 2
        consume q c
          > s1.1 consume-ok c
          > s1.1 deliver c 1 3
        close s2
          > s2 closed
          > s1.1 deliver c 2 1 again
          > s1.1 deliver c 3 2 again
        ",
    );
}

#[test]
fn a_closed_session_is_not_delivered_to() {
    scenario(
        "
        given open s2.1; declare queue q; consume q a on s2.1
        lose s2
        publish '' q 1
        get q
          > s1.1 get-ok 1 1, 0 left
        ",
    );
}

#[test]
fn recover_returns_everything_and_delivers_again() {
    scenario(
        "
        given declare queue q; consume q c; publish '' q 1 | '' q 2; get q
        recover
          > s1.1 recover-ok
          > s1.1 deliver c 3 1 again
          > s1.1 deliver c 4 2 again
        recover no_wait
          > s1.1 deliver c 5 1 again
          > s1.1 deliver c 6 2 again
        ",
    );
}

#[test]
fn recover_without_requeue_is_not_supported() {
    scenario(
        "
        recover discard
          > s1 connection error 60.110: requeue=false
        ",
    );
}

#[test]
fn recover_frees_credit() {
    scenario(
        "
        given open s2.1; declare queue q; qos 1; consume q c; publish '' q 1 | '' q 2
        given consume q d on s2.1
        recover
          > s1.1 recover-ok
          > s2.1 deliver d 2 1 again
        ",
    );
}

#[test]
fn get_tells_how_much_is_left() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent
        get q
          > s1.1 get-ok 1 1, 1 left
          > write delivered q:1
        get q no_ack
          > s1.1 get-ok 2 2, 0 left
          > write settled q:2
        get q
          > s1.1 get-empty
        ",
    );
}

#[test]
fn messages_got_without_acknowledgement_are_settled_at_once() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent
        get q no_ack
          > s1.1 get-ok 1 1, 0 left
          > write settled q:1
        close s1.1
          > once written: s1.1 close-ok
        ",
    );
}
