//! Scenarios, a file for each subject.

mod consume;
mod declare;
mod delete;
mod exchanges;
mod exclusive;
mod limits;
mod order;
mod publish;
mod restart;
mod settle;
mod streams;
