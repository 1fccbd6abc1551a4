//! Changes of definitions in a running broker, seen by sessions without a socket.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{Declaration, Error as Refusal, QueueId, QueueRecord, Reply, Request};

use super::*;
use crate::catalog::{
    Actor, Change, Done, PasswordChange, Permission, Via, VirtualHostSettings, ending_key,
};
use crate::client::{Client, ClientError};
use crate::config::{Config, Password};
use crate::login::{AccessSource, Identity};
use crate::management::{Management, OpenError};
use crate::{Broker, audit::AuditResult};

/// A broker in a folder of its own.
struct Scene {
    broker: Broker,
    management: Management,
    folder: TempDir,
}

fn config(folder: &Path) -> Config {
    let mut config = Config::for_tests();
    config.data_dir = folder.join("data");
    config.storage.segment_bytes = 64 << 10;
    config.storage.spare_segments = 0;
    config.storage.reserve_bytes = 0;
    config
}

async fn start(folder: TempDir) -> Scene {
    let broker = Broker::start(config(folder.path())).await.unwrap();
    let management = broker.management();
    Scene { broker, management, folder }
}

async fn scene() -> Scene {
    start(tempfile::tempdir().unwrap()).await
}

fn admin() -> Actor {
    Actor { user: "guest".to_owned(), address: None, via: Via::Http }
}

fn identity(user: &str) -> Identity {
    let (access, expires_at) = (AccessSource::Stored, None);
    Identity { user: user.into(), tags: vec![], access, expires_at }
}

fn host(name: &str) -> Change {
    Change::PutVirtualHost { name: name.to_owned(), settings: VirtualHostSettings::default() }
}

fn user(name: &str) -> Change {
    let (name, password, tags) = (name.to_owned(), PasswordChange::Keep, vec![]);
    Change::PutUser { name, password, tags }
}

fn permission(virtual_host: &str, user: &str, configure: &str) -> Change {
    let [virtual_host, user, configure] = [virtual_host, user, configure].map(str::to_owned);
    let (write, read) = (".*".to_owned(), ".*".to_owned());
    Change::PutPermission(Permission { virtual_host, user, configure, write, read })
}

impl Scene {
    async fn change(&self, change: Change) -> Done {
        self.management.catalog().change(&admin(), change).await.unwrap()
    }

    async fn open(&self, user: &str, virtual_host: &str) -> Client {
        self.management.open(&identity(user), virtual_host).await.unwrap()
    }

    async fn restarted(self) -> Self {
        self.broker.stop().await;
        start(self.folder).await
    }
}

fn declare(name: &str) -> Request {
    declare_with(name, FieldTable::default())
}

fn declare_as(name: &str, kind: &str) -> Request {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), FieldValue::LongString(kind.into()));
    declare_with(name, arguments)
}

fn declare_with(name: &str, arguments: FieldTable) -> Request {
    let (name, generated) = (name.to_owned(), false);
    let declaration = Declaration { durable: true, ..Declaration::default() };
    Request::QueueDeclare { name, generated, declaration, arguments }
}

async fn messages(client: &mut Client, queue: &str) -> u32 {
    match client.request(declare(queue)).await.unwrap() {
        Reply::QueueDeclareOk { message_count, .. } => message_count,
        other => panic!("{other:?}"),
    }
}

/// Properties of a persistent message.
const PERSISTENT: [u8; 3] = [0x10, 0, 2];

#[tokio::test(flavor = "multi_thread")]
async fn a_new_virtual_host_takes_sessions_and_is_there_after_a_restart() {
    let scene = scene().await;
    assert_eq!(scene.change(host("v")).await, Done::Created);
    assert_eq!(scene.change(permission("v", "guest", ".*")).await, Done::Created);
    let mut client = scene.open("guest", "v").await;
    client.request(declare("q")).await.unwrap();
    assert!(client.publish("", "q", &PERSISTENT, b"body", true).await.unwrap());
    client.close().await;
    let scene = scene.restarted().await;
    let mut client = scene.open("guest", "v").await;
    assert_eq!(messages(&mut client, "q").await, 1);
    assert_eq!(messages(&mut scene.open("guest", "/").await, "q").await, 0, "another queue");
    scene.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_virtual_host_ends_its_sessions_and_leaves_nothing() {
    let scene = scene().await;
    scene.change(host("v")).await;
    scene.change(permission("v", "guest", ".*")).await;
    let mut client = scene.open("guest", "v").await;
    let mut elsewhere = scene.open("guest", "/").await;
    for number in 0..600 {
        client.request(declare(&format!("q{number}"))).await.unwrap();
    }
    assert!(client.publish("", "q1", &PERSISTENT, b"body", true).await.unwrap());
    let delete = Change::DeleteVirtualHost { name: "v".to_owned() };
    assert_eq!(scene.change(delete).await, Done::Deleted);
    let ended = client.request(declare("q1")).await;
    assert!(matches!(ended, Err(ClientError::Closed)), "{ended:?}");
    let refused = scene.management.open(&identity("guest"), "v").await;
    assert_eq!(refused.err(), Some(OpenError::VirtualHostNotFound("v".to_owned())));
    elsewhere.request(declare("q")).await.unwrap();
    // One of the same name is another one.
    scene.change(host("v")).await;
    scene.change(permission("v", "guest", ".*")).await;
    assert_eq!(messages(&mut scene.open("guest", "v").await, "q1").await, 0);
    let queues = queues_when_all_is_gone(scene).await;
    assert_eq!(queues, ["q", "q1"], "what is left is of the virtual hosts that are there");
}

/// Stops the broker, again and again until no deletion is under way, and gives the queues that are
/// left.
async fn queues_when_all_is_gone(mut scene: Scene) -> Vec<String> {
    loop {
        let folder = scene.folder;
        scene.broker.stop().await;
        let config = config(folder.path());
        let recovered = warren_storage::open(&config.data_dir, config.storage).unwrap().recovered;
        let ending = ending_key(VirtualHostId(0)).trim_end_matches('0').to_owned();
        if !recovered.definitions.iter().any(|(key, _)| key.starts_with(&ending)) {
            return recovered.queues.into_iter().map(|queue| queue.record.name).collect();
        }
        scene = start(folder).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_a_crash_interrupted_goes_on_at_the_start() {
    let scene = scene().await;
    let folder = scene.folder;
    scene.broker.stop().await;
    let directory = config(folder.path()).data_dir;
    let queue = |host, counter| {
        Write::QueueDeclared(QueueRecord {
            id: QueueId::new(VirtualHostId(host), counter),
            name: format!("q{counter}"),
            durable: true,
            exclusive: false,
            auto_delete: false,
            paused: false,
            arguments: FieldTable::default(),
        })
    };
    {
        let mut opened = warren_storage::open(&directory, config(&directory).storage).unwrap();
        let mut writes: Vec<Write> = (1..=700).map(|counter| queue(5, counter)).collect();
        let (key, value) = (ending_key(VirtualHostId(5)), vec![]);
        writes.push(Write::DefinitionSet { key, value });
        writes.push(queue(1, 1));
        opened.log.append(&writes).unwrap();
        opened.log.flush(true).unwrap();
    }
    let scene = start(folder).await;
    assert_eq!(messages(&mut scene.open("guest", "/").await, "q1").await, 0);
    assert_eq!(scene.management.catalog().snapshot().virtual_hosts().count(), 1);
    assert_eq!(queues_when_all_is_gone(scene).await, ["q1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_may_do_at_once_what_their_user_may_do() {
    let scene = scene().await;
    scene.change(user("u")).await;
    let none = scene.management.open(&identity("u"), "/").await.err();
    assert!(matches!(none, Some(OpenError::Refused { .. })), "{none:?}");
    scene.change(permission("/", "u", "^mine")).await;
    let mut client = scene.open("u", "/").await;
    client.request(declare("mine-1")).await.unwrap();
    let refused = |outcome: Result<Reply, ClientError>| match outcome {
        Err(ClientError::Refused(error)) => matches!(*error, Refusal::AccessRefused { .. }),
        other => panic!("{other:?}"),
    };
    assert!(refused(client.request(declare("other")).await));
    for _ in 0..20 {
        scene.change(permission("/", "u", "^(mine|other)")).await;
        client.request(declare("other")).await.unwrap();
        scene.change(permission("/", "u", "^mine")).await;
        assert!(refused(client.request(declare("other")).await));
    }
    let (virtual_host, user) = ("/".to_owned(), "u".to_owned());
    let delete = Change::DeletePermission { virtual_host, user };
    assert_eq!(scene.change(delete).await, Done::Deleted);
    assert!(refused(client.request(declare("mine-1")).await));
    scene.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_open_while_permissions_change_have_what_holds_then() {
    let scene = Arc::new(scene().await);
    scene.change(user("u")).await;
    scene.change(permission("/", "u", ".*")).await;
    let changing = {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move {
            for _ in 0..50 {
                scene.change(permission("/", "u", "^no$")).await;
                scene.change(permission("/", "u", ".*")).await;
            }
            scene.change(permission("/", "u", "^no$")).await;
        })
    };
    let mut clients = vec![];
    while !changing.is_finished() {
        clients.push(scene.open("u", "/").await);
    }
    changing.await.unwrap();
    for client in &mut clients {
        let refused = client.request(declare("q")).await;
        assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
    }
    drop(clients);
    Arc::into_inner(scene).unwrap().broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_has_no_sessions() {
    let scene = scene().await;
    scene.change(user("u")).await;
    scene.change(permission("/", "u", ".*")).await;
    let mut client = scene.open("u", "/").await;
    client.request(declare("q")).await.unwrap();
    scene.change(Change::DeleteUser { name: "u".to_owned() }).await;
    let ended = client.request(declare("q")).await;
    assert!(matches!(ended, Err(ClientError::Closed | ClientError::Refused(_))), "{ended:?}");
    scene.open("guest", "/").await.request(declare("q")).await.unwrap();
    scene.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_virtual_host_hold_at_once_and_after_a_restart() {
    let scene = scene().await;
    let limit = Change::PutVirtualHostLimit {
        virtual_host: "/".to_owned(),
        name: "max-queues".to_owned(),
        value: json!(1),
    };
    scene.change(limit).await;
    let settings = VirtualHostSettings {
        default_queue_type: Some("quorum".to_owned()),
        ..VirtualHostSettings::default()
    };
    scene.change(Change::PutVirtualHost { name: "/".to_owned(), settings }).await;
    let mut client = scene.open("guest", "/").await;
    client.request(declare("a")).await.unwrap();
    let refused = client.request(declare("b")).await.unwrap_err().to_string();
    assert_eq!(refused, "cannot declare queue 'b': queue limit in vhost '/' (1) is reached");
    let refused = client.request(declare_as("a", "classic")).await.unwrap_err().to_string();
    assert!(refused.contains("current is 'quorum'"), "{refused}");
    drop(client);
    let scene = scene.restarted().await;
    let mut client = scene.open("guest", "/").await;
    let refused = client.request(declare("b")).await.unwrap_err().to_string();
    assert_eq!(refused, "cannot declare queue 'b': queue limit in vhost '/' (1) is reached");
    scene.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_checked_against_what_is_kept() {
    let scene = scene().await;
    let local = || "127.0.0.1".parse().unwrap();
    let log_in = async |user: &str, password: &str| {
        scene.management.log_in(user, password, local()).await.map(|it| it.user.to_string())
    };
    assert_eq!(log_in("guest", "secret").await.unwrap(), "guest");
    assert!(log_in("guest", "Secret").await.is_err());
    assert!(log_in("nobody", "secret").await.is_err());
    // Without a password nobody comes in, whatever is tried.
    scene.change(user("u")).await;
    assert!(log_in("u", "").await.is_err() && log_in("u", "u").await.is_err());
    let hash = scene.management.hash_password(&Password("new".to_owned())).await.unwrap();
    let (name, tags) = ("u".to_owned(), vec!["monitoring".to_owned()]);
    scene.change(Change::PutUser { name, password: PasswordChange::Set(hash), tags }).await;
    let found = scene.management.log_in("u", "new", local()).await.unwrap();
    assert_eq!((&*found.user, found.tags), ("u", vec!["monitoring".to_owned()]));
    // From elsewhere, the first user does not come in.
    let elsewhere = "192.0.2.1".parse().unwrap();
    assert!(scene.management.log_in("guest", "secret", elsewhere).await.is_err());
    let page = scene.management.audit().page(None, 100).await;
    let refused: Vec<_> = page.iter().filter(|it| it.what == "log in").collect();
    assert!(refused.len() >= 5 && refused.iter().all(|it| it.result == AuditResult::Refused));
    assert_eq!(refused[0].address, Some(elsewhere));
    assert!(page.iter().any(|it| it.what.starts_with("set user \"u\" with a new password")));
    scene.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_though_nobody_waits_for_it() {
    let scene = scene().await;
    let catalog = scene.management.catalog().clone();
    let mut watch = catalog.watch();
    let actor = admin();
    let change = catalog.change(&actor, host("v"));
    // Polled once, then dropped.
    let waited = tokio::time::timeout(Duration::ZERO, change).await;
    drop(waited);
    let seen = watch.wait_for(|state| state.virtual_host("v").is_some());
    tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap().unwrap();
    scene.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_are_one_step_and_each_has_its_outcome() {
    let scene = scene().await;
    let mut changes: Vec<Change> = (0..200).map(|number| host(&format!("v{number}"))).collect();
    changes.push(host(""));
    changes.extend((0..200).map(|number| permission(&format!("v{number}"), "guest", ".*")));
    let done = scene.management.catalog().change_all(&admin(), changes).await;
    let refused: Vec<usize> = (0..done.len()).filter(|at| done[*at].is_err()).collect();
    assert_eq!(refused, [200]);
    for number in [0, 1, 57, 199] {
        let mut client = scene.open("guest", &format!("v{number}")).await;
        client.request(declare("q")).await.unwrap();
        assert!(client.publish("", "q", &PERSISTENT, b"body", true).await.unwrap());
    }
    let scene = scene.restarted().await;
    assert_eq!(scene.management.status().summary().await.len(), 201);
    assert_eq!(messages(&mut scene.open("guest", "v57").await, "q").await, 1);
    scene.broker.stop().await;
    let after = scene.management.catalog().change(&admin(), host("late")).await;
    assert!(matches!(after, Err(CatalogError::Store(_))), "{after:?}");
}
