//! What is remembered of messages that went nowhere, and why messages go where they go.

use std::sync::Arc;

use warren_amqp::properties::{Builder, Property};
use warren_amqp::table;
use warren_engine::{Explanation, Message, MessageBatch};

use crate::world::World;

fn world(lines: &[&str]) -> World {
    let mut world = World::new();
    for line in lines {
        let effects = world.run(line);
        assert!(effects.iter().all(|effect| !effect.contains("error")), "{line}: {effects:?}");
    }
    world
}

#[test]
fn the_last_messages_that_went_nowhere_are_remembered_by_exchange() {
    let mut world = world(&["clock 7", "declare exchange x direct"]);
    world.run("publish x k first | x k second mandatory | amq.topic a other");
    let (count, found) = world.host().unroutable("x");
    assert_eq!(count, 2);
    let seen = found.iter().map(|one| (one.time, &*one.routing_key, &*one.body, one.returned));
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen, [(7, "k", &b"second"[..], true), (7, "k", b"first", false)]);
    assert_eq!(world.host().unroutable("amq.topic").0, 1);
    assert_eq!(world.host().unroutable("amq.fanout"), (0, vec![]));
}

#[test]
fn a_flood_of_such_messages_is_counted_and_kept_in_part() {
    let mut world = world(&["clock 1"]);
    for body in 0..40 {
        world.run(&format!("publish amq.direct k {body}"));
    }
    world.run("clock 2");
    world.run(&format!("publish amq.direct k *{}", 100_000));
    let (count, found) = world.host().unroutable("amq.direct");
    assert_eq!((count, found.len()), (41, 20));
    assert_eq!((found[0].body.len(), found[0].body_bytes), (4096, 100_000));
    assert_eq!(found[1].body, b"19", "those of the same millisecond are not all kept");
}

#[test]
fn an_answer_to_a_direct_request_is_not_lost() {
    let mut world = world(&["replies tag"]);
    world.run("publish '' amq.rabbitmq.reply-to.tag answer");
    assert_eq!(world.host().unroutable("").0, 0);
}

fn explain(world: &mut World, exchange: &str, key: &str, headers: &[(&str, i32)]) -> Explanation {
    let mut fields = warren_amqp::FieldTable::default();
    for (name, value) in headers {
        fields.insert((*name).into(), warren_amqp::FieldValue::LongInt(*value));
    }
    let properties = Builder::new().set(Property::Headers, table::encode(&fields)).build();
    let mut batch = MessageBatch::default();
    batch.push(exchange, key, &properties, b"");
    batch.finish();
    let message = Message::new(&Arc::new(batch), 0).unwrap();
    world.host().explain(&message).expect("there is such an exchange")
}

/// Each exchange with its bindings: `x: +key because, -key because`.
fn told(explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![];
    for step in &explanation.steps {
        let mut line = format!("{}:", step.exchange);
        for judged in &step.bindings {
            let sign = if judged.matched { '+' } else { '-' };
            line += &format!(" {sign}{} {};", judged.binding.routing_key, judged.reason);
        }
        if let Some(alternate) = &step.alternate {
            line += &format!(" to {alternate}");
        }
        lines.push(line);
    }
    lines.push(explanation.queues.join(" "));
    lines
}

#[test]
fn an_explanation_follows_bindings_and_says_why_others_do_not_match() {
    let mut world = world(&[
        "declare queue q",
        "declare queue r",
        "declare exchange x topic",
        "declare exchange y direct",
        "bind q x a.#",
        "bind r x a.b.c",
        "bind exchange:y x a.b",
        "bind r y a.b",
        "bind q y A.B",
    ]);
    let explanation = explain(&mut world, "x", "a.b", &[]);
    assert_eq!(
        told(&explanation),
        [
            "x: +a.# the key fits 'a.#'; +a.b the key fits 'a.b'; \
             -a.b.c the key has 2 words, the pattern 3;",
            "y: +a.b the key is 'a.b'; -A.B 'a.b' is written otherwise than 'A.B';",
            "q r",
        ]
    );
}

#[test]
fn an_explanation_names_the_header_that_is_missing_or_another() {
    let mut world = world(&[
        "declare queue q",
        "bind q amq.headers '' x-match=all a=1 b=2",
        "bind q amq.headers any x-match=any a=1 b=2",
    ]);
    let explanation = explain(&mut world, "amq.headers", "", &[("a", 1), ("b", 3)]);
    assert_eq!(
        told(&explanation)[0],
        "amq.headers: +any one of the headers is as it says; \
         - the header 'b' is 3, which is not what it says;"
    );
    let explanation = explain(&mut world, "amq.headers", "", &[("c", 1)]);
    assert_eq!(
        told(&explanation)[0],
        // One header would do for the first, two are missing for the other.
        "amq.headers: -any none of the headers is as it says; - there is no header 'a';"
    );
}

#[test]
fn an_explanation_goes_on_at_the_alternate_exchange() {
    let mut world = world(&[
        "declare queue q",
        "declare exchange x direct alternate-exchange=amq.fanout",
        "bind q amq.fanout ''",
        "bind q x other",
    ]);
    let explanation = explain(&mut world, "x", "k", &[]);
    assert_eq!(
        told(&explanation),
        [
            "x: -other the key is not 'other'; to amq.fanout",
            "amq.fanout: + every message goes this way;",
            "q",
        ]
    );
}

#[test]
fn an_explanation_of_chance_says_what_the_next_message_does_and_changes_nothing() {
    let mut world = world(&[
        "declare queue q",
        "declare queue r",
        "declare exchange x x-random",
        "bind q x ''",
        "bind r x ''",
    ]);
    for _ in 0..20 {
        let first = explain(&mut world, "x", "k", &[]);
        assert_eq!(explain(&mut world, "x", "k", &[]), first);
        world.run("publish x k a");
        let ready = |world: &World| world.summary().messages_ready;
        let before = ready(&world);
        world.run(&format!("get {} no_ack", first.queues[0]));
        assert_eq!(ready(&world), before - 1, "it went where the explanation said");
    }
}
