//! After a restart: what is there, and contents that come from disk.

use crate::scenario::scenario;

#[test]
fn what_is_durable_comes_back() {
    scenario(
        "
        given declare queue q durable; declare queue t; declare exchange x direct durable
        given declare exchange y direct; bind q x k; bind t x k; bind q y k
        given publish x k 1 persistent | x k 2 | x k 3 persistent | x k 4 persistent; get q
        given consume q c
        ack 2
        restart
        open s1.1
        declare queue q durable passive
          > s1.1 declare-ok q, 3 ready, 0 consumers
        declare queue t
          > s1.1 declare-ok t, 0 ready, 0 consumers
        publish y k nobody
          > s1.1 channel error 60.40: no exchange 'y' in vhost '/'
        open s1.1
        get q
          > load q:1..4
        loaded
          > s1.1 get-ok 1 1 again, 2 left
        get q
          > s1.1 get-ok 2 3 again, 1 left
        publish x k 5 persistent
          > write 5 -> q:5
        get q
          > s1.1 get-ok 3 4 again, 1 left
        ",
    );
}

#[test]
fn how_far_a_queue_was_delivered_is_written_once_for_each_command() {
    scenario(
        "
        given declare queue q durable; declare queue r durable; declare queue t
        given bind q amq.fanout ''; bind r amq.fanout ''; bind t amq.fanout ''
        given consume q c; consume t d; qos 2; consume r e
        publish amq.fanout '' 1 persistent | amq.fanout '' 2 persistent | '' r 3 persistent | '' q 4
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
          > s1.1 deliver c 3 4
          > s1.1 deliver e 4 1
          > s1.1 deliver e 5 2
          > s1.1 deliver d 6 1
          > s1.1 deliver d 7 2
          > write 1 -> q:1 r:1
          > write 2 -> q:2 r:2
          > write 3 -> r:3
          > write delivered q:2
          > write delivered r:2
        # What comes again was written before.
        recover
          > s1.1 recover-ok
          > s1.1 deliver e 8 1 again
          > s1.1 deliver e 9 2 again
          > s1.1 deliver c 10 1 again
          > s1.1 deliver c 11 2 again
          > s1.1 deliver c 12 4 again
          > s1.1 deliver d 13 1 again
          > s1.1 deliver d 14 2 again
        ack 8
          > s1.1 deliver e 15 3
          > write settled r:1
          > write delivered r:3
        ",
    );
}

#[test]
fn deliveries_without_acknowledgement_are_written_as_settled_alone() {
    scenario(
        "
        given declare queue q durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent | '' q 4 persistent
        get q no_ack
          > s1.1 get-ok 1 1, 3 left
          > write settled q:1
        get q
          > s1.1 get-ok 2 2, 2 left
          > write delivered q:2
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 3 3
          > s1.1 deliver c 4 4
          > write settled q:3..4
        ",
    );
}

#[test]
fn what_was_delivered_before_a_restart_comes_again_as_redelivered() {
    scenario(
        "
        given declare queue q durable; qos 2
        given publish '' q 1 persistent | '' q 2 persistent | '' q t | '' q 3 persistent
        given get q; consume q c; cancel c; restart; open s1.1
        get q
          > load q:1..4
        loaded
          > s1.1 get-ok 1 1 again, 2 left
        get q
          > s1.1 get-ok 2 2 again, 1 left
        # It is not forgotten by a restart before which it was not delivered once more.
        given restart; open s1.1; restart; open s1.1
        publish '' q 4 persistent
          > write 4 -> q:5
        consume q c
          > s1.1 consume-ok c
          > load q:1..5
        loaded
          > s1.1 deliver c 1 1 again
          > s1.1 deliver c 2 2 again
          > s1.1 deliver c 3 3
          > s1.1 deliver c 4 4
          > write delivered q:5
        given restart; open s1.1
        consume q c
          > s1.1 consume-ok c
          > load q:1..5
        loaded
          > s1.1 deliver c 1 1 again
          > s1.1 deliver c 2 2 again
          > s1.1 deliver c 3 3 again
          > s1.1 deliver c 4 4 again
        ",
    );
}

#[test]
fn exclusive_and_auto_delete_after_a_restart() {
    scenario(
        "
        given declare queue e durable exclusive; declare queue a durable auto_delete; consume a c
        given bind a amq.topic #; bind e amq.topic #
        restart
        open s1.1
        declare queue e passive
          > s1.1 channel error 50.10: no queue 'e' in vhost '/'
        open s1.1
        declare queue a durable auto_delete
          > once written: s1.1 declare-ok a, 0 ready, 0 consumers
        consume a c
          > s1.1 consume-ok c
        cancel c
          > s1.1 cancel-ok c
          > write no binding amq.topic '#' -> a
          > write no queue a
        publish amq.topic k nobody mandatory
          > s1.1 return nobody
        ",
    );
}

#[test]
fn a_consumer_waits_for_the_disk() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; restart
        given open s1.1
        consume q c
          > s1.1 consume-ok c
          > load q:1..2
        publish '' q 3 persistent
          > write 3 -> q:3
        loaded
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
          > write delivered q:2
          > load q:3
        loaded
          > s1.1 deliver c 3 3
          > write delivered q:3
        ack 3 multiple
          > write settled q:1..3
        ",
    );
}

#[test]
fn new_messages_do_not_overtake_those_on_disk() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; restart; open s1.1
        publish '' q 2 persistent | '' q 3
          > write 2 -> q:2
          > write 3 -> spilled-1:3
        consume q c no_ack
          > s1.1 consume-ok c
          > load q:1..3
        loaded
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
          > s1.1 deliver c 3 3
          > write settled q:1..2
          > write settled spilled-1:3
        # With nothing left on disk, memory is enough.
        publish '' q 4
          > s1.1 deliver c 4 4
        ",
    );
}

#[test]
fn places_go_on_after_a_restart() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; get q no_ack
        given get q no_ack; restart; open s1.1
        publish '' q 3 persistent
          > write 3 -> q:3
        ",
    );
}

#[test]
fn messages_that_cannot_be_read_are_lost_and_told() {
    scenario(
        "
        given declare queue q durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent | '' q 4 persistent
        given restart; open s1.1
        consume q c no_ack
          > s1.1 consume-ok c
          > load q:1..4
        loaded without 2 without 3
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 4
          > write settled q:2..3
          > write settled q:1
          > write settled q:4
          > lost q:2
          > lost q:3
        ",
    );
}

#[test]
fn if_nothing_can_be_read_all_is_lost() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; restart
        given open s1.1
        get q
          > load q:1..2
        loaded without 1 without 2
          > s1.1 get-empty
          > write settled q:1..2
          > lost q:1
          > lost q:2
        declare queue q durable passive
          > s1.1 declare-ok q, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn a_short_answer_leads_to_another_load() {
    scenario(
        "
        given declare queue q durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent; restart; open s1.1
        consume q c no_ack
          > s1.1 consume-ok c
          > load q:1..3
        loaded through 1
          > s1.1 deliver c 1 1
          > write settled q:1
          > load q:2..3
        loaded through 2 without 2
          > write settled q:2
          > load q:3
          > lost q:2
        loaded
          > s1.1 deliver c 2 3
          > write settled q:3
        ",
    );
}

#[test]
fn gets_wait_in_their_order_for_the_disk() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; restart
        given open s1.1; open s2.1
        get q
          > load q:1..2
        get q on s2.1
        get q no_ack
        loaded
          > s1.1 get-ok 1 1, 1 left
          > s2.1 get-ok 1 2, 0 left
          > s1.1 get-empty
          > write delivered q:2
        ",
    );
}

#[test]
fn a_waiting_get_comes_before_consumers() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; restart
        given open s1.1
        get q
          > load q:1..2
        consume q c
        loaded
          > s1.1 get-ok 1 1, 1 left
          > s1.1 consume-ok c
          > s1.1 deliver c 2 2
          > write delivered q:2
        ",
    );
}

#[test]
fn purging_while_contents_are_on_their_way() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; restart
        given open s1.1; open s2.1
        get q
          > load q:1..2
        consume q c on s2.1
          > s2.1 consume-ok c
        purge q on s2.1
          > once written: s2.1 purge-ok 2
          > write settled q:1..2
        publish '' q 3
          > s2.1 deliver c 1 3
        loaded without 1 without 2
          > s1.1 get-empty
        publish '' q 4
          > s2.1 deliver c 2 4
        ",
    );
}

#[test]
fn deleting_while_contents_are_on_their_way() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; restart; open s1.1; open s2.1
        get q
          > load q:1
        delete queue q on s2.1
          > s1.1 get-empty
          > once written: s2.1 delete-ok 1
          > write no queue q
        declare queue q
          > s1.1 declare-ok q, 0 ready, 0 consumers
        loaded
        ",
    );
}

#[test]
fn a_get_is_answered_only_to_the_channel_that_asked() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; restart; open s1.1
        get q
          > load q:1
        close s1.1
          > s1.1 close-ok
        open s1.1
        loaded
        declare queue q durable passive
          > s1.1 declare-ok q, 1 ready, 0 consumers
        ",
    );
}

#[test]
fn a_deleted_queue_answers_only_the_channel_that_asked() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; restart; open s1.1; open s2.1
        get q
          > load q:1
        close s1.1
          > s1.1 close-ok
        open s1.1
        delete queue q on s2.1
          > once written: s2.1 delete-ok 1
          > write no queue q
        ",
    );
}

#[test]
fn a_get_of_a_lost_session_is_forgotten() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; restart; open s1.1; open s2.1
        get q
          > load q:1
        lose s1
        loaded
        get q on s2.1
          > s2.1 get-ok 1 1, 0 left
          > write delivered q:1
        ",
    );
}

#[test]
fn a_consumer_does_not_lose_its_turn_to_the_disk() {
    scenario(
        "
        given declare queue q durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 persistent | '' q 4 persistent
        given restart; open s1.1
        given qos 2; consume q a; consume q b
        loaded through 1
          > s1.1 deliver a 1 1
          > write delivered q:1
          > load q:2..4
        loaded through 2
          > s1.1 deliver b 2 2
          > write delivered q:2
          > load q:3..4
        loaded through 3
          > s1.1 deliver a 3 3
          > write delivered q:3
          > load q:4
        loaded through 4
          > s1.1 deliver b 4 4
          > write delivered q:4
        ",
    );
}

#[test]
fn a_message_that_was_read_and_came_back_needs_no_second_load() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; restart
        given open s1.1
        get q
          > load q:1..2
        loaded through 1
          > s1.1 get-ok 1 1, 1 left
          > write delivered q:1
        reject 1 requeue
        get q
          > s1.1 get-ok 2 1 again, 1 left
        ",
    );
}

#[test]
fn a_message_that_came_back_is_delivered_while_the_rest_is_on_disk() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; restart
        given open s1.1; qos 1; consume q c
        loaded through 1
          > s1.1 deliver c 1 1
          > write delivered q:1
          > load q:2
        reject 1 requeue
          > s1.1 deliver c 2 1 again
        ",
    );
}
