//! Scenarios, a file for each subject.

mod consume;
mod dead_letters;
mod declare;
mod delete;
mod exchanges;
mod exclusive;
mod limits;
mod order;
mod overflow;
mod publish;
mod restart;
mod returns;
mod settle;
