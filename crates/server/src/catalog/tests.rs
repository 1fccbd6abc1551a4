//! What changes make of the records, and that what is kept of them is enough.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use warren_engine::{ApplyTo, Recovered, VirtualHostId};

use super::edit::Written;
use super::records::{Record, Table};
use super::*;
use crate::config::Config;
use crate::limits;

fn host(name: &str) -> Change {
    Change::PutVirtualHost { name: name.to_owned(), settings: VirtualHostSettings::default() }
}

fn user(name: &str) -> Change {
    let (name, password, tags) = (name.to_owned(), PasswordChange::Keep, vec![]);
    Change::PutUser { name, password, tags }
}

fn permission(virtual_host: &str, user: &str) -> Change {
    let (virtual_host, user) = (virtual_host.to_owned(), user.to_owned());
    let [configure, write, read] = [(); 3].map(|()| ".*".to_owned());
    Change::PutPermission(Permission { virtual_host, user, configure, write, read })
}

fn topic_permission(virtual_host: &str, user: &str, exchange: &str) -> Change {
    let [virtual_host, user, exchange] = [virtual_host, user, exchange].map(str::to_owned);
    let [write, read] = [(); 2].map(|()| "a".to_owned());
    Change::PutTopicPermission(TopicPermission { virtual_host, user, exchange, write, read })
}

fn policy(virtual_host: &str, name: &str, operator: bool) -> Change {
    let definition = Map::from_iter([("max-length".to_owned(), json!(5))]);
    Change::PutPolicy(Policy {
        virtual_host: virtual_host.to_owned(),
        name: name.to_owned(),
        operator,
        pattern: "^q".to_owned(),
        apply_to: ApplyTo::Queues,
        priority: 1,
        definition,
    })
}

fn parameter(component: &str, virtual_host: &str, name: &str, value: Value) -> Change {
    let [component, virtual_host, name] = [component, virtual_host, name].map(str::to_owned);
    Change::PutParameter(Parameter { component, virtual_host, name, value })
}

/// A state after changes that are all taken.
fn after(changes: &[Change]) -> State {
    let mut edit = Edit::of(&State::default());
    for change in changes {
        edit.apply(change).unwrap();
    }
    edit.state
}

/// Makes one change: what comes of it, and what follows.
fn change(state: &State, change: &Change) -> (Result<Done, CatalogError>, Edit) {
    let mut edit = Edit::of(state);
    let done = edit.apply(change);
    if done.is_err() {
        assert_eq!(dump(&edit.state), dump(state), "a refused change has changed something");
        assert!(edit.writes.is_empty() && edit.consequences == Consequences::default());
    }
    (done, edit)
}

/// Everything, by key.
fn dump(state: &State) -> BTreeMap<String, Value> {
    fn add<R: Record>(all: &mut BTreeMap<String, Value>, table: &Table<R>) {
        let records = table.iter().map(|one| (one.key(), serde_json::to_value(&**one).unwrap()));
        all.extend(records);
    }
    let mut all = BTreeMap::new();
    add(&mut all, &state.virtual_hosts);
    add(&mut all, &state.users);
    add(&mut all, &state.permissions);
    add(&mut all, &state.topic_permissions);
    add(&mut all, &state.policies);
    add(&mut all, &state.parameters);
    add(&mut all, &state.global_parameters);
    all.insert("last".to_owned(), json!(state.last_virtual_host));
    all
}

fn keep(kept: &mut BTreeMap<String, Vec<u8>>, writes: Vec<Written>) {
    for (key, value) in writes {
        match value {
            Some(value) => drop(kept.insert(key, value)),
            None => drop(kept.remove(&key)),
        }
    }
}

#[test]
fn what_is_new_is_created_what_is_the_same_is_unchanged() {
    let state = after(&[host("v"), user("u")]);
    for one in [
        host("w"),
        user("w"),
        permission("v", "u"),
        topic_permission("v", "u", "amq.topic"),
        policy("v", "p", false),
        policy("v", "p", true),
        parameter("shovel", "v", "s", json!({"src-queue": "q"})),
        Change::PutGlobalParameter(GlobalParameter { name: "g".to_owned(), value: json!(1) }),
        Change::SetClusterName { name: "c".to_owned() },
    ] {
        let (done, edit) = change(&state, &one);
        assert_eq!(done, Ok(Done::Created), "{one:?}");
        let (done, again) = change(&edit.state, &one);
        assert_eq!(done, Ok(Done::Unchanged), "{one:?}");
        assert!(again.writes.is_empty(), "{one:?}");
    }
}

#[test]
fn a_virtual_host_takes_what_is_in_it_along() {
    let changes = [
        host("v"),
        host("other"),
        user("u"),
        permission("v", "u"),
        permission("other", "u"),
        topic_permission("v", "u", "x"),
        policy("v", "p", false),
        policy("v", "p", true),
        parameter("shovel", "v", "s", json!(1)),
    ];
    let state = after(&changes);
    let (done, edit) = change(&state, &Change::DeleteVirtualHost { name: "v".to_owned() });
    assert_eq!(done, Ok(Done::Deleted));
    let gone = edit.state;
    assert!(gone.virtual_host("v").is_none() && gone.permission("v", "u").is_none());
    assert_eq!(gone.topic_permissions().count(), 0);
    assert_eq!(gone.policies(false).count() + gone.policies(true).count(), 0);
    assert!(gone.parameters().is_empty());
    assert!(gone.permission("other", "u").is_some());
    assert_eq!(edit.consequences.deleted, [("v".to_owned(), 1)].into());
    // Until all of it is gone, that is known after a restart too.
    let key = ending_key(VirtualHostId(1));
    assert!(edit.writes.iter().any(|(written, value)| *written == key && value.is_some()));
}

#[test]
fn a_number_of_a_virtual_host_is_not_given_again() {
    let mut state = after(&[host("a"), host("b")]);
    for _ in 0..3 {
        let last = state.virtual_hosts().map(|host| host.id).max().unwrap();
        let (done, edit) = change(&state, &Change::DeleteVirtualHost { name: "b".to_owned() });
        assert_eq!(done, Ok(Done::Deleted));
        let (_, edit) = change(&edit.state, &host("b"));
        state = edit.state;
        assert_eq!(state.virtual_host("b").unwrap().id, last + 1);
    }
}

#[test]
fn a_protected_virtual_host_stays() {
    let state = after(&[host("v")]);
    let protect = |protected| Change::ProtectVirtualHost { name: "v".to_owned(), protected };
    let (done, edit) = change(&state, &protect(true));
    assert_eq!(done, Ok(Done::Updated));
    let delete = Change::DeleteVirtualHost { name: "v".to_owned() };
    let (done, _) = change(&edit.state, &delete);
    assert_eq!(done, Err(CatalogError::Protected { name: "v".to_owned() }));
    let (_, edit) = change(&edit.state, &protect(false));
    assert_eq!(change(&edit.state, &delete).0, Ok(Done::Deleted));
}

#[test]
fn a_user_takes_permissions_along_and_sessions_hear_of_it() {
    let state = after(&[
        host("v"),
        host("w"),
        user("u"),
        user("other"),
        permission("v", "u"),
        permission("w", "u"),
        permission("v", "other"),
        topic_permission("v", "u", "x"),
    ]);
    let (done, edit) = change(&state, &Change::DeleteUser { name: "u".to_owned() });
    assert_eq!(done, Ok(Done::Deleted));
    assert_eq!(edit.state.permissions().count(), 1);
    assert_eq!(edit.state.topic_permissions().count(), 0);
    assert_eq!(edit.consequences.deleted_users, ["u".to_owned()].into());
    let pair = |host: &str| (host.to_owned(), "u".to_owned());
    assert_eq!(edit.consequences.access, [pair("v"), pair("w")].into());
}

#[test]
fn passwords_and_tags_change_as_is_said() {
    let hash = |text: &str| PasswordHash { hashing: Hashing::Sha256, hash: text.to_owned() };
    let put = |password, tags: &[&str]| {
        let (name, tags) = ("u".to_owned(), tags.iter().map(|tag| (*tag).to_owned()).collect());
        Change::PutUser { name, password, tags }
    };
    // 36 bytes, as salt and hash take.
    let good = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    let state =
        after(&[host("v"), put(PasswordChange::Set(hash(good)), &[]), permission("v", "u")]);
    let password = |state: &State| state.user("u").unwrap().password.clone();
    assert_eq!(password(&state), Some(hash(good)));
    let (done, edit) = change(&state, &put(PasswordChange::Keep, &["impersonator"]));
    assert_eq!(done, Ok(Done::Updated));
    assert_eq!(password(&edit.state), Some(hash(good)));
    assert_eq!(edit.consequences.access.len(), 1, "what sessions may do depends on tags");
    let (_, edit) = change(&edit.state, &put(PasswordChange::Clear, &[]));
    assert_eq!(password(&edit.state), None);
    let (done, _) = change(&state, &put(PasswordChange::Set(hash("zz")), &[]));
    assert!(matches!(done, Err(CatalogError::InvalidPassword(_))), "{done:?}");
}

#[test]
fn what_is_not_there_is_not_changed() {
    let state = after(&[host("v"), user("u")]);
    let no_host = || CatalogError::VirtualHostNotFound { name: "nope".to_owned() };
    let no_user = || CatalogError::UserNotFound { name: "nope".to_owned() };
    let nope = || "nope".to_owned();
    for (one, expected) in [
        (Change::DeleteVirtualHost { name: nope() }, no_host()),
        (Change::ProtectVirtualHost { name: nope(), protected: true }, no_host()),
        (Change::DeleteUser { name: nope() }, no_user()),
        (permission("nope", "u"), CatalogError::VirtualHostOrUserNotFound),
        (permission("v", "nope"), CatalogError::VirtualHostOrUserNotFound),
        (topic_permission("nope", "u", "x"), CatalogError::VirtualHostOrUserNotFound),
        (policy("nope", "p", false), no_host()),
        (parameter("shovel", "nope", "s", json!(1)), no_host()),
        (
            Change::PutUserLimit { user: nope(), name: "max-channels".to_owned(), value: json!(1) },
            no_user(),
        ),
        (
            Change::DeletePolicy { virtual_host: "v".to_owned(), name: nope(), operator: false },
            CatalogError::NotFound { kind: Kind::Policy, name: nope() },
        ),
        (
            Change::DeleteGlobalParameter { name: nope() },
            CatalogError::NotFound { kind: Kind::GlobalParameter, name: nope() },
        ),
    ] {
        assert_eq!(change(&state, &one).0, Err(expected), "{one:?}");
    }
    // As with RabbitMQ.
    let delete = Change::DeletePermission { virtual_host: "v".to_owned(), user: "u".to_owned() };
    assert_eq!(change(&state, &delete).0, Ok(Done::Unchanged));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let state = after(&[host("v"), user("u")]);
    let long = "x".repeat(256);
    let pattern = |pattern: &str| {
        let Change::PutPermission(permission) = permission("v", "u") else { unreachable!() };
        Change::PutPermission(Permission { write: pattern.to_owned(), ..permission })
    };
    let settings = |settings| Change::PutVirtualHost { name: "v".to_owned(), settings };
    let queue_type = |kind: &str| VirtualHostSettings {
        default_queue_type: Some(kind.to_owned()),
        ..VirtualHostSettings::default()
    };
    let tags =
        |tags| Change::PutUser { name: "u".to_owned(), password: PasswordChange::Keep, tags };
    for one in [
        host(""),
        host(&long),
        user(""),
        user(&long),
        tags(vec![String::new()]),
        tags(vec![long.clone()]),
        tags(vec!["t".to_owned(); limits::TAGS + 1]),
        pattern("("),
        pattern(&"a".repeat(limits::PATTERN_BYTES + 1)),
        settings(queue_type("zz")),
        parameter("vhost-limits", "v", "limits", json!(5)),
        parameter("vhost-limits", "v", "limits", json!({"max-foo": 1})),
        parameter("operator_policy", "v", "p", json!({"pattern": "a"})),
        parameter("shovel", "v", "s", json!("x".repeat(limits::VALUE_BYTES + 1))),
    ] {
        let (done, _) = change(&state, &one);
        assert!(done.is_err(), "{one:?}");
    }
    for kind in ["classic", "quorum", "stream"] {
        assert_eq!(change(&state, &settings(queue_type(kind))).0, Ok(Done::Updated));
    }
}

#[test]
fn limits_have_rabbitmqs_words() {
    let state = after(&[host("v"), user("u")]);
    let of_host = |name: &str, value| Change::PutVirtualHostLimit {
        virtual_host: "v".to_owned(),
        name: name.to_owned(),
        value,
    };
    let of_user = |name: &str, value| Change::PutUserLimit {
        user: "u".to_owned(),
        name: name.to_owned(),
        value,
    };
    let text = |one: &Change| change(&state, one).0.unwrap_err().to_string();
    assert_eq!(
        text(&of_host("max-connections", json!("x"))),
        "Validation failed\n\nmax-connections should be a number, actually was <<\"x\">>\n"
    );
    assert_eq!(
        text(&of_host("max-queues", json!(1.5))),
        "Validation failed\n\nmax-queues should be a number, actually was 1.5\n"
    );
    assert_eq!(
        text(&of_host("max-foo", json!(1))),
        "Validation failed\n\nUnrecognised terms [{<<\"max-foo\">>,1}] in limits\n"
    );
    assert_eq!(
        text(&of_user("max-connections", json!(null))),
        "max-connections should be a number, actually was null"
    );
    assert_eq!(
        text(&of_user("max-foo", json!(1))),
        "Unrecognised terms [{<<\"max-foo\">>,1}] in user-limits"
    );
    let (done, edit) = change(&state, &of_host("max-queues", json!(3)));
    assert_eq!(done, Ok(Done::Updated));
    assert_eq!(edit.consequences.settings, ["v".to_owned()].into());
    let limits = edit.state.virtual_host("v").unwrap().limits;
    assert_eq!(limits, VirtualHostLimits { max_connections: None, max_queues: Some(3) });
    // As a parameter they look as with RabbitMQ, and can be set and deleted by that way.
    let shown = edit.state.parameter("vhost-limits", "v", "limits").unwrap();
    assert_eq!(shown.value, json!({"max-queues": 3}));
    let all = parameter("vhost-limits", "v", "limits", json!({"max-connections": -1}));
    let (_, edit) = change(&edit.state, &all);
    let limits = edit.state.virtual_host("v").unwrap().limits;
    assert_eq!(limits, VirtualHostLimits { max_connections: Some(-1), max_queues: None });
    let delete = Change::DeleteParameter {
        component: "vhost-limits".to_owned(),
        virtual_host: "v".to_owned(),
        name: "limits".to_owned(),
    };
    let (done, edit) = change(&edit.state, &delete);
    assert_eq!(done, Ok(Done::Deleted));
    assert!(edit.state.parameters().is_empty());
}

#[test]
fn operator_policies_are_parameters_too() {
    let state = after(&[host("v")]);
    let value = json!({
        "pattern": "^q", "definition": {"max-length": 5}, "priority": 1, "apply-to": "queues",
    });
    let (done, edit) = change(&state, &parameter("operator_policy", "v", "p", value.clone()));
    assert_eq!(done, Ok(Done::Created));
    assert_eq!(edit.consequences.policies, ["v".to_owned()].into());
    assert_eq!(dump(&edit.state), dump(&after(&[host("v"), policy("v", "p", true)])));
    assert_eq!(edit.state.parameter("operator_policy", "v", "p").unwrap().value, value);
    assert_eq!(edit.state.parameters().len(), 1);
}

#[test]
fn a_new_broker_has_what_its_configuration_says() {
    let config = Config {
        default_vhost: "first".to_owned(),
        default_user_tags: vec!["monitoring".to_owned()],
        default_permissions: ["a", "b", "c"].map(str::to_owned),
        ..Config::for_tests()
    };
    let start = Start::new(&config, &Recovered::default()).unwrap();
    assert_eq!(start.state.virtual_host("first").unwrap().id, 1);
    assert_eq!(start.state.user("guest").unwrap().tags, ["monitoring"]);
    let permission = start.state.permission("first", "guest").unwrap();
    assert_eq!([&*permission.configure, &permission.write, &permission.read], ["a", "b", "c"]);
    // The next start finds it, and adds nothing.
    let mut kept = BTreeMap::new();
    keep(&mut kept, start.writes);
    let definitions = kept.into_iter().collect();
    let recovered = Recovered { definitions, ..Recovered::default() };
    let again = Start::new(&Config::for_tests(), &recovered).unwrap();
    assert!(again.writes.is_empty());
    assert_eq!(dump(&again.state), dump(&start.state));
    // One that is to be given definitions begins with nothing.
    let config = Config { has_defaults: false, ..Config::for_tests() };
    assert!(Start::new(&config, &Recovered::default()).unwrap().state.is_blank());
}

#[test]
fn what_belongs_to_no_known_virtual_host_is_not_lost() {
    let exchange = warren_engine::ExchangeRecord {
        name: "x".to_owned(),
        kind: warren_engine::ExchangeType::Direct,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: warren_amqp::FieldTable::default(),
    };
    let in_host = |id| (VirtualHostId(id), exchange.clone());
    // A folder of an earlier version: all of it is in the first virtual host.
    let recovered = Recovered { exchanges: vec![in_host(1)], ..Recovered::default() };
    let config = Config { has_defaults: false, ..Config::for_tests() };
    let state = Start::new(&config, &recovered).unwrap().state;
    assert_eq!(state.virtual_host("/").unwrap().id, 1);
    assert!(state.user("guest").is_some());
    // A folder whose definitions are lost, but for one that says that a deletion was under way.
    let definitions = vec![(ending_key(VirtualHostId(7)), vec![])];
    let exchanges = vec![in_host(4), in_host(7)];
    let recovered = Recovered { exchanges, definitions, ..Recovered::default() };
    let start = Start::new(&Config::for_tests(), &recovered).unwrap();
    assert_eq!(start.state.virtual_host("recovered-4").unwrap().id, 4);
    assert_eq!(start.ending, [VirtualHostId(7)].into());
    assert_eq!(start.state.last_virtual_host, 8, "7 is not given again");
    assert_eq!(start.state.virtual_host("/").unwrap().id, 8);
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

/// Any change, some of which are refused.
fn changes() -> impl Strategy<Value = Change> {
    let names = (name(), name(), name(), any::<bool>());
    (0..17_u8, names, -2..3_i64).prop_map(|(kind, (one, two, three, flag), number)| match kind {
        0 | 1 => host(&one),
        2 => Change::DeleteVirtualHost { name: one },
        3 => Change::ProtectVirtualHost { name: one, protected: flag && number > 1 },
        4 | 5 => user(&one),
        6 => Change::DeleteUser { name: one },
        7 | 8 => permission(&one, &two),
        9 => Change::DeletePermission { virtual_host: one, user: two },
        10 => topic_permission(&one, &two, &three),
        11 => {
            let exchange = flag.then_some(three);
            Change::DeleteTopicPermission { virtual_host: one, user: two, exchange }
        }
        12 => policy(&one, &two, flag),
        13 => Change::DeletePolicy { virtual_host: one, name: two, operator: flag },
        14 => {
            let (virtual_host, name) = (one, "max-queues".to_owned());
            let value = json!(number);
            if flag {
                Change::PutVirtualHostLimit { virtual_host, name, value }
            } else {
                Change::DeleteVirtualHostLimit { virtual_host, name }
            }
        }
        15 => parameter(&two, &one, &three, json!(number)),
        _ => {
            let component = if flag { "operator_policy".to_owned() } else { two };
            Change::DeleteParameter { component, virtual_host: one, name: three }
        }
    })
}

proptest! {
    /// Whatever is changed: what is kept is enough for the next start, whether changes come one by
    /// one or together, and what is refused changes nothing.
    #[test]
    fn what_is_kept_is_enough(steps in proptest::collection::vec(changes(), 1..60)) {
        let mut state = State::default();
        let mut kept = BTreeMap::new();
        for step in &steps {
            let (_, edit) = change(&state, step);
            keep(&mut kept, edit.writes);
            state = edit.state;
        }
        let definitions: Vec<_> = kept.clone().into_iter().collect();
        let (recovered, _) = State::recovered(&definitions);
        prop_assert_eq!(dump(&recovered), dump(&state));
        let mut together = Edit::of(&State::default());
        for step in &steps {
            let _ = together.apply(step);
        }
        let mut kept_together = BTreeMap::new();
        keep(&mut kept_together, together.writes);
        prop_assert_eq!(kept_together, kept);
        prop_assert_eq!(dump(&together.state), dump(&state));
        for permission in state.permissions() {
            prop_assert!(state.virtual_host(&permission.virtual_host).is_some());
            prop_assert!(state.user(&permission.user).is_some());
        }
    }
}
