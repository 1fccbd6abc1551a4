//! Scenarios, a file for each subject.

mod consume;
mod declare;
mod delete;
mod exchanges;
mod exclusive;
mod limits;
mod publish;
mod restart;
mod settle;
