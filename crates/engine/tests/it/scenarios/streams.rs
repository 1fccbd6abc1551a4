//! Streams: nothing is taken out, and each consumer reads from a place of its own.

use warren_engine::limits;

use crate::scenario::scenario;
use crate::world::World;

const STREAM: &str = "declare queue s durable x-queue-type=stream";

#[test]
fn messages_stay_and_consumers_read_what_is_durable() {
    scenario(
        "
        given declare queue s durable x-queue-type=stream
        given confirm; qos 10
        # Every message survives, whatever it says of itself.
        publish '' s 1 | '' s 2 persistent
          > once written: s1.1 confirm 1..2
          > write 1 -> s:1
          > write 2 -> s:2
        consume s a x-stream-offset=first
          > s1.1 consume-ok a
          > sync s:2
        loaded
          > load s:1..2
        loaded
          > s1.1 deliver a 1 1 at 0
          > s1.1 deliver a 2 2 at 1
        # An acknowledgement is credit and nothing else.
        ack 2 multiple
        declare queue s passive
          > s1.1 declare-ok s, 2 ready, 1 consumers
        publish '' s 3
          > once written: s1.1 confirm 3
          > write 3 -> s:3
          > sync s:3
        # From memory: nothing is read.
        loaded
          > s1.1 deliver a 3 3 at 2
        ",
    );
}

#[test]
fn a_restart_keeps_offsets() {
    scenario(
        "
        given declare queue s durable x-queue-type=stream; publish '' s 1 | '' s 2; restart
        given open s1.1; qos 10
        declare queue s passive
          > s1.1 declare-ok s, 2 ready, 0 consumers
        consume s a x-stream-offset=1
          > s1.1 consume-ok a
          > load s:2
        loaded
          > s1.1 deliver a 1 2 at 1
        publish '' s 3
          > write 3 -> s:3
          > sync s:3
        loaded
          > s1.1 deliver a 2 3 at 2
        ",
    );
}

#[test]
fn each_consumer_begins_where_it_wants() {
    scenario(
        "
        given declare queue s durable x-queue-type=stream; qos 10
        given publish '' s 1; publish '' s 2 | '' s 3; restart; open s1.1; qos 1
        given publish '' s 4; publish '' s 5 | '' s 6
        consume s next
          > s1.1 consume-ok next
          > sync s:6
        given loaded
        consume s last x-stream-offset=last
          > s1.1 consume-ok last
          > load s:5..6
        loaded
          > s1.1 deliver last 1 5 at 4
        # Below 0 is the first one.
        consume s low x-stream-offset=-3
          > s1.1 consume-ok low
          > load s:1..4
        loaded
          > s1.1 deliver low 2 1 at 0
        # What is below the wanted offset is not delivered, though it has not come yet.
        consume s high x-stream-offset=7
          > s1.1 consume-ok high
        given publish '' s 7 | '' s 8
        loaded
          > s1.1 deliver next 3 7 at 6
          > s1.1 deliver high 4 8 at 7
        ",
    );
}

#[test]
fn a_time_is_looked_for() {
    scenario(
        "
        given clock 1000000
        given declare queue s durable x-queue-type=stream x-stream-max-segment-size-bytes=1
        given clock 1010000; publish '' s 1 time:1010000
        given clock 1020000; publish '' s 2 time:1020000 | '' s 3 time:1020000
        given clock 1030000; publish '' s 4 time:1030000; qos 10
        consume s a x-stream-offset=@1015
          > s1.1 consume-ok a
          > sync s:4
        loaded
          > load s:1..4
        loaded
          > s1.1 deliver a 1 2 at 1
          > s1.1 deliver a 2 3 at 2
          > s1.1 deliver a 3 4 at 3
        # Ten seconds ago, after a restart: times are read from the messages.
        given restart; open s1.1; qos 1; clock 1030000
        consume s b x-stream-offset=10s
          > s1.1 consume-ok b
          > load s:3..4
        loaded
          > load s:2..4
        loaded
          > load s:1..4
        loaded
          > load s:1..4
        loaded
          > s1.1 deliver b 1 2 at 1
        # What is yet to come.
        consume s c x-stream-offset=@5000
          > s1.1 consume-ok c
          > load s:4
        loaded
        ",
    );
}

#[test]
fn a_filter_lets_through_what_matches_and_nothing_else() {
    scenario(
        "
        given declare queue s durable x-queue-type=stream; qos 10
        given consume s one x-stream-filter=a
        given consume s two x-stream-filter=[a,b]
        given consume s rest x-stream-filter=c x-stream-match-unfiltered=true
        given publish '' s 1 x-stream-filter-value=a | '' s 2 | '' s 3 x-stream-filter-value=b
        loaded
          > s1.1 deliver one 1 1 at 0
          > s1.1 deliver two 2 1 at 0
          > s1.1 deliver two 3 3 at 2
          > s1.1 deliver rest 4 2 at 1
        ",
    );
}

/// Lines, each with how its refusal ends.
const REFUSALS: [(&str, &str); 16] = [
    (
        "get s",
        "connection error 60.70: basic.get not supported by stream queues queue 's' in vhost '/'",
    ),
    (
        "purge s",
        "connection error 50.30: queue.purge not supported by stream queues queue 's' in vhost '/'",
    ),
    (
        "consume s c no_ack",
        "connection error 60.20: automatic acknowledgement not supported by stream queues queue 's' in vhost '/'",
    ),
    (
        "nack 1 requeue",
        "connection error 60.120: basic.nack and basic.reject not supported by stream queues queue 's' in vhost '/'",
    ),
    (
        "reject 1",
        "connection error 60.90: basic.nack and basic.reject not supported by stream queues queue 's' in vhost '/'",
    ),
    (
        "recover",
        "connection error 60.110: basic.recover not supported by stream queues queue 's' in vhost '/'",
    ),
    (
        "consume s c on s1.2",
        "channel error 60.20: consumer prefetch count is not set for 'queue 's' in vhost '/''",
    ),
    (
        "consume s c x-priority=1",
        "channel error 60.20: invalid arg 'x-priority' for queue 's' in vhost '/' of queue type rabbit_stream_queue",
    ),
    (
        "consume q c x-stream-offset=first",
        "channel error 60.20: invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    ),
    (
        "consume s c x-stream-offset=5m5",
        "channel error 60.20: invalid arg 'x-stream-offset' for queue 's' in vhost '/': {invalid_stream_offset_arg,{longstr,<<\"5m5\">>}}",
    ),
    (
        "consume s c x-stream-offset=true",
        "channel error 60.20: invalid arg 'x-stream-offset' for queue 's' in vhost '/': {invalid_stream_offset_arg,{bool,true}}",
    ),
    (
        "declare queue t durable x-queue-type=stream x-max-age=1x",
        "channel error 50.10: invalid arg 'x-max-age' for queue 't' in vhost '/': invalid_max_age",
    ),
    (
        "declare queue t durable x-queue-type=stream x-max-length=5",
        "channel error 50.10: invalid arg 'x-max-length' for queue 't' in vhost '/' of queue type rabbit_stream_queue",
    ),
    (
        "declare queue t durable x-queue-type=stream x-single-active-consumer=true",
        "channel error 50.10: invalid arg 'x-single-active-consumer' for queue 't' in vhost '/' of queue type rabbit_stream_queue",
    ),
    (
        "declare queue t x-queue-type=stream",
        "channel error 50.10: invalid property 'non-durable' for queue 't' in vhost '/'",
    ),
    (
        "declare queue s durable x-queue-type=stream x-stream-max-segment-size-bytes=5",
        "channel error 50.10: inequivalent arg 'x-stream-max-segment-size-bytes' for queue 's' in vhost '/': received the value '5' of type 'signedint' but current is none",
    ),
];

#[test]
fn what_streams_cannot_do_is_refused() {
    for (line, refusal) in REFUSALS {
        let mut world = World::new();
        for line in [STREAM, "declare queue q", "open s1.2", "qos 5", "publish '' s 1"] {
            world.run(line);
        }
        world.run("consume s first x-stream-offset=first");
        world.run("loaded");
        assert_eq!(world.run("loaded"), ["s1.1 deliver first 1 1 at 0"]);
        let answers = world.run(line);
        assert!(answers.iter().any(|answer| answer.ends_with(refusal)), "{line}: {answers:?}");
    }
}

#[test]
fn nobody_has_a_stream_alone() {
    scenario(
        "
        given declare queue s durable x-queue-type=stream; qos 1; consume s a exclusive
        consume s b exclusive
          > s1.1 consume-ok b
        ",
    );
}

#[test]
fn deleting_a_stream_cancels_its_consumers() {
    scenario(
        "
        given declare queue s durable x-queue-type=stream; qos 1; publish '' s 1; consume s a
        delete queue s if_empty
          > s1.1 channel error 50.40: queue 's' in vhost '/' not empty
        given open s1.1; qos 1; consume s a
        delete queue s
          > once written: s1.1 delete-ok 1
          > s1.1 cancelled a
          > write no queue s
        ",
    );
}

#[test]
fn the_oldest_messages_go_when_all_are_too_much() {
    scenario(
        "
        # A message of 136 bytes counts 200.
        given declare queue s durable x-queue-type=stream x-max-length-bytes=450 x-stream-max-segment-size-bytes=200
        given publish '' s *136 | '' s *136; qos 10
        publish '' s *136
          > write *136 -> s:3
          > write settled s:1
        consume s a x-stream-offset=first
          > s1.1 consume-ok a
          > sync s:3
        loaded
          > load s:2..3
        # What goes meanwhile is passed over.
        publish '' s *136
          > write *136 -> s:4
          > write settled s:2
        loaded
          > s1.1 deliver a 1 *136 at 2
          > sync s:4
        loaded
          > s1.1 deliver a 2 *136 at 3
        ",
    );
}

#[test]
fn what_is_too_old_goes_while_nobody_does_anything() {
    scenario(
        "
        given clock 1000000
        given declare queue s durable x-queue-type=stream x-max-age=10s x-stream-max-segment-size-bytes=1
        given publish '' s 1 time:1000000; clock 1005000; publish '' s 2 time:1005000; publish '' s 3
        clock 1009999
        clock 1010000
          > write settled s:1
        # The last segment stays.
        clock 2000000
          > write settled s:2
        clock 3000000
        declare queue s passive
          > s1.1 declare-ok s, 1 ready, 0 consumers
        ",
    );
}

#[test]
fn what_became_too_old_during_a_restart_goes() {
    scenario(
        "
        given clock 1000000
        given declare queue s durable x-queue-type=stream x-max-age=10s x-stream-max-segment-size-bytes=1
        given publish '' s 1 time:1000000; clock 1005000; publish '' s 2 time:1005000; publish '' s 3
        given restart
        clock 1012000
          > load s:1..3
        loaded
          > write settled s:1
          > load s:2..3
        loaded
        clock 1015000
          > write settled s:2
        ",
    );
}

#[test]
fn a_lost_message_leaves_a_gap() {
    scenario(
        "
        given declare queue s durable x-queue-type=stream; publish '' s 1 | '' s 2 | '' s 3; restart
        given open s1.1; qos 10; consume s a x-stream-offset=first
        loaded without 2
          > s1.1 deliver a 1 1 at 0
          > s1.1 deliver a 2 3 at 2
          > write settled s:2
          > lost s:2
        declare queue s passive
          > s1.1 declare-ok s, 2 ready, 1 consumers
        ",
    );
}

#[test]
fn consumers_share_what_was_read_and_share_the_memory() {
    let mut world = World::new();
    world.run("memory 1000");
    world.run(STREAM);
    let parts: Vec<_> = (1..=50).map(|body| format!("'' s {body}")).collect();
    world.run(&format!("publish {}", parts.join(" | ")));
    for line in ["restart", "open s1.1", "open s1.2", "qos 3", "qos 3 on s1.2"] {
        world.run(line);
    }
    assert_eq!(world.run("consume s a x-stream-offset=first")[1], "load s:1..50");
    assert_eq!(world.run("consume s b x-stream-offset=first on s1.2"), ["s1.2 consume-ok b"]);
    let lines = world.run("loaded");
    for consumer in ["s1.1 deliver a", "s1.2 deliver b"] {
        let deliveries = lines.iter().filter(|line| line.starts_with(consumer));
        assert_eq!(deliveries.count(), 3, "one answer is for both: {lines:?}");
    }
    // Both go on to the end in small steps, however little is in memory at a time.
    let (mut delivered, mut steps) = (6, 0);
    while delivered < 100 {
        let mut lines = match world.loads.is_empty() {
            true => vec![],
            false => world.run("loaded"),
        };
        for channel in [1, 2] {
            lines.extend(world.run(&format!("ack 0 multiple on s1.{channel}")));
        }
        delivered += lines.iter().filter(|line| line.contains("deliver")).count();
        steps += 1;
        assert!(steps < 500, "{delivered} delivered");
    }
}

#[test]
fn much_for_many_consumers_comes_in_turns() {
    let mut world = World::new();
    world.checks = false;
    world.run(STREAM);
    world.run("qos 60000");
    let consumers = 40;
    for number in 0..consumers {
        world.run(&format!("consume s c{number}"));
    }
    let count = 1_000;
    let parts: Vec<_> = (1..=count).map(|body| format!("'' s {body}")).collect();
    world.run(&format!("publish {}", parts.join(" | ")));
    world.checks = true;
    let (mut delivered, mut steps) = (0, 0);
    let mut line = "loaded".to_owned();
    while delivered < consumers * count {
        let lines = world.run(&line);
        let now = lines.iter().filter(|line| line.contains("deliver")).count();
        assert!(now <= limits::STREAM_STEP_MESSAGES);
        delivered += now;
        steps += 1;
        line = format!("clock {steps}");
        world.run("flushed s1");
        assert!(steps < 100, "{delivered} delivered");
    }
    assert!(steps >= 3, "{steps}");
}
