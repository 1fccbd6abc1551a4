//! Answers that come again when they change, as server-sent events: for lists and objects, to whoever
//! asks a GET for `text/event-stream`.
//!
//! The request is answered again every second, with the rights that its sender has by then, and sent
//! when it is another answer than the one before. So a page sees what it would see by asking.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::wrappers::ReceiverStream;

use crate::answer::Answer;
use crate::call::{Call, named_virtual_host};
use crate::dispatch::carry_out;
use crate::error::Error;
use crate::limits;
use crate::routes::Route;

/// Whether the sender of a request wants events.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.trim_start().starts_with("text/event-stream"))
}

/// Answers again and again.
///
/// # Errors
///
/// Too many do so already.
pub(crate) fn answer(route: Route, call: Call) -> Answer {
    let place = Arc::clone(&call.api.streams).try_acquire_owned();
    let place = place.map_err(|_| {
        Error::Unavailable(format!("{} streams are open, which is the limit", limits::STREAMS))
    })?;
    // One event waits for a peer that reads slowly; it gets the newest state then.
    let (events, stream) = mpsc::channel::<Result<Event, Infallible>>(1);
    tokio::spawn(run(route, call, events, place));
    let stream = ReceiverStream::new(stream);
    let keep_alive = KeepAlive::new().interval(limits::STREAM_SILENCE);
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

async fn run(
    route: Route,
    call: Call,
    events: mpsc::Sender<Result<Event, Infallible>>,
    _place: OwnedSemaphorePermit,
) {
    let mut ticks = interval_at(Instant::now(), limits::STREAM_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = events.closed() => return,
        }
        let (event, is_last) = match once(&route, &call).await {
            Ok(body) if body == last => continue,
            Ok(body) => {
                last = body;
                (Event::default().event("update").data(String::from_utf8_lossy(&last)), false)
            }
            Err(error) => {
                let (status, body) = read(error.into_response()).await;
                let is_last = status != StatusCode::SERVICE_UNAVAILABLE;
                (Event::default().event("error").data(String::from_utf8_lossy(&body)), is_last)
            }
        };
        if events.send(Ok(event)).await.is_err() || is_last {
            return;
        }
    }
}

/// The answer as it is now.
async fn once(route: &Route, call: &Call) -> Result<Vec<u8>, Error> {
    let state = call.api.management.catalog().snapshot();
    let mut identity = call.identity.clone();
    if !call.api.management.renew(&mut identity) {
        return Err(Error::NotAuthenticated);
    }
    let virtual_host = named_virtual_host(&call.path, &call.headers);
    let virtual_host = virtual_host.filter(|name| state.virtual_host(name).is_some());
    route.right.check(&state, &identity, virtual_host)?;
    let again = Call {
        api: Arc::clone(&call.api),
        state,
        identity,
        session: call.session.clone(),
        origin: call.origin.clone(),
        path: call.path.clone(),
        uri: call.uri.clone(),
        query: call.query.clone(),
        headers: call.headers.clone(),
        body: Body::empty().into(),
    };
    let (status, body) = read(carry_out(route, again).await?).await;
    match status {
        StatusCode::OK if body.len() <= limits::STREAM_BYTES => Ok(body),
        StatusCode::OK => {
            Err(Error::bad_request("the answer is too long for events: ask for a page"))
        }
        _ => Err(Error::Internal(format!("a list is answered with {status}"))),
    }
}

async fn read(response: Response) -> (StatusCode, Vec<u8>) {
    let status = response.status();
    // One that is too long is told of as such.
    let most = limits::STREAM_BYTES + 1;
    match to_bytes(response.into_body(), most).await {
        Ok(body) => (status, body.to_vec()),
        Err(_) => (status, vec![b' '; most]),
    }
}
