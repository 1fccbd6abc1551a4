//! Messages seen and taken by their places, and queues that are paused.

use crate::scenario::scenario;

#[test]
fn a_look_shows_messages_in_order_and_takes_none() {
    scenario(
        "
        given clock 5; declare queue q; publish '' q a | '' q b expiration:90 | '' q c
        browse q
          > 0-1 a
          > 0-2 b, until 95
          > 0-3 c
        browse q max 2
          > 0-1 a
          > 0-2 b, until 95
          > next 0-3
        browse q from 0-3 max 2
          > 0-3 c
        get q no_ack
          > s1.1 get-ok 1 a, 2 left
        ",
    );
}

#[test]
fn a_look_goes_on_where_the_disk_begins() {
    scenario(
        "
        given memory 200; declare queue q durable
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        browse q
          > 0-1 *110
          > 99 of 2..3
        browse q from 0-3
          > 100 of 3
        browse q from 0-4
        ",
    );
}

#[test]
fn a_look_at_priorities_begins_with_the_highest_and_goes_on_with_lower_ones() {
    scenario(
        "
        given declare queue q x-max-priority=9
        given publish '' q low | '' q high p9 | '' q middle p5 | '' q high2 p9
        browse q max 3
          > 9-2 high
          > 9-4 high2
          > 5-3 middle
          > next 5-4
        browse q from 5-4 max 3
          > 0-1 low
        # The lane may be empty and gone by then.
        given consume q c no_ack
        browse q from 5-4
        ",
    );
}

#[test]
fn a_message_is_taken_from_the_middle_and_the_others_stay() {
    scenario(
        "
        given declare queue q; publish '' q a | '' q b | '' q c
        take q 2,7
          > s1.1 taken 1 b from 0-2
        browse q
          > 0-1 a
          > 0-3 c
        ack 1
        declare queue q passive
          > s1.1 declare-ok q, 2 ready, 0 consumers
        take q 9
          > s1.1 taken
        ",
    );
}

#[test]
fn a_message_that_was_taken_goes_back_to_its_place() {
    scenario(
        "
        given declare queue q durable; publish '' q a persistent | '' q b persistent | '' q c
        take q 0-1,0-2
          > s1.1 taken 1 a from 0-1, 2 b from 0-2
        nack 1 requeue
        browse q
          > 0-1 a again
          > 0-3 c
        ack 2
          > write settled q:2
        ",
    );
}

#[test]
fn a_message_goes_back_between_others() {
    scenario(
        "
        given declare queue q; publish '' q a | '' q b | '' q c
        given take q 2; nack 1 requeue
        browse q
          > 0-1 a
          > 0-2 b again
          > 0-3 c
        ",
    );
}

#[test]
fn messages_on_disk_are_taken_once_they_are_read_and_leave_the_range() {
    scenario(
        "
        given memory 200; declare queue q durable
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        take q 1,3
          > s1.1 taken 1 *110 from 0-1, more to come
          > load q:3
        loaded
          > s1.1 taken 2 *112 from 0-3
        out q
          > 0-1 tag 1 with nobody on s1.1 since 0
          > 0-3 tag 2 with nobody on s1.1 since 0
          > 2 in all
        declare queue q durable passive
          > s1.1 declare-ok q, 1 ready, 0 consumers
        given ack 2 multiple
        get q
          > load q:2..3
        loaded
          > s1.1 get-ok 3 *111, 0 left
          > write delivered q:2
        ",
    );
}

#[test]
fn an_answer_that_brings_a_part_is_followed_by_another() {
    scenario(
        "
        given memory 200; declare queue q durable
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        take q 2,3
          > load q:2,3
        loaded through 2
          > s1.1 taken 1 *111 from 0-2, more to come
          > load q:3
        loaded
          > s1.1 taken 2 *112 from 0-3
        ",
    );
}

#[test]
fn a_take_waits_for_a_load_that_is_under_way() {
    scenario(
        "
        given memory 200; declare queue q durable
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given get q
        get q
          > load q:2..3
        take q 3
        loaded
          > s1.1 get-ok 2 *111, 1 left
          > write delivered q:2
          > load q:3
        loaded
          > s1.1 taken 3 *112 from 0-3
        ",
    );
}

#[test]
fn a_take_of_messages_that_are_purged_meanwhile_is_answered() {
    scenario(
        "
        given memory 200; declare queue q durable
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given take q 3; purge q
        loaded
          > s1.1 taken
        ",
    );
}

#[test]
fn what_a_channel_took_that_is_gone_meanwhile_goes_back() {
    scenario(
        "
        given memory 200; declare queue q durable; open s1.2
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given take q 3 on s1.2; close s1.2
        loaded
        declare queue q durable passive
          > s1.1 declare-ok q, 3 ready, 0 consumers
        ",
    );
}

#[test]
fn what_is_taken_from_the_disk_is_not_delivered_to_others_and_comes_back_to_its_place() {
    scenario(
        "
        given memory 200; declare queue q durable; open s1.2
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given take q 2; loaded
        browse q
          > 0-1 *110
          > 99 of 2..3
        get q no_ack on s1.2
          > s1.2 get-ok 1 *110, 1 left
          > write settled q:1
        get q no_ack on s1.2
          > load q:2..3
        loaded
          > load q:3
        loaded
          > s1.2 get-ok 2 *112, 0 left
          > write settled q:3
        nack 1 requeue
        get q on s1.2
          > s1.2 get-ok 3 *111 again, 0 left
          > write delivered q:2
        ",
    );
}

#[test]
fn what_goes_back_to_the_disk_is_counted_and_known_as_delivered() {
    scenario(
        "
        given memory 200; declare queue q durable; open s1.2
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given take q 2,3; loaded
        declare queue q durable passive
          > s1.1 declare-ok q, 1 ready, 0 consumers
        given nack 2 requeue; ack 1
        declare queue q durable passive
          > s1.1 declare-ok q, 2 ready, 0 consumers
        given get q no_ack on s1.2
        get q no_ack on s1.2
          > load q:3
        loaded
          > s1.2 get-ok 2 *112 again, 0 left
          > write settled q:3
        ",
    );
}

#[test]
fn what_is_settled_while_an_answer_is_on_its_way_is_not_delivered() {
    scenario(
        "
        given memory 200; declare queue q durable; open s1.2
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given take q 2; loaded; get q no_ack on s1.2; get q no_ack on s1.2
        # The answer was read before the message was settled.
        stale
        given ack 1
        loaded stale
          > load q:3
        loaded
          > s1.2 get-ok 2 *112, 0 left
          > write settled q:3
        ",
    );
}

#[test]
fn a_purge_leaves_what_somebody_has_taken_from_the_disk() {
    scenario(
        "
        given memory 200; declare queue q durable
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given publish '' q *113 persistent; take q 3; loaded
        purge q
          > once written: s1.1 purge-ok 3
          > write settled q:1
          > write settled q:2
          > write settled q:4
        given restart; open s1.1
        get q
          > load q:3
        loaded
          > s1.1 get-ok 1 *112, 0 left
          > write delivered q:3
        ",
    );
}

#[test]
fn a_take_ends_with_its_queue() {
    scenario(
        "
        given memory 200; declare queue q durable
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given take q 1,3
        delete queue q
          > s1.1 taken
          > once written: s1.1 delete-ok 2
          > write no queue q
        ",
    );
}

#[test]
fn deliveries_are_listed_with_who_has_them_and_since_when() {
    scenario(
        "
        given clock 10; declare queue q; open s1.2; publish '' q a | '' q b | '' q c
        given qos 1; consume q c1; clock 20; get q on s1.2
        out q
          > 0-1 tag 1 with c1 on s1.1 since 10
          > 0-2 tag 1 with nobody on s1.2 since 20
          > 2 in all
        ",
    );
}

#[test]
fn a_paused_queue_delivers_nothing_until_it_goes_on() {
    scenario(
        "
        given declare queue q durable; consume q c
        pause q
          > once written: s1.1 pause-ok
          > write queue q
        publish '' q a persistent
          > write a -> q:1
        get q
          > s1.1 get-ok 1 a, 0 left
          > write delivered q:1
        given ack 1; publish '' q b
        resume q
          > once written: s1.1 pause-ok
          > s1.1 deliver c 2 b
          > write queue q
        ",
    );
}

#[test]
fn a_paused_queue_is_paused_after_a_restart_and_declared_as_before() {
    scenario(
        "
        given declare queue q durable; pause q; restart; open s1.1
        declare queue q durable
          > once written: s1.1 declare-ok q, 0 ready, 0 consumers
        given consume q c; publish '' q a
        resume q
          > once written: s1.1 pause-ok
          > s1.1 deliver c 1 a
          > write queue q
        ",
    );
}

#[test]
fn a_paused_stream_delivers_nothing_until_it_goes_on() {
    scenario(
        "
        given declare queue q durable x-queue-type=stream; qos 10; consume q c; pause q
        given publish '' q a
        given resume q
        loaded
          > s1.1 deliver c 1 a at 0
        ",
    );
}

#[test]
fn what_was_rejected_and_waits_to_be_read_is_not_ready_again() {
    scenario(
        "
        given memory 200; declare queue d durable
        given declare queue q durable x-dead-letter-exchange= x-dead-letter-routing-key=d
        given publish '' q *110 persistent | '' q *111 persistent | '' q *112 persistent
        given publish '' q *113 persistent | '' q *114 persistent
        given take q 1,3,4,5; loaded
        get q
          > load q:2..5
        reject 4
          > load q:5
        loaded
          > s1.1 get-ok 5 *111, 0 left
          > write delivered q:2
        stale
        get q
          > load q:3..5
        loaded
          > load q:5
        loaded
          > s1.1 get-empty
        loaded stale
          > write *114 {q rejected 1} -> d:1
          > write settled q:5
        ",
    );
}
