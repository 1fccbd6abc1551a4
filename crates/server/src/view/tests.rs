//! The view of a broker that runs.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use warren_engine::{Declaration, Destination, Request};

use super::*;
use crate::census::Census;
use crate::{Broker, Config};

async fn start() -> (Broker, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::for_tests();
    config.data_dir = folder.path().join("data");
    config.storage.segment_bytes = 64 << 10;
    config.storage.spare_segments = 0;
    config.storage.reserve_bytes = 0;
    (Broker::start(config).await.unwrap(), folder)
}

fn declare(name: &str) -> Request {
    Request::QueueDeclare {
        name: name.to_owned(),
        generated: false,
        declaration: Declaration { durable: true, ..Declaration::default() },
        arguments: warren_amqp::FieldTable::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_happened_is_in_the_view_for_whoever_asks_then() {
    let (broker, _folder) = start().await;
    let (view, management) = (broker.view(), broker.management());
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let guest = management.log_in("guest", "secret", localhost).await.unwrap();
    let mut client = management.open(&guest, "/").await.unwrap();
    for round in 1..=20 {
        let queue = format!("q{round}");
        client.request(declare(&queue)).await.unwrap();
        let bind = Request::Bind {
            source: "amq.topic".to_owned(),
            destination: Destination::Queue(queue.clone()),
            routing_key: queue.clone(),
            arguments: warren_amqp::FieldTable::default(),
            no_wait: false,
        };
        client.request(bind).await.unwrap();
        assert!(client.publish("amq.topic", &queue, &[0, 0], b"body", true).await.unwrap());
        view.fresh().await;
        let (clock, found) = view.queue("/", &queue).unwrap();
        assert_eq!(found.counts().ready.messages, 1);
        assert_eq!(found.total(Series::Publish), Some(1));
        assert!(!found.is_idle(clock));
        let bindings = view.bindings_to("/", &Destination::Queue(queue.clone())).items;
        assert_eq!(bindings.len(), 1);
        assert_eq!(&*bindings[0].routing_key, queue);
        let overview = view.overview();
        assert_eq!(overview.objects.queues, round);
        assert_eq!(overview.totals.total(Series::MessagesReady), Some(round));
        assert_eq!(overview.totals.total(Series::PublishOut), Some(round));
        assert_eq!(overview.churn.total(Series::QueueCreated), Some(round));
    }
    let names: Vec<_> =
        view.queues(Some("/")).items.iter().map(|queue| queue.name().to_owned()).collect();
    assert!(names.is_sorted() && names.len() == 20);
    assert!(view.queues(Some("other")).items.is_empty());
    let exchanges = view.exchanges(None).items;
    assert_eq!(exchanges[0].record.name, "", "the default exchange is one of them");
    assert_eq!(view.bindings_from("/", "amq.topic").items.len(), 20);
    assert!(view.channels(None).items.is_empty(), "a session inside the broker is not shown");
    let delete = Request::QueueDelete {
        name: "q7".to_owned(),
        if_unused: false,
        if_empty: false,
        no_wait: false,
    };
    client.request(delete).await.unwrap();
    view.fresh().await;
    assert!(view.queue("/", "q7").is_none());
    assert_eq!(view.virtual_hosts().items[0].objects.queues, 19);
    broker.stop().await;
    // The view is there, as it was.
    view.fresh().await;
    assert_eq!(view.overview().objects.queues, 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_does_not_answer_keeps_nobody_for_long() {
    let (shard, mut inbox) = mpsc::channel(1);
    let folder = tempfile::tempdir().unwrap();
    let opened = warren_storage::open(folder.path(), warren_storage::Options::default()).unwrap();
    let census = Census::new(crate::config::Limits::default());
    let shards = Box::new(move || vec![shard.clone()]);
    let (observer, view) = Observer::new(census, opened.log.room(), shards);
    let thread = std::thread::spawn(move || observer.run());
    for _ in 0..3 {
        let begun = Instant::now();
        view.fresh().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    // It was asked once, and is not asked again before it has answered.
    assert!(inbox.try_recv().is_ok());
    assert!(inbox.try_recv().is_err());
    view.stop();
    thread.join().unwrap();
}
