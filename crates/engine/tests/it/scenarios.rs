//! Scenarios, a file for each subject.

mod access;
mod alternate;
mod choices;
mod consume;
mod consumer_choice;
mod dead_letters;
mod declare;
mod delete;
mod exchanges;
mod exclusive;
mod expire;
mod limits;
mod order;
mod overflow;
mod places;
mod priorities;
mod publish;
mod replies;
mod restart;
mod returns;
mod settle;
mod streams;
mod timeout;
mod transactions;
mod unroutable;
mod virtual_topics;
