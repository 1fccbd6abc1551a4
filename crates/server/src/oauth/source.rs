//! The keys at hand, and where they come from.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use tokio::sync::Mutex as Turn;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use warren_amqp::Millis;

use super::fetch::fetch;
use super::keys::{Key, KeyError, parse_jwks};
use super::place::PlaceError;
use super::schedule::Schedule;
use super::settings::{KeySource, Web};
use crate::limits;

/// Why there are no keys, or not the newest.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("{0}")]
    Fetch(#[from] super::fetch::FetchError),
    #[error("the keys of {place} cannot be used: {reason}")]
    Keys { place: String, reason: KeyError },
    #[error("{place} is no document of an issuer: {reason}")]
    Document { place: String, reason: String },
    #[error("{place} names another issuer")]
    Issuer { place: String },
    #[error("{place} names an address of keys that cannot be used: {reason}")]
    Told { place: String, reason: PlaceError },
    #[error("cannot read {}: {reason}", path.display())]
    Read { path: std::path::PathBuf, reason: std::io::Error },
    #[error("{} is longer than {} bytes", .0.display(), limits::FETCH_BYTES)]
    LongFile(std::path::PathBuf),
    #[error("the work was given up")]
    GivenUp,
}

/// Keys that come from somewhere, and the last ones that did.
#[derive(Debug)]
pub(super) struct Source {
    from: KeySource,
    issuer: Option<String>,
    keys: Mutex<Arc<[Key]>>,
    /// One reads the keys at a time; the others wait and find them there.
    turn: Turn<State>,
}

#[derive(Debug, Default)]
struct State {
    schedule: Schedule,
    /// How the file looked when it was read.
    stamp: Option<Stamp>,
    /// Why the last try failed.
    failure: Option<String>,
}

/// What tells that a file has changed, without reading it.
type Stamp = (SystemTime, u64);

impl Source {
    pub(super) fn new(from: KeySource, issuer: Option<String>) -> Self {
        Self { from, issuer, keys: Mutex::new(Arc::new([])), turn: Turn::default() }
    }

    /// The keys at hand.
    pub(super) fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads keys anew that may have changed: a file's before they are used, those from elsewhere
    /// now and then, while the old ones go on to be used.
    pub(super) async fn keep_fresh(self: &Arc<Self>, now: Millis) {
        if let KeySource::File(_) = self.from {
            self.read_if(now, |_| true).await;
            return;
        }
        let is_due = move |state: &State| state.schedule.is_due(now, false);
        // Whoever has the turn is reading them. The first ones are waited for in `find_more`.
        if !self.keys().is_empty() && self.turn.try_lock().is_ok_and(|state| is_due(&state)) {
            drop(self.start_to_read_if(now, is_due));
        }
    }

    /// Reads the keys anew because one is not among `known`, which were at hand a moment ago;
    /// unless they were read just before. Gives the reason if there are none at all.
    pub(super) async fn find_more(
        self: &Arc<Self>,
        now: Millis,
        known: Arc<[Key]>,
    ) -> Result<(), String> {
        let source = Arc::clone(self);
        // If they are others by now, somebody else has read them while this one waited.
        let is_due = move |state: &State| {
            Arc::ptr_eq(&known, &source.keys()) && state.schedule.is_due(now, true)
        };
        let failure = self.read_if(now, is_due).await;
        match failure {
            Some(reason) if self.keys().is_empty() => Err(reason),
            _ => Ok(()),
        }
    }

    /// Reads the keys if that is due when the turn has come. Gives why there were none at last.
    async fn read_if(
        self: &Arc<Self>,
        now: Millis,
        is_due: impl FnOnce(&State) -> bool + Send + 'static,
    ) -> Option<String> {
        let read = self.start_to_read_if(now, is_due).await;
        read.unwrap_or_else(|_| Some(SourceError::GivenUp.to_string()))
    }

    /// The same in a task of its own: a client that hangs up must not end the reading for others.
    fn start_to_read_if(
        self: &Arc<Self>,
        now: Millis,
        is_due: impl FnOnce(&State) -> bool + Send + 'static,
    ) -> JoinHandle<Option<String>> {
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let mut state = source.turn.lock().await;
            if is_due(&state) {
                source.read(&mut state, now).await;
            }
            state.failure.clone()
        })
    }

    async fn read(&self, state: &mut State, now: Millis) {
        let read = match &self.from {
            KeySource::File(path) => self.read_if_changed(path, state).await,
            KeySource::Url(web) | KeySource::Issuer(web) => {
                state.schedule.ask(now);
                self.fetch(web).await
            }
        };
        match read {
            Ok(()) => state.schedule.come(now),
            // What was good until now stays good: an issuer that is away for a moment must not
            // lock everybody out.
            Err(error) => {
                warn!(%error, "the keys of tokens cannot be read");
                state.failure = Some(error.to_string());
            }
        }
    }

    fn take(&self, keys: Vec<Key>) {
        let ids: Vec<&str> = keys.iter().filter_map(|key| key.id.as_deref()).collect();
        info!(count = keys.len(), ids = ids.join(" "), "keys of tokens read");
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    async fn fetch(&self, web: &Web) -> Result<(), SourceError> {
        let issuer = match self.from {
            KeySource::Issuer(_) => self.issuer.clone(),
            KeySource::File(_) | KeySource::Url(_) => None,
        };
        let web = web.clone();
        let work = move || fetch_keys(&web, issuer.as_deref());
        let fetched = tokio::task::spawn_blocking(work).await;
        self.take(fetched.map_err(|_| SourceError::GivenUp)??);
        Ok(())
    }

    async fn read_if_changed(&self, path: &Path, state: &mut State) -> Result<(), SourceError> {
        let (path, last) = (path.to_owned(), state.stamp);
        let work = move || read_file(&path, last);
        let read = tokio::task::spawn_blocking(work).await;
        if let Some((stamp, keys)) = read.map_err(|_| SourceError::GivenUp)?? {
            // Also a file with an error in it is not read again until it changes.
            state.stamp = Some(stamp);
            self.take(keys?);
        }
        Ok(())
    }
}

/// A file's keys, or why it has none, if it does not look as it last did.
type Changed = Option<(Stamp, Result<Vec<Key>, SourceError>)>;

fn read_file(path: &Path, last: Option<Stamp>) -> Result<Changed, SourceError> {
    let read = |reason| SourceError::Read { path: path.to_owned(), reason };
    let metadata = std::fs::metadata(path).map_err(read)?;
    let stamp = (metadata.modified().map_err(read)?, metadata.len());
    if last == Some(stamp) {
        return Ok(None);
    }
    if metadata.len() > limits::FETCH_BYTES {
        return Ok(Some((stamp, Err(SourceError::LongFile(path.to_owned())))));
    }
    let text = std::fs::read(path).map_err(read)?;
    let place = path.display().to_string();
    let keys = parse_jwks(&text).map_err(|reason| SourceError::Keys { place, reason });
    Ok(Some((stamp, keys)))
}

/// What is of interest in `.well-known/openid-configuration`.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// Fetches keys; with an issuer, from where its document says.
fn fetch_keys(web: &Web, issuer: Option<&str>) -> Result<Vec<Key>, SourceError> {
    let authorities = web.authorities.as_ref();
    let place = match issuer {
        None => web.place.clone(),
        Some(issuer) => {
            let told = |reason| SourceError::Told { place: web.place.to_string(), reason };
            let document = web.place.well_known().map_err(told)?;
            let text = fetch(&document, authorities)?;
            let place = document.to_string();
            let parsed: Document = serde_json::from_slice(&text).map_err(|error| {
                SourceError::Document { place: place.clone(), reason: error.to_string() }
            })?;
            // OpenID Connect Discovery 1.0, 4.3: they must be the same, letter by letter.
            if parsed.issuer != issuer {
                return Err(SourceError::Issuer { place });
            }
            document.told(&parsed.jwks_uri).map_err(told)?
        }
    };
    let text = fetch(&place, authorities)?;
    parse_jwks(&text).map_err(|reason| SourceError::Keys { place: place.to_string(), reason })
}
