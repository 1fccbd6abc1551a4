//! Exchanges that choose one target, that keep the last messages, and that know of delays.

use crate::scenario::scenario;

#[test]
fn a_consistent_hash_keeps_a_key_at_its_queue_over_a_restart() {
    scenario(
        "
        given declare exchange x x-consistent-hash durable
        given declare queue a durable; declare queue b durable; bind a x 1; bind b x 1
        publish x k1 one | x k1 two | x k2 three | x k3 four | x k4 five | x k5 six
        get a no_ack
          > s1.1 get-ok 1 three, 2 left
        get b no_ack
          > s1.1 get-ok 2 one, 2 left
        given purge a; purge b
        restart
        open s1.1
        publish x k1 seven | x k2 eight
        get a no_ack
          > s1.1 get-ok 1 eight, 0 left
        ",
    );
}

#[test]
fn a_bad_weight_is_refused() {
    scenario(
        "
        given declare exchange x x-consistent-hash; declare queue q
        bind q x 0
          > s1.1 channel error 50.20: The binding key must be greater than 0
        open s1.1
        bind q x ten
          > s1.1 channel error 50.20: The binding key must be an integer: <<\"ten\">>
        open s1.1
        declare exchange y x-consistent-hash hash-header=h hash-property=message_id
          > s1.1 channel error 40.10: hash-header and hash-property are mutually exclusive
        open s1.1
        declare exchange y x-consistent-hash hash-property=app_id
          > s1.1 channel error 40.10: Unsupported property: app_id
        ",
    );
}

#[test]
fn a_hash_of_a_header_does_not_look_at_the_key() {
    scenario(
        "
        given declare exchange x x-consistent-hash hash-header=who
        given declare queue a; declare queue b; bind a x 1; bind b x 1
        publish x 1 m who=ann | x 2 m who=ann | x 3 m who=ann | x 4 m who=ann | x 5 m who=ann
        delete queue a
          > s1.1 delete-ok 0
        delete queue b
          > s1.1 delete-ok 5
        ",
    );
}

#[test]
fn an_exchange_that_chooses_gives_each_message_to_one_queue() {
    for kind in ["x-modulus-hash", "x-random", "x-local-random"] {
        let mut world = crate::world::World::new();
        for line in [
            &format!("declare exchange x {kind}"),
            "declare queue a",
            "declare queue b",
            "bind a x ''",
            "bind b x ''",
        ] {
            world.run(line);
        }
        for key in 0..100 {
            world.run(&format!("publish x {key} m mandatory"));
        }
        let counts: Vec<usize> = ["a", "b"]
            .iter()
            .map(|queue| {
                let told = world.run(&format!("purge {queue}")).concat();
                told.rsplit(' ').next().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(counts.iter().sum::<usize>(), 100, "{kind}: {counts:?}");
        assert!(counts.iter().all(|count| *count > 20), "{kind}: {counts:?}");
    }
}

#[test]
fn a_new_binding_gets_the_last_messages() {
    scenario(
        "
        given declare exchange x x-recent-history x-recent-history-length=2
        publish x 1 one | x 2 two | x 3 three | x 4 four x-recent-history-no-store=true
        given declare queue q durable
        bind q x ''
          > s1.1 bind-ok
        consume q c no_ack
          > s1.1 consume-ok c
          > s1.1 deliver c 1 two
          > s1.1 deliver c 2 three
        bind q x ''
          > s1.1 bind-ok
        bind q x another
          > s1.1 bind-ok
          > s1.1 deliver c 3 two
          > s1.1 deliver c 4 three
        publish x 5 five
          > s1.1 deliver c 5 five
        ",
    );
}

#[test]
fn an_exchange_that_is_newly_bound_routes_the_last_messages() {
    scenario(
        "
        given declare exchange x x-recent-history; declare exchange y topic
        given declare queue q durable; bind q y k.*
        publish x k.1 one persistent | x other two
        bind exchange:y x ''
          > s1.1 exchange bind-ok
          > write one -> q:1
        get q no_ack
          > s1.1 get-ok 1 one, 0 left
          > write settled q:1
        ",
    );
}

#[test]
fn a_length_of_history_is_a_positive_number() {
    scenario(
        "
        declare exchange x x-recent-history x-recent-history-length=0
          > s1.1 channel error 40.10: Invalid argument 0, 'x-recent-history-length' must be a \
positive integer
        open s1.1
        declare exchange x x-recent-history x-recent-history-length=five
          > s1.1 channel error 40.10: Invalid argument <<\"five\">>, 'x-recent-history-length' must \
be a positive integer
        ",
    );
}

#[test]
fn a_message_that_asks_for_a_delay_is_refused_and_not_delivered_early() {
    scenario(
        "
        given declare exchange x x-delayed-message x-delayed-type=topic; declare queue q
        given bind q x a.*
        publish x a.b now | x a.b too x-delay=0 | x b lost mandatory | x a.c also x-delay=-5
          > s1.1 return lost
        publish x a.b later x-delay=1000
          > s1 connection error 60.40: delayed messages (header x-delay) are not supported yet
        open s2.1
        get q no_ack on s2.1
          > s2.1 get-ok 1 now, 2 left
        declare exchange y x-delayed-message on s2.1
          > s2.1 channel error 40.10: Invalid argument, 'x-delayed-type' must be an existing \
exchange type
        open s2.1
        declare exchange y x-delayed-message x-delayed-type=x-delayed-message on s2.1
          > s2.1 channel error 40.10: Invalid argument, 'x-delayed-type' must be an existing \
exchange type
        ",
    );
}

#[test]
fn exchanges_of_every_type_can_be_bound_to_each_other() {
    scenario(
        "
        given declare exchange hash x-consistent-hash; declare exchange mod x-modulus-hash
        given declare exchange random x-random; declare exchange recent x-recent-history
        given declare exchange late x-delayed-message x-delayed-type=direct
        given declare exchange vt x-virtual-topic; declare queue q
        given bind exchange:mod hash 3; bind exchange:random mod ''; bind exchange:recent random ''
        given bind exchange:late recent ''; bind exchange:vt late k; bind q vt >
        publish hash k one mandatory
        get q no_ack
          > s1.1 get-ok 1 one, 0 left
        ",
    );
}

#[test]
fn an_auto_delete_exchange_of_a_new_type_goes_with_its_last_binding() {
    scenario(
        "
        given declare exchange x x-consistent-hash auto_delete; declare queue q; bind q x 1
        given bind q x 2; unbind q x 1
        publish x k one mandatory
        unbind q x 2
          > s1.1 unbind-ok
        publish x k two
          > s1.1 channel error 60.40: no exchange 'x' in vhost '/'
        ",
    );
}
