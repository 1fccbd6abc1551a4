//! Alternate exchanges, and messages with more routing keys than one.

use crate::scenario::scenario;

#[test]
fn a_message_without_a_binding_goes_to_the_alternate_exchange() {
    scenario(
        "
        given declare exchange x direct alternate-exchange=spare; declare exchange spare fanout
        given declare queue q; declare queue rest; bind q x k; bind rest spare ''
        publish x k one mandatory | x other two mandatory
        get q no_ack
          > s1.1 get-ok 1 one, 0 left
        get rest no_ack
          > s1.1 get-ok 2 two, 0 left
        get rest no_ack
          > s1.1 get-empty
        ",
    );
}

#[test]
fn alternates_are_followed_one_after_the_other_and_each_once() {
    scenario(
        "
        given declare exchange a direct alternate-exchange=b
        given declare exchange b direct alternate-exchange=c
        given declare exchange c direct alternate-exchange=a
        given declare queue q; bind q c k
        publish a k one mandatory | a lost two mandatory
          > s1.1 return two
        get q no_ack
          > s1.1 get-ok 1 one, 0 left
        ",
    );
}

#[test]
fn an_alternate_behind_a_binding_between_exchanges_counts_too() {
    scenario(
        "
        given declare exchange first fanout; declare exchange second direct alternate-exchange=spare
        given declare exchange spare fanout internal; declare queue q
        given bind exchange:second first ''; bind q spare ''
        publish first k one mandatory
        get q no_ack
          > s1.1 get-ok 1 one, 0 left
        ",
    );
}

#[test]
fn an_alternate_may_come_and_go() {
    scenario(
        "
        given declare exchange x direct alternate-exchange=spare; declare queue q
        publish x k one mandatory
          > s1.1 return one
        given declare exchange spare fanout; bind q spare ''
        publish x k two mandatory
        get q no_ack
          > s1.1 get-ok 1 two, 0 left
        delete exchange spare
          > s1.1 exchange delete-ok
        publish x k three mandatory
          > s1.1 return three
        ",
    );
}

#[test]
fn an_alternate_must_be_named_by_a_text_and_stays_as_declared() {
    scenario(
        "
        declare exchange x fanout alternate-exchange=5
          > s1.1 channel error 40.10: invalid type 'signedint' for arg 'alternate-exchange' in \
exchange 'x' in vhost '/'
        open s1.1
        given declare exchange x fanout alternate-exchange=a
        declare exchange x fanout alternate-exchange=b
          > s1.1 channel error 40.10: inequivalent arg 'alternate-exchange' for exchange 'x' in \
vhost '/': received 'b' but current is 'a'
        ",
    );
}

#[test]
fn an_alternate_is_known_after_a_restart() {
    scenario(
        "
        given declare exchange x direct durable alternate-exchange=spare
        given declare exchange spare fanout durable; declare queue q durable; bind q spare ''
        restart
        open s1.1
        publish x k one mandatory
        get q no_ack
          > s1.1 get-ok 1 one, 0 left
        ",
    );
}

#[test]
fn each_queue_gets_one_copy_for_all_keys() {
    scenario(
        "
        given declare queue a; declare queue b; declare queue c; declare queue d
        publish '' a hello CC=[b,a,nobody] BCC=[c]
        get a no_ack
          > s1.1 get-ok 1 hello, 0 left
        get b no_ack
          > s1.1 get-ok 2 hello, 0 left
        get c no_ack
          > s1.1 get-ok 3 hello, 0 left
        get d no_ack
          > s1.1 get-empty
        publish '' nobody lost CC=[noone] mandatory
          > s1.1 return lost
        ",
    );
}

#[test]
fn more_keys_are_matched_by_exchanges_and_do_not_stay_for_the_next_message() {
    scenario(
        "
        given declare queue a; declare queue b; bind a amq.topic x.*; bind b amq.topic y.*
        publish amq.topic x.1 one CC=[y.1] | amq.topic x.1 two | amq.topic x.1 three BCC=[y.2,x.2]
        get a no_ack
          > s1.1 get-ok 1 one, 2 left
        get a no_ack
          > s1.1 get-ok 2 two, 1 left
        get a no_ack
          > s1.1 get-ok 3 three, 0 left
        get b no_ack
          > s1.1 get-ok 4 one, 1 left
        get b no_ack
          > s1.1 get-ok 5 three, 0 left
        ",
    );
}

#[test]
fn a_header_of_another_type_than_an_array_is_refused() {
    scenario(
        "
        given confirm; declare queue q
        publish '' q one | '' q two CC=q | '' q three
          > s1.1 confirm 1
          > once written: s1.1 channel error 60.40: invalid message: \
{unacceptable_type_in_header,\"CC\",longstr}
        open s1.1
        publish '' q two BCC=5
          > s1.1 channel error 60.40: invalid message: {unacceptable_type_in_header,\"BCC\",signedint}
        open s1.1
        publish nowhere q two BCC=5
          > s1.1 channel error 60.40: no exchange 'nowhere' in vhost '/'
        ",
    );
}
