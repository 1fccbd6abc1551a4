//! Priorities of messages: levels in memory and on disk, restarts, quorum queues.

use crate::scenario::scenario;

#[test]
fn the_highest_level_comes_first_and_each_in_order() {
    scenario(
        "
        given declare queue q x-max-priority=5
        given publish '' q 1 | '' q 2 p3 | '' q 3 p9 | '' q 4 p3 | '' q 5 p0 | '' q 6 p5
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 1 3
          > s1.1 deliver c 2 6
          > s1.1 deliver c 3 2
          > s1.1 deliver c 4 4
          > s1.1 deliver c 5 1
          > s1.1 deliver c 6 5
        ",
    );
}

#[test]
fn without_levels_a_priority_means_nothing() {
    scenario(
        "
        given declare queue q; declare queue r x-max-priority=0
        given publish '' q 1 | '' q 2 p9 | '' r 1 | '' r 2 p9
        get q no_ack
          > s1.1 get-ok 1 1, 1 left
        get r no_ack
          > s1.1 get-ok 2 1, 1 left
        ",
    );
}

#[test]
fn a_message_of_a_quorum_queue_is_on_level_four_unless_it_says_otherwise() {
    scenario(
        "
        given declare queue q durable x-queue-type=quorum
        publish '' q 1 persistent | '' q 2 persistent p4 | '' q 3 persistent p0
          > write 1 -> q:1
          > write 2 -> q:2
          > write 3 -> q/4:3
        publish '' q 4 persistent p31 | '' q 5 persistent p5 | '' q 6 persistent p200
          > write 4 -> q/31:4
          > write 5 -> q/5:5
          > write 6 -> q/31:6
        given restart; open s1.1
        get q
          > load q/31:4..6
        loaded
          > s1.1 get-ok 1 4, 5 left
          > write delivered q/31:4
        ",
    );
}

#[test]
fn each_level_is_written_under_a_name_of_its_own() {
    scenario(
        "
        given declare queue q durable x-max-priority=9
        publish '' q 1 persistent | '' q 2 persistent p7 | '' q 3 persistent p7
          > write 1 -> q:1
          > write 2 -> q/7:2
          > write 3 -> q/7:3
        consume q c
          > s1.1 consume-ok c
          > s1.1 deliver c 1 2
          > s1.1 deliver c 2 3
          > s1.1 deliver c 3 1
          > write delivered q:1
          > write delivered q/7:3
        ack 0 multiple
          > write settled q/7:2..3
          > write settled q:1
        delete queue q
          > once written: s1.1 delete-ok 0
          > s1.1 cancelled c
          > write no queue q
        ",
    );
}

#[test]
fn what_was_delivered_of_one_level_says_nothing_of_another() {
    scenario(
        "
        given declare queue q durable x-max-priority=9
        given publish '' q low persistent | '' q high persistent p9; get q
        restart
        open s1.1
        get q no_ack
          > load q/9:2
        loaded
          > s1.1 get-ok 1 high again, 1 left
          > write settled q/9:2
        get q no_ack
          > load q:1
        loaded
          > s1.1 get-ok 2 low, 0 left
          > write settled q:1
        ",
    );
}

#[test]
fn what_is_urgent_passes_a_backlog_on_disk() {
    scenario(
        "
        given declare queue q durable x-max-priority=1; memory 0
        given publish '' q 1 persistent | '' q 2 persistent
        get q no_ack
          > load q:1..2
        publish '' q 3 persistent p1
          > write 3 -> q/1:3
        loaded through 1
          > load q/1:3
        loaded
          > s1.1 get-ok 1 3, 2 left
          > write settled q/1:3
        ",
    );
}

#[test]
fn a_purge_takes_all_levels_and_an_answer_on_its_way_brings_none_back() {
    scenario(
        "
        given declare queue q durable x-max-priority=3; memory 0
        given publish '' q 1 persistent | '' q 2 persistent p2 | '' q 3 persistent p3
        get q no_ack
          > load q/3:3
        purge q
          > write settled q:1
          > write settled q/2:2
          > write settled q/3:3
        publish '' q 4 persistent p3
          > write 4 -> q/3:4
        # The get still waits, and what follows it on the channel with it.
        loaded
          > load q/3:4
        loaded
          > s1.1 get-ok 1 4, 0 left
          > once written: s1.1 purge-ok 3
          > write settled q/3:4
        ",
    );
}
