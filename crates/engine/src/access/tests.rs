//! Permissions, against the rules of RabbitMQ 3.10.8.

use proptest::prelude::*;

use super::*;

fn permission(configure: &str, write: &str, read: &str) -> Permission {
    Permission { configure: configure.into(), write: write.into(), read: read.into() }
}

fn topic(exchange: &str, write: &str, read: &str) -> TopicPermission {
    TopicPermission { exchange: exchange.into(), write: write.into(), read: read.into() }
}

fn access(permission: &Permission, topics: &[TopicPermission]) -> Access {
    Access::from_patterns("joe", "/", None, permission, topics).expect("patterns")
}

#[test]
fn each_right_has_a_pattern_of_its_own() {
    let access = access(&permission("^joe\\.", "^(joe\\.|amq\\.default$)", ".*"), &[]);
    assert!(access.may(Right::Configure, "joe.q") && !access.may(Right::Configure, "q"));
    assert!(access.may(Right::Write, "amq.default") && !access.may(Right::Write, "q"));
    assert!(access.may(Right::Read, "anything"));
    assert_eq!(access.user(), "joe");
    assert!(!access.is_everything() && !access.is_impersonator());
}

#[test]
fn an_empty_pattern_allows_no_name() {
    let nothing = access(&permission("", "", ""), &[topic("t", "", "")]);
    for right in [Right::Configure, Right::Write, Right::Read] {
        assert!(!nothing.may(right, "q") && !nothing.may(right, "amq.default"));
    }
    assert!(!nothing.may_use_topic(Right::Write, "t", "k"));
    assert!(nothing.may_use_topic(Right::Write, "t", ""), "but the empty key is no name");
}

#[test]
fn patterns_that_match_everything_leave_nothing_to_ask() {
    assert!(access(&permission(".*", "^.*$", ".*"), &[]).is_everything());
    assert!(access(&permission(".*", ".*", ".*"), &[topic("t", ".*", ".*")]).is_everything());
    assert!(!access(&permission(".*", ".*", ".*"), &[topic("t", "^a", ".*")]).is_everything());
    assert!(!access(&permission(".*", "a", ".*"), &[]).is_everything());
}

#[test]
fn an_exchange_of_which_nothing_is_said_takes_every_key() {
    let all = permission(".*", ".*", ".*");
    let access = access(&all, &[topic("t", "^a\\.", "^b\\.")]);
    assert!(access.may_use_topic(Right::Write, "t", "a.b"));
    assert!(!access.may_use_topic(Right::Write, "t", "b.b"));
    assert!(access.may_use_topic(Right::Read, "t", "b.b"));
    assert!(!access.may_use_topic(Right::Read, "t", "a.b"));
    assert!(access.may_use_topic(Right::Write, "other", "b.b"));
}

#[test]
fn variables_stand_for_values_and_not_for_patterns() {
    let all = permission(".*", ".*", ".*");
    let topics = [topic("t", "^{username}\\.{vhost}\\.{client_id}$", "^x{1,2}{username}")];
    let of = |user: &str, client| {
        Access::from_patterns(user, "/v", client, &all, &topics).expect("patterns")
    };
    let write = |access: &Access, key: &str| access.may_use_topic(Right::Write, "t", key);
    assert!(write(&of("joe", Some("c1")), "joe./v.c1"));
    assert!(!write(&of("joe", Some("c1")), "joe./v.c2"));
    let star = of(".*", Some(".*"));
    assert!(write(&star, ".*./v..*") && !write(&star, "joe./v.c1"));
    let nested = of("{client_id}", Some("|.*"));
    assert!(write(&nested, "{client_id}./v.|.*") && !write(&nested, "anything"));
    assert!(write(&of("joe", None), "joe./v.{client_id}"), "a client without one");
    assert!(of("joe", None).may_use_topic(Right::Read, "t", "xxjoe"), "other braces stay");
    assert!(!of("joe", None).may_use_topic(Right::Read, "t", "joe"));
}

#[test]
fn a_bad_pattern_is_named() {
    let error = Access::from_patterns("joe", "/", None, &permission(".*", "[", ""), &[]);
    assert_eq!(error.expect_err("refused").pattern, "[");
}

#[test]
fn scopes_give_the_rights_that_they_name() {
    let grant = |right, name: &str, key: Option<&str>| ScopeGrant {
        right,
        name: Wildcard::parse(name).unwrap(),
        routing_key: key.map(|key| Wildcard::parse(key).unwrap()),
    };
    let access = Access::from_scopes(
        "joe",
        vec![
            grant(Right::Read, "orders*", None),
            grant(Right::Write, "t", Some("eu.*")),
            grant(Right::Write, "u", None),
        ],
    );
    assert!(access.may(Right::Read, "orders.eu") && !access.may(Right::Write, "orders.eu"));
    assert!(access.may(Right::Write, "t") && access.may(Right::Write, "u"));
    assert!(access.may_use_topic(Right::Write, "t", "eu.k"));
    assert!(!access.may_use_topic(Right::Write, "t", "us.k"));
    assert!(!access.may_use_topic(Right::Read, "t", "eu.k"));
    assert!(!access.may_use_topic(Right::Write, "u", "eu.k"), "nothing is said of keys");
    assert!(!Access::from_scopes("joe", vec![]).may(Right::Read, "q"));
}

#[test]
fn an_impersonator_stays_who_it_is() {
    let access = Access::everything("joe").as_impersonator(true);
    assert!(access.is_impersonator() && access.is_everything());
}

proptest! {
    /// Remembering changes no answer, whatever is asked in which order.
    #[test]
    fn what_is_remembered_is_what_would_be_found(
        patterns in proptest::collection::vec(proptest::sample::select(
            vec!["", ".*", "^a", "b$", "^(?!a)", "a|b", "^[ab]+$"]), 5),
        asked in proptest::collection::vec((0..5_u8, "[abc]{0,3}", "[abc]{0,3}"), 1..60),
    ) {
        let [configure, write, read, topic_write, topic_read] = patterns[..] else { unreachable!() };
        let access = access(
            &permission(configure, write, read),
            &[topic("a", topic_write, topic_read)],
        );
        let access = Arc::new(access);
        let mut rights = Rights::new(Arc::clone(&access));
        for (what, name, key) in asked {
            let right = match what {
                0 => Right::Configure,
                1 | 3 => Right::Write,
                _ => Right::Read,
            };
            if what < 3 {
                prop_assert_eq!(rights.may(right, &name), access.may(right, &name));
            } else {
                let expected = access.may_use_topic(right, &name, &key);
                prop_assert_eq!(rights.may_use_topic(right, &name, &key), expected);
            }
        }
    }
}
