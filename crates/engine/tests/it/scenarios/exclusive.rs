//! Queues that belong to one connection.

use crate::scenario::scenario;

#[test]
fn an_exclusive_queue_is_locked_for_declare() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive
        declare queue pex exclusive on s2.1
          > s2.1 channel error 50.10: cannot obtain exclusive access to locked queue 'pex' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        ",
    );
}

#[test]
fn an_exclusive_queue_is_locked_for_passive_declare() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive
        declare queue pex passive on s2.1
          > s2.1 channel error 50.10: cannot obtain exclusive access to locked queue 'pex' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        ",
    );
}

#[test]
fn an_exclusive_queue_is_locked_for_consume() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive
        consume pex c on s2.1
          > s2.1 channel error 60.20: cannot obtain exclusive access to locked queue 'pex' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        ",
    );
}

#[test]
fn an_exclusive_queue_is_locked_for_get() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive
        get pex on s2.1
          > s2.1 channel error 60.70: cannot obtain exclusive access to locked queue 'pex' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        ",
    );
}

#[test]
fn an_exclusive_queue_is_locked_for_delete() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive
        delete queue pex on s2.1
          > s2.1 channel error 50.40: cannot obtain exclusive access to locked queue 'pex' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        ",
    );
}

#[test]
fn an_exclusive_queue_is_locked_for_purge() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive
        purge pex on s2.1
          > s2.1 channel error 50.30: cannot obtain exclusive access to locked queue 'pex' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        ",
    );
}

#[test]
fn an_exclusive_queue_is_locked_for_bind() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive
        bind pex amq.direct k on s2.1
          > s2.1 channel error 50.20: cannot obtain exclusive access to locked queue 'pex' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        ",
    );
}

#[test]
fn an_exclusive_queue_is_locked_for_unbind() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive; bind pex amq.direct k
        unbind pex amq.direct k on s2.1
          > s2.1 channel error 50.50: cannot obtain exclusive access to locked queue 'pex' in \
              vhost '/'. It could be originally declared on another connection or the exclusive \
              property value does not match that of the original declaration.
        publish amq.direct k hello
        ",
    );
}

#[test]
fn an_exclusive_queue_can_be_published_to_by_all() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive
        publish '' pex hello on s2.1
        get pex
          > s1.1 get-ok 1 hello, 0 left
        ",
    );
}

#[test]
fn an_exclusive_queue_is_open_to_all_channels_of_its_connection() {
    scenario(
        "
        given open s1.2; declare queue pex exclusive
        declare queue pex exclusive on s1.2
          > s1.2 declare-ok pex, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn an_exclusive_queue_stays_when_its_channel_closes() {
    scenario(
        "
        given open s1.2; declare queue pex exclusive on s1.2
        close s1.2
          > s1.2 close-ok
        declare queue pex passive
          > s1.1 declare-ok pex, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn an_exclusive_queue_goes_with_its_connection() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive durable on s2.1; bind pex amq.direct k on s2.1
        given publish '' pex hello persistent
        close s2
          > s2 closed
        publish amq.direct k nobody mandatory
          > s1.1 return nobody
        declare queue pex
          > s1.1 declare-ok pex, 0 ready, 0 consumers
        ",
    );
}

#[test]
fn a_lost_connection_is_not_told() {
    scenario(
        "
        given open s2.1; declare queue pex exclusive on s2.1
        lose s2
        declare queue pex passive
          > s1.1 channel error 50.10: no queue 'pex' in vhost '/'
        ",
    );
}
