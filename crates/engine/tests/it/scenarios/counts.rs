//! What is counted, and that each object is shown when it has changed and only then.

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn everything_is_shown_once_and_then_what_changed() {
    scenario(
        "
        given declare queue q durable; declare queue r; declare exchange x fanout
        given bind q x ''; consume r c no_ack
        show
          > binding q x ''
          > channel s1.1 consumers=1
          > consumer c
          > exchange 'x'
          > queue q
          > queue r consumers=1
        show
        publish x '' hello
        show
          > channel s1.1 consumers=1 publish=1
          > exchange 'x' in=1 out=1
          > queue q ready:1(5) publish=1
        # The same once more: nothing is on two lists.
        publish x '' 1 | x '' 2 | '' r 3
          > s1.1 deliver c 1 3
        show
          > channel s1.1 consumers=1 publish=4 deliver_no_ack=1
          > consumer c deliver=1
          > exchange '' in=1 out=1
          > exchange 'x' in=3 out=3
          > queue q ready:3(7) publish=3
          > queue r consumers=1 publish=1 deliver_no_ack=1
        show
        ",
    );
}

#[test]
fn what_is_gone_is_shown_as_gone() {
    scenario(
        "
        given declare queue q; declare exchange x fanout; bind q x ''; consume q c; open s2.1
        given show
        delete queue q
          > s1.1 delete-ok 0
          > s1.1 cancelled c
        delete exchange x
          > s1.1 exchange delete-ok
        close s2
          > s2 closed
        show
          > binding gone
          > channel s1.1
          > channel s2.1 gone
          > consumer gone
          > exchange gone
          > queue gone
        # What came and went between two looks is shown as gone, and was never there.
        given declare queue q; delete queue q; open s3.1; close s3
        show
          > channel s1.1
          > channel s3.1 gone
          > queue gone
        given declare queue q
        show
          > channel s1.1
          > queue q
        ",
    );
}

#[test]
fn a_channel_that_is_opened_again_is_another_one() {
    scenario(
        "
        given declare queue q; publish '' q 1
        given show
        given close s1.1; open s1.1; consume q c no_ack
        show
          > channel s1.1 consumers=1 deliver_no_ack=1
          > channel s1.1 gone
          > consumer c deliver=1
          > queue q consumers=1 publish=1 deliver_no_ack=1
        ",
    );
}

#[test]
fn deliveries_acknowledgements_and_what_comes_back() {
    scenario(
        "
        given clock 1; declare queue q durable; qos 2; consume q c
        given publish '' q 1 persistent | '' q 22 persistent | '' q 333 persistent
        show
          > channel s1.1 prefetch=2 consumers=1 out=2 publish=3 deliver=2
          > consumer c deliver=2 out=2
          > exchange '' in=3 out=3
          > queue q ready:1(3) out:2(3) persistent:3(6) consumers=1 stalled publish=3 deliver=2
        ack 1
          > s1.1 deliver c 3 333
          > write settled q:1
          > write delivered q:3
        nack 2 requeue
          > s1.1 deliver c 4 22 again
        # A rejected message is no acknowledged one.
        nack 3
          > write settled q:3
        show
          > channel s1.1 prefetch=2 consumers=1 out=1 publish=3 deliver=4 redeliver=1 ack=1
          > consumer c deliver=4 redeliver=1 ack=1 out=1
          > queue q out:1(2) persistent:1(2) consumers=1 publish=3 deliver=4 redeliver=1 ack=1 rejected=1
        ack 0 multiple
          > write settled q:2
        show
          > channel s1.1 prefetch=2 consumers=1 publish=3 deliver=4 redeliver=1 ack=2
          > consumer c deliver=4 redeliver=1 ack=2
          > queue q consumers=1 publish=3 deliver=4 redeliver=1 ack=2 rejected=1
        ",
    );
}

#[test]
fn fetching() {
    scenario(
        "
        given declare queue q; publish '' q 1 | '' q 2
        given get q no_ack; get q; get q
        show
          > channel s1.1 out=1 publish=2 get=1 get_no_ack=1 get_empty=1
          > exchange '' in=2 out=2
          > queue q out:1(1) publish=2 get=1 get_no_ack=1 get_empty=1
        given recover; get q; ack 3
        show
          > channel s1.1 publish=2 get=2 get_no_ack=1 get_empty=1 redeliver=1 ack=1
          > queue q publish=2 get=2 get_no_ack=1 get_empty=1 redeliver=1 ack=1
        ",
    );
}

#[test]
fn messages_without_a_queue_and_confirms() {
    scenario(
        "
        given declare queue q x-max-length=1 x-overflow=reject-publish; confirm
        publish '' q 1 | amq.fanout k 2 | amq.fanout k 3 mandatory | '' q 4
          > s1.1 return 3
          > s1.1 confirm 1..3
          > s1.1 refuse 4
        show
          > channel s1.1 confirms publish=4 confirm=3 return=1 drop=1
          > exchange '' in=2 out=2
          > exchange 'amq.fanout' in=2
          > queue q ready:1(1) publish=1 refused=1
        publish nowhere k 5
          > once written: s1.1 channel error 60.40: no exchange 'nowhere' in vhost '/'
        show
          > channel s1.1 gone
        ",
    );
}

#[test]
fn copies_to_many_queues_count_for_each() {
    scenario(
        "
        given declare queue q; declare queue r; declare exchange x topic
        given bind q x #; bind r x a.*; bind exchange:x amq.fanout ''
        given publish x a.b 1 | x c 2 | amq.fanout '' 3 | x a.c 4
        show
          > binding exchange:x amq.fanout ''
          > binding q x '#'
          > binding r x 'a.*'
          > channel s1.1 publish=4
          > exchange 'amq.fanout' in=1 out=1
          > exchange 'x' in=3 out=5
          > queue q ready:4(4) publish=4
          > queue r ready:2(2) publish=2
        ",
    );
}

#[test]
fn messages_that_go_without_being_delivered() {
    scenario(
        "
        given declare queue dead; bind dead amq.fanout ''
        given declare queue q x-max-length=2 x-dead-letter-exchange=amq.fanout x-message-ttl=100
        given clock 1000
        given publish '' q 1 | '' q 2 | '' q 3; show
        show
        given get q; reject 1
        clock 1100
        show
          > channel s1.1 publish=3 get=1
          > queue dead ready:3(3) moved_in=3
          > queue q publish=3 get=1 expired=1 dropped=1 rejected=1
        given purge dead
        show
          > channel s1.1 publish=3 get=1
          > queue dead moved_in=3 purged=3
        ",
    );
}

#[test]
fn messages_that_come_back_too_often() {
    scenario(
        "
        given declare queue q durable x-queue-type=quorum x-delivery-limit=1
        given publish '' q 1 persistent; get q; nack 1 requeue; get q; nack 2 requeue
        show
          > channel s1.1 publish=1 get=2 redeliver=1
          > exchange '' in=1 out=1
          > queue q publish=1 get=2 redeliver=1 delivery_limit=1
        ",
    );
}

#[test]
fn a_transaction_is_counted_when_it_is_committed() {
    scenario(
        "
        given declare queue q; publish '' q 0; get q; tx.select
        given publish '' q 1 | amq.fanout k 2; ack 1
        show
          > channel s1.1 tx out=1 messages_uncommitted=2 acks_uncommitted=1 publish=1 get=1
          > exchange '' in=1 out=1
          > queue q out:1(1) publish=1 get=1
        given tx.commit
        show
          > channel s1.1 tx publish=3 drop=1 get=1 ack=1
          > exchange '' in=2 out=2
          > exchange 'amq.fanout' in=1
          > queue q ready:1(1) publish=2 get=1 ack=1
        ",
    );
}

#[test]
fn an_answer_to_a_direct_request_is_not_without_a_queue() {
    scenario(
        "
        given replies r
        publish '' amq.rabbitmq.reply-to.r answer | '' amq.rabbitmq.reply-to.other lost
          > s1.1 deliver r 1 answer
        show
          > channel s1.1 publish=2 drop=1
          > exchange '' in=2
        ",
    );
}

#[test]
fn what_is_on_disk_and_what_is_in_memory() {
    scenario(
        "
        given memory 250; declare queue q durable
        given publish '' q 1 persistent | '' q 22; publish '' q 333 persistent | '' q 4444
        show
          > channel s1.1 publish=4
          > exchange '' in=4 out=4
          > queue q ready:4(10) persistent:2(4) ready_in_memory:3(6) publish=4
        given purge q
        show
          > channel s1.1 publish=4
          > queue q publish=4 purged=4
        ",
    );
}

#[test]
fn the_time_for_which_consumers_take_nothing_is_measured() {
    scenario(
        "
        given clock 1000; declare queue q; qos 1; consume q c; publish '' q 1 | '' q 2
        given clock 1250
        show
          > channel s1.1 prefetch=1 consumers=1 out=1 publish=2 deliver=1
          > consumer c deliver=1 out=1
          > exchange '' in=2 out=2
          > queue q ready:1(1) out:1(1) consumers=1 stalled_ms=250 stalled publish=2 deliver=1
        given clock 1300; ack 1
        given clock 1900
        show
          > channel s1.1 prefetch=1 consumers=1 out=1 publish=2 deliver=2 ack=1
          > consumer c deliver=2 ack=1 out=1
          > queue q out:1(1) consumers=1 stalled_ms=300 publish=2 deliver=2 ack=1
        ",
    );
}

#[test]
fn one_consumer_is_active_and_then_another() {
    scenario(
        "
        given declare queue q x-single-active-consumer=true; consume q a; open s2.1
        given consume q b on s2.1
        show
          > channel s1.1 consumers=1
          > channel s2.1 consumers=1
          > consumer a
          > consumer b waits
          > queue q consumers=2
        given cancel a
        show
          > channel s1.1
          > consumer b
          > consumer gone
          > queue q consumers=1
        ",
    );
}

#[test]
fn a_restart_counts_anew_and_knows_what_waits() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; show
        given restart; open s1.1
        show
          > channel s1.1
          > queue q ready:2(2) persistent:2(2)
        ",
    );
}

#[test]
fn streams_keep_what_they_deliver() {
    scenario(
        "
        given declare queue s durable x-queue-type=stream; qos 10; consume s c
        given publish '' s 1 | '' s 22; loaded
        show
          > channel s1.1 prefetch=10 consumers=1 out=2 publish=2 deliver=2
          > consumer c deliver=2 out=2
          > exchange '' in=2 out=2
          > queue s ready:2(3) persistent:2(3) consumers=1 publish=2 deliver=2
        given ack 2 multiple
        show
          > channel s1.1 prefetch=10 consumers=1 publish=2 deliver=2 ack=2
          > consumer c deliver=2 ack=2
          > queue s ready:2(3) persistent:2(3) consumers=1 publish=2 deliver=2 ack=2
        ",
    );
}

#[test]
fn somebody_who_comes_late_sees_everything() {
    let mut world = World::new();
    for line in ["declare queue q", "publish '' q 1", "show", "publish '' q 2"] {
        world.run(line);
    }
    world.host().observe_anew();
    assert_eq!(
        world.run("show"),
        ["channel s1.1 publish=2", "exchange '' in=2 out=2", "queue q ready:2(2) publish=2"]
    );
    assert!(world.run("show").is_empty());
}
