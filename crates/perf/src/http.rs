//! As much HTTP as is needed to ask a management API: GET on one connection that stays open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::error::Error;

/// Longest wait for an answer: a list of a hundred thousand objects may take RabbitMQ minutes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// A connection to an HTTP server, with a user's name and password.
#[derive(Debug)]
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    authorization: String,
}

impl Http {
    /// Connects.
    ///
    /// # Errors
    /// What the system answered.
    pub(crate) fn open(host: &str, port: u16, user: &str, password: &str) -> Result<Self, Error> {
        let what = || format!("connect to {host}:{port}");
        let stream = TcpStream::connect((host, port)).map_err(|e| Error::io(what(), e))?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(ANSWER_TIMEOUT)))
            .map_err(|e| Error::io("set socket options", e))?;
        let authorization = base64(format!("{user}:{password}").as_bytes());
        Ok(Self { stream: BufReader::new(stream), authorization })
    }

    /// Asks for a path and gives the body of the answer.
    ///
    /// # Errors
    /// The connection broke, or the answer is no success.
    pub(crate) fn get(&mut self, path: &str) -> Result<Vec<u8>, Error> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {}\r\n\r\n",
            self.authorization
        );
        let written = self.stream.get_mut().write_all(request.as_bytes());
        written.map_err(|e| Error::io("write an HTTP request", e))?;
        let status = self.line()?;
        let (mut length, mut is_chunked) = (None, false);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = value.parse().ok(),
                ("transfer-encoding", value) => is_chunked = value.eq_ignore_ascii_case("chunked"),
                _ => {}
            }
        }
        let body = match (is_chunked, length) {
            (true, _) => self.chunks()?,
            (false, length) => self.bytes(length.unwrap_or(0))?,
        };
        if status.split(' ').nth(1) != Some("200") {
            let text = String::from_utf8_lossy(&body).into_owned();
            return Err(Error::Usage(format!("GET {path} gave {status}: {text}")));
        }
        Ok(body)
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        match read.map_err(|e| Error::io("read an HTTP answer", e))? {
            0 => Err(Error::Disconnected { during: "waiting for an HTTP answer" }),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        let read = self.stream.read_exact(&mut bytes);
        read.map_err(|e| Error::io("read an HTTP answer", e)).map(|()| bytes)
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Error> {
        let mut body = vec![];
        loop {
            let line = self.line()?;
            let length = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16)
                .map_err(|_| Error::Malformed { what: "a chunk's length" })?;
            if length == 0 {
                // Trailers, which nobody sends, and the empty line.
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.append(&mut self.bytes(length)?);
            self.line()?;
        }
    }
}

/// A value of a query, with everything but letters and digits escaped.
pub(crate) fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0u32, |number, at| {
            number << 8 | u32::from(three.get(at).copied().unwrap_or_default())
        });
        for at in 0..4 {
            let letter = LETTERS.get((number >> (18 - 6 * at)) as usize & 63);
            let is_there = at <= three.len();
            text.push(if is_there { letter.map_or('=', |it| char::from(*it)) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn texts_are_encoded() {
        for (plain, encoded) in [
            ("", ""),
            ("g", "Zw=="),
            ("gu", "Z3U="),
            ("gue", "Z3Vl"),
            ("guest:guest", "Z3Vlc3Q6Z3Vlc3Q="),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(escaped("^q-1.*$/"), "%5Eq-1.%2A%24%2F");
    }

    #[test]
    fn answers_of_both_kinds_are_read_on_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let answers = [
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
                "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
            ];
            for answer in answers {
                let mut request = vec![];
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                assert!(request.starts_with(b"GET /api/x HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut http = Http::open("127.0.0.1", port, "guest", "guest").unwrap();
        assert_eq!(http.get("/api/x").unwrap(), b"hello");
        assert_eq!(http.get("/api/x").unwrap(), b"abcde");
        let refused = http.get("/api/x").unwrap_err().to_string();
        assert!(refused.contains("404") && refused.contains("gone"), "{refused}");
        server.join().unwrap();
    }
}
