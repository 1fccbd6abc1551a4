//! From the protocol's events to commands for the engine.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tracing::{info, warn};
use warren_amqp::{Event, FieldTable, Method, ReplyCode, ShortString, basic, exchange, queue, tx};
use warren_engine::{
    Acknowledgement, Command, ConsumeRequest, Declaration, Destination, Request, SessionId,
};

use super::{ChannelState, Connection, Session, checks};
use crate::census::{ConnectionInfo, Visitor};
use crate::login::Identity;
use crate::shard::{Outbox, ToShard};
use crate::{clock, limits, login, names};

/// Arguments of queues and exchanges that RabbitMQ acts on and this version only keeps.
const KEPT_ARGUMENTS: [&str; 3] = ["x-expires", "x-message-ttl", "x-dead-letter-strategy"];

impl Connection {
    /// Takes all events out of the input. Gives the number of bytes that are done with.
    pub(super) fn take_input(&mut self, input: &[u8]) -> usize {
        let now = self.shared.now();
        let mut at = 0;
        let mut has_published = false;
        while let Some(rest) = input.get(at..) {
            let step = self.amqp.next(now, rest);
            at += step.consumed;
            let Some(event) = step.event else { break };
            match event {
                Event::Publish(publish) if publish.immediate => {
                    self.refuse(ReplyCode::NotImplemented, "immediate=true", 60, 40);
                }
                Event::Publish(publish) => {
                    let rest = input.len().saturating_sub(at);
                    if checks::is_to_be_checked(&publish) {
                        let state = self.channels.get(&publish.channel);
                        let requests = &mut self.requests;
                        let user = (!self.is_impersonator).then_some(&*self.user);
                        checks::publish(&publish, rest, state, user, requests);
                    } else {
                        self.requests.publish(&publish, rest);
                    }
                    has_published = true;
                }
                Event::Login { mechanism, username, password } => {
                    self.log_in(&mechanism, username, password);
                }
                Event::Open { virtual_host } => self.open(&virtual_host),
                Event::ChannelOpen { channel } => {
                    self.open_channel(channel);
                }
                Event::ChannelClose { channel } => self.request(channel, Request::ChannelClose),
                Event::ChannelFailed { channel, code, text } => {
                    info!(peer = %self.peer, channel, code = code.number(), text, "channel failed");
                    self.request(channel, Request::ChannelFail(text));
                }
                Event::Close { .. } => {
                    self.lingers = true;
                    self.closing = None;
                    self.end_session(true);
                }
                Event::Closed => self.end_session(false),
                Event::Failed { code, text } => {
                    info!(peer = %self.peer, code = code.number(), text, "protocol error");
                    self.end_session(false);
                }
                Event::UpdateSecret { secret } => self.renew(secret),
                Event::Ack { channel, delivery_tag, multiple } => {
                    let ack = Acknowledgement { channel, delivery_tag, multiple };
                    self.requests.acknowledge(ack);
                }
                Event::Nack { channel, delivery_tag, multiple, requeue } => {
                    let nack = Request::Nack { delivery_tag, multiple, requeue, reject: false };
                    self.request(channel, nack);
                }
                Event::Reject { channel, delivery_tag, requeue } => {
                    let multiple = false;
                    let nack = Request::Nack { delivery_tag, multiple, requeue, reject: true };
                    self.request(channel, nack);
                }
                Event::Method { channel, method } => self.method(channel, method),
            }
        }
        if has_published {
            self.note_publish();
        }
        at
    }

    fn request(&mut self, channel: u16, request: Request) {
        self.requests.request(channel, request);
    }

    fn open(&mut self, virtual_host: &str) {
        match self.opened(virtual_host) {
            Ok(()) => self.tell_of_open(virtual_host),
            Err(text) => self.refuse(ReplyCode::NotAllowed, &text, 10, 40),
        }
    }

    /// Opens a virtual host, or says in RabbitMQ's words why not.
    fn opened(&mut self, virtual_host: &str) -> Result<(), String> {
        let Some(identity) = &self.identity else { return Err("nobody has logged in".to_owned()) };
        let not_found = || format!("vhost {virtual_host} not found");
        let (id, shard) = self.shared.virtual_host(virtual_host).ok_or_else(not_found)?;
        let (user, is_stored) = (Arc::clone(&identity.user), identity.is_stored());
        let Some(outbox) = self.outbox_sender.clone() else { return Ok(()) };
        let session = self.shared.next_session();
        let info = self.info(session, virtual_host, outbox.clone());
        let caps = self.shared.caps(virtual_host, is_stored.then_some(&*user));
        let visitor = Visitor { host: id, user, is_stored, outbox: outbox.clone() };
        let place = self.shared.census.enter(info, visitor, caps)?;
        // Whoever changes something from now on knows of this session. What was changed before is
        // what is looked at now.
        if self.shared.virtual_host(virtual_host).is_none_or(|(now, _)| now != id) {
            return Err(not_found());
        }
        let access = login::access(&self.shared, identity, virtual_host);
        let access = access.ok_or_else(|| {
            format!("access to vhost '{virtual_host}' refused for user '{}'", self.user)
        })?;
        self.is_impersonator = access.is_impersonator();
        self.virtual_host = virtual_host.into();
        self.outbox_sender = None;
        self.opening = Some(ToShard::Open { session, virtual_host: id, outbox, access });
        let on_the_way = Arc::new(Semaphore::new(limits::READS_ON_THE_WAY));
        self.session = Some(Session { id: session, shard, on_the_way, closed: false, place });
        self.requests.open(session);
        self.half_open = None;
        self.amqp.open_accepted();
        Ok(())
    }

    fn tell_of_open(&self, virtual_host: &str) {
        let user = &*self.user;
        match self.amqp.client_property("connection_name") {
            Some(name) => {
                info!(peer = %self.peer, name, user, vhost = virtual_host, "connection open");
            }
            None => info!(peer = %self.peer, user, vhost = virtual_host, "connection open"),
        }
    }

    /// What others may know of the connection.
    fn info(&self, session: SessionId, virtual_host: &str, outbox: Outbox) -> ConnectionInfo {
        let local = self.stream.local_addr().unwrap_or(self.peer);
        let (peer, local) = (canonical(self.peer), canonical(local));
        ConnectionInfo {
            session,
            name: format!("{peer} -> {local}"),
            peer,
            local,
            user: self.user.to_string(),
            virtual_host: virtual_host.to_owned(),
            mechanism: self.mechanism.to_string(),
            heartbeat_seconds: self.amqp.heartbeat_seconds(),
            frame_max: self.amqp.frame_max(),
            channel_max: self.amqp.channel_max(),
            connected_at: clock::now(),
            client_properties: Arc::clone(self.amqp.client_properties()),
            client_name: self.amqp.client_property("connection_name"),
            traffic: Arc::clone(&self.traffic),
            outbox,
        }
    }

    fn open_channel(&mut self, channel: u16) {
        let Some(session) = &self.session else { return };
        let is_stored = self.identity.as_ref().is_some_and(Identity::is_stored);
        let cap = is_stored.then(|| self.shared.channel_cap(&self.user)).flatten();
        match session.place.enter_channel(cap) {
            Ok(place) => {
                let answered = self.traffic.channel_opened(channel);
                let state =
                    ChannelState { _place: Some(place), answered, ..ChannelState::default() };
                self.channels.insert(channel, state);
                self.amqp.channel_open_ok(channel);
                self.request(channel, Request::ChannelOpen);
            }
            Err(text) => self.refuse(ReplyCode::NotAllowed, &text, 0, 0),
        }
    }

    /// Ends the session in the engine. With `reply`, the client waits for close-ok, which it gets
    /// when the engine is done.
    pub(super) fn end_session(&mut self, reply: bool) {
        match &mut self.session {
            Some(session) if !session.closed => {
                session.closed = true;
                self.requests.command(Command::CloseSession { session: session.id, reply });
            }
            // It is over already, or there never was one.
            _ if reply => self.amqp.close_ok(),
            _ => {}
        }
    }

    fn method(&mut self, channel: u16, method: Method) {
        match method {
            Method::Exchange(method) => self.exchange_method(channel, method),
            Method::Queue(method) => self.queue_method(channel, method),
            Method::Basic(method) => self.basic_method(channel, method),
            Method::Confirm(warren_amqp::confirm::AMQPMethod::Select(select)) => {
                self.request(channel, Request::ConfirmSelect { no_wait: select.nowait });
            }
            Method::Tx(tx::AMQPMethod::Select(_)) => self.request(channel, Request::TxSelect),
            Method::Tx(tx::AMQPMethod::Commit(_)) => self.request(channel, Request::TxCommit),
            Method::Tx(tx::AMQPMethod::Rollback(_)) => self.request(channel, Request::TxRollback),
            // The protocol layer answers these itself or does not let them through.
            Method::Confirm(_)
            | Method::Tx(_)
            | Method::Connection(_)
            | Method::Channel(_)
            | Method::Access(_) => {}
        }
    }

    fn exchange_method(&mut self, channel: u16, method: exchange::AMQPMethod) {
        let request = match method {
            exchange::AMQPMethod::Declare(declare) => declare_exchange(declare),
            exchange::AMQPMethod::Delete(delete) => Request::ExchangeDelete {
                name: stripped(&delete.exchange),
                if_unused: delete.if_unused,
                no_wait: delete.nowait,
            },
            exchange::AMQPMethod::Bind(bind) => Request::Bind {
                source: stripped(&bind.source),
                destination: Destination::Exchange(stripped(&bind.destination)),
                routing_key: bind.routing_key.into(),
                arguments: bind.arguments,
                no_wait: bind.nowait,
            },
            exchange::AMQPMethod::Unbind(unbind) => Request::Unbind {
                source: stripped(&unbind.source),
                destination: Destination::Exchange(stripped(&unbind.destination)),
                routing_key: unbind.routing_key.into(),
                arguments: unbind.arguments,
                no_wait: unbind.nowait,
            },
            exchange::AMQPMethod::DeclareOk(_)
            | exchange::AMQPMethod::DeleteOk(_)
            | exchange::AMQPMethod::BindOk(_)
            | exchange::AMQPMethod::UnbindOk(_) => return,
        };
        self.request(channel, request);
    }

    fn queue_method(&mut self, channel: u16, method: queue::AMQPMethod) {
        let request = match method {
            queue::AMQPMethod::Declare(declare) => {
                let Some(request) = self.declare_queue(declare) else { return };
                request
            }
            queue::AMQPMethod::Bind(bind) => Request::Bind {
                source: stripped(&bind.exchange),
                destination: Destination::Queue(stripped(&bind.queue)),
                routing_key: bind.routing_key.into(),
                arguments: bind.arguments,
                no_wait: bind.nowait,
            },
            queue::AMQPMethod::Unbind(unbind) => Request::Unbind {
                source: stripped(&unbind.exchange),
                destination: Destination::Queue(stripped(&unbind.queue)),
                routing_key: unbind.routing_key.into(),
                arguments: unbind.arguments,
                no_wait: false,
            },
            queue::AMQPMethod::Purge(purge) => {
                Request::QueuePurge { name: purge.queue.into(), no_wait: purge.nowait }
            }
            queue::AMQPMethod::Delete(delete) => Request::QueueDelete {
                name: stripped(&delete.queue),
                if_unused: delete.if_unused,
                if_empty: delete.if_empty,
                no_wait: delete.nowait,
            },
            queue::AMQPMethod::DeclareOk(_)
            | queue::AMQPMethod::BindOk(_)
            | queue::AMQPMethod::PurgeOk(_)
            | queue::AMQPMethod::DeleteOk(_)
            | queue::AMQPMethod::UnbindOk(_) => return,
        };
        self.request(channel, request);
    }

    fn declare_queue(&mut self, declare: queue::Declare) -> Option<Request> {
        let mut name = stripped(&declare.queue);
        let generated = name.is_empty() && !declare.passive;
        if generated {
            name = self.generated("amq.gen-")?;
        }
        if !declare.passive {
            warn_of_kept(&name, &declare.arguments);
        }
        Some(Request::QueueDeclare {
            name,
            generated,
            declaration: Declaration {
                passive: declare.passive,
                durable: declare.durable,
                auto_delete: declare.auto_delete,
                exclusive: declare.exclusive,
                internal: false,
                no_wait: declare.nowait,
            },
            arguments: declare.arguments,
        })
    }

    pub(super) fn generated(&mut self, prefix: &str) -> Option<String> {
        match names::generated(prefix) {
            Ok(name) => Some(name),
            Err(error) => {
                let text = format!("no random name: {error}");
                self.refuse(ReplyCode::InternalError, &text, 0, 0);
                None
            }
        }
    }

    fn basic_method(&mut self, channel: u16, method: basic::AMQPMethod) {
        let request = match method {
            basic::AMQPMethod::Qos(qos) => {
                Request::Qos { prefetch_count: qos.prefetch_count, global: qos.global }
            }
            basic::AMQPMethod::Consume(consume) => {
                let mut consumer_tag: String = consume.consumer_tag.into();
                if consumer_tag.is_empty() {
                    let Some(tag) = self.generated("amq.ctag-") else { return };
                    consumer_tag = tag;
                }
                if consume.queue.as_str() == checks::REPLY_TO {
                    let (no_ack, no_wait) = (consume.no_ack, consume.nowait);
                    return self.consume_replies(channel, consumer_tag, no_ack, no_wait);
                }
                Request::Consume(ConsumeRequest {
                    queue: consume.queue.into(),
                    consumer_tag,
                    no_ack: consume.no_ack,
                    exclusive: consume.exclusive,
                    no_wait: consume.nowait,
                    arguments: consume.arguments,
                })
            }
            basic::AMQPMethod::Cancel(cancel) => {
                let consumer_tag = String::from(cancel.consumer_tag);
                if let Some(state) = self.channels.get_mut(&channel) {
                    state.replies.take_if(|(tag, _)| *tag == consumer_tag);
                }
                Request::Cancel { consumer_tag, no_wait: cancel.nowait }
            }
            basic::AMQPMethod::Get(get) => {
                Request::Get { queue: get.queue.into(), no_ack: get.no_ack }
            }
            basic::AMQPMethod::Recover(recover) => {
                Request::Recover { requeue: recover.requeue, no_wait: false }
            }
            basic::AMQPMethod::RecoverAsync(recover) => {
                Request::Recover { requeue: recover.requeue, no_wait: true }
            }
            // Messages and acknowledgements have events of their own; the rest only we send.
            _ => return,
        };
        self.request(channel, request);
    }
}

/// The address with an IPv4 address that came in by IPv6 as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The name of what is declared, bound or deleted.
fn stripped(name: &ShortString) -> String {
    names::without_line_ends(name.as_str())
}

fn declare_exchange(declare: exchange::Declare) -> Request {
    let name = stripped(&declare.exchange);
    if !declare.passive {
        warn_of_kept(&name, &declare.arguments);
    }
    Request::ExchangeDeclare {
        name,
        kind: declare.kind.into(),
        declaration: Declaration {
            passive: declare.passive,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            exclusive: false,
            internal: declare.internal,
            no_wait: declare.nowait,
        },
        arguments: declare.arguments,
    }
}

/// Tells the operator that a client counts on something that is not there yet.
fn warn_of_kept(name: &str, arguments: &FieldTable) {
    for argument in KEPT_ARGUMENTS.iter().filter(|argument| arguments.contains_key(argument)) {
        warn!(name, argument, "this argument is kept, but has no effect yet");
    }
}
