//! Exchanges, queues and bindings deleted, by a client or as nobody uses them any more, and
//! purged; what is written of it.

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn a_queue_in_use_stays_if_unused_is_asked_for() {
    scenario(
        "
        given open s1.2; declare queue pnu; consume pnu c
        delete queue pnu if_unused on s1.2
          > s1.2 channel error 50.40: queue 'pnu' in vhost '/' in use
        cancel c
          > s1.1 cancel-ok c
        open s1.2
        delete queue pnu if_unused on s1.2
          > s1.2 delete-ok 0
        ",
    );
}

#[test]
fn a_queue_with_messages_stays_if_empty_is_asked_for() {
    scenario(
        "
        given declare queue pne; publish '' pne one
        delete queue pne if_empty
          > s1.1 channel error 50.40: queue 'pne' in vhost '/' not empty
        open s1.1
        get pne
          > s1.1 get-ok 1 one, 0 left
        # What is unacknowledged does not count.
        delete queue pne if_empty
          > s1.1 delete-ok 0
        ",
    );
}

#[test]
fn an_exchange_with_bindings_stays_if_unused_is_asked_for() {
    scenario(
        "
        given declare exchange px direct; declare queue q; bind q px k
        delete exchange px if_unused
          > s1.1 channel error 40.20: exchange 'px' in vhost '/' in use
        open s1.1
        unbind q px k
          > s1.1 unbind-ok
        delete exchange px if_unused
          > s1.1 exchange delete-ok
        ",
    );
}

#[test]
fn an_exchange_that_only_is_bound_to_counts_as_unused() {
    scenario(
        "
        given declare exchange x direct; bind exchange:x amq.topic #
        delete exchange x if_unused
          > s1.1 exchange delete-ok
        ",
    );
}

#[test]
fn deleting_a_queue_counts_what_was_ready_and_cancels_consumers() {
    scenario(
        "
        given open s1.2; open s2.1; declare queue q durable; qos 1
        given consume q mine; consume q other on s1.2; consume q far on s2.1; cancel other on s1.2
        given qos 1 on s1.2; consume q other on s1.2; cancel far on s2.1; qos 1 on s2.1
        given consume q far on s2.1
        publish '' q 1 persistent | '' q 2 | '' q 3 | '' q 4
          > s1.1 deliver mine 1 1
          > s1.2 deliver other 1 2
          > s2.1 deliver far 1 3
          > write 1 -> q:1
          > write delivered q:1
        delete queue q
          > once written: s1.1 delete-ok 1
          > s1.1 cancelled mine
          > s1.2 cancelled other
          > s2.1 cancelled far
          > write no queue q
        # The deliveries are settled into nowhere.
        ack 1
        ack 1 on s2.1
        consume q mine
          > s1.1 channel error 60.20: no queue 'q' in vhost '/'
        ",
    );
}

#[test]
fn purging_leaves_what_is_unacknowledged() {
    scenario(
        "
        given declare queue q durable
        given publish '' q 1 persistent | '' q 2 persistent | '' q 3 | '' q 4 persistent
        get q
          > s1.1 get-ok 1 1, 3 left
          > write delivered q:1
        purge q
          > once written: s1.1 purge-ok 3
          > write settled q:2
          > write settled q:4
        nack 1 requeue
        get q
          > s1.1 get-ok 2 1 again, 0 left
        ",
    );
}

#[test]
fn deleting_a_durable_queue_deletes_its_durable_bindings() {
    scenario(
        "
        given declare queue q durable; declare exchange x direct; bind q amq.direct a
        given bind q amq.topic b; bind q x c
        delete queue q
          > once written: s1.1 delete-ok 0
          > write no binding amq.direct 'a' -> q
          > write no binding amq.topic 'b' -> q
          > write no queue q
        ",
    );
}

#[test]
fn deleting_a_durable_exchange_deletes_bindings_of_both_ends() {
    scenario(
        "
        given declare exchange x direct durable; declare queue q durable; declare queue r
        given bind q x a; bind r x b; bind exchange:x amq.topic #
        delete exchange x
          > once written: s1.1 exchange delete-ok
          > write no binding amq.topic '#' -> exchange:x
          > write no binding x 'a' -> q
          > write no exchange x
        ",
    );
}

#[test]
fn only_bindings_between_durable_ends_are_written() {
    scenario(
        "
        given declare queue q durable; declare queue t; declare exchange x direct durable
        given declare exchange y direct
        bind q x k
          > once written: s1.1 bind-ok
          > write binding x 'k' -> q
        bind q y k
          > s1.1 bind-ok
        bind t x k
          > s1.1 bind-ok
        bind exchange:x amq.topic #
          > once written: s1.1 exchange bind-ok
          > write binding amq.topic '#' -> exchange:x
        bind exchange:y amq.topic #
          > s1.1 exchange bind-ok
        unbind q x k
          > once written: s1.1 unbind-ok
          > write no binding x 'k' -> q
        unbind q y k
          > s1.1 unbind-ok
        unbind exchange:x amq.topic #
          > once written: s1.1 exchange unbind-ok
          > write no binding amq.topic '#' -> exchange:x
        ",
    );
}

#[test]
fn a_binding_made_again_is_still_one() {
    scenario(
        "
        given declare queue q durable; declare exchange x direct durable
        bind q x k
          > once written: s1.1 bind-ok
          > write binding x 'k' -> q
        bind q x k
          > once written: s1.1 bind-ok
        unbind q x k
          > once written: s1.1 unbind-ok
          > write no binding x 'k' -> q
        publish x k gone mandatory
          > s1.1 return gone
        ",
    );
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    scenario(
        "
        given open s1.2; declare queue q auto_delete durable; bind q amq.topic #
        # Without ever having had one, it stays.
        declare queue q auto_delete durable passive
          > s1.1 declare-ok q, 0 ready, 0 consumers
        given consume q c; consume q d on s1.2
        cancel c
          > s1.1 cancel-ok c
        publish '' q hello persistent
          > s1.2 deliver d 1 hello
          > write hello -> q:1
          > write delivered q:1
        close s1.2
          > s1.2 close-ok
          > write no binding amq.topic '#' -> q
          > write no queue q
        publish '' q nobody mandatory
          > s1.1 return nobody
        ",
    );
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    scenario(
        "
        given declare exchange x direct auto_delete durable; declare queue q durable
        given declare queue r
        given bind q x a; bind r x b
        unbind q x a
          > once written: s1.1 unbind-ok
          > write no binding x 'a' -> q
        delete queue r
          > s1.1 delete-ok 0
          > write no exchange x
        publish x a nobody
          > s1.1 channel error 60.40: no exchange 'x' in vhost '/'
        ",
    );
}

#[test]
fn an_auto_delete_exchange_without_bindings_stays() {
    scenario(
        "
        given declare exchange x direct auto_delete
        publish x a nobody mandatory
          > s1.1 return nobody
        delete exchange x
          > s1.1 exchange delete-ok
        ",
    );
}

#[test]
fn auto_delete_exchanges_go_in_a_row() {
    scenario(
        "
        given declare exchange x fanout auto_delete durable
        given declare exchange y fanout auto_delete durable
        given declare exchange z fanout auto_delete durable; declare queue q durable
        given bind exchange:y x ''; bind exchange:z y ''; bind q z ''
        delete queue q
          > once written: s1.1 delete-ok 0
          > write no binding z '' -> q
          > write no binding y '' -> exchange:z
          > write no exchange z
          > write no binding x '' -> exchange:y
          > write no exchange y
          > write no exchange x
          > write no queue q
        declare exchange x fanout auto_delete passive
          > s1.1 channel error 40.10: no exchange 'x' in vhost '/'
        ",
    );
}

/// A client can make the row as long as it likes, so the stack must not grow with it.
#[test]
fn auto_delete_exchanges_go_in_however_long_a_row() {
    let mut world = World::new();
    world.run("declare queue q");
    let row = 20_000;
    for number in 0..row {
        world.run(&format!("declare exchange x{number} fanout auto_delete"));
        let to = if number == 0 { "q".to_owned() } else { format!("exchange:x{}", number - 1) };
        world.run(&format!("bind {to} x{number} ''"));
    }
    let before = world.summary();
    world.run("delete queue q");
    let after = world.summary();
    assert_eq!((before.bindings - after.bindings, before.exchanges - after.exchanges), (row, row));
}

#[test]
fn auto_delete_exchanges_in_a_circle_go_once() {
    scenario(
        "
        given declare exchange x fanout auto_delete; declare exchange y fanout auto_delete
        given declare queue q
        given bind exchange:y x ''; bind exchange:x y ''; bind q y ''
        delete exchange x
          > s1.1 exchange delete-ok
        publish y '' nobody
        ",
    );
}

#[test]
fn an_auto_delete_exchange_bound_to_itself_goes() {
    scenario(
        "
        given declare exchange x fanout auto_delete; bind exchange:x x ''
        unbind exchange:x x ''
          > s1.1 exchange unbind-ok
        publish x '' nobody
          > s1.1 channel error 60.40: no exchange 'x' in vhost '/'
        ",
    );
}
