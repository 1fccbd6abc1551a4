//! `tx.select`, `tx.commit`, `tx.rollback`.

use warren_engine::{Error, Event, limits};

use crate::scenario::scenario;
use crate::world::World;

#[test]
fn nothing_is_seen_of_a_transaction_before_its_commit() {
    scenario(
        "
        given declare queue a durable; declare queue b durable; consume b c; open s1.2
        tx.select on s1.2
          > s1.2 tx select-ok
        publish '' a 1 persistent on s1.2 | '' b 2 persistent on s1.2
        get a
          > s1.1 get-empty
        tx.commit on s1.2
          > once written: s1.2 commit-ok
          > s1.1 deliver c 1 2
          > together: write 1 -> a:1, write 2 -> b:1
          > write delivered b:1
        tx.commit on s1.2
          > s1.2 commit-ok
        get a
          > s1.1 get-ok 2 1, 0 left
          > write delivered a:1
        ",
    );
}

#[test]
fn acknowledgements_and_messages_are_written_together() {
    scenario(
        "
        given declare queue a durable; declare queue b durable
        given publish '' a 1 persistent | '' a 2 persistent | '' a 3 persistent
        given get a; get a; get a; tx.select
        ack 1
        nack 2 requeue
        reject 3
        publish '' b new persistent
        get a
          > s1.1 get-empty
        tx.commit
          > once written: s1.1 commit-ok
          > together: write new -> b:1, write settled a:1, write settled a:3
        get a
          > s1.1 get-ok 4 2 again, 0 left
        ",
    );
}

#[test]
fn a_rollback_forgets_messages_and_leaves_deliveries_unacknowledged() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent | '' q 2 persistent
        given get q; get q; tx.select
        ack 2
        publish '' q 3
        ack 2
          > s1.1 channel error 60.80: unknown delivery tag 2
        given open s1.1; get q; get q; tx.select
        ack 2
        reject 1
        publish '' q 3
        tx.rollback
          > s1.1 rollback-ok
        ack 1 multiple
        tx.commit
          > once written: s1.1 commit-ok
          > together: write settled q:1
        close s1.1
          > once written: s1.1 close-ok
        given open s1.1
        get q
          > s1.1 get-ok 1 2 again, 0 left
        ",
    );
}

#[test]
fn the_prefetch_is_free_again_at_the_commit() {
    scenario(
        "
        given declare queue q; publish '' q 1 | '' q 2; qos 1; consume q c; tx.select
        ack 1
        tx.commit
          > s1.1 commit-ok
          > s1.1 deliver c 2 2
        ",
    );
}

#[test]
fn what_a_closed_channel_held_is_gone_and_what_it_had_returns() {
    scenario(
        "
        given declare queue q durable; publish '' q 1 persistent; get q; tx.select
        ack 1
        publish '' q 2
        close s1.1
          > s1.1 close-ok
        given open s1.1
        get q
          > s1.1 get-ok 1 1 again, 0 left
        ",
    );
}

#[test]
fn the_time_of_a_message_begins_with_the_commit() {
    scenario(
        "
        given clock 1000; declare queue q durable x-message-ttl=100; bind q amq.fanout ''
        given declare queue keeps durable; tx.select; open s1.2
        publish '' q 1 persistent | '' keeps 2 persistent expiration:30 | amq.fanout k 3
        given clock 1090
        tx.commit
          > once written: s1.1 commit-ok
          > together: write 1 -> q:1, write 2 -> keeps:1
        publish '' q 4 persistent on s1.2
          > write 4 -> q:3
        due
          > 1120
        clock 1119
        clock 1120
          > write settled keeps:1
        due
          > 1190
        # The store has that time as well.
        restart
        given clock 1189; open s1.1
        loaded
        due
          > 1190
        clock 1190
          > write settled q:1
          > write settled q:3
        ",
    );
}

#[test]
fn a_commit_is_whole_after_a_restart() {
    scenario(
        "
        given declare queue a durable; declare queue b durable; publish '' a 1 persistent; get a
        given tx.select; ack 1; publish '' b 2 persistent | '' a 3 persistent; tx.commit
        restart
        given open s1.1
        get a
          > load a:2
        loaded
          > s1.1 get-ok 1 3, 0 left
          > write delivered a:2
        get b
          > load b:1
        loaded
          > s1.1 get-ok 2 2, 0 left
          > write delivered b:1
        ",
    );
}

#[test]
fn messages_that_cannot_be_routed_come_back_before_commit_ok() {
    scenario(
        "
        tx.select
          > s1.1 tx select-ok
        publish '' nowhere 1 mandatory | amq.fanout k 2 mandatory | '' later 3 mandatory
        given declare queue later
        tx.commit
          > s1.1 return 1
          > s1.1 return 2
          > s1.1 commit-ok
        get later
          > s1.1 get-ok 1 3, 0 left
        ",
    );
}

#[test]
fn a_message_goes_to_the_queues_that_were_bound_when_it_came_and_are_still_there() {
    scenario(
        "
        given declare queue a; declare queue b; declare queue c
        given bind a amq.fanout ''; bind b amq.fanout ''; tx.select
        publish amq.fanout k 1 mandatory
        given bind c amq.fanout ''; delete queue b; open s1.2
        tx.commit
          > s1.1 commit-ok
        get a on s1.2
          > s1.2 get-ok 1 1, 0 left
        get c on s1.2
          > s1.2 get-empty
        publish amq.fanout k 2 mandatory
        given delete queue a; delete queue c
        tx.commit
          > s1.1 return 2
          > s1.1 commit-ok
        ",
    );
}

#[test]
fn a_refused_message_ends_the_channel_when_all_else_is_committed() {
    scenario(
        "
        given declare queue full durable x-max-length=1 x-overflow=reject-publish
        given declare queue other durable; open s1.2; publish '' other a persistent on s1.2
        given tx.select; get other
        ack 1
        publish '' full 1 persistent | '' full 2 persistent | '' other 3 persistent
        publish '' nowhere 4 mandatory
        tx.commit
          > s1.1 return 4
          > once written: s1.1 channel error 90.20: partial tx completion
          > together: write 1 -> full:1, write 3 -> other:2, write settled other:1
        get full on s1.2
          > s1.2 get-ok 1 1, 0 left
          > write delivered full:1
        # The next transaction has nothing of it.
        given open s1.1; tx.select
        tx.commit
          > s1.1 commit-ok
        ",
    );
}

#[test]
fn a_refused_message_of_a_commit_is_dead_lettered_if_its_queue_says_so() {
    scenario(
        "
        given declare queue dead
        given declare queue full x-max-length=0 x-overflow=reject-publish-dlx \
x-dead-letter-exchange= x-dead-letter-routing-key=dead
        given tx.select; publish '' full 1
        tx.commit
          > s1.1 channel error 90.20: partial tx completion
        given open s1.1
        get dead
          > s1.1 get-ok 1 1 {full maxlen 1}, 0 left
        ",
    );
}

#[test]
fn an_exchange_keeps_a_message_of_a_transaction_once() {
    scenario(
        "
        given declare exchange recent x-recent-history; declare queue q
        given bind exchange:recent amq.virtual-topic #; tx.select; open s1.2
        publish '' VirtualTopic.a 1
        tx.commit
          > s1.1 commit-ok
        bind q recent ''
          > s1.1 bind-ok
        get q on s1.2
          > s1.2 get-ok 1 1, 0 left
        ",
    );
}

#[test]
fn confirms_and_transactions_exclude_each_other() {
    scenario(
        "
        given tx.select; open s1.2; open s1.3
        tx.select
          > s1.1 tx select-ok
        confirm
          > s1.1 channel error 85.10: cannot switch from tx to confirm mode
        given confirm on s1.2
        tx.select on s1.2
          > once written: s1.2 channel error 90.10: cannot switch from confirm to tx mode
        tx.commit on s1.3
          > s1.3 channel error 90.20: channel is not transactional
        given open s1.3
        tx.rollback on s1.3
          > s1.3 channel error 90.30: channel is not transactional
        ",
    );
}

#[test]
fn errors_come_at_once_and_end_the_transaction() {
    scenario(
        "
        given declare queue q; tx.select
        publish '' q 1 | nowhere k 2 | '' q 3
          > s1.1 channel error 60.40: no exchange 'nowhere' in vhost '/'
        given open s1.1
        get q
          > s1.1 get-empty
        ",
    );
}

#[test]
fn a_transaction_holds_so_much_and_no_more() {
    let mut world = World::new();
    world.run("declare queue q");
    world.run("tx.select");
    let megabyte = "publish '' q *1000000";
    let fitting = limits::TRANSACTION_BYTES / 1_000_200;
    for _ in 0..fitting {
        assert!(world.run(megabyte).is_empty());
    }
    let command = world.commands(megabyte).remove(0);
    let effects = world.apply(command, megabyte);
    let refused = effects.events.iter().any(|outgoing| {
        matches!(&outgoing.event, Event::ChannelError { error, .. }
            if matches!(**error, Error::TransactionTooLarge { .. }))
    });
    assert!(refused, "{:?}", effects.events);
    // What it held is free again, and nothing of it was published.
    world.run("open s1.1");
    world.run("tx.select");
    assert!(world.run(megabyte).is_empty());
    world.run("open s1.2");
    assert_eq!(world.run("get q on s1.2"), ["s1.2 get-empty"]);
}
