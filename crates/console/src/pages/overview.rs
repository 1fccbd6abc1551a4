//! The first page.

use std::sync::Arc;

use askama::Template;

use super::Routes;
use crate::chart::{Chart, RANGES, Range, Unit, range_links};
use crate::frame::Frame;
use crate::reply::{Reply, page};
use crate::value::at;
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/", show)
}

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage {
    frame: Frame,
    ranges: Vec<(&'static str, String, bool)>,
    charts: Vec<Chart>,
}

async fn show(visit: Arc<Visit>) -> Reply {
    let range = Range::wanted(&visit);
    let samples = range.parameters(&["lengths", "msg_rates"]);
    let overview = visit.get(&format!("/api/overview?{samples}")).await?;
    let lengths = at(&overview, "queue_totals");
    let messages = at(&overview, "message_stats");
    let lines = [("Ready", "messages_ready"), ("Unacknowledged", "messages_unacknowledged")];
    let rates = [("Published", "publish"), ("Delivered", "deliver_get"), ("Acknowledged", "ack")];
    let charts = vec![
        Chart::new("queued", "Messages in queues", Unit::Count, lengths, &lines),
        Chart::new("rates", "Messages a second", Unit::Rate, messages, &rates),
    ];
    let frame = Frame::new(&visit, "Overview").await?;
    page(&OverviewPage { frame, ranges: range_links(&visit, &RANGES), charts })
}
