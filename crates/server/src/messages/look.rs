//! A look at messages that wait: those in memory from the shard, those on disk through the loader.

use thiserror::Error;
use tokio::sync::oneshot;
use warren_engine::{
    Browsed, Explanation, Load, Message, Outstanding, Place, Unroutable, VirtualHost, VirtualHostId,
};
use warren_storage::Loaded;

use super::MessageFilter;
use crate::limits;
use crate::management::Management;
use crate::shard::{Question, ToShard};

/// Why there is nothing to see.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LookError {
    /// There is no such virtual host.
    #[error("vhost {0} not found")]
    VirtualHostNotFound(String),
    /// The engine says why.
    #[error("{0}")]
    Refused(warren_engine::Error),
    /// The broker stops, or what is asked for cannot be read for now.
    #[error("the broker does not answer")]
    Closed,
}

impl From<warren_engine::Error> for LookError {
    fn from(error: warren_engine::Error) -> Self {
        Self::Refused(error)
    }
}

/// Messages of a queue.
#[derive(Debug, Default)]
pub struct MessagePage {
    /// Those that are meant, in the order of their delivery.
    pub messages: Vec<Browsed>,
    /// How many were looked at.
    pub looked_at: usize,
    /// Where the next look goes on; `None` if this was all.
    pub next: Option<Place>,
}

impl Management {
    /// Asks a virtual host something.
    ///
    /// # Errors
    ///
    /// There is none of that name, or the broker stops.
    pub async fn ask<T: Send + 'static>(
        &self,
        virtual_host: &str,
        question: impl FnOnce(&mut VirtualHost) -> T + Send + 'static,
    ) -> Result<T, LookError> {
        let (id, shard) = self.place_of(virtual_host)?;
        let (reply, answer) = oneshot::channel();
        let question = Question::new(move |host| {
            // Whoever asked may be gone.
            let _ = reply.send(question(host));
        });
        let asked = async {
            shard.send(ToShard::Ask(id, question)).await.ok()?;
            answer.await.ok()
        };
        let answer = tokio::time::timeout(limits::CLIENT_PATIENCE, asked).await;
        answer.ok().flatten().ok_or(LookError::Closed)
    }

    /// Looks at up to `max` messages of a queue that are meant, from a place on. After
    /// [`limits::LOOKED_AT_ONCE`] messages the look ends, however few were meant.
    ///
    /// # Errors
    ///
    /// See [`LookError`].
    pub async fn browse(
        &self,
        virtual_host: &str,
        queue: &str,
        from: Option<Place>,
        max: usize,
        filter: &MessageFilter,
    ) -> Result<MessagePage, LookError> {
        let max = max.clamp(1, warren_engine::limits::BROWSED_AT_ONCE);
        let mut page = MessagePage { next: from, ..MessagePage::default() };
        let mut bytes = 0;
        loop {
            let step = if filter.is_empty() { max - page.messages.len() } else { max };
            let (found, next) = self.step(virtual_host, queue, page.next, step).await?;
            page.next = next;
            for browsed in found {
                if page.messages.len() >= max || bytes >= limits::LOOKED_AT_BYTES {
                    page.next = Some(browsed.place);
                    return Ok(page);
                }
                page.looked_at += 1;
                if filter.matches(&browsed.message, browsed.redelivered) {
                    bytes += browsed.message.encoded_bytes();
                    page.messages.push(browsed);
                }
            }
            let is_full = page.messages.len() >= max || page.looked_at >= limits::LOOKED_AT_ONCE;
            if page.next.is_none() || is_full {
                return Ok(page);
            }
            // An expression may take its time; others have their turn between two steps.
            tokio::task::yield_now().await;
        }
    }

    /// Messages from a place on, and where to go on.
    async fn step(
        &self,
        virtual_host: &str,
        queue: &str,
        from: Option<Place>,
        max: usize,
    ) -> Result<(Vec<Browsed>, Option<Place>), LookError> {
        let name = queue.to_owned();
        let page = self.ask(virtual_host, move |host| host.browse(&name, from, max)).await??;
        let mut messages = page.messages;
        let Some(load) = page.load else { return Ok((messages, page.next)) };
        let (lane, last) = (load.queue.lane_number(), load.last);
        let loaded = self.read(virtual_host, load).await?;
        let mut returns = loaded.returns.into_iter().peekable();
        for (sequence, message) in loaded.messages {
            while returns.next_if(|(place, _)| *place < sequence).is_some() {}
            let count = returns.next_if(|(place, _)| *place == sequence).map_or(0, |of| of.1);
            if page.away.binary_search(&sequence).is_err() {
                messages.push(Browsed {
                    place: Place { lane, sequence },
                    message,
                    redelivered: sequence <= page.redelivered_through || count > 0,
                    returns: count,
                    expires: None,
                });
            }
        }
        let through = loaded.through.min(last);
        Ok((messages, Some(Place { lane, sequence: through }.after())))
    }

    /// Reads from disk.
    async fn read(&self, virtual_host: &str, load: Load) -> Result<Loaded, LookError> {
        let (_, shard) = self.place_of(virtual_host)?;
        let (reply, answer) = oneshot::channel();
        let asked = async {
            shard.send(ToShard::Read(load, reply)).await.ok()?;
            answer.await.ok()
        };
        let answer = tokio::time::timeout(limits::CLIENT_PATIENCE, asked).await;
        answer.ok().flatten().ok_or(LookError::Closed)
    }

    /// Deliveries of a queue that are not acknowledged, and how many there are in all.
    ///
    /// # Errors
    ///
    /// See [`LookError`].
    pub async fn outstanding(
        &self,
        virtual_host: &str,
        queue: &str,
        skip: usize,
        max: usize,
    ) -> Result<(Vec<Outstanding>, usize), LookError> {
        let queue = queue.to_owned();
        Ok(self.ask(virtual_host, move |host| host.outstanding(&queue, skip, max)).await??)
    }

    /// Why a message would go where it would go: `None` if there is no such exchange.
    ///
    /// # Errors
    ///
    /// See [`LookError`].
    pub async fn explain(
        &self,
        virtual_host: &str,
        message: Message,
    ) -> Result<Option<Explanation>, LookError> {
        self.ask(virtual_host, move |host| host.explain(&message)).await
    }

    /// How many messages of an exchange went nowhere since the start, and the last of them.
    ///
    /// # Errors
    ///
    /// See [`LookError`].
    pub async fn unroutable(
        &self,
        virtual_host: &str,
        exchange: &str,
    ) -> Result<(u64, Vec<Unroutable>), LookError> {
        let exchange = exchange.to_owned();
        self.ask(virtual_host, move |host| host.unroutable(&exchange)).await
    }

    fn place_of(
        &self,
        virtual_host: &str,
    ) -> Result<(VirtualHostId, tokio::sync::mpsc::Sender<ToShard>), LookError> {
        let found = self.status().shared.virtual_host(virtual_host);
        found.ok_or_else(|| LookError::VirtualHostNotFound(virtual_host.to_owned()))
    }
}
