//! What pages load: style sheets, scripts, the icon. All of it is in the program. The folder has the
//! version of its content in its name, so that browsers keep it until it changes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Path below the folder, type, content.
type Asset = (&'static str, &'static str, &'static str);

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 7] = [
    ("console.css", STYLE, include_str!("../../../ui/static/console.css")),
    ("console.js", SCRIPT, include_str!("../../../ui/static/console.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../../ui/static/icon.svg")),
    ("htmx.js", SCRIPT, include_str!("../../../ui/static/vendor/htmx/htmx.min.js")),
    ("idiomorph.js", SCRIPT, include_str!("../../../ui/static/vendor/idiomorph/idiomorph.min.js")),
    ("uplot.js", SCRIPT, include_str!("../../../ui/static/vendor/uplot/uPlot.iife.min.js")),
    ("uplot.css", STYLE, include_str!("../../../ui/static/vendor/uplot/uPlot.min.css")),
];

/// Where assets are.
pub(crate) static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    ASSETS.hash(&mut hasher);
    format!("/static/{:016x}", hasher.finish())
});

pub(crate) fn router() -> Router {
    Router::new()
        .route("/static/{version}/{name}", get(asset))
        .route("/static/{name}", get(async |Path(name): Path<String>| answer(&name, "no-cache")))
}

async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let is_current = FOLDER.strip_prefix("/static/") == Some(version.as_str());
    let caching = if is_current { "public, max-age=31536000, immutable" } else { "no-cache" };
    answer(&name, caching)
}

fn answer(name: &str, caching: &'static str) -> Response {
    let Some((_, kind, content)) = ASSETS.iter().find(|(path, _, _)| *path == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, caching)], *content).into_response()
}
