//! Exchanges, queues and bindings declared and compared with what is there; names.

use crate::scenario::scenario;

#[test]
fn a_durable_queue_is_written_before_its_reply() {
    scenario(
        "
        declare queue q durable
          > once written: s1.1 declare-ok q, 0 ready, 0 consumers
          > write queue q
        declare queue q durable
          > once written: s1.1 declare-ok q, 0 ready, 0 consumers
        declare queue r
          > s1.1 declare-ok r, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn a_durable_exchange_is_written_before_its_reply() {
    scenario(
        "
        declare exchange x topic durable
          > once written: s1.1 exchange declare-ok
          > write exchange x topic
        declare exchange y topic
          > s1.1 exchange declare-ok
        ",
    );
}

#[test]
fn an_exclusive_queue_is_never_written() {
    scenario(
        "
        declare queue q durable exclusive
          > s1.1 declare-ok q, 0 ready, 0 consumers
        publish '' q hello persistent
        bind q amq.direct k
          > s1.1 bind-ok
        ",
    );
}

#[test]
fn without_a_wish_for_a_reply_there_is_none() {
    scenario(
        "
        declare queue q durable no_wait
          > write queue q
        declare exchange x direct no_wait
        bind q x k no_wait
        unbind q x k no_wait
        purge q no_wait
        delete queue q no_wait
          > write no queue q
        delete exchange x no_wait
        ",
    );
}

#[test]
fn passive_declares_only_ask() {
    scenario(
        "
        given declare queue q durable; declare exchange x direct durable
        given publish '' q one | '' q two
        declare queue q passive auto_delete x-max-length=1
          > s1.1 declare-ok q, 2 ready, 0 consumers
        declare exchange x fanout passive
          > s1.1 exchange declare-ok
        declare exchange '' direct passive
          > s1.1 channel error 40.10: operation not permitted on the default exchange
        ",
    );
}

#[test]
fn a_missing_queue_is_not_found() {
    scenario(
        "
        declare queue nope passive
          > s1.1 channel error 50.10: no queue 'nope' in vhost '/'
        ",
    );
}

#[test]
fn a_missing_exchange_is_not_found() {
    scenario(
        "
        declare exchange nope direct passive
          > s1.1 channel error 40.10: no exchange 'nope' in vhost '/'
        ",
    );
}

#[test]
fn queues_declared_otherwise_are_refused_by_durable() {
    scenario(
        "
        given declare queue pq durable
        declare queue pq
          > s1.1 channel error 50.10: inequivalent arg 'durable' for queue 'pq' in vhost '/': \
              received 'false' but current is 'true'
        ",
    );
}

#[test]
fn queues_declared_otherwise_are_refused_by_auto_delete() {
    scenario(
        "
        given declare queue pq durable
        declare queue pq durable auto_delete
          > s1.1 channel error 50.10: inequivalent arg 'auto_delete' for queue 'pq' in vhost '/': \
              received 'true' but current is 'false'
        ",
    );
}

#[test]
fn queues_declared_otherwise_are_refused_by_exclusive() {
    scenario(
        "
        given declare queue pq durable
        declare queue pq durable exclusive
          > s1.1 channel error 50.10: cannot obtain exclusive access to locked queue 'pq' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        ",
    );
}

#[test]
fn queues_declared_otherwise_are_refused_by_a_new_argument() {
    scenario(
        "
        given declare queue pq durable
        declare queue pq durable x-max-length=1
          > s1.1 channel error 50.10: inequivalent arg 'x-max-length' for queue 'pq' in vhost \
              '/': received the value '1' of type 'signedint' but current is none
        ",
    );
}

#[test]
fn queues_declared_otherwise_are_refused_by_another_value() {
    scenario(
        "
        given declare queue pq_ttl durable x-message-ttl=1000
        declare queue pq_ttl durable x-message-ttl=2000
          > s1.1 channel error 50.10: inequivalent arg 'x-message-ttl' for queue 'pq_ttl' in \
              vhost '/': received '2000' but current is '1000'
        ",
    );
}

#[test]
fn queues_declared_otherwise_are_refused_by_a_missing_argument() {
    scenario(
        "
        given declare queue pq durable x-max-length=1
        declare queue pq durable
          > s1.1 channel error 50.10: inequivalent arg 'x-max-length' for queue 'pq' in vhost \
              '/': received none but current is the value '1' of type 'signedint'
        ",
    );
}

#[test]
fn queues_declared_otherwise_are_refused_by_another_type() {
    scenario(
        "
        given declare queue pq durable x-dead-letter-exchange=dlx
        declare queue pq durable x-dead-letter-exchange=5
          > s1.1 channel error 50.10: inequivalent arg 'x-dead-letter-exchange' for queue 'pq' in \
              vhost '/': received '5' but current is 'dlx'
        ",
    );
}

#[test]
fn numbers_of_other_widths_are_the_same_argument() {
    scenario(
        "
        given declare queue q x-message-ttl=1000
        declare queue q x-message-ttl=1000:long
          > s1.1 declare-ok q, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn unknown_arguments_are_not_compared() {
    scenario(
        "
        given declare queue q x-what=1
        declare queue q x-what=2
          > s1.1 declare-ok q, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn exchanges_declared_otherwise_are_refused_by_type() {
    scenario(
        "
        given declare exchange px direct durable
        declare exchange px fanout durable
          > s1.1 channel error 40.10: inequivalent arg 'type' for exchange 'px' in vhost '/': \
              received 'fanout' but current is 'direct'
        ",
    );
}

#[test]
fn exchanges_declared_otherwise_are_refused_by_durable() {
    scenario(
        "
        given declare exchange px direct durable
        declare exchange px direct
          > s1.1 channel error 40.10: inequivalent arg 'durable' for exchange 'px' in vhost '/': \
              received 'false' but current is 'true'
        ",
    );
}

#[test]
fn exchanges_declared_otherwise_are_refused_by_auto_delete() {
    scenario(
        "
        given declare exchange px direct
        declare exchange px direct auto_delete
          > s1.1 channel error 40.10: inequivalent arg 'auto_delete' for exchange 'px' in vhost \
              '/': received 'true' but current is 'false'
        ",
    );
}

#[test]
fn exchanges_declared_otherwise_are_refused_by_internal() {
    scenario(
        "
        given declare exchange px direct
        declare exchange px direct internal
          > s1.1 channel error 40.10: inequivalent arg 'internal' for exchange 'px' in vhost '/': \
              received 'true' but current is 'false'
        ",
    );
}

#[test]
fn exchanges_declared_otherwise_are_refused_by_alternate_exchange() {
    scenario(
        "
        given declare exchange px direct alternate-exchange=ae
        declare exchange px direct
          > s1.1 channel error 40.10: inequivalent arg 'alternate-exchange' for exchange 'px' in \
              vhost '/': received none but current is the value 'ae' of type 'longstr'
        ",
    );
}

#[test]
fn predeclared_exchanges_can_be_declared_as_they_are() {
    scenario(
        "
        declare exchange amq.topic topic durable
          > once written: s1.1 exchange declare-ok
        declare exchange amq.topic topic
          > s1.1 channel error 40.10: inequivalent arg 'durable' for exchange 'amq.topic' in \
              vhost '/': received 'false' but current is 'true'
        ",
    );
}

#[test]
fn queue_names_with_the_reserved_prefix_are_refused() {
    scenario(
        "
        declare queue amq.foo
          > s1.1 channel error 50.10: queue name 'amq.foo' contains reserved prefix 'amq.*'
        ",
    );
}

#[test]
fn exchange_names_with_the_reserved_prefix_are_refused() {
    scenario(
        "
        declare exchange amq.foo direct
          > s1.1 channel error 40.10: exchange name 'amq.foo' contains reserved prefix 'amq.*'
        ",
    );
}

#[test]
fn the_default_exchange_cannot_be_declared() {
    scenario(
        "
        declare exchange '' direct
          > s1.1 channel error 40.10: operation not permitted on the default exchange
        ",
    );
}

#[test]
fn the_default_exchange_cannot_be_deleted() {
    scenario(
        "
        delete exchange ''
          > s1.1 channel error 40.20: operation not permitted on the default exchange
        ",
    );
}

#[test]
fn the_default_exchange_cannot_be_bound() {
    scenario(
        "
        given declare queue q
        bind q '' q
          > s1.1 channel error 50.20: operation not permitted on the default exchange
        ",
    );
}

#[test]
fn the_default_exchange_cannot_be_unbound() {
    scenario(
        "
        given declare queue q
        unbind q '' q
          > s1.1 channel error 50.50: operation not permitted on the default exchange
        ",
    );
}

#[test]
fn the_default_exchange_cannot_be_bound_to() {
    scenario(
        "
        bind exchange:'' amq.direct k
          > s1.1 channel error 40.30: operation not permitted on the default exchange
        ",
    );
}

#[test]
fn predeclared_exchanges_cannot_be_deleted() {
    scenario(
        "
        delete exchange amq.direct
          > s1.1 channel error 40.20: deletion of system exchange 'amq.direct' in vhost '/' not \
              allowed
        ",
    );
}

#[test]
fn an_unknown_exchange_type_is_refused() {
    scenario(
        "
        declare exchange x zz
          > s1.1 channel error 40.10: unknown exchange type 'zz'
        ",
    );
}

#[test]
fn a_server_named_queue_may_have_the_reserved_prefix() {
    scenario(
        "
        declare queue amq.gen-1 generated exclusive
          > s1.1 declare-ok amq.gen-1, 0 ready, 0 consumers
        bind '' amq.fanout ''
          > s1.1 bind-ok
        consume '' c
          > s1.1 consume-ok c
        publish amq.fanout '' hello
          > s1.1 deliver c 1 hello
        delete queue ''
          > s1.1 delete-ok 0
          > s1.1 cancelled c
        ",
    );
}

#[test]
fn an_empty_name_is_the_queue_last_declared_on_the_channel() {
    scenario(
        "
        given open s1.2; declare queue q; declare queue r; declare queue q passive
        given publish '' q hello
        declare queue '' passive
          > s1.1 declare-ok q, 1 ready, 0 consumers
        get '' no_ack
          > s1.1 get-ok 1 hello, 0 left
        bind '' amq.direct ''
          > s1.1 bind-ok
        publish amq.direct q again
        purge ''
          > s1.1 purge-ok 1
        unbind '' amq.direct ''
          > s1.1 unbind-ok
        consume '' c
          > s1.1 consume-ok c
        delete queue ''
          > s1.1 delete-ok 0
          > s1.1 cancelled c
        purge '' on s1.2
          > s1.2 channel error 50.30: no previously declared queue
        ",
    );
}

#[test]
fn both_names_empty_bind_with_the_name_of_the_queue_as_key() {
    scenario(
        "
        given declare queue q
        bind '' amq.topic ''
          > s1.1 bind-ok
        publish amq.topic q hello
        get q
          > s1.1 get-ok 1 hello, 0 left
        ",
    );
}

#[test]
fn deleting_what_is_not_there_is_no_error() {
    scenario(
        "
        delete queue nope
          > s1.1 delete-ok 0
        delete exchange nope
          > s1.1 exchange delete-ok
        unbind q nope k
          > s1.1 unbind-ok
        unbind exchange:nope amq.direct k
          > s1.1 exchange unbind-ok
        given declare queue q
        unbind q amq.direct k
          > s1.1 unbind-ok
        ",
    );
}

#[test]
fn what_is_not_there_cannot_be_bound_as_source() {
    scenario(
        "
        given declare queue q
        bind q nope k
          > s1.1 channel error 50.20: no exchange 'nope' in vhost '/'
        ",
    );
}

#[test]
fn what_is_not_there_cannot_be_bound_as_queue() {
    scenario(
        "
        bind nope amq.direct k
          > s1.1 channel error 50.20: no queue 'nope' in vhost '/'
        ",
    );
}

#[test]
fn what_is_not_there_cannot_be_bound_as_exchange() {
    scenario(
        "
        bind exchange:nope amq.direct k
          > s1.1 channel error 40.30: no exchange 'nope' in vhost '/'
        ",
    );
}

#[test]
fn a_missing_queue_cannot_be_purged() {
    scenario(
        "
        purge nope
          > s1.1 channel error 50.30: no queue 'nope' in vhost '/'
        ",
    );
}

#[test]
fn a_missing_queue_cannot_be_consumed_from() {
    scenario(
        "
        consume nope c
          > s1.1 channel error 60.20: no queue 'nope' in vhost '/'
        ",
    );
}

#[test]
fn a_missing_queue_cannot_be_got_from() {
    scenario(
        "
        get nope
          > s1.1 channel error 60.70: no queue 'nope' in vhost '/'
        ",
    );
}

#[test]
fn a_virtual_host_gives_queues_a_type() {
    scenario(
        "
        given declare queue before durable
        default_queue_type quorum
        declare queue q durable
          > once written: s1.1 declare-ok q, 0 ready, 0 consumers
          > write queue q
        declare queue q durable x-queue-type=quorum
          > once written: s1.1 declare-ok q, 0 ready, 0 consumers
        declare queue q durable
          > once written: s1.1 declare-ok q, 0 ready, 0 consumers
        # What is there has the type that it has.
        declare queue before durable
          > once written: s1.1 declare-ok before, 0 ready, 0 consumers
        declare queue before durable x-queue-type=classic
          > once written: s1.1 declare-ok before, 0 ready, 0 consumers
        # What a queue of that type cannot be is classic.
        declare queue t
          > s1.1 declare-ok t, 0 ready, 0 consumers
        declare queue e durable exclusive
          > s1.1 declare-ok e, 0 ready, 0 consumers
        declare queue t x-queue-type=classic
          > s1.1 declare-ok t, 0 ready, 0 consumers
        declare queue q durable x-queue-type=classic
          > s1.1 channel error 50.10: inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': \
              received 'classic' but current is 'quorum'
        ",
    );
}
