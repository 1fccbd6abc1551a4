//! Which consumer is served: consumer priorities and single active consumers.

use crate::scenario::scenario;

#[test]
fn a_higher_priority_is_served_as_long_as_it_has_credit() {
    scenario(
        "
        given declare queue q; qos 1; consume q low x-priority=-2; consume q usual
        given consume q high x-priority=3:long
        publish '' q 1 | '' q 2 | '' q 3 | '' q 4
          > s1.1 deliver high 1 1
          > s1.1 deliver usual 2 2
          > s1.1 deliver low 3 3
        ack 3
          > s1.1 deliver low 4 4
        publish '' q 5
        ack 1
          > s1.1 deliver high 5 5
        ",
    );
}

#[test]
fn equals_take_turns_before_lower_ones() {
    scenario(
        "
        given declare queue q; consume q usual; consume q a x-priority=1; consume q b x-priority=1
        publish '' q 1 | '' q 2 | '' q 3
          > s1.1 deliver a 1 1
          > s1.1 deliver b 2 2
          > s1.1 deliver a 3 3
        publish '' q 4
          > s1.1 deliver b 4 4
        ",
    );
}

#[test]
fn a_priority_must_be_a_whole_number() {
    scenario(
        "
        given declare queue q
        consume q c x-priority=high
          > s1.1 channel error 60.20: invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\"
        ",
    );
}

#[test]
fn one_consumer_is_active_and_the_next_takes_over() {
    scenario(
        "
        given open s2.1; declare queue q x-single-active-consumer=true; qos 1
        given consume q a; consume q b on s2.1; consume q c
        publish '' q 1 | '' q 2 | '' q 3
          > s1.1 deliver a 1 1
        ack 1
          > s1.1 deliver a 2 2
        cancel a
          > s1.1 cancel-ok a
          > s2.1 deliver b 1 3
        nack 2 requeue
          > s2.1 deliver b 2 2 again
        lose s2
          > s1.1 deliver c 3 2 again
        ",
    );
}

#[test]
fn a_single_active_consumer_leaves_no_room_for_an_exclusive_one() {
    scenario(
        "
        given declare queue q x-single-active-consumer=true
        consume q c exclusive
          > s1.1 channel error 60.20: queue 'q' in vhost '/' in exclusive use
        ",
    );
}

#[test]
fn a_consumer_that_waits_gets_nothing_for_its_credit() {
    scenario(
        "
        given open s2.1; declare queue q x-single-active-consumer=true
        given qos 1; consume q a; qos 1 global on s2.1; consume q b on s2.1
        publish '' q 1 | '' q 2
          > s1.1 deliver a 1 1
        qos 5 global on s2.1
          > s2.1 qos-ok
        flushed s2
        declare queue q x-single-active-consumer=true passive
          > s1.1 declare-ok q, 1 ready, 2 consumers
        ",
    );
}

#[test]
fn an_auto_delete_queue_stays_while_a_consumer_waits() {
    scenario(
        "
        given declare queue q auto_delete x-single-active-consumer=true; consume q a; consume q b
        cancel a
          > s1.1 cancel-ok a
        declare queue q passive
          > s1.1 declare-ok q, 0 ready, 1 consumers
        cancel b
          > s1.1 cancel-ok b
        declare queue q passive
          > s1.1 channel error 50.10: no queue 'q' in vhost '/'
        ",
    );
}

#[test]
fn quorum_queues_pass_over_the_exclusive_flag() {
    scenario(
        "
        given declare queue q durable x-queue-type=quorum; consume q a exclusive
        consume q b exclusive
          > s1.1 consume-ok b
        ",
    );
}

#[test]
fn in_a_quorum_queue_a_higher_priority_takes_over_at_once_from_an_idle_consumer() {
    scenario(
        "
        given open s2.1; declare queue q durable x-queue-type=quorum x-single-active-consumer=true
        given consume q low; consume q equal; consume q high x-priority=1 on s2.1
        publish '' q 1 | '' q 2
          > s2.1 deliver high 1 1
          > s2.1 deliver high 2 2
        # The others wait by priority and age.
        given consume q last
        lose s2
          > s1.1 deliver low 1 1 {came back 1} again
          > s1.1 deliver low 2 2 {came back 1} again
        ",
    );
}

#[test]
fn an_active_consumer_gets_nothing_more_until_the_higher_priority_takes_over() {
    scenario(
        "
        given open s2.1; declare queue q durable x-queue-type=quorum x-single-active-consumer=true
        given qos 2; consume q low; publish '' q 1 | '' q 2
        consume q high x-priority=1 on s2.1
          > s2.1 consume-ok high
        publish '' q 3 | '' q 4
        ack 2
        qos 50
          > s1.1 qos-ok
        nack 1 requeue
          > s2.1 deliver high 1 1 {came back 1} again
          > s2.1 deliver high 2 3
          > s2.1 deliver high 3 4
        cancel high on s2.1
          > s2.1 cancel-ok high
        publish '' q 5
          > s1.1 deliver low 3 5
        ",
    );
}

#[test]
fn a_consumer_that_has_yielded_goes_on_if_nobody_takes_over() {
    scenario(
        "
        given open s2.1; declare queue q durable x-queue-type=quorum x-single-active-consumer=true
        given consume q low; publish '' q 1 | '' q 2; consume q high x-priority=1 on s2.1
        given cancel high on s2.1
        publish '' q 3
        ack 1
        ack 2
          > s1.1 deliver low 3 3
        ",
    );
}

#[test]
fn in_a_classic_queue_a_higher_priority_waits() {
    scenario(
        "
        given declare queue q x-single-active-consumer=true; consume q low
        given consume q high x-priority=1
        publish '' q 1
          > s1.1 deliver low 1 1
        cancel low
          > s1.1 cancel-ok low
        publish '' q 2
          > s1.1 deliver high 2 2
        ",
    );
}
