//! Direct reply-to.

use warren_engine::limits;

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn a_reply_goes_to_the_channel_that_asked() {
    scenario(
        "
        given open s2.1
        replies a
          > s1.1 consume-ok a
        publish '' amq.rabbitmq.reply-to.a answer on s2.1
          > s1.1 deliver a 1 answer
        # For mandatory it does not count as a queue.
        publish '' amq.rabbitmq.reply-to.a more mandatory on s2.1
          > s1.1 deliver a 2 more
          > s2.1 return more
        publish amq.direct amq.rabbitmq.reply-to.a elsewhere on s2.1
        ",
    );
}

#[test]
fn a_reply_to_nobody_is_dropped_or_comes_back() {
    scenario(
        "
        given open s2.1; replies a; open s1.2; replies b on s1.2
        cancel a
          > s1.1 cancel-ok a
        publish '' amq.rabbitmq.reply-to.a 1 on s2.1
        close s1.2
          > s1.2 close-ok
        publish '' amq.rabbitmq.reply-to.b 2 mandatory on s2.1
          > s2.1 return 2
        replies a
          > s1.1 consume-ok a
        lose s1
        publish '' amq.rabbitmq.reply-to.a 3 mandatory on s2.1
          > s2.1 return 3
        ",
    );
}

#[test]
fn it_looks_like_a_queue_to_whoever_declares_it() {
    scenario(
        "
        given open s2.1; replies a
        declare queue amq.rabbitmq.reply-to passive on s2.1
          > s2.1 declare-ok amq.rabbitmq.reply-to, 0 ready, 1 consumers
        declare queue amq.rabbitmq.reply-to on s2.1
          > s2.1 declare-ok amq.rabbitmq.reply-to, 0 ready, 1 consumers
        declare queue amq.rabbitmq.reply-to.a passive on s2.1
          > s2.1 declare-ok amq.rabbitmq.reply-to.a, 0 ready, 1 consumers
        declare queue amq.rabbitmq.reply-to.b passive on s2.1
          > s2.1 channel error 50.10: no queue 'amq.rabbitmq.reply-to.b' in vhost '/'
        given open s2.1
        declare queue amq.rabbitmq.reply-to.b on s2.1
          > s2.1 channel error 50.10: no queue 'amq.rabbitmq.reply-to.b' in vhost '/'
        given open s2.1
        get amq.rabbitmq.reply-to on s2.1
          > s2.1 channel error 60.70: no queue 'amq.rabbitmq.reply-to' in vhost '/'
        ",
    );
}

#[test]
fn a_channel_has_one_consumer_of_replies_without_acknowledgement() {
    scenario(
        "
        replies a ack
          > s1.1 channel error 60.20: reply consumer cannot acknowledge
        given open s1.1; replies a
        replies b
          > s1.1 channel error 60.20: reply consumer already set
        given open s1.1; declare queue q; consume q c
        replies c
          > s1 connection error 60.20: attempt to reuse consumer tag 'c'
        ",
    );
}

#[test]
fn a_reply_may_be_named_among_more_routing_keys() {
    scenario(
        "
        given open s2.1; replies a; open s3.1; replies b on s3.1; declare queue q; declare queue r
        publish '' q one CC=[amq.rabbitmq.reply-to.a,r,amq.rabbitmq.reply-to.a] on s2.1
          > s1.1 deliver a 1 one
        get r no_ack on s2.1
          > s2.1 get-ok 1 one, 0 left
        get q no_ack on s2.1
          > s2.1 get-ok 2 one, 0 left
        publish '' amq.rabbitmq.reply-to.b two BCC=[amq.rabbitmq.reply-to.a] on s2.1
          > s1.1 deliver a 2 two
          > s3.1 deliver b 1 two
        # For mandatory none of them counts as a queue.
        publish '' none three CC=[amq.rabbitmq.reply-to.a] mandatory on s2.1
          > s1.1 deliver a 3 three
          > s2.1 return three
        publish '' q four CC=[amq.rabbitmq.reply-to.a] mandatory on s2.1
          > s1.1 deliver a 4 four
        # Only the default exchange knows these names.
        publish amq.direct none five CC=[amq.rabbitmq.reply-to.a] on s2.1
        given tx.select on s2.1
        publish '' q six CC=[amq.rabbitmq.reply-to.a] on s2.1
        tx.commit on s2.1
          > s1.1 deliver a 5 six
          > s2.1 commit-ok
        ",
    );
}

#[test]
fn a_dead_letter_may_be_a_reply() {
    scenario(
        "
        given open s2.1; replies a
        given declare queue late x-dead-letter-exchange= x-message-ttl=0 \
x-dead-letter-routing-key=amq.rabbitmq.reply-to.a on s2.1
        publish '' late sorry on s2.1
          > s1.1 deliver a 1 sorry {late expired 1}
        ",
    );
}

#[test]
fn a_reply_in_a_transaction_goes_at_the_commit() {
    scenario(
        "
        given open s2.1; replies a; tx.select on s2.1
        publish '' amq.rabbitmq.reply-to.a 1 on s2.1
        tx.commit on s2.1
          > s1.1 deliver a 1 1
          > s2.1 commit-ok
        ",
    );
}

#[test]
fn a_reply_waits_behind_a_get() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent
        restart
        given open s1.1; open s2.1; replies a
        get q
          > load q:1
        publish '' amq.rabbitmq.reply-to.a answer on s2.1
        loaded
          > s1.1 get-ok 2 1, 0 left
          > s1.1 deliver a 1 answer
          > write delivered q:1
        ",
    );
}

#[test]
fn replies_that_nobody_reads_are_dropped_at_a_limit() {
    let mut world = World::new();
    world.run("replies a");
    world.run("open s2.1");
    let line = "publish '' amq.rabbitmq.reply-to.a *1000000 on s2.1";
    let delivered = (0..30).filter(|_| !world.run(line).is_empty()).count();
    assert_eq!(delivered, limits::REPLY_OUTBOX_BYTES.div_ceil(1_000_100));
    world.run("flushed s1");
    assert!(!world.run(line).is_empty());
}
