//! A client inside the broker: a session of the engine without a socket, for the HTTP API. The rules
//! and the texts are those that every client meets with.

use std::collections::VecDeque;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::mpsc;
use warren_engine::{
    Acknowledgement, Command, Event, Message, MessageBatch, Place, PublishBatch, Reply, Request,
    SessionId, Taken,
};

use crate::census;
use crate::connection::checks::refuse_wrong;
use crate::messages::Edited;
use crate::shard::{ToConnection, ToShard};
use crate::{clock, limits};

/// Requests and messages that are fetched.
const REQUESTS: u16 = 1;

/// Messages that are published, each confirmed.
const PUBLISHES: u16 = 2;

/// Why a request of a [`Client`] failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The engine refuses. What the session has fetched and not settled is back in its queues.
    #[error("{0}")]
    Refused(Box<warren_engine::Error>),
    /// The broker stops, or the virtual host or the user is gone.
    #[error("the session is over")]
    Closed,
    /// Nothing came within the time that there is. It is not known whether the request was
    /// carried out.
    #[error("the broker did not answer in time")]
    TimedOut,
    /// A queue did not take the message.
    #[error("a queue has refused the message")]
    NotTaken,
}

/// A message that [`Client::get`] fetched.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// By which it is settled.
    pub delivery_tag: u64,
    /// It was delivered before.
    pub redelivered: bool,
    /// How many messages are left in the queue.
    pub message_count: u32,
    /// The message.
    pub message: Message,
}

/// What became of a message that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// All its queues have it, on disk where it must be.
    Taken,
    /// There is no queue for it.
    Unroutable,
    /// A queue had no room for it. Others may have it.
    Refused,
}

/// What becomes of a message that was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It is done with.
    Acknowledge,
    /// It goes back to its queue.
    Requeue,
    /// It is done with, as by `basic.reject`: it goes where the queue's dead letters go.
    Reject,
}

/// A session. When it is dropped, what it has fetched and not settled goes back.
#[derive(Debug)]
pub struct Client {
    session: SessionId,
    shard: mpsc::Sender<ToShard>,
    events: mpsc::UnboundedReceiver<ToConnection>,
    /// What has come and was not looked at.
    waiting: VecDeque<Event>,
    /// Whether the channels are open.
    open: [bool; 3],
    /// How many messages were published since the channel was opened.
    published: u64,
    /// The engine has ended the session.
    over: bool,
    /// In whose name messages may be, if not in anybody's.
    user: Option<String>,
    /// Where others find the session.
    _place: census::Place,
}

impl Client {
    /// A session that the shard is about to be told of; what happens comes by `events`.
    pub(crate) fn new(
        session: SessionId,
        shard: mpsc::Sender<ToShard>,
        events: mpsc::UnboundedReceiver<ToConnection>,
        place: census::Place,
        user: Option<String>,
    ) -> Self {
        Self {
            session,
            shard,
            events,
            waiting: VecDeque::new(),
            open: [false; 3],
            published: 0,
            over: false,
            user,
            _place: place,
        }
    }

    /// Asks for something on a channel, and waits for the reply. Not for what has no reply
    /// (`no_wait`), nor for consuming.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn request(&mut self, request: Request) -> Result<Reply, ClientError> {
        self.ask(REQUESTS, request).await
    }

    /// Publishes a message and waits until it is taken: in the memory of its queues, and on disk
    /// where it must be. `properties` are encoded as on the wire. True if there was a queue for it.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn publish(
        &mut self,
        exchange: &str,
        routing_key: &str,
        properties: &[u8],
        body: &[u8],
        mandatory: bool,
    ) -> Result<bool, ClientError> {
        self.open_publishes().await?;
        if let Err(reason) = refuse_wrong(properties, self.user.as_deref()) {
            let exchange = exchange.to_owned();
            self.send_request(PUBLISHES, Request::PublishFail { exchange, reason }).await?;
            // The answer is the error of the channel.
            loop {
                self.next(PUBLISHES).await?;
            }
        }
        let bytes = exchange.len() + routing_key.len() + properties.len() + body.len() + 64;
        let mut messages = MessageBatch::with_capacity(1, bytes).at(clock::now());
        messages.push(exchange, routing_key, properties, body);
        messages.finish();
        let publishes = vec![(PUBLISHES, mandatory)];
        let session = self.session;
        let batch = PublishBatch { session, messages: Arc::new(messages), publishes, to: None };
        self.send(Command::Publish(batch)).await?;
        self.published += 1;
        let number = self.published;
        let mut routed = true;
        loop {
            match self.next(PUBLISHES).await? {
                Event::Return { .. } => routed = false,
                Event::Confirm { first, last, .. } if (first..=last).contains(&number) => {
                    return Ok(routed);
                }
                Event::Refused { first, last, .. } if (first..=last).contains(&number) => {
                    return Err(ClientError::NotTaken);
                }
                _ => {}
            }
        }
    }

    /// Fetches a message from a queue, if there is one.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn get(
        &mut self,
        queue: &str,
        no_ack: bool,
    ) -> Result<Option<Delivered>, ClientError> {
        self.open_channel(REQUESTS).await?;
        let request = Request::Get { queue: queue.to_owned(), no_ack };
        self.send_request(REQUESTS, request).await?;
        loop {
            match self.next(REQUESTS).await? {
                Event::GetOk { delivery_tag, redelivered, message_count, message, .. } => {
                    return Ok(Some(Delivered {
                        delivery_tag,
                        redelivered,
                        message_count,
                        message,
                    }));
                }
                Event::Reply { reply: Reply::GetEmpty, .. } => return Ok(None),
                _ => {}
            }
        }
    }

    /// Settles a message that was fetched.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn settle(
        &mut self,
        delivery_tag: u64,
        settlement: Settlement,
    ) -> Result<(), ClientError> {
        let (requeue, reject) = match settlement {
            Settlement::Acknowledge => {
                let (channel, multiple) = (REQUESTS, false);
                let acknowledgement = Acknowledgement { channel, delivery_tag, multiple };
                let (session, acknowledgements) = (self.session, vec![acknowledgement]);
                return self.send(Command::Acknowledge { session, acknowledgements }).await;
            }
            Settlement::Requeue => (true, false),
            Settlement::Reject => (false, true),
        };
        let nack = Request::Nack { delivery_tag, multiple: false, requeue, reject };
        self.send_request(REQUESTS, nack).await
    }

    /// Publishes messages and waits until all are taken or refused: what became of each, in order.
    /// They go to their exchanges, or into the queue `to`.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub(crate) async fn publish_all(
        &mut self,
        messages: &[Edited],
        to: Option<&str>,
    ) -> Result<Vec<Published>, ClientError> {
        let mut outcomes = Vec::with_capacity(messages.len());
        // One that is changed when it is accepted comes back as another: it goes alone.
        for some in
            messages.chunk_by(|one, next| !one.has_blind_copies() && !next.has_blind_copies())
        {
            outcomes.extend(self.publish_together(some, to).await?);
        }
        Ok(outcomes)
    }

    async fn publish_together(
        &mut self,
        messages: &[Edited],
        to: Option<&str>,
    ) -> Result<Vec<Published>, ClientError> {
        self.open_publishes().await?;
        let first = self.published + 1;
        let mut batch = MessageBatch::with_capacity(messages.len(), 0).at(clock::now());
        for message in messages {
            let Edited { exchange, routing_key, properties, body } = message;
            batch.push(exchange, routing_key, properties, body);
        }
        batch.finish();
        let batch = Arc::new(batch);
        let (session, publishes) = (self.session, vec![(PUBLISHES, true); messages.len()]);
        let publish = PublishBatch {
            session,
            messages: Arc::clone(&batch),
            publishes,
            to: to.map(str::to_owned),
        };
        self.send(Command::Publish(publish)).await?;
        self.published += messages.len() as u64;
        let mut outcomes: Vec<Option<Published>> = vec![None; messages.len()];
        let mut returned = vec![];
        while outcomes.iter().any(Option::is_none) {
            let (from, to, outcome) = match self.next(PUBLISHES).await? {
                Event::Return { message, .. } => {
                    let same = |index: &usize| {
                        let own = Message::new(&batch, *index as u32);
                        own.is_some_and(|own| own.is_same(&message))
                    };
                    // The only one is it, whatever it looks like now.
                    let index = (0..messages.len()).find(same);
                    returned.extend(index.or_else(|| (messages.len() == 1).then_some(0)));
                    continue;
                }
                Event::Confirm { first, last, .. } => (first, last, Published::Taken),
                Event::Refused { first, last, .. } => (first, last, Published::Refused),
                _ => continue,
            };
            for number in from.max(first)..=to {
                if let Some(place) = outcomes.get_mut((number - first) as usize) {
                    *place = Some(outcome);
                }
            }
        }
        for index in returned {
            if let Some(outcome) = outcomes.get_mut(index) {
                *outcome = Some(Published::Unroutable);
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Takes messages out of a queue by their places, to be settled like those that were fetched.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub(crate) async fn take(
        &mut self,
        queue: &str,
        places: Vec<Place>,
    ) -> Result<Vec<Taken>, ClientError> {
        self.open_channel(REQUESTS).await?;
        let request = Request::Take { queue: queue.to_owned(), places };
        self.send_request(REQUESTS, request).await?;
        let mut all = vec![];
        loop {
            if let Event::Taken { taken, done, .. } = self.next(REQUESTS).await? {
                all.extend(taken);
                if done {
                    return Ok(all);
                }
            }
        }
    }

    /// Settles messages that were fetched or taken.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub(crate) async fn settle_all(
        &mut self,
        delivery_tags: &[u64],
        settlement: Settlement,
    ) -> Result<(), ClientError> {
        for delivery_tag in delivery_tags {
            self.settle(*delivery_tag, settlement).await?;
        }
        Ok(())
    }

    async fn open_publishes(&mut self) -> Result<(), ClientError> {
        if !self.is_open(PUBLISHES) {
            self.open_channel(PUBLISHES).await?;
            self.published = 0;
            self.ask(PUBLISHES, Request::ConfirmSelect { no_wait: false }).await?;
        }
        Ok(())
    }

    /// Ends the session, and waits until the engine has ended it and all that followed from it is
    /// durable.
    pub async fn close(mut self) {
        let close = Command::CloseSession { session: self.session, reply: true };
        if self.send(close).await.is_ok() {
            self.over = true;
            // Whatever else comes on the way, the end comes last.
            let ended = async {
                while let Some(told) = self.events.recv().await {
                    if let ToConnection::Events(events) = told
                        && events.iter().any(|event| matches!(event, Event::SessionClosed))
                    {
                        return;
                    }
                }
            };
            let _ = tokio::time::timeout(limits::CLIENT_PATIENCE, ended).await;
        }
    }

    async fn ask(&mut self, channel: u16, request: Request) -> Result<Reply, ClientError> {
        self.open_channel(channel).await?;
        self.send_request(channel, request).await?;
        loop {
            if let Event::Reply { reply, .. } = self.next(channel).await? {
                return Ok(reply);
            }
        }
    }

    fn is_open(&self, channel: u16) -> bool {
        self.open.get(usize::from(channel)).copied().unwrap_or_default()
    }

    fn set_open(&mut self, channel: u16, open: bool) {
        if let Some(place) = self.open.get_mut(usize::from(channel)) {
            *place = open;
        }
    }

    async fn open_channel(&mut self, channel: u16) -> Result<(), ClientError> {
        if !self.is_open(channel) {
            self.send_request(channel, Request::ChannelOpen).await?;
            self.set_open(channel, true);
        }
        Ok(())
    }

    async fn send_request(&mut self, channel: u16, request: Request) -> Result<(), ClientError> {
        self.send(Command::Request { session: self.session, channel, request }).await
    }

    async fn send(&mut self, command: Command) -> Result<(), ClientError> {
        if self.over {
            return Err(ClientError::Closed);
        }
        let message = ToShard::Commands(self.session, vec![command], None);
        let sent = tokio::time::timeout(limits::CLIENT_PATIENCE, self.shard.send(message));
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ClientError::Closed),
            Err(_) => Err(ClientError::TimedOut),
        }
    }

    /// The next event of a channel, or the error that ends the channel or the session.
    async fn next(&mut self, wanted: u16) -> Result<Event, ClientError> {
        loop {
            let Some(event) = self.waiting.pop_front() else {
                let events = tokio::time::timeout(limits::CLIENT_PATIENCE, self.events.recv());
                match events.await {
                    Ok(Some(ToConnection::Events(events))) => self.waiting.extend(events),
                    Ok(Some(ToConnection::MayImpersonate(_))) => {}
                    Ok(Some(ToConnection::Close(..)) | None) => return Err(ClientError::Closed),
                    Err(_) => return Err(ClientError::TimedOut),
                }
                continue;
            };
            if event.is_delivery() {
                let (session, bytes) = (self.session, event.weight());
                self.send(Command::Flushed { session, bytes }).await?;
            }
            match event {
                Event::ChannelError { channel, error, .. } => {
                    self.set_open(channel, false);
                    if channel == wanted {
                        return Err(ClientError::Refused(error));
                    }
                }
                Event::SessionError { error, .. } => {
                    self.over = true;
                    return Err(ClientError::Refused(error));
                }
                Event::SessionClosed => {
                    self.over = true;
                    return Err(ClientError::Closed);
                }
                event if event.channel() == Some(wanted) => return Ok(event),
                _ => {}
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let close = Command::CloseSession { session: self.session, reply: false };
        let message = ToShard::Commands(self.session, vec![close], None);
        if let Err(mpsc::error::TrySendError::Full(message)) = self.shard.try_send(message) {
            let shard = self.shard.clone();
            tokio::spawn(async move { shard.send(message).await });
        }
    }
}
