//! Looks at a clock of our own.

use warren_amqp::FieldTable;
use warren_engine::{
    Amount, AppliedPolicies, ChannelKey, ChannelSample, ConsumerDescription, ConsumerSample,
    ExchangeCounters, ExchangeRecord, ExchangeSample, ExchangeType, LossCounters, MessageCounters,
    QueueCounts, QueueDescription, QueueId, QueueRecord, QueueSample, QueueType,
};

use super::super::reading::{Range, Ranges, Reading};
use super::super::series::Series;
use super::*;

const HOST: VirtualHostId = VirtualHostId(1);
const START: u64 = 1_700_000_000_000;

struct Looks {
    state: State,
    now: u64,
}

fn description(number: u32, name: &str) -> Arc<QueueDescription> {
    let record = QueueRecord {
        id: QueueId::new(HOST, number),
        name: name.to_owned(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        paused: false,
        arguments: FieldTable::default(),
    };
    Arc::new(QueueDescription {
        record,
        kind: QueueType::Classic,
        owner: None,
        declared_at: None,
        policies: AppliedPolicies::default(),
    })
}

fn counts(publish: u64, ready: u64) -> QueueCounts {
    QueueCounts {
        ready: Amount { messages: ready, bytes: ready },
        messages: MessageCounters { publish, ..MessageCounters::default() },
        ..QueueCounts::default()
    }
}

fn new_queue(number: u32, name: &str, counts: QueueCounts) -> QueueSample {
    let description = Some(description(number, name));
    QueueSample { id: QueueId::new(HOST, number), description, counts }
}

fn queue(number: u32, counts: QueueCounts) -> QueueSample {
    QueueSample { id: QueueId::new(HOST, number), description: None, counts }
}

impl Looks {
    /// At the first sample, with a virtual host without anything.
    fn new() -> Self {
        let mut looks = Self { state: State::default(), now: START };
        looks.look(0, true, Observation { is_first: true, ..Observation::default() });
        looks
    }

    /// A look so much later.
    fn look(&mut self, later: u64, is_sample: bool, mut shown: Observation) {
        self.now += later;
        self.state.begin(self.now, is_sample);
        self.state.set_hosts(&[(HOST, "/".into())]);
        self.state.apply(HOST, &mut shown, &|_| None);
        self.state.finish(NodeNumbers::default());
    }

    /// A sample after a second.
    fn sample(&mut self, queues: Vec<QueueSample>) {
        self.look(1000, true, Observation { queues, ..Observation::default() });
    }

    fn queue(&self, name: &str) -> &super::super::objects::QueueView {
        let host = &self.state.hosts["/"];
        host.queues.get(host.queue_names[name]).unwrap()
    }

    fn rate(&self, name: &str, series: Series) -> f64 {
        self.queue(name).rate(series, self.state.clock()).unwrap()
    }

    fn reading(&self, name: &str, series: Series, range: Option<Range>) -> Reading {
        let ranges = Ranges { lengths: range, message_rates: range, ..Ranges::default() };
        let readings = self.queue(name).readings(self.state.clock(), &ranges);
        readings.into_iter().find(|reading| reading.series == series).unwrap()
    }
}

#[test]
fn a_rate_is_the_difference_of_two_samples_and_is_over_when_nothing_changes() {
    let mut looks = Looks::new();
    looks.sample(vec![new_queue(1, "q", counts(0, 0))]);
    looks.sample(vec![queue(1, counts(100, 60))]);
    assert_eq!(looks.rate("q", Series::Publish), 100.0);
    assert_eq!(looks.rate("q", Series::MessagesReady), 60.0);
    // A late sample.
    looks.look(
        2000,
        true,
        Observation { queues: vec![queue(1, counts(500, 10))], ..Default::default() },
    );
    assert_eq!(looks.rate("q", Series::Publish), 200.0);
    assert_eq!(looks.rate("q", Series::Messages), -25.0, "the sum of ready and unacknowledged");
    assert_eq!(looks.queue("q").total(Series::Publish), Some(500));
    assert_eq!(looks.queue("q").total(Series::Confirm), None, "queues confirm nothing");
    looks.sample(vec![]);
    assert_eq!(looks.rate("q", Series::Publish), 0.0);
    assert_eq!(looks.queue("q").total(Series::Publish), Some(500));
}

#[test]
fn looks_between_samples_change_numbers_and_not_rates() {
    let mut looks = Looks::new();
    looks.sample(vec![new_queue(1, "q", counts(0, 0))]);
    looks.sample(vec![queue(1, counts(100, 0))]);
    let between = |queues| Observation { queues, ..Observation::default() };
    looks.look(300, false, between(vec![queue(1, counts(150, 7))]));
    assert_eq!(looks.queue("q").total(Series::MessagesReady), Some(7));
    assert_eq!(looks.rate("q", Series::Publish), 100.0);
    // It does not change again before the next sample.
    looks.look(700, true, between(vec![]));
    assert_eq!(looks.rate("q", Series::Publish), 50.0);
    looks.sample(vec![]);
    assert_eq!(looks.rate("q", Series::Publish), 0.0);
}

#[test]
fn samples_come_newest_first_with_their_averages() {
    let mut looks = Looks::new();
    looks.sample(vec![new_queue(1, "q", counts(0, 0))]);
    for step in 1..=20 {
        looks.sample(vec![queue(1, counts(step * 10, step))]);
    }
    let range = Range::new(10, 5).unwrap();
    let reading = looks.reading("q", Series::Publish, Some(range));
    let samples = reading.samples.unwrap();
    assert_eq!(samples.samples.len(), 3);
    assert_eq!(samples.samples[0].timestamp % 5000, 0, "multiples of the increment");
    let [first, second, third] = [0, 1, 2].map(|at| samples.samples[at].sample);
    assert_eq!((first - second, second - third), (50, 50));
    assert_eq!(reading.rate, 10.0);
    assert_eq!(samples.average_rate, 10.0);
    assert_eq!(samples.average, second as f64);
    assert_eq!(reading.total, 200, "the number itself is that of now");
}

#[test]
fn before_a_queue_was_there_its_samples_are_zero() {
    let mut looks = Looks::new();
    for _ in 0..30 {
        looks.sample(vec![]);
    }
    looks.sample(vec![new_queue(1, "q", counts(5, 5))]);
    let reading = looks.reading("q", Series::MessagesReady, Some(Range::new(20, 1).unwrap()));
    let samples: Vec<u64> = reading.samples.unwrap().samples.iter().map(|it| it.sample).collect();
    assert_eq!(samples[0], 5);
    assert_eq!(samples[1..], [0; 20]);
}

#[test]
fn what_waited_at_the_start_has_not_come_just_now() {
    let mut looks = Looks { state: State::default(), now: START };
    let queues = vec![new_queue(1, "q", counts(0, 5_000_000))];
    looks.look(0, true, Observation { is_first: true, queues, ..Observation::default() });
    looks.sample(vec![]);
    looks.sample(vec![queue(1, counts(3, 5_000_003))]);
    assert_eq!(looks.rate("q", Series::MessagesReady), 3.0);
    let totals = &looks.state.overview().totals;
    assert_eq!(totals.total(Series::Messages), Some(5_000_003));
    let reading = looks.reading("q", Series::MessagesReady, Some(Range::new(2, 1).unwrap()));
    let samples: Vec<u64> = reading.samples.unwrap().samples.iter().map(|it| it.sample).collect();
    assert_eq!(samples, [5_000_003, 5_000_000, 5_000_000]);
}

#[test]
fn a_range_asks_for_so_many_samples_and_no_more() {
    assert!(Range::new(6000, 1).is_err());
    assert!(Range::new(60, 0).is_err() && Range::new(0, 5).is_err());
    assert!(Range::new(500, 1).is_ok());
    assert!(Range::new(86_400, 1_800).is_ok());
}

#[test]
fn a_quiet_queue_keeps_no_past() {
    let mut looks = Looks::new();
    looks.sample(vec![new_queue(1, "quiet", counts(0, 0)), new_queue(2, "q", counts(9, 9))]);
    assert!(!looks.queue("quiet").meter().has_history());
    assert!(looks.queue("q").meter().has_history());
    let before = looks.state.history_bytes();
    for _ in 0..100 {
        looks.look(60_000, true, Observation::default());
    }
    assert!(!looks.queue("q").meter().has_history(), "nothing has changed for an hour and more");
    assert!(looks.state.history_bytes() < before);
    assert_eq!(looks.queue("q").total(Series::Publish), Some(9));
}

#[test]
fn histories_of_what_is_gone_take_no_memory() {
    let mut looks = Looks::new();
    looks.sample(vec![new_queue(1, "q", counts(0, 0))]);
    let none = looks.state.history_bytes();
    looks.sample(vec![queue(1, counts(1, 1))]);
    let queues_gone = vec![QueueId::new(HOST, 1)];
    looks.look(1000, true, Observation { queues_gone, ..Observation::default() });
    let totals = looks.state.hosts["/"].view.totals.meter().has_history();
    assert!(totals, "a length of the virtual host has changed");
    let host = looks.state.history_bytes();
    looks.state.set_hosts(&[]);
    assert!(looks.state.history_bytes() < host);
    assert!(looks.state.history_bytes() >= none);
    assert_eq!(looks.state.hosts.len(), 0);
}

#[test]
fn a_spent_budget_stops_new_histories_and_not_rates() {
    let mut looks = Looks::new();
    looks.state.budget = Budget::of(1);
    looks.sample(vec![new_queue(1, "a", counts(0, 0)), new_queue(2, "b", counts(0, 0))]);
    looks.sample(vec![queue(1, counts(5, 0))]);
    looks.sample(vec![queue(2, counts(7, 0))]);
    assert!(looks.queue("a").meter().has_history(), "there was room for one");
    assert!(!looks.queue("b").meter().has_history());
    assert_eq!(looks.rate("b", Series::Publish), 7.0);
}

#[test]
fn queues_that_hold_messages_are_known_without_a_look_at_the_others() {
    let mut looks = Looks::new();
    let holding = |looks: &Looks| {
        let queues = looks.state.hosts["/"].queues_holding();
        queues.map(|queue| queue.name().to_owned()).collect::<Vec<_>>()
    };
    looks.sample(vec![new_queue(1, "a", counts(1, 1)), new_queue(2, "b", counts(0, 0))]);
    assert_eq!(holding(&looks), ["a"]);
    let lost = LossCounters { lost: 1, ..LossCounters::default() };
    looks.sample(vec![queue(2, QueueCounts { losses: lost, ..counts(1, 0) })]);
    assert_eq!(holding(&looks), ["a", "b"]);
    looks.sample(vec![queue(1, counts(1, 0))]);
    assert_eq!(holding(&looks), ["b"]);
    let queues_gone = vec![QueueId::new(HOST, 2)];
    looks.look(1000, true, Observation { queues_gone, ..Observation::default() });
    assert!(holding(&looks).is_empty());
}

#[test]
fn a_queue_of_the_same_name_is_another_one() {
    let mut looks = Looks::new();
    looks.sample(vec![new_queue(1, "q", counts(9, 9))]);
    // Both in one look: the first is gone, the second has its name.
    let queues_gone = vec![QueueId::new(HOST, 1)];
    let queues = vec![new_queue(2, "q", counts(1, 1))];
    looks.look(1000, true, Observation { queues, queues_gone, ..Observation::default() });
    assert_eq!(looks.queue("q").total(Series::Publish), Some(1));
    assert_eq!(looks.state.overview().totals.total(Series::MessagesReady), Some(1));
    // And the other way round: what is gone was replaced in an earlier look.
    looks.sample(vec![new_queue(3, "q", counts(2, 2))]);
    let queues_gone = vec![QueueId::new(HOST, 2)];
    looks.look(1000, true, Observation { queues_gone, ..Observation::default() });
    assert_eq!(looks.queue("q").total(Series::Publish), Some(2));
    assert_eq!(looks.state.hosts["/"].view.objects.queues, 1);
}

#[test]
fn a_reader_keeps_what_it_has() {
    let mut looks = Looks::new();
    looks.sample(vec![new_queue(1, "q", counts(1, 1))]);
    let host = &looks.state.hosts["/"];
    let held = Arc::clone(host.queues.get(QueueId::new(HOST, 1)).unwrap());
    looks.sample(vec![queue(1, counts(2, 2))]);
    assert_eq!(held.total(Series::Publish), Some(1));
    assert_eq!(looks.queue("q").total(Series::Publish), Some(2));
}

#[test]
fn what_was_counted_in_a_virtual_host_stays_when_it_is_gone() {
    let mut looks = Looks::new();
    let host = HostCounters {
        messages: MessageCounters { publish: 40, ..MessageCounters::default() },
        queues_created: 3,
        ..HostCounters::default()
    };
    let queues = vec![new_queue(1, "q", counts(40, 40))];
    looks.look(1000, true, Observation { host, queues, ..Observation::default() });
    assert_eq!(looks.state.overview().totals.total(Series::Messages), Some(40));
    looks.state.begin(looks.now + 1000, true);
    looks.state.set_hosts(&[]);
    looks.state.finish(NodeNumbers::default());
    let overview = looks.state.overview();
    assert_eq!(overview.totals.total(Series::Publish), Some(40));
    assert_eq!(overview.totals.total(Series::Messages), Some(0), "messages are gone with it");
    assert_eq!(overview.churn.total(Series::QueueCreated), Some(3));
    assert_eq!(overview.objects, ObjectTotals::default());
}

#[test]
fn the_capacity_of_consumers_falls_while_messages_wait_for_them() {
    let mut looks = Looks::new();
    let with = |stalled_ms, is_stalled, consumers| QueueCounts {
        stalled_ms,
        is_stalled,
        consumers,
        ..counts(1, 1)
    };
    looks.sample(vec![new_queue(1, "q", with(0, false, 0))]);
    let capacity = |looks: &Looks| looks.queue("q").consumer_capacity(looks.state.clock());
    assert_eq!(capacity(&looks), 0.0, "nobody takes anything");
    looks.sample(vec![queue(1, with(0, false, 1))]);
    assert!(capacity(&looks) > 0.99);
    looks.sample(vec![queue(1, with(500, true, 1))]);
    let half = capacity(&looks);
    assert!(half < 1.0 && half > 0.9, "{half}: half of one second of ten");
    // Nothing changes: it is stalled all the time.
    for _ in 0..60 {
        looks.sample(vec![]);
    }
    assert!(capacity(&looks) < 0.01);
    looks.sample(vec![queue(1, with(61_000, false, 1))]);
    for _ in 0..60 {
        looks.sample(vec![]);
    }
    assert!(capacity(&looks) > 0.99);
}

#[test]
fn a_queue_is_idle_when_nothing_has_changed_for_some_seconds() {
    let mut looks = Looks::new();
    looks.sample(vec![new_queue(1, "q", counts(1, 1))]);
    assert!(!looks.queue("q").is_idle(looks.state.clock()));
    for _ in 0..5 {
        looks.sample(vec![]);
    }
    assert!(looks.queue("q").is_idle(looks.state.clock()));
    looks.sample(vec![queue(1, counts(2, 2))]);
    assert!(!looks.queue("q").is_idle(looks.state.clock()));
}

#[test]
fn exchanges_and_bindings_are_found_by_their_ends() {
    let mut looks = Looks::new();
    let record = |name: &str| ExchangeRecord {
        name: name.to_owned(),
        kind: ExchangeType::Fanout,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::default(),
    };
    let exchange = |id, name: &str| ExchangeSample {
        id,
        record: Some(Arc::new(record(name))),
        policies: AppliedPolicies::default(),
        counters: ExchangeCounters::default(),
    };
    let binding = |source: &str, destination| warren_engine::BindingRecord {
        source: source.to_owned(),
        destination,
        routing_key: "k".to_owned(),
        arguments: FieldTable::default(),
    };
    use warren_engine::Destination::{Exchange, Queue};
    let bindings = vec![
        (1, binding("x", Queue("y".to_owned()))),
        (2, binding("x", Exchange("y".to_owned()))),
        (3, binding("y", Queue("y".to_owned()))),
    ];
    let exchanges = vec![exchange(8, "x"), exchange(9, "y")];
    looks.look(1000, true, Observation { exchanges, bindings, ..Observation::default() });
    let host = &looks.state.hosts["/"];
    let numbers = |found: Option<&std::collections::BTreeSet<u64>>| -> Vec<u64> {
        found.into_iter().flatten().copied().collect()
    };
    assert_eq!(numbers(host.by_source.get("x")), [1, 2]);
    assert_eq!(numbers(host.to_queues.get("y")), [1, 3]);
    assert_eq!(numbers(host.to_exchanges.get("y")), [2]);
    let bindings_gone = vec![1, 2];
    let exchanges_gone = vec![8];
    looks.look(1000, true, Observation { exchanges_gone, bindings_gone, ..Observation::default() });
    let host = &looks.state.hosts["/"];
    assert!(!host.by_source.contains_key("x") && host.to_exchanges.is_empty());
    assert_eq!(numbers(host.to_queues.get("y")), [3]);
    assert_eq!(host.exchange_names.keys().map(|name| &**name).collect::<Vec<_>>(), ["y"]);
}

#[test]
fn channels_without_a_connection_are_not_shown() {
    let mut looks = Looks::new();
    let key = ChannelKey { session: SessionId(5), channel: 1, incarnation: 1 };
    let channels = vec![ChannelSample {
        key,
        prefetch_count: 0,
        global_prefetch_count: 0,
        confirm: false,
        to_be_confirmed: 0,
        transactional: false,
        consumers: 1,
        messages_unacknowledged: 0,
        messages_uncommitted: 0,
        acks_uncommitted: 0,
        messages: MessageCounters::default(),
    }];
    let description = ConsumerDescription {
        channel: key,
        queue: QueueId::new(HOST, 1),
        tag: "c".to_owned(),
        ack_required: true,
        exclusive: false,
        prefetch_count: 0,
        priority: 0,
        timeout: None,
        arguments: FieldTable::default(),
    };
    let consumers = vec![ConsumerSample {
        number: 1,
        description: Some(Arc::new(description)),
        is_active: true,
        delivered: 0,
        redelivered: 0,
        acknowledged: 0,
        unacknowledged: 0,
    }];
    let queues = vec![new_queue(1, "q", counts(0, 0))];
    looks.look(1000, true, Observation { queues, channels, consumers, ..Observation::default() });
    let objects = looks.state.overview().objects;
    assert_eq!((objects.channels, objects.consumers, objects.queues), (0, 0, 1));
}

#[test]
fn a_virtual_host_that_is_made_again_shows_what_is_in_it() {
    const AGAIN: VirtualHostId = VirtualHostId(9);
    let shown = |name, publish| Observation {
        host: HostCounters {
            messages: MessageCounters { publish, ..MessageCounters::default() },
            ..HostCounters::default()
        },
        queues: vec![new_queue(1, name, counts(publish, publish))],
        ..Observation::default()
    };
    let mut looks = Looks::new();
    looks.look(1000, true, shown("old", 1));
    // A shard shows the new one before it is known that the old one is gone.
    let present = [(AGAIN, "/".into())];
    looks.state.begin(looks.now + 1000, true);
    looks.state.add_hosts(&present);
    looks.state.apply(AGAIN, &mut shown("new", 2), &|_| None);
    looks.state.set_hosts(&present);
    looks.state.finish(NodeNumbers::default());
    let host = &looks.state.hosts["/"];
    let names: Vec<&str> = host.queues.values().map(|queue| queue.name()).collect();
    assert_eq!(names, ["new"]);
    let totals = &looks.state.overview().totals;
    assert_eq!(totals.total(Series::Publish), Some(3), "what was counted before stays");
    assert_eq!(totals.total(Series::Messages), Some(2));
}
