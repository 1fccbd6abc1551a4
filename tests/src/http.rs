//! One HTTP GET, by hand: enough to ask a broker how it is.

use crate::PATIENCE;
use std::io::{Read, Write};
use std::net::TcpStream;

/// An answer to a GET.
#[derive(Debug)]
pub struct Answer {
    /// The status code, for instance 200.
    pub status: u16,
    /// All header lines, as they came.
    pub head: String,
    /// The body as text.
    pub body: String,
}

/// Gets `path` from `address` (`127.0.0.1:15672`).
///
/// # Panics
/// When there is no complete answer.
pub fn get(address: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the HTTP listener accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("the request can be sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the answer ends");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("head and body are apart");
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.expect("the status line has a code"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
