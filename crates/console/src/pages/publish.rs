//! Publishing a message by hand, once or some times.

mod commands;
mod fields;
mod payload;
mod send;

use std::sync::Arc;

use askama::Template;
use axum::http::{StatusCode, header};
use serde_json::Value;

use super::Routes;
use super::message::Message;
use crate::error::Error;
use crate::form::Field;
use crate::frame::Frame;
use crate::links::{self, exchange_name};
use crate::notices::Notice;
use crate::reply::{Reply, go_to, page_with};
use crate::visit::{Pairs, Visit};
use commands::{Broker, Command, Published, commands};
use payload::Payload;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/publish", show).post("/publish", receive)
}

/// The longest address to which a published message is put, so that the page can be loaded again
/// without publishing again. Browsers and proxies have limits for them.
const ADDRESS_BYTES: usize = 6_000;

#[derive(Template)]
#[template(path = "console/publish.html")]
struct PublishPage {
    frame: Frame,
    error: Option<String>,
    /// Where it goes.
    address: Vec<Field>,
    /// What is in it.
    content: Vec<Field>,
    headers: Field,
    /// Folded away unless some are filled in.
    properties: Vec<Field>,
    has_properties: bool,
    repeat: Vec<Field>,
    is_repeated: bool,
    /// Empty as long as nothing is filled in.
    commands: Vec<Command>,
    /// The page that explains where it goes.
    explain: String,
}

/// What was filled in, or comes with the address.
#[derive(Debug)]
struct Draft {
    virtual_host: String,
    /// As in paths.
    exchange: String,
    message: Message,
    payload: Payload,
    /// How often, as typed.
    times: String,
    has_numbers: bool,
    /// When the payload must be JSON: one of [`fields::CHECKS`].
    check: String,
}

/// The message that the address has; or none yet.
async fn show(visit: Arc<Visit>) -> Reply {
    let draft = Draft::given(&visit, &visit.query);
    match draft {
        Ok(draft) => form_page(&visit, &draft, None).await,
        Err(error) => form_page(&visit, &Draft::empty(&visit), Some(&error)).await,
    }
}

async fn receive(visit: Arc<Visit>) -> Reply {
    let form = &visit.form;
    let is_prefilled = form.has("prefill");
    let draft = if is_prefilled { Draft::given(&visit, form) } else { Draft::typed(&visit, form) };
    let draft = match draft {
        Ok(draft) => draft,
        Err(error) => return form_page(&visit, &Draft::empty(&visit), Some(&error)).await,
    };
    if is_prefilled {
        return form_page(&visit, &draft, None).await;
    }
    let done = match form.get("do") {
        "check" => draft.payload.check_json().map(Notice::done),
        _ => send::publish(&visit, &draft).await,
    };
    match done {
        Ok(notice) => {
            visit.tell(notice);
            let address = draft.address();
            if form.get("do") != "check" && address.len() <= ADDRESS_BYTES {
                return Ok(go_to(&address));
            }
            form_page(&visit, &draft, None).await
        }
        Err(error) => form_page(&visit, &draft, Some(&error)).await,
    }
}

impl Draft {
    fn empty(visit: &Visit) -> Self {
        let mut message = Message::default();
        message.set("delivery_mode", "2");
        Self {
            virtual_host: visit.virtual_host().to_owned(),
            exchange: String::new(),
            message,
            payload: Payload::given("", ""),
            times: String::new(),
            has_numbers: false,
            check: String::new(),
        }
    }

    /// What another page, or a link, gives.
    fn given(visit: &Visit, filled: &Pairs) -> Result<Self, Error> {
        let mut draft = Self { message: Message::read(filled)?, ..Self::empty(visit) };
        if !filled.has("properties") {
            draft.message.set("delivery_mode", "2");
        }
        if filled.has("vhost") {
            draft.virtual_host = filled.get("vhost").to_owned();
        }
        draft.exchange = filled.get("exchange").to_owned();
        draft.payload = Payload::given(filled.get("payload"), filled.get("payload_encoding"));
        Ok(draft)
    }

    /// What was typed into the form of the page.
    fn typed(visit: &Visit, filled: &Pairs) -> Result<Self, Error> {
        let mut draft = Self { message: Message::read(filled)?, ..Self::empty(visit) };
        if filled.has("persistent") {
            draft.message.set("delivery_mode", "2");
        }
        draft.virtual_host = filled.get("vhost").to_owned();
        draft.exchange = filled.get("exchange").trim().to_owned();
        draft.payload = Payload::typed(filled.get("payload"), filled.get("payload_encoding"));
        draft.times = filled.get("times").to_owned();
        draft.has_numbers = filled.has("numbers");
        draft.check = filled.get("check").to_owned();
        Ok(draft)
    }

    /// Whether a message is filled in to some degree.
    fn is_begun(&self) -> bool {
        !self.exchange.is_empty()
            || !self.message.routing_key.is_empty()
            || !self.payload.text.is_empty()
    }

    /// The address of the form with all that is in it.
    fn address(&self) -> String {
        let properties = self.message.properties().unwrap_or_default().to_string();
        let pairs = [
            ("vhost", self.virtual_host.as_str()),
            ("exchange", exchange_name(&self.exchange)),
            ("routing_key", &self.message.routing_key),
            ("payload", &self.payload.text),
            ("payload_encoding", self.payload.encoding()),
            ("properties", &properties),
        ];
        format!("/publish{}", links::query(pairs))
    }

    /// The page that explains where it goes.
    fn explain(&self, properties: &Value) -> String {
        let path = links::exchange(&self.virtual_host, &self.exchange);
        let properties = properties.to_string();
        let pairs =
            [("routing_key", self.message.routing_key.as_str()), ("properties", &properties)];
        format!("{path}/explain{}", links::query(pairs))
    }
}

async fn form_page(visit: &Visit, draft: &Draft, error: Option<&Error>) -> Reply {
    let frame = Frame::new(visit, "Publish a message").await?;
    let mut draft_host = draft.virtual_host.clone();
    if draft_host.is_empty() {
        draft_host = frame.first_virtual_host().to_owned();
    }
    let properties = draft.message.properties().unwrap_or_default();
    let mut shown = vec![];
    if draft.is_begun() {
        let message = Published {
            virtual_host: &draft_host,
            exchange: exchange_name(&draft.exchange),
            routing_key: &draft.message.routing_key,
            properties: &properties,
            payload: &draft.payload.sent(),
            encoding: draft.payload.encoding(),
        };
        shown.extend(commands(&message, &broker(visit)));
    }
    let explain = if draft.is_begun() { draft.explain(&properties) } else { String::new() };
    let fields = fields::property_fields(&draft.message);
    let page = PublishPage {
        address: fields::address(visit, &frame, draft, &draft_host).await?,
        content: fields::content(draft),
        headers: fields::headers(&draft.message),
        has_properties: fields.iter().any(Field::is_filled),
        properties: fields,
        repeat: fields::repeat(draft),
        is_repeated: !draft.times.is_empty() && draft.times != "1",
        commands: shown,
        explain,
        error: error.map(Error::text),
        frame,
    };
    page_with(error.map_or(StatusCode::OK, Error::status), &page)
}

/// The broker as the browser reaches it.
fn broker(visit: &Visit) -> Broker<'_> {
    let header = |name: &str| visit.headers.get(name).and_then(|value| value.to_str().ok());
    Broker {
        host: header(header::HOST.as_str()).unwrap_or("localhost"),
        is_secure: header("x-forwarded-proto") == Some("https"),
        user: visit.visitor.user(),
    }
}
