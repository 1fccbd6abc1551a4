//! What users may do: looked at before anything else, with RabbitMQ's texts.

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn who_may_nothing_learns_nothing() {
    let mut world = World::new();
    for line in ["declare queue q", "declare exchange x topic", "bind q x k", "access s2 user=joe"]
    {
        world.run(line);
    }
    for (line, what) in [
        ("declare queue q", "queue 'q'"),
        ("declare queue new", "queue 'new'"),
        ("declare queue amq.gen-1 generated exclusive", "queue 'amq.gen-1'"),
        ("declare queue q passive", "queue 'q'"),
        ("declare queue none passive", "queue 'none'"),
        ("declare queue new x-message-ttl=a", "queue 'new'"),
        ("delete queue q", "queue 'q'"),
        ("delete queue none", "queue 'none'"),
        ("purge q", "queue 'q'"),
        ("purge none", "queue 'none'"),
        ("declare exchange x topic", "exchange 'x'"),
        ("declare exchange x topic passive", "exchange 'x'"),
        ("declare exchange none topic passive", "exchange 'none'"),
        ("declare exchange amq.new topic", "exchange 'amq.new'"),
        ("delete exchange x", "exchange 'x'"),
        ("delete exchange none", "exchange 'none'"),
        ("bind q x k", "queue 'q'"),
        ("bind q none k", "queue 'q'"),
        ("bind q '' k", "queue 'q'"),
        ("unbind none x k", "queue 'none'"),
        ("bind exchange:x amq.topic k", "exchange 'x'"),
        ("get q", "queue 'q'"),
        ("get none", "queue 'none'"),
        ("get some.topic::q", "queue 'q'"),
        ("consume q c", "queue 'q'"),
        ("consume none c", "queue 'none'"),
        ("consume some.topic::q c", "queue 'q'"),
        ("publish x k body", "exchange 'x'"),
        ("publish none k body", "exchange 'none'"),
        ("publish '' q body", "exchange 'amq.default'"),
        ("publish amq.rabbitmq.trace q body", "exchange 'amq.rabbitmq.trace'"),
        ("publish x k body CC=no", "exchange 'x'"),
    ] {
        world.run("open s2.1");
        let line = format!("{line} on s2.1");
        let effects = world.run(&line);
        let expected = format!("access to {what} in vhost '/' refused for user 'joe'");
        assert_eq!(effects.len(), 1, "{line}: {effects:?}");
        assert!(effects[0].ends_with(&expected), "{line}: {effects:?}");
        assert!(effects[0].starts_with("s2.1 channel error "), "{line}: {effects:?}");
    }
}

#[test]
fn what_nobody_may_is_said_first() {
    scenario(
        "
        access s1
        declare queue amq.x
        > s1.1 channel error 50.10: queue name 'amq.x' contains reserved prefix 'amq.*'
        open s1.1
        declare exchange '' topic
        > s1.1 channel error 40.10: operation not permitted on the default exchange
        open s1.1
        declare exchange x none
        > s1.1 channel error 40.10: unknown exchange type 'none'
        open s1.1
        delete exchange amq.direct
        > s1.1 channel error 40.20: deletion of system exchange 'amq.direct' in vhost '/' not allowed
        ",
    );
}

#[test]
fn each_request_needs_its_right_and_no_other() {
    let mut world = World::new();
    let allowed = |effects: &[String]| !effects.iter().any(|effect| effect.contains("refused for"));
    for (line, right) in [
        ("declare queue q", "configure=^q$"),
        ("declare exchange x topic", "configure=^x$"),
        ("bind q x k", "write=^q$ read=^x$"),
        ("publish x k 1", "write=^x$"),
        ("publish '' q 2", "write=^amq\\.default$"),
        ("get q", "read=^q$"),
        ("consume q c", "read=^q$"),
        ("purge q", "read=^q$"),
        ("declare queue q passive", "configure=^q$"),
        ("declare queue q passive", "write=^q$"),
        ("declare queue q passive", "read=^q$"),
        ("declare exchange x topic passive", "read=^x$"),
        ("bind exchange:amq.topic x k", "write=^amq.topic$ read=^x$"),
        ("unbind exchange:amq.topic x k", "write=^amq.topic$ read=^x$"),
        ("unbind q x k", "write=^q$ read=^x$"),
        ("delete queue q", "configure=^q$"),
        ("delete exchange x", "configure=^x$"),
    ] {
        // Without one of the rights it is refused, and nothing has happened.
        let rights: Vec<_> = right.split(' ').collect();
        for left_out in &rights {
            let others = rights.iter().filter(|other| *other != left_out);
            let others: Vec<_> = others.copied().collect();
            world.run(&format!("access s2 {}", others.join(" ")));
            world.run("open s2.1");
            let effects = world.run(&format!("{line} on s2.1"));
            assert!(!allowed(&effects), "{line} without {left_out}: {effects:?}");
            assert_eq!(effects.len(), 1, "{line} without {left_out}: {effects:?}");
        }
        world.run(&format!("access s2 {right}"));
        world.run("open s2.1");
        let effects = world.run(&format!("{line} on s2.1"));
        assert!(!effects.iter().any(|effect| effect.contains("error")), "{line}: {effects:?}");
        world.run("close s2.1");
    }
}

#[test]
fn dead_letters_and_alternates_need_the_rights_of_both_ends() {
    scenario(
        "
        access s1 configure=.* read=^(q|x)$ write=^(dlx|amq\\.default)$
        declare queue q x-dead-letter-exchange=dlx
        > s1.1 declare-ok q, 0 ready, 0 consumers
        declare queue r x-dead-letter-exchange=dlx
        > s1.1 channel error 50.10: access to queue 'r' in vhost '/' refused for user 'guest'
        open s1.1
        declare exchange x fanout alternate-exchange=dlx
        > s1.1 exchange declare-ok
        declare exchange y fanout alternate-exchange=dlx
        > s1.1 channel error 40.10: access to exchange 'y' in vhost '/' refused for user 'guest'
        open s1.1
        access s1 configure=.* read=.* write=^dlx$
        # It is there already, and nothing changes.
        declare queue q x-dead-letter-exchange=dlx
        > s1.1 declare-ok q, 0 ready, 0 consumers
        declare queue s x-dead-letter-exchange=other
        > s1.1 channel error 50.10: access to exchange 'other' in vhost '/' refused for user 'guest'
        open s1.1
        declare queue s x-dead-letter-exchange=''
        > s1.1 channel error 50.10: access to exchange 'amq.default' in vhost '/' refused for user 'guest'
        open s1.1
        declare exchange z fanout alternate-exchange=''
        > s1.1 channel error 40.10: access to exchange 'amq.default' in vhost '/' refused for user 'guest'
        open s1.1
        # A value of the wrong type is no name.
        declare queue s x-dead-letter-exchange=5
        > s1.1 channel error 50.10: invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 's' in vhost '/'
        ",
    );
}

#[test]
fn routing_keys_at_a_topic_exchange_may_be_limited() {
    scenario(
        "
        given declare exchange t topic; declare exchange f fanout; declare queue q
        access s1 configure=.* read=.* write=.* topic=t,^a,^b topic=f,^a,^b
        publish t a.1 1
        publish t k 2
        > s1.1 channel error 60.40: access to topic 'k' in exchange 't' in vhost '/' refused for user 'guest'
        open s1.1
        # Of the other keys of a message each one counts.
        publish t a.1 3 CC=[a.2,k]
        > s1.1 channel error 60.40: access to topic 'k' in exchange 't' in vhost '/' refused for user 'guest'
        open s1.1
        publish t a.1 4 BCC=[k]
        > s1.1 channel error 60.40: access to topic 'k' in exchange 't' in vhost '/' refused for user 'guest'
        open s1.1
        publish t a.1 5 CC=[a.2] BCC=[a.3]
        bind q t k
        > s1.1 channel error 50.20: access to topic 'k' in exchange 't' in vhost '/' refused for user 'guest'
        open s1.1
        bind q t b.#
        > s1.1 bind-ok
        unbind q t k
        > s1.1 channel error 50.50: access to topic 'k' in exchange 't' in vhost '/' refused for user 'guest'
        open s1.1
        bind exchange:f t k
        > s1.1 channel error 40.30: access to topic 'k' in exchange 't' in vhost '/' refused for user 'guest'
        open s1.1
        # Exchanges of other types have no such keys.
        publish f k 6
        bind q f k
        > s1.1 bind-ok
        ",
    );
}

#[test]
fn a_queue_that_subscribes_itself_needs_what_a_binding_needs() {
    scenario(
        "
        given declare queue Consumer.a.old
        access s1 configure=.* read=^Consumer write=.*
        declare queue Consumer.a.orders
        > s1.1 channel error 50.10: access to exchange 'amq.virtual-topic' in vhost '/' refused for user 'guest'
        open s1.1
        consume Consumer.a.orders c
        > s1.1 channel error 60.20: access to exchange 'amq.virtual-topic' in vhost '/' refused for user 'guest'
        open s1.1
        consume orders::Consumer.b c
        > s1.1 channel error 60.20: access to exchange 'amq.virtual-topic' in vhost '/' refused for user 'guest'
        open s1.1
        # What is subscribed already needs no more.
        declare queue Consumer.a.old
        > s1.1 declare-ok Consumer.a.old, 0 ready, 0 consumers
        consume Consumer.a.old c
        > s1.1 consume-ok c
        access s1 configure=.* read=.* write=.* topic=amq.virtual-topic,^orders,^orders
        declare queue Consumer.a.other
        > s1.1 channel error 50.10: access to topic 'other' in exchange 'amq.virtual-topic' in vhost '/' refused for user 'guest'
        open s1.1
        declare queue Consumer.a.orders
        > s1.1 declare-ok Consumer.a.orders, 0 ready, 0 consumers
        consume orders::mine c
        > once written: s1.1 consume-ok c
        > write queue mine
        > write binding amq.virtual-topic 'orders' -> mine x-group=
        access s1 configure=^x$ read=.* write=.*
        consume orders::new d
        > s1.1 channel error 60.20: access to queue 'new' in vhost '/' refused for user 'guest'
        ",
    );
}

#[test]
fn a_key_that_names_a_virtual_topic_needs_its_rights() {
    scenario(
        "
        given declare queue VirtualTopic.q; declare queue q; bind q amq.virtual-topic VirtualTopic.#
        access s1 write=^amq.default$
        publish '' VirtualTopic.q 1
        publish '' VirtualTopic.a 2
        > s1.1 channel error 60.40: access to exchange 'amq.virtual-topic' in vhost '/' refused for user 'guest'
        open s1.1
        access s1 write=^amq topic=amq.virtual-topic,^VirtualTopic.a,
        publish '' VirtualTopic.a 3
        publish '' VirtualTopic.b 4
        > s1.1 channel error 60.40: access to topic 'VirtualTopic.b' in exchange 'amq.virtual-topic' in vhost '/' refused for user 'guest'
        ",
    );
}

#[test]
fn direct_replies_need_no_right_but_to_publish() {
    scenario(
        "
        access s2 user=joe
        open s2.1
        replies r on s2.1
        > s2.1 consume-ok r
        declare queue amq.rabbitmq.reply-to passive on s2.1
        > s2.1 declare-ok amq.rabbitmq.reply-to, 0 ready, 1 consumers
        publish '' amq.rabbitmq.reply-to.r answer
        > s2.1 deliver r 1 answer
        access s1
        publish '' amq.rabbitmq.reply-to.r answer
        > s1.1 channel error 60.40: access to exchange 'amq.default' in vhost '/' refused for user 'guest'
        ",
    );
}

#[test]
fn a_refused_message_does_not_take_those_before_it_along() {
    scenario(
        "
        given declare queue q; declare exchange x fanout; bind q x k; confirm
        access s1 write=^x$ read=.*
        publish x k 1 | x k 2 | '' q 3 | x k 4
        > s1.1 confirm 1..2
        > once written: s1.1 channel error 60.40: access to exchange 'amq.default' in vhost '/' refused for user 'guest'
        open s1.1
        purge q
        > s1.1 purge-ok 2
        ",
    );
}

#[test]
fn a_change_holds_for_the_next_request() {
    scenario(
        "
        given declare queue q; declare exchange x fanout; bind q x k
        access s1 write=^(x|y)$
        publish x k 1
        access s1 write=^y$
        publish x k 2
        > s1.1 channel error 60.40: access to exchange 'x' in vhost '/' refused for user 'guest'
        open s1.1
        access s1 everything
        publish x k 3
        purge q
        > s1.1 purge-ok 2
        ",
    );
}

#[test]
fn a_channel_that_may_not_go_on_to_consume_is_closed() {
    scenario(
        "
        given declare queue q; declare queue r; declare queue s
        access s2 read=.*
        given open s2.1; open s2.2; open s2.3; consume q c on s2.1; consume r d on s2.1
        given consume r e on s2.2; consume s f on s2.3; replies g on s2.3
        given publish '' q 1; publish '' r 2
        access s2 read=^(q|s)$
        > s2.1 channel error 0.0: access to queue 'r' in vhost '/' refused for user 'guest'
        > s2.2 channel error 0.0: access to queue 'r' in vhost '/' refused for user 'guest'
        consume q h
        > s1.1 consume-ok h
        > s1.1 deliver h 1 1 again
        publish '' s 3
        > s2.3 deliver f 1 3
        access s2 everything
        ",
    );
}
