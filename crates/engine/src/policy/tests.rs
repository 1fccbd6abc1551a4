//! Policies, against the answers of RabbitMQ 3.10.8.

use proptest::prelude::*;
use warren_amqp::{FieldTable, FieldValue};

use super::*;
use crate::record::QueueRecord;
use crate::settings::{Overflow, QueueSettings};
use crate::{QueueId, VirtualHostId};

fn number(number: i64) -> PolicyValue {
    PolicyValue::Number(number)
}

fn text(text: &str) -> PolicyValue {
    PolicyValue::Text(text.to_owned())
}

fn definition(values: &[(&str, PolicyValue)]) -> Definition {
    values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn policy(
    name: &str,
    pattern: &str,
    priority: i64,
    values: &[(&str, PolicyValue)],
) -> PolicyRecord {
    PolicyRecord {
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        apply_to: ApplyTo::All,
        priority,
        definition: definition(values),
    }
}

fn problem(values: &[(&str, PolicyValue)], operator: bool) -> String {
    validate_policy(&definition(values), operator)
        .map_or_else(|error| error.to_string(), |()| String::new())
}

/// The names of the policies that apply to a queue.
fn names(policies: &Policies, queue: &str, kind: QueueType) -> (Option<String>, Option<String>) {
    let of = policies.for_queue(queue, kind).0.of_queue(&FieldTable::default());
    (of.policy, of.operator_policy)
}

#[test]
fn values_are_refused_with_the_words_of_rabbitmq() {
    for (key, value, expected) in [
        ("expires", number(0), "0 is not a valid queue expiry"),
        ("expires", text("a"), "<<\"a\">> is not a valid queue expiry"),
        ("message-ttl", number(-1), "-1 is not a valid message TTL"),
        ("message-ttl", PolicyValue::Other("1.5".to_owned()), "1.5 is not a valid message TTL"),
        ("message-ttl", PolicyValue::Flag(true), "true is not a valid message TTL"),
        ("message-ttl", PolicyValue::List(vec![]), "[] is not a valid message TTL"),
        ("max-length", number(-1), "-1 is not a valid maximum length"),
        ("max-length-bytes", number(-1), "-1 is not a valid maximum length in bytes"),
        ("max-age", text("x"), "<<\"x\">> is not a valid max age"),
        (
            "stream-max-segment-size-bytes",
            number(3_000_000_001),
            "3000000001 is not a valid segment size",
        ),
        ("overflow", text("zz"), "<<\"zz\">> is not a valid overflow value"),
        ("dead-letter-exchange", number(5), "5 is not a valid dead letter exchange name"),
        ("dead-letter-routing-key", number(5), "5 is not a valid dead letter routing key"),
        ("dead-letter-strategy", text("zz"), "<<\"zz\">> is not a valid dead letter strategy"),
        ("delivery-limit", text("a"), "<<\"a\">> is not a valid delivery limit"),
        ("alternate-exchange", number(5), "5 is not a valid alternate exchange name"),
        ("queue-mode", text("zz"), "<<\"zz\">> is not a valid queue-mode value"),
        ("queue-version", number(3), "3 is not a valid queue-version value"),
        ("queue-master-locator", text("zz"), "<<\"zz\">> invalid queue-master-locator value"),
        ("queue-leader-locator", number(5), "5 is not a valid queue leader locator value"),
        ("max-in-memory-length", number(-1), "-1 is not a valid maximum memory in bytes"),
        ("initial-cluster-size", number(-1), "-1 is not a valid cluster size"),
        ("federation-upstream", number(5), "5 is not a valid federation upstream name"),
        ("federation-upstream-set", number(5), "5 is not a valid federation upstream set name"),
        (
            "shards-per-node",
            text("a"),
            "shards-per-node should be a number, actually was <<\"a\">>",
        ),
        (
            "shards-per-node",
            number(-1),
            "shards-per-node should be greater than 0, actually was -1",
        ),
        ("routing-key", text("a"), "shards-per-node must be specified"),
        ("ha-mode", text("zz"), "<<\"zz\">> is not a valid ha-mode value"),
        ("ha-mode", text("exactly"), "ha-mode=\"exactly\" takes an integer, none given"),
        (
            "ha-params",
            number(2),
            "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown",
        ),
        (
            "max-priority",
            number(5),
            "[{<<\"max-priority\">>,5}] are not recognised policy settings",
        ),
    ] {
        assert_eq!(problem(&[(key, value)], false), expected);
    }
}

#[test]
fn what_rabbitmq_takes_is_taken() {
    for (key, value) in [
        ("expires", number(1)),
        ("expires", number(315_360_000_001)),
        ("message-ttl", number(0)),
        ("max-length", number(0)),
        ("max-age", text("1D")),
        ("overflow", text("reject-publish-dlx")),
        ("dead-letter-exchange", text("")),
        ("delivery-limit", number(0)),
        ("delivery-limit", number(-1)),
        ("consumer-timeout", number(5)),
        ("queue-mode", text("lazy")),
        ("queue-master-locator", text("min-masters")),
        ("queue-leader-locator", text("random")),
        ("initial-cluster-size", number(0)),
        ("target-group-size", number(3)),
        ("federation-upstream-set", text("all")),
        ("ha-mode", text("all")),
        ("shards-per-node", number(0)),
        ("message-deduplication", PolicyValue::Flag(true)),
    ] {
        assert_eq!(problem(&[(key, value)], false), "", "{key}");
    }
    let nodes = PolicyValue::List(vec![text("a@b")]);
    assert_eq!(problem(&[("ha-mode", text("nodes")), ("ha-params", nodes)], false), "");
}

#[test]
fn unknown_settings_are_told_when_the_known_ones_are_right() {
    let both = [("zz", number(1)), ("yy", text("a"))];
    let expected = "[{<<\"yy\">>,<<\"a\">>},{<<\"zz\">>,1}] are not recognised policy settings";
    assert_eq!(problem(&both, false), expected);
    let wrong = [("aa", number(1)), ("message-ttl", number(-1)), ("overflow", text("zz"))];
    assert_eq!(problem(&wrong, false), "-1 is not a valid message TTL");
    assert_eq!(problem(&[], false), "no policy provided");
    let federated = [("federation-upstream", text("a")), ("federation-upstream-set", text("all"))];
    assert!(problem(&federated, false).starts_with("cannot specify federation-upstream, "));
}

#[test]
fn operators_may_say_what_bounds_queues() {
    for key in ["expires", "message-ttl", "max-length", "max-length-bytes", "delivery-limit"] {
        assert_eq!(problem(&[(key, number(5))], true), "", "{key}");
    }
    assert_eq!(problem(&[("overflow", text("drop-head"))], true), "");
    assert_eq!(problem(&[("target-group-size", number(3))], true), "");
    assert_eq!(problem(&[("max-length", number(-1))], true), "-1 is not a valid maximum length");
    let refused = [("dead-letter-exchange", text("a")), ("queue-mode", text("lazy"))];
    let expected = "[{<<\"dead-letter-exchange\">>,<<\"a\">>},{<<\"queue-mode\">>,<<\"lazy\">>}] \
                    are not recognised policy settings";
    assert_eq!(problem(&refused, true), expected);
}

#[test]
fn a_pattern_must_be_an_expression() {
    let checked = policy("p", "[", 0, &[("max-length", number(1))]).check(false);
    let text = checked.expect_err("refused").to_string();
    assert!(text.starts_with("pattern should be regular expression but is invalid: "), "{text}");
    assert!(policy("p", "", 0, &[("max-length", number(1))]).check(false).is_ok());
}

#[test]
fn the_highest_priority_wins_and_of_equal_ones_the_first_name() {
    let length = [("max-length", number(1))];
    let policies = Policies::compile(
        &[
            policy("c", "^q", 7, &length),
            policy("a", "^q", 7, &length),
            policy("high", "^q\\.high", 9, &length),
            policy("low", "", -5, &length),
        ],
        &[policy("op", "q", 0, &length)],
    )
    .expect("patterns");
    let of = |name| names(&policies, name, QueueType::Classic);
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(of("q.high"), (some("high"), some("op")));
    assert_eq!(of("q"), (some("a"), some("op")));
    assert_eq!(of("other"), (some("low"), None));
}

#[test]
fn a_policy_is_for_what_it_says() {
    for (apply_to, queues, exchange) in [
        (ApplyTo::All, [true, true, true], true),
        (ApplyTo::Queues, [true, true, true], false),
        (ApplyTo::Exchanges, [false, false, false], true),
        (ApplyTo::ClassicQueues, [true, false, false], false),
        (ApplyTo::QuorumQueues, [false, true, false], false),
        (ApplyTo::Streams, [false, false, true], false),
    ] {
        let mut record = policy("p", "", 0, &[("max-length-bytes", number(1))]);
        record.apply_to = apply_to;
        let policies = Policies::compile(&[record], &[]).expect("patterns");
        let kinds = [QueueType::Classic, QueueType::Quorum, QueueType::Stream];
        let applies = kinds.map(|kind| !policies.for_queue("q", kind).0.is_empty());
        assert_eq!(applies, queues, "{apply_to:?}");
        assert_eq!(!policies.for_exchange("x").0.is_empty(), exchange, "{apply_to:?}");
        assert_eq!(ApplyTo::from_name(apply_to.name()), Some(apply_to));
    }
    assert_eq!(ApplyTo::from_name("zz"), None);
}

/// As with RabbitMQ: the next policy has its turn, which no queue is too good for.
#[test]
fn a_policy_with_a_setting_that_a_queue_does_not_have_is_not_for_it() {
    let policies = Policies::compile(
        &[
            policy("t", "", 5, &[("delivery-limit", number(5)), ("max-length", number(7))]),
            policy("low", "", 1, &[("max-length", number(9))]),
        ],
        &[],
    )
    .expect("patterns");
    let of = |kind| names(&policies, "q", kind).0;
    assert_eq!(of(QueueType::Classic), Some("low".to_owned()));
    assert_eq!(of(QueueType::Quorum), Some("t".to_owned()));
    assert_eq!(of(QueueType::Stream), None);
}

#[test]
fn settings_without_effect_are_counted() {
    let policies = Policies::compile(
        &[
            policy("a", "", 0, &[("ha-mode", text("all")), ("max-length", number(1))]),
            policy("b", "", 0, &[("ha-mode", text("all")), ("queue-mode", text("lazy"))]),
        ],
        &[],
    )
    .expect("patterns");
    let counts: Vec<_> = policies.without_effect().into_iter().collect();
    assert_eq!(counts, [("ha-mode", 2), ("queue-mode", 1)]);
}

fn record(kind: &str, arguments: &[(&str, FieldValue)]) -> QueueRecord {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), FieldValue::LongString(kind.into()));
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    QueueRecord {
        id: QueueId::new(VirtualHostId(1), 1),
        name: "q".to_owned(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        paused: false,
        arguments: table,
    }
}

fn applied(user: &[(&str, PolicyValue)], operator: &[(&str, PolicyValue)]) -> AppliedPolicies {
    let one = |name: &str, values: &[(&str, PolicyValue)]| match values {
        [] => vec![],
        values => vec![policy(name, "", 0, values)],
    };
    let policies = Policies::compile(&one("p", user), &one("op", operator)).expect("patterns");
    let find = |kind| policies.for_queue("q", kind).0;
    let kinds = [QueueType::Classic, QueueType::Quorum, QueueType::Stream];
    kinds.map(find).into_iter().find(|applied| !applied.is_empty()).unwrap_or_default()
}

fn settings(
    kind: &str,
    arguments: &[(&str, FieldValue)],
    user: &[(&str, PolicyValue)],
    operator: &[(&str, PolicyValue)],
) -> QueueSettings {
    queue_settings(&record(kind, arguments), &applied(user, operator))
}

#[test]
fn an_argument_that_is_a_text_beats_policies() {
    let arguments = [
        ("x-dead-letter-exchange", FieldValue::LongString("mine".into())),
        ("x-overflow", FieldValue::LongString("reject-publish".into())),
    ];
    let policy = [
        ("dead-letter-exchange", text("theirs")),
        ("dead-letter-routing-key", text("key")),
        ("overflow", text("drop-head")),
    ];
    let found = settings("classic", &arguments, &policy, &[]);
    let letter = found.dead_letter.expect("an exchange");
    assert_eq!((letter.exchange.as_str(), letter.routing_key.as_deref()), ("mine", Some("key")));
    assert_eq!(found.overflow, Overflow::RejectPublish);
    let found = settings("classic", &[], &policy, &[("overflow", text("reject-publish-dlx"))]);
    assert_eq!(found.dead_letter.map(|letter| letter.exchange), Some("theirs".to_owned()));
    assert_eq!(found.overflow, Overflow::RejectPublishDeadLetter, "the operator's word is last");
    let found = settings("classic", &[], &[("dead-letter-routing-key", text("key"))], &[]);
    assert_eq!(found.dead_letter, None, "a key without an exchange");
}

#[test]
fn streams_and_quorum_queues_have_settings_of_their_own() {
    let policy = [("max-age", text("1D")), ("max-length-bytes", number(5))];
    let arguments = [("x-max-age", FieldValue::LongString("2h".into()))];
    let stream = settings("stream", &arguments, &policy, &[]).stream.expect("a stream");
    assert_eq!((stream.max_age, stream.max_bytes), (Some(7_200_000), Some(5)));
    let stream = settings("stream", &[], &policy, &[]).stream.expect("a stream");
    assert_eq!(stream.max_age, Some(86_400_000));
    let limit = |arguments: &[(&str, FieldValue)], limit: i64| {
        settings("quorum", arguments, &[("delivery-limit", number(limit))], &[]).delivery_limit
    };
    assert_eq!(limit(&[], 50), Some(50), "in the place of the usual one");
    assert_eq!(limit(&[], -1), None);
    assert_eq!(limit(&[("x-delivery-limit", FieldValue::LongInt(-1))], 5), Some(5));
    assert_eq!(limit(&[("x-delivery-limit", FieldValue::LongInt(3))], -1), Some(3));
}

#[test]
fn what_holds_is_told_with_where_it_comes_from() {
    let of = applied(
        &[("max-length", number(7)), ("message-ttl", number(9)), ("queue-mode", text("lazy"))],
        &[("max-length", number(5)), ("expires", number(1000))],
    );
    let arguments = record("classic", &[("x-message-ttl", FieldValue::LongInt(3))]).arguments;
    let told = of.of_queue(&arguments);
    assert_eq!((told.policy.as_deref(), told.operator_policy.as_deref()), (Some("p"), Some("op")));
    let expected = [
        ("expires", number(1000)),
        ("max-length", number(5)),
        ("message-ttl", number(9)),
        ("queue-mode", text("lazy")),
    ];
    assert_eq!(told.definition, definition(&expected));
    let values: Vec<_> =
        told.values.iter().map(|value| (value.key.as_str(), &value.value, value.source)).collect();
    let expected = [
        ("expires", &number(1000), PolicySource::OperatorPolicy),
        ("max-length", &number(5), PolicySource::OperatorPolicy),
        ("message-ttl", &number(3), PolicySource::Argument),
        ("queue-mode", &text("lazy"), PolicySource::Policy),
    ];
    assert_eq!(values, expected);
}

proptest! {
    /// Of numbers the least one holds, whoever says it, and it is told who did.
    #[test]
    fn of_numbers_the_least_one_holds(
        key in proptest::sample::select(vec![
            "message-ttl", "expires", "max-length", "max-length-bytes", "consumer-timeout",
        ]),
        argument in proptest::option::of(1..20_i32),
        user in proptest::option::of(1..20_i64),
        operator in proptest::option::of(1..20_i64),
    ) {
        let operator = operator.filter(|_| key != "consumer-timeout");
        let name = format!("x-{key}");
        let arguments: Vec<_> =
            argument.iter().map(|value| (name.as_str(), FieldValue::LongInt(*value))).collect();
        let say = |value: Option<i64>| value.map(|value| (key, number(value))).into_iter().collect();
        let (user_says, operator_says): (Vec<_>, Vec<_>) = (say(user), say(operator));
        let found = settings("classic", &arguments, &user_says, &operator_says);
        let holds = match key {
            "message-ttl" => found.message_ttl,
            "expires" => found.expires,
            "max-length" => found.max_length,
            "max-length-bytes" => found.max_length_bytes,
            _ => found.consumer_timeout,
        };
        let said = [
            argument.map(|value| (i64::from(value), PolicySource::Argument)),
            user.map(|value| (value, PolicySource::Policy)),
            operator.map(|value| (value, PolicySource::OperatorPolicy)),
        ];
        // Of equal ones, the first.
        let least = said.into_iter().flatten().min_by_key(|(value, _)| *value);
        prop_assert_eq!(holds.map(u64::cast_signed), least.map(|(value, _)| value));
        let told = applied(&user_says, &operator_says).of_queue(&record("classic", &arguments).arguments);
        let told = told.values.iter().find(|value| value.key == key);
        prop_assert_eq!(told.map(|told| (told.value.clone(), told.source)),
            least.map(|(value, source)| (number(value), source)));
    }

    /// Whatever the policies are, at most one of a kind applies, and none that matches is above it.
    #[test]
    fn the_one_that_applies_is_the_first_that_matches(
        records in proptest::collection::vec((0..4_i64, "[ab]{1,2}", "[abc]{0,2}"), 0..8),
        queue in "[abc]{1,3}",
    ) {
        let mut seen = std::collections::BTreeSet::new();
        let records: Vec<_> = records
            .into_iter()
            .filter(|(_, name, _)| seen.insert(name.clone()))
            .map(|(priority, name, pattern)| policy(&name, &pattern, priority, &[("max-length", number(1))]))
            .collect();
        let policies = Policies::compile(&records, &[]).expect("patterns");
        let matching = records.iter().filter(|record| queue.contains(&record.pattern));
        let best = matching.min_by_key(|record| (-record.priority, record.name.clone()));
        let found = names(&policies, &queue, QueueType::Classic).0;
        prop_assert_eq!(found, best.map(|record| record.name.clone()));
    }
}
