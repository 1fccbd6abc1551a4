//! Messages and queues that are there for a time only.

use crate::scenario::scenario;

#[test]
fn messages_expire_after_the_time_of_their_queue() {
    scenario(
        "
        given clock 1000; declare queue q durable x-message-ttl=100; declare queue other
        given publish '' q 1 persistent | '' q 2; clock 1050; publish '' q 3 persistent
        due
          > 1100
        clock 1099
        get q
          > s1.1 get-ok 1 1, 2 left
          > write delivered q:1
        clock 1100
        get q
          > s1.1 get-ok 2 3, 0 left
          > write delivered q:3
        # What is foreseen may have left before.
        due
          > 1150
        given clock 1150
        due
          > never
        ",
    );
}

#[test]
fn what_an_exchange_kept_has_its_time_from_the_binding_on() {
    scenario(
        "
        given clock 1000; declare exchange recent x-recent-history; open s1.2
        given declare queue q durable x-message-ttl=100
        given publish recent k 1 persistent
        given clock 1090; publish '' q 2 on s1.2
        bind q recent ''
          > s1.1 bind-ok
          > write 1 -> q:2
        given clock 1189
        declare queue q passive
          > s1.1 declare-ok q, 2 ready, 0 consumers
        clock 1190
          > write settled q:2
        ",
    );
}

#[test]
fn a_message_expires_behind_others_that_do_not() {
    scenario(
        "
        given clock 1000; declare queue q durable
        publish '' q 1 persistent | '' q 2 persistent expiration:50 | '' q 3 expiration:9 | '' q 4
          > write 1 -> q:1
          > write 2 -> q:2
        due
          > 1009
        clock 1009
        declare queue q durable passive
          > s1.1 declare-ok q, 3 ready, 0 consumers
        due
          > 1050
        clock 2000
          > write settled q:2
        declare queue q durable passive
          > s1.1 declare-ok q, 2 ready, 0 consumers
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 4
          > write settled q:1
        ",
    );
}

#[test]
fn the_shorter_time_counts() {
    scenario(
        "
        given clock 1000; declare queue q x-message-ttl=100
        given publish '' q long expiration:500 | '' q short expiration:20 | '' q none
        clock 1020
        declare queue q x-message-ttl=100
          > s1.1 declare-ok q, 2 ready, 0 consumers
        clock 1100
        declare queue q x-message-ttl=100
          > s1.1 declare-ok q, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn an_expiration_that_is_no_number_has_no_effect() {
    scenario(
        "
        given clock 1000; declare queue q; publish '' q 1 expiration:soon | '' q 2 expiration:-5
        due
          > never
        ",
    );
}

#[test]
fn with_a_time_of_zero_only_a_waiting_consumer_gets_a_message() {
    scenario(
        "
        given clock 1000; declare queue q x-message-ttl=0; qos 1
        publish '' q nobody
        get q
          > s1.1 get-empty
        consume q c
          > s1.1 consume-ok c
        publish '' q 1 | '' q 2
          > s1.1 deliver c 1 1
        ack 1
        publish '' q 3
          > s1.1 deliver c 2 3
        publish '' q 4 expiration:1000
        ack 2
        declare queue q x-message-ttl=0
          > s1.1 declare-ok q, 0 ready, 1 consumers
        ",
    );
}

#[test]
fn with_a_time_of_zero_a_message_that_comes_back_is_not_delivered_again() {
    scenario(
        "
        given clock 1000; declare queue q; declare queue timed x-message-ttl=0
        consume q c
          > s1.1 consume-ok c
        consume timed d
          > s1.1 consume-ok d
        publish '' q 1 expiration:0
          > s1.1 deliver c 1 1
        reject 1 requeue
        publish '' timed 2
          > s1.1 deliver d 2 2
        reject 2 requeue
        publish '' q 3
          > s1.1 deliver c 3 3
        ",
    );
}

#[test]
fn a_confirm_does_not_tell_that_a_message_expired_at_once() {
    scenario(
        "
        given clock 1000; declare queue q durable x-message-ttl=0; confirm
        publish '' q 1 persistent | '' q 2
          > once written: s1.1 confirm 1
          > s1.1 confirm 2
          > write 1 -> q:1
          > write settled q:1
        ",
    );
}

#[test]
fn what_comes_back_keeps_its_time() {
    scenario(
        "
        given clock 1000; declare queue q durable; qos 2; consume q c
        publish '' q 1 persistent expiration:100 | '' q 2 persistent
          > s1.1 deliver c 1 1
          > s1.1 deliver c 2 2
          > write 1 -> q:1
          > write 2 -> q:2
          > write delivered q:2
        # Nothing expires while somebody has it.
        clock 1050
        reject 1 requeue
          > s1.1 deliver c 3 1 again
        clock 1200
        recover
          > s1.1 recover-ok
          > s1.1 deliver c 4 2 again
          > write settled q:1
        ",
    );
}

#[test]
fn many_messages_in_the_middle_of_a_queue_expire() {
    let short = |body: u32| format!("'' q {body} expiration:50");
    let stays = |body: u32| format!("'' q {body}");
    let all = (1..=400).map(|body| if body % 4 == 1 { stays(body) } else { short(body) });
    let publish = format!("publish {}", all.collect::<Vec<_>>().join(" | "));
    scenario(&format!(
        "
        given clock 1000; declare queue q; {publish}; clock 1050; clock 1050
        declare queue q
          > s1.1 declare-ok q, 100 ready, 0 consumers
        given publish '' q last
        get q
          > s1.1 get-ok 1 1, 100 left
        get q
          > s1.1 get-ok 2 5, 99 left
        given reject 1 requeue
        get q
          > s1.1 get-ok 3 1 again, 99 left
        purge q
          > s1.1 purge-ok 99
        "
    ));
}

#[test]
fn a_queue_expires_when_nobody_uses_it() {
    scenario(
        "
        given clock 1000; declare queue q durable x-expires=100; bind q amq.fanout ''
        given publish '' q 1 persistent
        due
          > 1100
        given clock 1090; declare queue q durable x-expires=100; clock 1180; get q no_ack
        clock 1279
        clock 1280
          > write no binding amq.fanout '' -> q
          > write no queue q
        due
          > never
        declare queue q passive
          > once written: s1.1 channel error 50.10: no queue 'q' in vhost '/'
        ",
    );
}

#[test]
fn a_queue_with_a_consumer_is_used() {
    scenario(
        "
        given clock 1000; declare queue q x-expires=100; consume q c; clock 2000; cancel c
        clock 2099
        declare queue other
          > s1.1 declare-ok other, 0 ready, 0 consumers
        given open s2.1; clock 2100; declare queue q x-expires=100
        consume q c
          > s1.1 consume-ok c
        ",
    );
}

#[test]
fn the_time_of_an_unused_queue_begins_anew_after_a_restart() {
    scenario(
        "
        given clock 1000; declare queue q durable x-expires=100; restart; clock 5000; open s1.1
        clock 5099
        clock 5100
          > write no queue q
        ",
    );
}

#[test]
fn a_queue_does_not_go_right_behind_an_answer_that_took_long() {
    scenario(
        "
        memory 0
        given clock 1000; declare queue q durable x-expires=100; publish '' q a persistent
        get q
        > load q:1
        clock 5000
        loaded
        > s1.1 get-ok 1 a, 0 left
        > write delivered q:1
        declare queue q durable x-expires=100
        > once written: s1.1 declare-ok q, 0 ready, 0 consumers
        clock 5099
        clock 5100
        > write no queue q
        ",
    );
}

#[test]
fn messages_expire_after_a_restart() {
    scenario(
        "
        given clock 1000; declare queue q durable x-message-ttl=100; declare queue other durable
        given publish '' q 1 persistent; clock 1040; publish '' q 2 persistent
        given publish '' other 1 persistent; restart
        due
          > 0
        clock 1100
          > load q:1..2
        due
          > never
        loaded
          > write settled q:1
        due
          > 1140
        clock 1140
          > write settled q:2
        ",
    );
}

#[test]
fn messages_with_a_time_of_their_own_are_found_after_a_restart() {
    scenario(
        "
        given clock 1000; declare queue q durable; open s2.1
        given publish '' q 1 persistent | '' q 2 persistent expiration:640
        given publish '' q 3 persistent expiration:5000 | '' q 4 persistent expiration:1
        given publish '' q 5 persistent
        given restart
        clock 1010
          > load q:1..5
        loaded
          > write settled q:4
        due
          > 1664
        # They are read only when they have expired, and nothing else is.
        clock 1664
          > load q:2
        loaded
          > write settled q:2
        given open s1.1
        declare queue q durable passive
          > s1.1 declare-ok q, 3 ready, 0 consumers
        get q
          > load q:1..5
        loaded
          > s1.1 get-ok 1 1, 2 left
          > write delivered q:1
        due
          > 6000
        clock 6000
          > write settled q:3
        get q
          > s1.1 get-ok 2 5, 0 left
          > write delivered q:5
        ",
    );
}

#[test]
fn messages_on_disk_expire_where_they_are() {
    scenario(
        "
        given memory 300; clock 6400; declare queue q durable
        given publish '' q 1 | '' q 2 | '' q 3 persistent | '' q 4 expiration:64
        given publish '' q 5 persistent expiration:64 | '' q 6 | '' q 7 expiration:640
        clock 6464
          > load q:4,5
        loaded
          > write settled spilled-1:4
          > write settled q:5
        declare queue q durable passive
          > s1.1 declare-ok q, 5 ready, 0 consumers
        clock 7040
          > load q:7
        # What is on its way is void when the queue was purged.
        purge q
          > once written: s1.1 purge-ok 5
          > write settled q:3
          > write settled q:4..7
          > write settled spilled-1:4..7
        loaded
        due
          > never
        ",
    );
}

#[test]
fn a_load_for_a_consumer_brings_nothing_that_has_expired() {
    scenario(
        "
        given memory 200; clock 6400; declare queue q durable
        given publish '' q 1 | '' q 2 | '' q 3 expiration:64 | '' q 4
        get q no_ack
          > s1.1 get-ok 1 1, 3 left
        given get q no_ack
        get q no_ack
          > load q:3..4
        # The time comes while the answer is on its way.
        clock 7000
        loaded
          > s1.1 get-ok 3 4, 0 left
          > write settled spilled-1:3..4
        ",
    );
}

#[test]
fn what_expires_without_its_content_is_read_if_it_goes_on_to_another_exchange() {
    scenario(
        "
        given memory 1; clock 6400; qos 3
        given declare queue q durable x-dead-letter-exchange=nowhere
        given publish '' q 1 persistent | '' q 2 persistent expiration:50 | '' q 3 persistent
        given consume q c; loaded; loaded; cancel c; recover
        clock 6500
          > load q:2
        declare queue q durable x-dead-letter-exchange=nowhere passive
          > s1.1 declare-ok q, 3 ready, 0 consumers
        loaded
          > write settled q:2
        declare queue q durable x-dead-letter-exchange=nowhere passive
          > s1.1 declare-ok q, 2 ready, 0 consumers
        ",
    );
}

#[test]
fn a_message_that_expires_unread_is_lost_if_it_cannot_be_read() {
    scenario(
        "
        given memory 1; clock 6400; declare queue q durable
        given publish '' q 1 persistent | '' q 2 persistent expiration:64
        given publish '' q 3 persistent expiration:64 | '' q 4 persistent
        clock 6464
          > load q:2,3
        loaded without 2
          > write settled q:2..3
          > lost q:2
        declare queue q durable passive
          > s1.1 declare-ok q, 2 ready, 0 consumers
        ",
    );
}

#[test]
fn deleting_a_queue_while_it_expires() {
    scenario(
        "
        given memory 1; clock 6400; declare queue q durable x-message-ttl=50
        given publish '' q 1 persistent | '' q 2 persistent
        clock 6450
          > write settled q:1
          > load q:2
        delete queue q
          > once written: s1.1 delete-ok 1
          > write no queue q
        loaded
        due
          > never
        ",
    );
}
