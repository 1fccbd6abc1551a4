//! The work of a job: some messages at a time, until all are done or somebody cancels.

use std::sync::atomic::{AtomicU64, Ordering};

use warren_engine::{Browsed, Message, Place, Sequence};

use super::edit::{Edited, edited};
use super::{Action, Edits, Job, Selection, Target};
use crate::client::{Client, ClientError, Published, Settlement};
use crate::limits;
use crate::login::Identity;
use crate::management::Management;
use crate::messages::MessageFilter;

/// Does all of a job; the error is in words for whoever asked for it.
pub(super) async fn run(
    job: &Job,
    management: &Management,
    identity: &Identity,
) -> Result<(), String> {
    let host = &job.request.virtual_host;
    let client = management.open(identity, host).await;
    let client = client.map_err(|error| error.to_string())?;
    let mut work = Work { job, management, client, staying: 0 };
    let done = work.all().await;
    // What was taken and is not settled goes back with the session.
    work.client.close().await;
    done
}

struct Work<'a> {
    job: &'a Job,
    management: &'a Management,
    client: Client,
    /// So many messages in a row were not taken.
    staying: u64,
}

/// A message that is meant, seen where it waits.
struct Meant {
    place: Place,
    message: Option<Message>,
}

impl Work<'_> {
    async fn all(&mut self) -> Result<(), String> {
        match &self.job.request.selection {
            Selection::Places(places) => self.at(places).await,
            Selection::Filter(filter, max) => self.filtered(filter, *max).await,
        }
    }

    fn is_cancelled(&self) -> bool {
        self.job.cancelled.load(Ordering::Relaxed)
    }

    async fn at(&mut self, places: &[Place]) -> Result<(), String> {
        let (host, queue) = (&self.job.request.virtual_host, &self.job.request.queue);
        for some in places.chunks(limits::JOB_STEP) {
            if self.is_cancelled() {
                return Ok(());
            }
            let mut meant = vec![];
            for place in some {
                let message = match self.job.request.action {
                    Action::Copy(..) => {
                        let filter = MessageFilter::default();
                        let look = self.management.browse(host, queue, Some(*place), 1, &filter);
                        let page = look.await.map_err(|error| error.to_string())?;
                        let found = page.messages.into_iter().next();
                        let Some(found) = found.filter(|found| found.place == *place) else {
                            continue;
                        };
                        Some(found.message)
                    }
                    Action::Delete | Action::Move(..) => None,
                };
                meant.push(Meant { place: *place, message });
            }
            count(&self.job.looked_at, some.len());
            self.carry_out(meant).await?;
        }
        Ok(())
    }

    async fn filtered(&mut self, filter: &MessageFilter, max: Option<u64>) -> Result<(), String> {
        let (host, queue) = (&self.job.request.virtual_host, &self.job.request.queue);
        let name = queue.clone();
        let end = self.management.ask(host, move |host| host.next_place(&name)).await;
        let end: Sequence = end.map_err(|error| error.to_string())?.map_err(|e| e.to_string())?;
        let mut left = max.unwrap_or(u64::MAX);
        let mut from = None;
        while left > 0 && !self.is_cancelled() {
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(limits::JOB_STEP);
            let look = self.management.browse(host, queue, from, step, filter);
            let page = look.await.map_err(|error| error.to_string())?;
            count(&self.job.looked_at, page.looked_at);
            let old = page.messages.into_iter().filter(|found| found.place.sequence < end);
            let meant: Vec<Meant> = old
                .map(|Browsed { place, message, .. }| Meant { place, message: Some(message) })
                .collect();
            left -= meant.len() as u64;
            self.carry_out(meant).await?;
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        Ok(())
    }

    async fn carry_out(&mut self, meant: Vec<Meant>) -> Result<(), String> {
        if meant.is_empty() {
            return Ok(());
        }
        let done = match &self.job.request.action {
            Action::Delete => self.delete(meant).await,
            Action::Move(target, edits) => self.move_away(meant, target, edits).await,
            Action::Copy(target, edits) => self.copy(meant, target, edits).await,
        };
        done.map_err(|error| error.to_string())?;
        if self.staying >= limits::JOB_STAYING {
            return Err(format!("the last {} messages were not taken by any queue", self.staying));
        }
        Ok(())
    }

    async fn delete(&mut self, meant: Vec<Meant>) -> Result<(), ClientError> {
        let places = meant.iter().map(|meant| meant.place).collect();
        let taken = self.client.take(&self.job.request.queue, places).await?;
        let tags: Vec<u64> = taken.iter().map(|taken| taken.delivery_tag).collect();
        self.client.settle_all(&tags, Settlement::Acknowledge).await?;
        count(&self.job.done, tags.len());
        Ok(())
    }

    async fn move_away(
        &mut self,
        meant: Vec<Meant>,
        target: &Target,
        edits: &Edits,
    ) -> Result<(), ClientError> {
        let places = meant.iter().map(|meant| meant.place).collect();
        let taken = self.client.take(&self.job.request.queue, places).await?;
        let messages: Vec<Edited> =
            taken.iter().map(|taken| edited(&taken.message, target, edits)).collect();
        let published = self.client.publish_all(&messages, target.queue_kept_to()).await?;
        let (mut moved, mut stays) = (vec![], vec![]);
        for (taken, outcome) in taken.iter().zip(published) {
            let list = if outcome == Published::Taken { &mut moved } else { &mut stays };
            list.push(taken.delivery_tag);
            self.count_published(outcome);
        }
        self.client.settle_all(&moved, Settlement::Acknowledge).await?;
        self.client.settle_all(&stays, Settlement::Requeue).await
    }

    async fn copy(
        &mut self,
        meant: Vec<Meant>,
        target: &Target,
        edits: &Edits,
    ) -> Result<(), ClientError> {
        let messages = meant.iter().filter_map(|meant| meant.message.as_ref());
        let messages: Vec<Edited> =
            messages.map(|message| edited(message, target, edits)).collect();
        for outcome in self.client.publish_all(&messages, target.queue_kept_to()).await? {
            self.count_published(outcome);
        }
        Ok(())
    }

    fn count_published(&mut self, outcome: Published) {
        self.staying = if outcome == Published::Taken { 0 } else { self.staying + 1 };
        let counter = match outcome {
            Published::Taken => &self.job.done,
            Published::Unroutable => &self.job.unroutable,
            Published::Refused => &self.job.refused,
        };
        count(counter, 1);
    }
}

fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}
