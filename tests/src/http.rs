//! HTTP by hand: enough to ask a broker how it is, and to use its management API.

use crate::{Broker, PATIENCE};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
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
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Gets `path` from `address` (`127.0.0.1:15672`), as nobody.
///
/// # Panics
/// When there is no complete answer.
pub fn get(address: &str, path: &str) -> Answer {
    send(address, "GET", path, &[], b"")
}

/// Sends a request and waits for the end of its answer.
///
/// # Panics
/// When there is no complete answer.
pub fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let body = body.as_ref();
    let mut stream = TcpStream::connect(address).expect("the HTTP listener accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || !matches!(method, "GET" | "HEAD") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    // A broker that refuses a body may answer and close before it has read all of it.
    let sent =
        stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(body));
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        panic!("no answer to {method} {path}: {sent:?}, {read:?}");
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let mut answer = Answer { status: status.expect("a status line"), head, body: String::new() };
    let body = &bytes[end + 4..];
    let body = match answer.header("transfer-encoding") {
        Some("chunked") => unchunked(body),
        _ => body.to_vec(),
    };
    answer.body = String::from_utf8_lossy(&body).into_owned();
    answer
}

/// A body that came in pieces, put together.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|it| it == b"\r\n").expect("a piece has its length");
        let length = std::str::from_utf8(&bytes[..end]).expect("the length is text");
        let length = usize::from_str_radix(length.trim(), 16).expect("the length is a number");
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + length]);
        bytes = &bytes[end + 4 + length..];
    }
}

/// The management API of a broker, as a user.
#[derive(Debug, Clone)]
pub struct Api {
    address: String,
    credentials: Option<String>,
}

impl Api {
    /// As the user that every broker has.
    pub fn of(broker: &Broker) -> Self {
        Self { address: broker.http_address().to_owned(), credentials: None }
            .as_user("guest", "guest")
    }

    /// As another user.
    #[must_use]
    pub fn as_user(&self, name: &str, password: &str) -> Self {
        let credentials =
            Some(format!("Basic {}", base64(format!("{name}:{password}").as_bytes())));
        Self { address: self.address.clone(), credentials }
    }

    /// As nobody.
    #[must_use]
    pub fn as_nobody(&self) -> Self {
        Self { address: self.address.clone(), credentials: None }
    }

    /// Sends a request to a path below `/api`, with JSON if there is some.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send_bytes(method, path, &[("Content-Type", "application/json")], body.as_bytes())
    }

    /// Sends a request to a path below `/api`, with any body.
    pub fn send_bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut headers = headers.to_vec();
        headers.extend(self.credentials.as_deref().map(|value| ("Authorization", value)));
        send(&self.address, method, &format!("/api{path}"), &headers, body)
    }

    /// What is at a path, which must be there.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, None);
        assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
        answer.json()
    }

    /// The status of a request.
    pub fn status(&self, method: &str, path: &str, body: Option<&Value>) -> u16 {
        self.send(method, path, body).status
    }

    /// A request that must succeed.
    pub fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.send(method, path, body);
        assert!(matches!(answer.status, 200..=204), "{method} {path}: {answer:?}");
        answer
    }
}

/// The events that a path sends.
#[derive(Debug)]
pub struct Events(BufReader<TcpStream>);

impl Api {
    /// Asks for a path as a stream of events.
    ///
    /// # Panics
    /// When the answer is something else.
    pub fn events(&self, path: &str) -> Events {
        let mut stream = TcpStream::connect(&self.address).expect("the HTTP listener accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let credentials = self.credentials.as_deref().unwrap_or_default();
        // Of this version, so that nothing but events is in the body.
        let head = format!(
            "GET /api{path} HTTP/1.0\r\nHost: {}\r\nAccept: text/event-stream\r\n\
             Authorization: {credentials}\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).expect("the broker takes a request");
        let mut events = Events(BufReader::new(stream));
        let head = events.lines().join("\n");
        assert!(head.contains(" 200 ") && head.contains("text/event-stream"), "{head}");
        events
    }
}

impl Events {
    /// The lines up to an empty one, or to the end.
    fn lines(&mut self) -> Vec<String> {
        let lines = self.0.by_ref().lines().map(|line| line.expect("a line comes in time"));
        lines.take_while(|line| !line.is_empty()).collect()
    }

    /// The next event: its name, and what it tells. None at the end.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn next_event(&mut self) -> Option<(String, Value)> {
        loop {
            let lines = self.lines();
            if lines.is_empty() {
                return None;
            }
            let part = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
            // What only says that the stream is alive has no name.
            if let (Some(name), Some(data)) = (part("event:"), part("data:")) {
                let data = serde_json::from_str(data.trim()).expect("events are JSON");
                return Some((name.trim().to_owned(), data));
            }
        }
    }
}

/// Base64, as HTTP's basic authentication needs it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit <= part.len() { DIGITS[at] as char } else { '=' });
        }
    }
    text
}
