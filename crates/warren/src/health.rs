//! `warren health`: a container's health check without a second program in the image.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::Health;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Longest answer that is looked at.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Asks `/healthz` and says what it found.
pub(crate) fn check(health: &Health) -> ExitCode {
    match ask(health) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => {
            // It is well also while publishers wait, and says so.
            println!("{}", answer.split("\r\n\r\n").nth(1).unwrap_or("ok").trim_end());
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            let reason = answer.split("\r\n\r\n").nth(1).unwrap_or(&answer);
            eprintln!("warren: not well: {}", reason.trim_end());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("warren: no answer from {}: {error}", health.http);
            ExitCode::FAILURE
        }
    }
}

fn ask(health: &Health) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&health.http, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let host = health.http;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}
