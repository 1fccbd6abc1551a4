//! All black-box tests in one binary; each module is about one kind of behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod acknowledge;
mod alarms;
mod architecture;
mod bad_input;
mod check;
mod clients;
mod consume;
mod consumer_choice;
mod dead_letters;
mod declare;
mod disk_full;
mod disk_space;
mod docs;
mod durability;
mod examples;
mod exchanges;
mod expiry;
mod flood;
mod handshake;
mod kill_rounds;
mod last_things;
mod limits;
mod load_generator;
mod prefetch;
mod priorities;
mod process;
mod publish;
mod queue_arguments;
mod refusals;
mod replies;
mod routing;
mod slow_peers;
mod streams;
mod tidy;
mod transactions;
