//! Virtual topics: queues that subscribe themselves, and a copy for each group.

use crate::scenario::scenario;

#[test]
fn a_queue_subscribes_itself_when_it_is_declared() {
    scenario(
        "
        declare queue Consumer.billing.orders.# durable
          > once written: s1.1 declare-ok Consumer.billing.orders.#, 0 ready, 0 consumers
          > write queue Consumer.billing.orders.#
          > write binding amq.virtual-topic 'orders.#' -> Consumer.billing.orders.#
        declare queue Consumer.billing.orders.# durable
          > once written: s1.1 declare-ok Consumer.billing.orders.#, 0 ready, 0 consumers
        declare queue Consumer.audit.orders.> durable no_wait
          > write queue Consumer.audit.orders.>
          > write binding amq.virtual-topic 'orders.>' -> Consumer.audit.orders.>
        publish amq.virtual-topic orders.eu one persistent mandatory
          > write one -> Consumer.billing.orders.#:1 Consumer.audit.orders.>:1
        publish amq.virtual-topic other two persistent mandatory
          > s1.1 return two
        restart
        open s1.1
        publish amq.virtual-topic orders three persistent
          > write three -> Consumer.billing.orders.#:2 Consumer.audit.orders.>:2
        ",
    );
}

#[test]
fn a_queue_is_made_when_it_is_first_consumed_from() {
    scenario(
        "
        consume Consumer.a.t.* c no_ack
          > once written: s1.1 consume-ok c
          > write queue Consumer.a.t.*
          > write binding amq.virtual-topic 't.*' -> Consumer.a.t.*
        consume Consumer.a.t.* d no_ack
          > s1.1 consume-ok d
        publish amq.virtual-topic t.1 one | amq.virtual-topic t.2 two
          > s1.1 deliver c 1 one
          > s1.1 deliver d 2 two
        get Consumer.b.t.*
          > s1.1 channel error 60.70: no queue 'Consumer.b.t.*' in vhost '/'
        open s1.1
        declare queue Consumer.b.t.* passive
          > s1.1 channel error 50.10: no queue 'Consumer.b.t.*' in vhost '/'
        ",
    );
}

#[test]
fn a_refused_consumer_makes_no_queue() {
    scenario(
        "
        given declare queue q; consume q c
        consume Consumer.a.t c
          > s1 connection error 60.20: attempt to reuse consumer tag 'c'
        open s2.1
        declare queue Consumer.a.t passive on s2.1
          > s2.1 channel error 50.10: no queue 'Consumer.a.t' in vhost '/'
        ",
    );
}

#[test]
fn a_group_gets_one_copy_however_many_of_its_patterns_match() {
    scenario(
        "
        given declare queue q; declare queue r; declare queue s
        given bind q amq.virtual-topic a.* x-group=g; bind q amq.virtual-topic a.# x-group=g
        given bind r amq.virtual-topic # x-group=g; bind s amq.virtual-topic a.b x-group=h
        publish amq.virtual-topic a.b one | amq.virtual-topic b two
        get q no_ack
          > s1.1 get-ok 1 one, 0 left
        get q no_ack
          > s1.1 get-empty
        get r no_ack
          > s1.1 get-ok 2 two, 0 left
        get r no_ack
          > s1.1 get-empty
        get s no_ack
          > s1.1 get-ok 3 one, 0 left
        ",
    );
}

#[test]
fn a_group_is_named_by_a_text() {
    scenario(
        "
        given declare queue q
        bind q amq.virtual-topic a.* x-group=5
          > s1.1 channel error 50.20: Invalid argument, 'x-group' must be a text that is not empty
        ",
    );
}

#[test]
fn a_topic_and_a_queue_in_one_name_subscribe_the_queue() {
    scenario(
        "
        consume orders.*::billing c no_ack
          > once written: s1.1 consume-ok c
          > write queue billing
          > write binding amq.virtual-topic 'orders.*' -> billing x-group=
        declare queue any::billing passive
          > s1.1 declare-ok billing, 0 ready, 1 consumers
        publish amq.virtual-topic orders.1 one | '' orders.*::billing two mandatory
          > s1.1 deliver c 1 one
          > s1.1 deliver c 2 two
        given cancel c
        publish amq.virtual-topic orders.2 three
        get orders.*::billing no_ack
          > s1.1 get-ok 3 three, 0 left
        publish '' orders::nobody lost mandatory
          > s1.1 return lost
        ",
    );
}

#[test]
fn a_queue_whose_name_holds_two_colons_is_meant_by_its_name() {
    scenario(
        "
        given declare queue Jobs::Mail; declare queue Mail
        publish '' Jobs::Mail one
        get Mail
          > s1.1 get-empty
        get Jobs::Mail no_ack
          > s1.1 get-ok 1 one, 0 left
        consume Jobs::Mail c
          > s1.1 consume-ok c
        ",
    );
}

#[test]
fn names_of_activemq_work_as_they_stand() {
    scenario(
        "
        publish '' VirtualTopic.Orders lost mandatory
          > s1.1 return lost
        given consume Consumer.A.VirtualTopic.Orders a no_ack
        given consume VirtualTopic.Orders::Consumer.B.VirtualTopic.Orders b no_ack
        publish '' VirtualTopic.Orders one mandatory
          > s1.1 deliver a 1 one
          > s1.1 deliver b 2 one
        given declare queue VirtualTopic.Orders
        publish '' VirtualTopic.Orders two
        get VirtualTopic.Orders no_ack
          > s1.1 get-ok 3 two, 0 left
        publish '' none three CC=[VirtualTopic.Other,VirtualTopic.Orders] mandatory
        get VirtualTopic.Orders no_ack
          > s1.1 get-ok 4 three, 0 left
        ",
    );
}

#[test]
fn an_exchange_may_read_names_its_own_way() {
    scenario(
        "
        given declare exchange events x-virtual-topic x-vt-prefix=sub.*. x-vt-autocreate=false
        given declare queue sub.mail.user.#; declare queue Consumer.a.user.#
        consume sub.log.user.# c
          > s1.1 channel error 60.20: no queue 'sub.log.user.#' in vhost '/'
        open s1.1
        publish events user.new one mandatory
        get sub.mail.user.# no_ack
          > s1.1 get-ok 1 one, 0 left
        get Consumer.a.user.# no_ack
          > s1.1 get-empty
        declare exchange other x-virtual-topic x-vt-prefix=none
          > s1.1 channel error 40.10: Invalid argument <<\"none\">>, 'x-vt-prefix' must be a text \
with one word '*', as 'Consumer.*.'
        ",
    );
}

#[test]
fn words_may_be_apart_by_another_character() {
    scenario(
        "
        given declare exchange paths x-virtual-topic durable x-vt-separator=/
        consume Consumer/mail/eu/> c no_ack
          > once written: s1.1 consume-ok c
          > write queue Consumer/mail/eu/>
          > write binding paths 'eu/>' -> Consumer/mail/eu/>
        given declare queue Consumer/mail/*/v.1/x; declare queue q; bind q paths */v.1 x-group=q
        publish paths eu one mandatory | paths eu/v.1/x two mandatory | paths us.v.1 none mandatory
          > s1.1 return none
          > s1.1 deliver c 1 one
        get Consumer/mail/*/v.1/x no_ack
          > s1.1 get-ok 2 two, 0 left
        publish paths us/v.1 three mandatory
        get q no_ack
          > s1.1 get-ok 3 three, 0 left
        restart
        given open s1.1
        publish paths eu/v.2 four persistent
          > write four -> Consumer/mail/eu/>:1
        declare exchange other x-virtual-topic x-vt-separator=**
          > s1.1 channel error 40.10: Invalid argument <<\"**\">>, 'x-vt-separator' must be one \
character other than '*#>'
        ",
    );
}

#[test]
fn the_virtual_topic_is_there_from_the_start_and_stays() {
    scenario(
        "
        declare exchange amq.virtual-topic x-virtual-topic durable
          > once written: s1.1 exchange declare-ok
        delete exchange amq.virtual-topic
          > s1.1 channel error 40.20: deletion of system exchange 'amq.virtual-topic' in vhost '/' \
not allowed
        ",
    );
}

#[test]
fn a_queue_of_another_connection_stays_its_own() {
    scenario(
        "
        given open s2.1; declare queue Consumer.a.t exclusive on s2.1
        publish amq.virtual-topic t one mandatory
        consume x::Consumer.a.t c
          > s1.1 channel error 60.20: cannot obtain exclusive access to locked queue \
'Consumer.a.t' in vhost '/'. It could be originally declared on another connection or the \
exclusive property value does not match that of the original declaration.
        ",
    );
}
