//! Pages that stay up to date: what a page shows is made again and sent when it is different, as
//! server-sent events, to whoever asks for `/live?page=PATH`.
//!
//! A page marks the part that changes; it is made by the page's own handler, with the rights that the
//! user has by then. A page that is dear is made less often: none takes more than a hundredth of the
//! time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Query, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt;

use crate::limits;
use crate::reply::own_path;
use crate::visit::Watching;

/// Where the part of a page that changes begins and ends. Values on pages are escaped, so that none
/// looks like this.
const BEGIN: &str = "<!--live-->";
const END: &str = "<!--/live-->";

/// What streams work with.
#[derive(Debug, Clone)]
struct Live {
    pages: Router,
    places: Arc<Semaphore>,
}

pub(crate) fn router(pages: Router) -> Router {
    let live = Live { pages, places: Arc::new(Semaphore::new(limits::LIVE_PAGES)) };
    Router::new().route("/live", get(open)).layer(Extension(live))
}

async fn open(
    Extension(live): Extension<Live>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let page = query.iter().find(|(name, _)| name == "page").map(|(_, page)| page.as_str());
    let page = own_path(page.unwrap_or("/")).to_owned();
    let Ok(place) = Arc::clone(&live.places).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are open").into_response();
    };
    let mut watched = Watched { pages: live.pages, page, headers, peer };
    // Whoever may not see the page is not kept waiting for it.
    let (status, first) = watched.make().await;
    if status != StatusCode::OK {
        return status.into_response();
    }
    let (events, stream) = mpsc::channel::<Result<Event, Infallible>>(1);
    tokio::spawn(watch(watched, first, events, place));
    let keep_alive = KeepAlive::new().interval(limits::LIVE_SILENCE);
    Sse::new(ReceiverStream::new(stream)).keep_alive(keep_alive).into_response()
}

/// A page that somebody has open.
struct Watched {
    pages: Router,
    page: String,
    headers: HeaderMap,
    peer: SocketAddr,
}

impl Watched {
    /// The part that changes, as it is now.
    async fn make(&mut self) -> (StatusCode, String) {
        let Ok(mut request) = Request::get(&self.page).body(Body::empty()) else {
            return (StatusCode::NOT_FOUND, String::new());
        };
        let kept = [header::COOKIE, header::HOST];
        for name in kept {
            if let Some(value) = self.headers.get(&name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        for (name, value) in &self.headers {
            if name.as_str().starts_with("x-forwarded-") {
                request.headers_mut().insert(name.clone(), value.clone());
            }
        }
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(Watching);
        let response = self.pages.clone().oneshot(request).await;
        let response = response.unwrap_or_else(|never| match never {});
        let status = response.status();
        let body = to_bytes(response.into_body(), limits::LIVE_BYTES).await.unwrap_or_default();
        (status, part(&String::from_utf8_lossy(&body)).to_owned())
    }
}

/// The part of a page that changes.
fn part(html: &str) -> &str {
    let begun = html.split_once(BEGIN).map_or("", |(_, rest)| rest);
    begun.rsplit_once(END).map_or("", |(part, _)| part)
}

async fn watch(
    mut watched: Watched,
    first: String,
    events: mpsc::Sender<Result<Event, Infallible>>,
    _place: OwnedSemaphorePermit,
) {
    // Something may have changed since the browser got the page.
    if events.send(Ok(Event::default().event("update").data(&first))).await.is_err() {
        return;
    }
    let (mut last, mut wait, mut costs) = (first, limits::LIVE_PERIOD, Costs::default());
    loop {
        tokio::select! {
            () = sleep_until(Instant::now() + wait) => {}
            () = events.closed() => return,
        }
        let begun = Instant::now();
        let (status, now) = watched.make().await;
        wait = limits::LIVE_PERIOD.max(costs.of(begun.elapsed()) * limits::LIVE_SHARE);
        let event = match status {
            StatusCode::OK if now == last => continue,
            StatusCode::OK => Event::default().event("update").data(&now),
            StatusCode::SERVICE_UNAVAILABLE => continue,
            // Signed out, deleted: a page that is loaded anew says it.
            _ => Event::default().event("gone").data(status.as_str()),
        };
        last = now;
        if events.send(Ok(event)).await.is_err() || status != StatusCode::OK {
            return;
        }
    }
}

/// How long a page took when it was made, the last few times.
///
/// The shortest of them is what the page costs: all else was waiting for a busy machine.
#[derive(Debug, Default)]
struct Costs {
    last: [Option<Duration>; 4],
    next: usize,
}

impl Costs {
    fn of(&mut self, now: Duration) -> Duration {
        self.last[self.next] = Some(now);
        self.next = (self.next + 1) % self.last.len();
        self.last.iter().flatten().min().copied().unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Costs, part};

    #[test]
    fn a_page_that_had_to_wait_once_is_not_held_to_be_dear() {
        let mut costs = Costs::default();
        let of = |milliseconds| costs.of(Duration::from_millis(milliseconds)).as_millis();
        let found: Vec<_> = [50, 3, 90, 4, 80, 70, 60, 65].map(of).into();
        assert_eq!(found, [50, 3, 3, 3, 3, 4, 4, 60]);
    }

    #[test]
    fn the_part_that_changes_stands_between_its_marks() {
        assert_eq!(part("<h1>a</h1><!--live--><p>b</p><!--/live--><p>c</p>"), "<p>b</p>");
        assert_eq!(part("<p>no such part</p>"), "");
    }
}
