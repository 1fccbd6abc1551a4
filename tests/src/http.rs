//! One HTTP request at a time, by hand: enough to ask a broker how it is, and to send what no client
//! library would.

use crate::PATIENCE;
use std::io::{Read, Write};
use std::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code, for instance 200.
    pub status: u16,
    /// All header lines, as they came.
    pub head: String,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The value of a header, of the first one of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }

    /// The body, which must be JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Gets `path` from `address` (`127.0.0.1:15672`).
///
/// # Panics
/// When there is no complete answer.
pub fn get(address: &str, path: &str) -> Answer {
    send(address, "GET", path, &[], "")
}

/// Sends a request with these headers beside `Host` and those that frame it.
///
/// # Panics
/// When there is no complete answer.
pub fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the HTTP listener accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = match (method, body.len()) {
        ("GET" | "HEAD", 0) => String::new(),
        (_, length) => format!("Content-Length: {length}\r\n"),
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{length}{lines}\r\n{body}"
    )
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
