//! Scenarios, a file for each subject.

mod alternate;
mod choices;
mod consume;
mod consumer_choice;
mod declare;
mod delete;
mod exchanges;
mod exclusive;
mod expire;
mod limits;
mod order;
mod priorities;
mod publish;
mod replies;
mod restart;
mod settle;
mod streams;
mod timeout;
mod transactions;
mod virtual_topics;
