//! A publisher that sends as fast as the broker reads, and knows what was confirmed and when it is
//! blocked.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use warren_tests::wire::{BODY, HEADER, content_header, frame, method_frame, publish_arguments};
use warren_tests::{Broker, Wire, eventually};

const CONFIRM_SELECT: (u16, u16) = (85, 10);
const CONFIRM_SELECT_OK: (u16, u16) = (85, 11);
const ACK: (u16, u16) = (60, 80);
const BLOCKED: (u16, u16) = (10, 60);
const UNBLOCKED: (u16, u16) = (10, 61);

/// A broker that takes nothing for this long has stopped reading.
const WRITE_PATIENCE: Duration = Duration::from_millis(1500);

/// What the broker has said so far.
#[derive(Debug, Default)]
struct Heard {
    confirmed: AtomicU64,
    unblocked: AtomicBool,
    /// The reason in `connection.blocked`.
    blocked: Mutex<Option<String>>,
}

/// A connection that publishes numbered persistent messages with confirms.
#[derive(Debug)]
pub(crate) struct Flood {
    stream: TcpStream,
    queue: String,
    body_bytes: usize,
    persistent: bool,
    heard: Arc<Heard>,
    reader: Option<JoinHandle<()>>,
    /// Messages that were written whole.
    sent: u64,
    /// What the socket has not taken of the next one.
    rest: Vec<u8>,
}

impl Flood {
    /// Declares a durable queue and makes ready to publish to it.
    pub(crate) fn open(broker: &Broker, queue: &str, body_bytes: usize, persistent: bool) -> Self {
        let mut wire = Wire::open_channel_1(broker.amqp_address());
        wire.declare_queue(1, queue, 2);
        wire.send_method(1, CONFIRM_SELECT, &[0]);
        wire.expect_method(1, CONFIRM_SELECT_OK);
        let stream = wire.stream.try_clone().unwrap();
        stream.set_write_timeout(Some(WRITE_PATIENCE)).unwrap();
        wire.stream.set_read_timeout(None).unwrap();
        let heard = Arc::new(Heard::default());
        let listener = Arc::clone(&heard);
        let reader = std::thread::spawn(move || listen(&mut wire, &listener));
        let reader = Some(reader);
        let queue = queue.to_owned();
        Self { stream, queue, body_bytes, persistent, heard, reader, sent: 0, rest: Vec::new() }
    }

    fn message(&self, number: u64) -> Vec<u8> {
        let mut header = content_header(self.body_bytes as u64);
        if self.persistent {
            let flags = header.len() - 2;
            // Only the property delivery-mode, with the value 2.
            header[flags..].copy_from_slice(&[0x10, 0]);
            header.push(2);
        }
        let mut body = number.to_be_bytes().to_vec();
        body.resize(self.body_bytes, b'x');
        let mut message = method_frame(1, (60, 40), &publish_arguments("", &self.queue, 0));
        message.extend(frame(HEADER, 1, &header));
        message.extend(frame(BODY, 1, &body));
        message
    }

    /// Publishes until `count` messages are written. False if the broker stopped reading before.
    pub(crate) fn send_until(&mut self, count: u64) -> bool {
        while self.sent < count {
            if self.rest.is_empty() {
                self.rest = self.message(self.sent);
            }
            match self.stream.write(&self.rest) {
                Ok(written) => drop(self.rest.drain(..written)),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return false;
                }
                Err(error) => panic!("the broker hung up: {error}"),
            }
            self.sent += u64::from(self.rest.is_empty());
        }
        true
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn confirmed(&self) -> u64 {
        self.heard.confirmed.load(Ordering::SeqCst)
    }

    pub(crate) fn wait_until_confirmed(&self, count: u64) {
        eventually("messages are confirmed", || (self.confirmed() >= count).then_some(()));
    }

    /// Waits for `connection.blocked` and gives its reason.
    pub(crate) fn wait_until_blocked(&self) -> String {
        eventually("connection.blocked", || self.heard.blocked.lock().unwrap().clone())
    }

    pub(crate) fn is_unblocked(&self) -> bool {
        self.heard.unblocked.load(Ordering::SeqCst)
    }

    pub(crate) fn wait_until_unblocked(&self) {
        eventually("connection.unblocked", || self.is_unblocked().then_some(()));
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        // It may be closed already; either way the reader comes to an end.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn listen(wire: &mut Wire, heard: &Heard) {
    while let Some(frame) = wire.read_frame() {
        match frame.method() {
            Some(ACK) => {
                let number = u64::from_be_bytes(frame.payload[4..12].try_into().unwrap());
                heard.confirmed.fetch_max(number, Ordering::SeqCst);
            }
            Some(BLOCKED) => {
                let reason = String::from_utf8_lossy(&frame.payload[5..]).into_owned();
                *heard.blocked.lock().unwrap() = Some(reason);
            }
            Some(UNBLOCKED) => heard.unblocked.store(true, Ordering::SeqCst),
            _ => {}
        }
    }
}
