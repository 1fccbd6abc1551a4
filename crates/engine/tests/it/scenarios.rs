//! Scenarios, a file for each subject.

mod alternate;
mod choices;
mod consume;
mod declare;
mod delete;
mod exchanges;
mod exclusive;
mod limits;
mod order;
mod publish;
mod replies;
mod restart;
mod settle;
mod streams;
mod transactions;
mod virtual_topics;
