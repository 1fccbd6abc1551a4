//! What a shard does first, and whom it lets wait.

use tokio::sync::Semaphore;
use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{ConsumeRequest, Declaration, MessageBatch, PublishBatch, Reply, Request};

use super::*;

const SESSION: SessionId = SessionId(1);
const HOST: VirtualHostId = VirtualHostId(1);
/// The properties of a message with `delivery_mode` 2.
const PERSISTENT: [u8; 3] = [0x10, 0, 2];

fn request(request: Request) -> Command {
    Command::Request { session: SESSION, channel: 1, request }
}

fn publish() -> Command {
    publish_by(SESSION, &[0, 0], b"body")
}

fn publish_by(session: SessionId, properties: &[u8], body: &[u8]) -> Command {
    let mut messages = MessageBatch::default();
    messages.push("", "q", properties, body);
    let (messages, publishes) = (Arc::new(messages), vec![(1, false)]);
    Command::Publish(PublishBatch { session, messages, publishes, to: None })
}

fn declare(arguments: FieldTable) -> Request {
    let declaration = Declaration { durable: true, ..Declaration::default() };
    let (name, generated) = ("q".to_owned(), false);
    Request::QueueDeclare { name, generated, declaration, arguments }
}

/// A shard with one virtual host, and the ends of its inbox and of its way to the committer.
fn shard() -> (Shard, mpsc::Sender<ToShard>, mpsc::Receiver<Group>) {
    let (commands, inbox) = mpsc::channel(64);
    let (committer, groups) = Groups::new();
    let hosts = vec![VirtualHost::new(HOST, "/")];
    let shard = Shard::new(hosts, VecDeque::new(), Arc::default(), inbox, committer);
    (shard, commands, groups)
}

fn open(shard: &mut Shard, session: SessionId) -> mpsc::UnboundedReceiver<ToConnection> {
    let (outbox, events) = mpsc::unbounded_channel();
    shard.open(session, HOST, outbox, Arc::new(Access::everything("guest")));
    let request = Request::ChannelOpen;
    shard.apply(session, Command::Request { session, channel: 1, request });
    events
}

/// Writes that fill the way to the committer, until it takes them.
fn much() -> Group {
    let value = vec![0; 3 * limits::COMMIT_BYTES];
    Group { writes: vec![Write::DefinitionSet { key: String::new(), value }], ..Group::default() }
}

#[tokio::test]
async fn what_is_held_behind_a_reply_holds_what_follows() {
    let (mut shard, _inbox, mut groups) = shard();
    let mut events = open(&mut shard, SESSION);
    let consume = ConsumeRequest {
        queue: "q".to_owned(),
        consumer_tag: "c".to_owned(),
        no_ack: true,
        ..ConsumeRequest::default()
    };
    for commands in [
        vec![request(declare(FieldTable::default()))],
        vec![request(Request::Consume(consume))],
        vec![publish()],
    ] {
        commands.into_iter().for_each(|command| shard.apply(SESSION, command));
        shard.hand_on().await;
    }
    let mut waiting = vec![];
    while let Ok(group) = groups.try_recv() {
        waiting.push(group);
    }
    assert_eq!(waiting.len(), 3, "both replies and the delivery wait");
    // The groups of both replies are durable, that of the delivery is not yet.
    for Group { committed, done: (done, number), .. } in waiting.drain(..2) {
        for (outbox, events) in committed {
            outbox.send(ToConnection::Events(events)).unwrap();
        }
        done.store(number, Ordering::Release);
    }
    shard.apply(SESSION, publish());
    shard.hand_on().await;
    let mut received = vec![];
    while let Ok(ToConnection::Events(events)) = events.try_recv() {
        received.extend(events);
    }
    let is_reply = |event: &Event| matches!(event, Event::Reply { reply, .. } if !matches!(reply, Reply::GetEmpty));
    assert!(received.len() == 2 && received.iter().all(is_reply), "{received:?}");
}

#[tokio::test]
async fn one_that_publishes_little_passes_one_that_publishes_much() {
    let (mut shard, inbox, mut groups) = shard();
    let other = SessionId(2);
    let _events = [open(&mut shard, SESSION), open(&mut shard, other)];
    shard.apply(SESSION, request(declare(FieldTable::default())));
    let many = (0..50).map(|_| publish_by(SESSION, &PERSISTENT, b"much")).collect();
    let one = vec![publish_by(other, &PERSISTENT, b"little")];
    let (done, stopped) = oneshot::channel();
    for message in [
        ToShard::Commands(SESSION, many, None),
        ToShard::Commands(other, one, None),
        ToShard::Stop(done),
    ] {
        inbox.send(message).await.unwrap();
    }
    shard.run().await;
    stopped.await.unwrap();
    let mut bodies = vec![];
    while let Ok(group) = groups.try_recv() {
        bodies.extend(group.writes.into_iter().filter_map(|write| match write {
            Write::Enqueued { message, .. } => Some(message.body().to_vec()),
            _ => None,
        }));
    }
    assert_eq!(bodies.len(), 51);
    assert_eq!(bodies[1], b"little");
}

#[tokio::test]
async fn what_is_due_waits_while_the_committer_is_behind() {
    let (mut shard, _inbox, mut groups) = shard();
    let _events = open(&mut shard, SESSION);
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), FieldValue::LongInt(10));
    shard.now = 1;
    shard.apply(SESSION, request(declare(arguments)));
    shard.apply(SESSION, publish_by(SESSION, &PERSISTENT, b"body"));
    shard.hosts.settle();
    shard.hand_on().await;
    while groups.try_recv().is_ok() {}
    shard.committer.send(much()).await;
    shard.now = 100;
    shard.keep_time();
    assert!(shard.effects.writes.is_empty(), "{:?}", shard.effects.writes);
    assert_eq!(shard.next_due(), Some(100 + limits::BEHIND_PAUSE_MS));
    while groups.try_recv().is_ok() {}
    shard.keep_time();
    assert!(matches!(shard.effects.writes[..], [Write::Settled { .. }]));
}

#[tokio::test]
async fn who_publishes_much_waits_while_the_committer_is_behind() {
    let (mut shard, _inbox, mut groups) = shard();
    let _events = open(&mut shard, SESSION);
    let permits = Arc::new(Semaphore::new(2));
    shard.committer.send(much()).await;
    let large = vec![0; limits::LARGE_READ_BYTES];
    for body in [&large[..], b"little"] {
        let permit = Arc::clone(&permits).try_acquire_owned().ok();
        shard.turns.add(SESSION, vec![publish_by(SESSION, &[0, 0], body)], permit);
        shard.serve().await;
    }
    shard.keep_time();
    assert_eq!(permits.available_permits(), 1, "of the one that published little");
    while groups.try_recv().is_ok() {}
    shard.keep_time();
    assert_eq!(permits.available_permits(), 2);
}
