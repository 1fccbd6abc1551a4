//! Lists without pages, which may be as long as they like: they are sent as they are made.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::Value;
use tokio_stream::iter;

use crate::answer::{self, Answer};
use crate::error::Error;
use crate::limits;

/// A list of all these objects in this order. A short one has its length in the answer's head; of a
/// long one no more than a few hundred objects are in memory as JSON.
pub(super) fn whole<T: Send + 'static>(
    entries: Vec<T>,
    order: Vec<u32>,
    object: impl Fn(&T) -> Result<Value, Error> + Send + 'static,
) -> Answer {
    let mut chunks = Chunks { entries, order: order.into_iter(), object, before: b'[' };
    let first = chunks.next().transpose()?.unwrap_or_default();
    let body = match chunks.order.len() {
        0 => Body::from(first),
        _ => Body::from_stream(iter(std::iter::once(Ok(first)).chain(chunks))),
    };
    Ok(answer::json_bytes(StatusCode::OK, body))
}

/// The text of a list, in pieces.
struct Chunks<T, F> {
    entries: Vec<T>,
    /// The objects that are still to come; in the end none, and the list is closed.
    order: std::vec::IntoIter<u32>,
    object: F,
    /// What stands before the next object.
    before: u8,
}

impl<T, F: Fn(&T) -> Result<Value, Error>> Iterator for Chunks<T, F> {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.order.len() == 0 && self.before == b',' {
            return None;
        }
        let mut bytes = vec![];
        for at in self.order.by_ref().take(limits::LIST_CHUNK) {
            bytes.push(std::mem::replace(&mut self.before, b','));
            let object = (self.object)(&self.entries[at as usize]).and_then(|value| {
                let written = serde_json::to_writer(&mut bytes, &value);
                written.map_err(|reason| Error::Internal(reason.to_string()))
            });
            if let Err(error) = object {
                // What was sent cannot be taken back: the stream breaks off.
                self.order = vec![].into_iter();
                return Some(Err(error));
            }
        }
        if self.order.len() == 0 {
            if self.before == b'[' {
                bytes.push(std::mem::replace(&mut self.before, b','));
            }
            bytes.push(b']');
        }
        Some(Ok(bytes))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_list_of_any_length_is_one_array() {
        for length in [0, 1, 2, 255, 256, 257, 512, 1000] {
            let order = (0..length).rev().collect();
            let list = whole((0..length).collect(), order, |number: &u32| Ok(json!({"n": number})));
            let body = to_bytes(list.unwrap().into_body(), usize::MAX).await.unwrap();
            let found: Vec<Value> = serde_json::from_slice(&body).unwrap();
            let expected: Vec<_> = (0..length).rev().map(|number| json!({"n": number})).collect();
            assert_eq!(found, expected);
        }
    }

    #[tokio::test]
    async fn a_long_list_is_not_made_before_it_is_read() {
        let made = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = std::sync::Arc::clone(&made);
        let list = whole(vec![(); 10_000], (0..10_000).collect(), move |()| {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(json!({}))
        });
        let count = || made.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(count(), limits::LIST_CHUNK);
        to_bytes(list.unwrap().into_body(), usize::MAX).await.unwrap();
        assert_eq!(count(), 10_000);
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_ended_is_not_a_whole_one() {
        let broken = |number: &u32| match number {
            300 => Err(Error::Internal("broken".to_owned())),
            number => Ok(json!(number)),
        };
        let list = whole((0..1000).collect(), (0..1000).collect(), broken).unwrap();
        assert!(to_bytes(list.into_body(), usize::MAX).await.is_err());
    }
}
