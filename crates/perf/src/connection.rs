//! A blocking AMQP connection: login, the topology a load needs, and the broker's objections.

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::decode::{Fields, Frame, FrameReader};
use crate::encode::{self, Arguments, Message, SHORT_STRING_MAX, Value};
use crate::error::Error;
use crate::methods;

/// Frame size that is asked for; what RabbitMQ itself proposes.
pub(crate) const FRAME_MAX: usize = 131_072;
/// Buffer of a connection that carries no load; 4096 is the smallest frame size of AMQP, and server
/// properties are the largest thing in a handshake.
const HANDSHAKE_BUFFER: usize = 16 * 1024;
/// Longest wait for an answer. A broker that recovers a large queue may take long to declare it.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a blocked read or write looks whether the run is over.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a closed connection is searched for the broker's reason.
const REASON_TIMEOUT: Duration = Duration::from_millis(500);
/// The one channel that the generator opens on each connection.
pub(crate) const CHANNEL: u16 = 1;

/// Where the broker is, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// Host of the broker.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// AMQP port of the broker.
    #[arg(long, default_value_t = 5672)]
    pub(crate) port: u16,
    /// User name.
    #[arg(long, default_value = "guest")]
    pub(crate) user: String,
    /// Password.
    #[arg(long, default_value = "guest")]
    pub(crate) password: String,
    /// Virtual host.
    #[arg(long, default_value = "/")]
    pub(crate) vhost: String,
}

impl Target {
    /// The usual guest account on a port of this machine.
    pub(crate) fn local(port: u16) -> Self {
        let guest = || "guest".to_owned();
        let host = "127.0.0.1".to_owned();
        Self { host, port, user: guest(), password: guest(), vhost: "/".to_owned() }
    }
}

/// Whether a queue survives a restart, and whether one is asked about instead of made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declare {
    Transient,
    Durable,
    Stream,
    Passive,
}

/// One connection with one open channel, used by one thread.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) reader: FrameReader,
    pub(crate) frame_max: usize,
    /// `version` of the server properties.
    pub(crate) server_version: String,
}

impl Connection {
    /// Connects, logs in and opens channel 1. Heartbeats are switched off.
    ///
    /// # Errors
    /// What the system or the broker answered.
    pub(crate) fn open(target: &Target) -> Result<Self, Error> {
        let mut connection = Self::log_in(target)?;
        connection.reader.grow(connection.frame_max);
        connection.open_channel(CHANNEL)?;
        Ok(connection)
    }

    /// Connects, logs in and opens channel 1, with heartbeats every so many seconds both ways: the
    /// caller sends ours.
    ///
    /// # Errors
    /// What the system or the broker answered.
    pub(crate) fn open_with_heartbeat(target: &Target, heartbeat: u16) -> Result<Self, Error> {
        let mut connection = Self::log_in_with_heartbeat(target, heartbeat)?;
        connection.open_channel(CHANNEL)?;
        Ok(connection)
    }

    /// Connects and logs in without opening a channel.
    pub(crate) fn log_in(target: &Target) -> Result<Self, Error> {
        Self::log_in_with_heartbeat(target, 0)
    }

    /// The same with heartbeats every so many seconds, for which the caller has to care.
    pub(crate) fn log_in_with_heartbeat(target: &Target, seconds: u16) -> Result<Self, Error> {
        if target.vhost.len() > SHORT_STRING_MAX {
            return Err(Error::Usage("the virtual host's name is too long".to_owned()));
        }
        let stream = connect(target)?;
        stream.set_nodelay(true).map_err(|e| Error::io("set TCP_NODELAY", e))?;
        stream
            .set_read_timeout(Some(REPLY_TIMEOUT))
            .and_then(|()| stream.set_write_timeout(Some(REPLY_TIMEOUT)))
            .map_err(|e| Error::io("set socket timeouts", e))?;
        let mut connection = Self {
            stream,
            reader: FrameReader::new(HANDSHAKE_BUFFER),
            frame_max: FRAME_MAX,
            server_version: String::new(),
        };
        connection.handshake(target, seconds)?;
        Ok(connection)
    }

    fn handshake(&mut self, target: &Target, heartbeat_seconds: u16) -> Result<(), Error> {
        self.write(b"AMQP\x00\x00\x09\x01")?;
        let start = self.receive(methods::CONNECTION_START)?;
        self.server_version = server_version(&start).unwrap_or_default();

        let response = format!("\0{}\0{}", target.user, target.password);
        let start_ok = Arguments::new()
            .long_string(&encode::client_properties())
            .short_string("PLAIN")
            .long_string(response.as_bytes())
            .short_string("en_US")
            .frame(0, methods::CONNECTION_START_OK);
        let tune = self.call(&start_ok, methods::CONNECTION_TUNE)?;
        let mut fields = Fields(&tune);
        let channel_max = fields.short()?;
        let offered = usize::try_from(fields.long()?).unwrap_or(FRAME_MAX);
        if offered != 0 {
            self.frame_max = offered.min(FRAME_MAX);
        }
        let frame_max = u32::try_from(self.frame_max).unwrap_or(u32::MAX);
        let tune_ok = Arguments::new().short(channel_max).long(frame_max).short(heartbeat_seconds);
        self.write(&tune_ok.frame(0, methods::CONNECTION_TUNE_OK))?;
        let open = Arguments::new().short_string(&target.vhost).short_string("").octet(0);
        self.call(&open.frame(0, methods::CONNECTION_OPEN), methods::CONNECTION_OPEN_OK)?;
        Ok(())
    }

    /// Opens a channel.
    pub(crate) fn open_channel(&mut self, channel: u16) -> Result<(), Error> {
        let open = Arguments::new().short_string("").frame(channel, methods::CHANNEL_OPEN);
        self.call(&open, methods::CHANNEL_OPEN_OK).map(drop)
    }

    /// Closes a channel and waits for the answer.
    pub(crate) fn close_channel(&mut self, channel: u16) -> Result<(), Error> {
        let close = Arguments::new().short(200).short_string("done").short(0).short(0);
        let close = close.frame(channel, methods::CHANNEL_CLOSE);
        self.call(&close, methods::CHANNEL_CLOSE_OK).map(drop)
    }

    /// Closes the connection and waits for the answer.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        let close = Arguments::new().short(200).short_string("done").short(0).short(0);
        let close = close.frame(0, methods::CONNECTION_CLOSE);
        self.call(&close, methods::CONNECTION_CLOSE_OK).map(drop)
    }

    /// Declares a queue. Returns how many messages are ready in it.
    pub(crate) fn declare_queue(&mut self, queue: &str, declare: Declare) -> Result<u32, Error> {
        self.declare_and_count(queue, declare).map(|(ready, _)| ready)
    }

    /// Declares a queue. Returns how many messages are ready in it, and its consumers.
    pub(crate) fn declare_and_count(
        &mut self,
        queue: &str,
        declare: Declare,
    ) -> Result<(u32, u32), Error> {
        let reply = self.call(&declare_queue(queue, declare), methods::QUEUE_DECLARE_OK)?;
        let mut fields = Fields(&reply);
        fields.short_string()?;
        Ok((fields.long()?, fields.long()?))
    }

    /// Declares a durable queue with arguments.
    pub(crate) fn declare_queue_with(
        &mut self,
        queue: &str,
        arguments: &[(&str, Value)],
    ) -> Result<(), Error> {
        let request = Arguments::new().short(0).short_string(queue).octet(2).entries(arguments);
        let request = request.frame(CHANNEL, methods::QUEUE_DECLARE);
        self.call(&request, methods::QUEUE_DECLARE_OK).map(drop)
    }

    /// Deletes a queue with everything in it.
    pub(crate) fn delete_queue(&mut self, queue: &str) -> Result<(), Error> {
        self.call(&delete_queue(queue), methods::QUEUE_DELETE_OK).map(drop)
    }

    /// Declares a durable exchange.
    pub(crate) fn declare_exchange(&mut self, exchange: &str, kind: &str) -> Result<(), Error> {
        let request = Arguments::new()
            .short(0)
            .short_string(exchange)
            .short_string(kind)
            .octet(2)
            .empty_table()
            .frame(CHANNEL, methods::EXCHANGE_DECLARE);
        self.call(&request, methods::EXCHANGE_DECLARE_OK).map(drop)
    }

    /// Deletes an exchange.
    pub(crate) fn delete_exchange(&mut self, exchange: &str) -> Result<(), Error> {
        let request = Arguments::new().short(0).short_string(exchange).octet(0);
        let request = request.frame(CHANNEL, methods::EXCHANGE_DELETE);
        self.call(&request, methods::EXCHANGE_DELETE_OK).map(drop)
    }

    /// Binds a queue to an exchange.
    pub(crate) fn bind(&mut self, queue: &str, exchange: &str, key: &str) -> Result<(), Error> {
        self.call(&bind(queue, exchange, key), methods::QUEUE_BIND_OK).map(drop)
    }

    /// Takes a binding away.
    pub(crate) fn unbind(&mut self, queue: &str, exchange: &str, key: &str) -> Result<(), Error> {
        self.call(&unbind(queue, exchange, key), methods::QUEUE_UNBIND_OK).map(drop)
    }

    /// Switches the channel to publisher confirms.
    pub(crate) fn confirm_select(&mut self) -> Result<(), Error> {
        let request = Arguments::new().octet(0).frame(CHANNEL, methods::CONFIRM_SELECT);
        self.call(&request, methods::CONFIRM_SELECT_OK).map(drop)
    }

    /// Sets how many unacknowledged messages each consumer may hold; 0 is no limit.
    pub(crate) fn qos(&mut self, prefetch: u16) -> Result<(), Error> {
        let request = Arguments::new().long(0).short(prefetch).octet(0);
        let request = request.frame(CHANNEL, methods::BASIC_QOS);
        self.call(&request, methods::BASIC_QOS_OK).map(drop)
    }

    /// Starts a consumer with `nowait`: a reply would be mixed with deliveries to other consumers
    /// of the same channel.
    pub(crate) fn consume(&mut self, queue: &str, no_ack: bool) -> Result<(), Error> {
        let bits = 0b1000 | (u8::from(no_ack) << 1);
        let request = Arguments::new()
            .short(0)
            .short_string(queue)
            .short_string(queue)
            .octet(bits)
            .empty_table()
            .frame(CHANNEL, methods::BASIC_CONSUME);
        self.write(&request)
    }

    /// Starts a consumer that reads a stream from its beginning.
    pub(crate) fn consume_stream(&mut self, queue: &str) -> Result<(), Error> {
        let request = Arguments::new().short(0).short_string(queue).short_string(queue);
        let request = request.octet(0b1000).table("x-stream-offset", "first");
        self.write(&request.frame(CHANNEL, methods::BASIC_CONSUME))
    }

    /// Tells the broker that this side is alive.
    pub(crate) fn heartbeat(&mut self) -> Result<(), Error> {
        self.write(&encode::HEARTBEAT_FRAME)
    }

    /// Publishes a small message to a queue and takes one out of it, which is a round trip.
    pub(crate) fn publish_and_get(&mut self, queue: &str) -> Result<(), Error> {
        let message = Message {
            exchange: "",
            routing_key: queue,
            persistent: false,
            expiration: None,
            body: &[0; 16],
        };
        let mut request = Vec::new();
        encode::push_publish(&mut request, CHANNEL, self.frame_max, &message);
        let get = Arguments::new().short(0).short_string(queue).octet(1);
        request.extend_from_slice(&get.frame(CHANNEL, methods::BASIC_GET));
        self.call(&request, methods::BASIC_GET_OK)?;
        while let Some(frame) = self.next_frame()? {
            if frame.kind == encode::FRAME_BODY {
                return Ok(());
            }
        }
        Err(Error::Disconnected { during: "waiting for a message" })
    }

    /// Sends requests without waiting in between, then waits for as many answers.
    pub(crate) fn call_all(
        &mut self,
        requests: &[u8],
        replies: usize,
        reply: u32,
    ) -> Result<(), Error> {
        self.write(requests)?;
        (0..replies).try_for_each(|_| self.receive(reply).map(drop))
    }

    /// From now on reads and writes return every 50 ms, so that a load can look whether it is over.
    pub(crate) fn poll_for_stop(&self) -> Result<(), Error> {
        self.stream
            .set_read_timeout(Some(POLL_INTERVAL))
            .and_then(|()| self.stream.set_write_timeout(Some(POLL_INTERVAL)))
            .map_err(|e| Error::io("set socket timeouts", e))
    }

    /// The broker's own reason for a connection that failed, or the failure itself when it gave
    /// none. A broker often closes while the generator writes, and the write fails first.
    pub(crate) fn explain(&mut self, failure: Error) -> Error {
        if self.stream.set_read_timeout(Some(REASON_TIMEOUT)).is_err() {
            return failure;
        }
        while let Ok(Some(frame)) = self.next_frame() {
            if let Some(refusal) = frame.refusal() {
                return refusal;
            }
        }
        failure
    }

    /// Writes a request and waits for its answer, whose arguments it returns.
    fn call(&mut self, request: &[u8], reply: u32) -> Result<Vec<u8>, Error> {
        match self.write(request) {
            Ok(()) => self.receive(reply),
            Err(failure) => Err(self.explain(failure)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).map_err(|e| Error::io("write to the broker", e))
    }

    fn receive(&mut self, expected: u32) -> Result<Vec<u8>, Error> {
        while let Some(frame) = self.next_frame()? {
            if let Some(refusal) = frame.refusal() {
                return Err(refusal);
            }
            match frame.method() {
                Some(received) if received == expected => return Ok(frame.arguments().0.to_vec()),
                Some(received) => return Err(Error::UnexpectedMethod { expected, received }),
                // A heartbeat: some brokers send one even when none was agreed.
                None => {}
            }
        }
        Err(Error::Disconnected { during: "waiting for a reply" })
    }

    /// The next frame, read when necessary; nothing at the end of the stream.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        while !self.reader.has_frame()? {
            let read = self
                .reader
                .fill(&mut self.stream)
                .map_err(|e| Error::io("read from the broker", e))?;
            if read == 0 {
                return Ok(None);
            }
        }
        self.reader.next()
    }
}

/// `queue.declare`.
pub(crate) fn declare_queue(queue: &str, declare: Declare) -> Vec<u8> {
    let bits = match declare {
        Declare::Transient => 0,
        Declare::Passive => 1,
        Declare::Durable | Declare::Stream => 2,
    };
    let request = Arguments::new().short(0).short_string(queue).octet(bits);
    let request = match declare {
        Declare::Stream => request.table("x-queue-type", "stream"),
        _ => request.empty_table(),
    };
    request.frame(CHANNEL, methods::QUEUE_DECLARE)
}

/// `queue.delete`.
pub(crate) fn delete_queue(queue: &str) -> Vec<u8> {
    let request = Arguments::new().short(0).short_string(queue).octet(0);
    request.frame(CHANNEL, methods::QUEUE_DELETE)
}

/// `queue.bind`.
pub(crate) fn bind(queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    let request = Arguments::new().short(0).short_string(queue).short_string(exchange);
    let request = request.short_string(key).octet(0).empty_table();
    request.frame(CHANNEL, methods::QUEUE_BIND)
}

/// `queue.unbind`.
pub(crate) fn unbind(queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    let request = Arguments::new().short(0).short_string(queue).short_string(exchange);
    let request = request.short_string(key).empty_table();
    request.frame(CHANNEL, methods::QUEUE_UNBIND)
}

fn connect(target: &Target) -> Result<TcpStream, Error> {
    let what = || format!("connect to {}:{}", target.host, target.port);
    let mut addresses =
        (target.host.as_str(), target.port).to_socket_addrs().map_err(|e| Error::io(what(), e))?;
    let Some(address) = addresses.next() else {
        return Err(Error::Usage(format!("{} has no address", target.host)));
    };
    TcpStream::connect_timeout(&address, REPLY_TIMEOUT).map_err(|e| Error::io(what(), e))
}

/// `version` in the server properties of `connection.start`.
fn server_version(start: &[u8]) -> Result<String, Error> {
    let mut fields = Fields(start);
    fields.short()?;
    let mut table = Fields(fields.long_string()?);
    while !table.is_empty() {
        let name = table.short_string()?;
        let value = table.table_value()?;
        if let ("version", Some(value)) = (name, value) {
            return Ok(String::from_utf8_lossy(value).into_owned());
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_behind_nested_properties() {
        let table = b"\x0ccapabilitiesF\x00\x00\x00\x05\x02abt\x01\x07versionS\x00\x00\x00\x033.1";
        let start = [b"\x00\x09".as_slice(), &(table.len() as u32).to_be_bytes(), table].concat();
        assert_eq!(server_version(&start).unwrap(), "3.1");
    }
}
