//! Scripts for the state machine: bytes go in, events and answers come out as text.

mod channels;
mod closing;
mod contents;
mod handshake;
mod random;
mod sending;
mod support;
mod timers;
