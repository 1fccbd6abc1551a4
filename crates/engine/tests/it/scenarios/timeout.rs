//! Deliveries that are never acknowledged.

use crate::scenario::scenario;

#[test]
fn a_delivery_that_is_not_acknowledged_for_too_long_closes_the_channel() {
    scenario(
        "
        given consumer_timeout 10000; clock 1000; open s2.1
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent; get q
        given clock 2000; clock 3000; get q; clock 4000; clock 5000; clock 6000; ack 1
        given clock 7000; clock 8000; clock 9000; clock 10000; clock 11000; clock 12000; clock 13000
        clock 14000
          > once written: s1.1 channel error 0.0: delivery acknowledgement on channel 1 timed out. Timeout value used: 10000 ms. This timeout value can be configured, see consumers doc guide to learn more
        get q on s2.1
          > s2.1 get-ok 1 2 again, 0 left
        ",
    );
}

#[test]
fn queue_and_consumer_may_have_timeouts_of_their_own() {
    scenario(
        "
        given consumer_timeout 1000000; clock 1000; open s1.2; open s1.3
        given declare queue q x-consumer-timeout=1000; declare queue r
        given publish '' q 1 | '' r 2 | '' q 3
        given qos 1 on s1.2; consume q a on s1.2
        given qos 1 on s1.3; consume r b x-consumer-timeout=3000 on s1.3
        given get q
        clock 1100
        clock 1200
        clock 2099
        clock 2200
          > s1.1 channel error 0.0: delivery acknowledgement on channel 1 timed out. Timeout value used: 1000 ms. This timeout value can be configured, see consumers doc guide to learn more
          > s1.2 channel error 0.0: delivery acknowledgement on channel 2 timed out. Timeout value used: 1000 ms. This timeout value can be configured, see consumers doc guide to learn more
        clock 4000
        clock 4300
          > s1.3 channel error 0.0: delivery acknowledgement on channel 3 timed out. Timeout value used: 3000 ms. This timeout value can be configured, see consumers doc guide to learn more
        ",
    );
}

#[test]
fn without_a_session_or_a_timeout_nobody_looks() {
    scenario(
        "
        due
          > never
        given consumer_timeout 600000
        due
          > 60000
        given clock 60000
        due
          > 120000
        given close s1; clock 120000
        due
          > never
        ",
    );
}
