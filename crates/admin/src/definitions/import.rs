//! Reads definitions. What is there and can change is changed, what cannot is left as it is, and what the
//! file does not name stays. An object that is refused does not keep the others out.

use std::collections::HashSet;

use axum::extract::{FromRequest, Multipart, Request as HttpRequest};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value};
use tracing::{info, warn};
use warren_engine::{Destination, Request};
use warren_server::AuditResult;
use warren_server::Management;
use warren_server::catalog::{Actor, Change, Permission, TopicPermission, VirtualHostSettings};
use warren_server::view::BindingView;

use super::dry_run;
pub(crate) use super::file::File;
use super::file::{self, GlobalParameter, Parameter, read};
use super::report::{Outcome, Report};
use super::topology::{self, Item};
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::parameters::check_component;
use crate::policies::PutPolicy;
use crate::users::{PutUser, password};

/// What is done with a file.
#[derive(Debug)]
pub(crate) struct Import {
    /// By whose hand.
    pub(crate) management: Management,
    /// In whose name.
    pub(crate) actor: Actor,
    /// Everything goes into this virtual host, whatever the file says.
    pub(crate) into: Option<String>,
    /// Nothing is changed.
    pub(crate) dry_run: bool,
}

pub(crate) async fn all(call: Call) -> Answer {
    answer(call, None).await
}

pub(crate) async fn one(call: Call) -> Answer {
    let into = call.virtual_host_to_change()?.to_owned();
    answer(call, Some(into)).await
}

async fn answer(mut call: Call, into: Option<String>) -> Answer {
    let dry_run = call.query.is_true("dry_run");
    let wants_report = dry_run || call.query.is_true("report");
    let upload = upload(&mut call).await?;
    let file = File::read(&upload.file)?;
    let import =
        Import { management: call.api.management.clone(), actor: call.actor(), into, dry_run };
    let report = import.run(file).await;
    if !dry_run {
        // Exchanges, queues and bindings have no lines of their own.
        let failed = report.failures().next().map(|(_, reason)| reason.to_owned());
        let outcome = failed.map_or(Ok(AuditResult::Updated), Err);
        call.api.management.audit().done(call.actor(), "import definitions".to_owned(), outcome);
    }
    if let Some((entry, reason)) = report.failures().next()
        && !wants_report
    {
        let reason = format!("{reason} ({} {})", entry.category, entry.name);
        return Err(Error::Refused { reason, report: report.json(false) });
    }
    if wants_report {
        let failed = report.failures().next().is_some();
        let status = if failed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        return Ok(answer::json(status, &report.json(true)));
    }
    match upload.redirect.and_then(|place| HeaderValue::try_from(place).ok()) {
        None => answer::done(),
        Some(place) => Ok((StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()),
    }
}

/// What was sent.
#[derive(Debug, Default)]
struct Upload {
    file: Vec<u8>,
    /// Where a form wants to be sent to afterwards: a place of this server.
    redirect: Option<String>,
}

/// The file: the body, or the part `file` of a form.
async fn upload(call: &mut Call) -> Result<Upload, Error> {
    let kind = call.headers.get(header::CONTENT_TYPE).cloned();
    let bytes = call.bytes().await?;
    let Some(kind) = kind.filter(|kind| kind.as_bytes().starts_with(b"multipart/form-data")) else {
        return Ok(Upload { file: bytes, redirect: None });
    };
    let malformed = |error: &dyn std::fmt::Display| Error::BadRequest(format!("the form: {error}"));
    let request = HttpRequest::builder().header(header::CONTENT_TYPE, kind).body(bytes.into());
    let request = request.map_err(|error| malformed(&error))?;
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| malformed(&error))?;
    let mut upload = Upload::default();
    let mut has_file = false;
    while let Some(part) = form.next_field().await.map_err(|error| malformed(&error))? {
        match part.name() {
            Some("file") => {
                upload.file = part.bytes().await.map_err(|error| malformed(&error))?.into();
                has_file = true;
            }
            Some("redirect") => {
                let place = part.text().await.map_err(|error| malformed(&error))?;
                // Another server could be made to look like this one.
                upload.redirect =
                    Some(place).filter(|it| it.starts_with('/') && !it.starts_with("//"));
            }
            _ => {}
        }
    }
    if has_file { Ok(upload) } else { Err(Error::bad_request("the form has no part 'file'")) }
}

impl Import {
    /// Carries out a file, in RabbitMQ's order.
    pub(crate) async fn run(&self, file: File) -> Report {
        let mut report = Report::default();
        let hashing = file.usual_hashing();
        if self.into.is_none() {
            self.users(file.users, hashing, &mut report).await;
            self.virtual_hosts(file.vhosts, &mut report).await;
            self.rights(file.permissions, file.topic_permissions, &mut report).await;
        }
        let exchanges = self.items(file.exchanges, "exchanges", topology::exchange, &mut report);
        self.declare("exchanges", exchanges, &mut report).await;
        self.parameters(file.global_parameters, file.policies, file.parameters, &mut report).await;
        let queues = self.items(file.queues, "queues", topology::queue, &mut report);
        self.declare("queues", queues, &mut report).await;
        let bindings = self.items(file.bindings, "bindings", topology::binding, &mut report);
        self.declare("bindings", bindings, &mut report).await;
        for (entry, reason) in report.failures() {
            let (category, name) = (entry.category, &entry.name);
            warn!(category, name, vhost = entry.vhost, reason, "a definition is refused");
        }
        info!(objects = report.entries.len(), dry_run = self.dry_run, "definitions were imported");
        report
    }

    /// Makes changes, each with what it is for the report.
    async fn change(&self, category: &'static str, changes: Vec<Named>, report: &mut Report) {
        let (names, changes): (Vec<_>, Vec<_>) =
            changes.into_iter().map(|it| ((it.virtual_host, it.name), it.change)).unzip();
        let catalog = self.management.catalog();
        let done = if self.dry_run {
            // Each with what came before it in the file.
            let before = report.rehearsed.len();
            report.rehearsed.extend(changes);
            catalog.rehearse(&report.rehearsed).split_off(before)
        } else {
            catalog.change_all(&self.actor, changes).await
        };
        for ((virtual_host, name), done) in names.into_iter().zip(done) {
            let outcome =
                done.map_or_else(|error| Outcome::Failed(error.to_string()), Outcome::from);
            report.add(category, virtual_host.as_deref(), name, outcome);
        }
    }

    async fn users(
        &self,
        users: Vec<Map<String, Value>>,
        hashing: warren_server::catalog::Hashing,
        report: &mut Report,
    ) {
        let mut changes = vec![];
        for object in users {
            let name = text(&object, "name");
            let made = async {
                if name.is_empty() {
                    return Err("name: is missing".to_owned());
                }
                let user: PutUser = read(&object)?;
                let password = password(&self.management, &user, hashing).await;
                let password = password.map_err(|error| error.to_string())?;
                user.changes(&name, password).map_err(|error| error.to_string())
            };
            match made.await {
                Ok(made) => changes.extend(made.into_iter().map(|it| Named::new(None, &name, it))),
                Err(reason) => report.add("users", None, name, Outcome::Failed(reason)),
            }
        }
        self.change("users", changes, report).await;
    }

    async fn virtual_hosts(&self, hosts: Vec<Map<String, Value>>, report: &mut Report) {
        let state = self.management.catalog().snapshot();
        let mut changes = vec![];
        for object in hosts {
            let name = text(&object, "name");
            let host: file::VirtualHost = match read(&object) {
                Ok(host) => host,
                Err(reason) => {
                    report.add("vhosts", None, name, Outcome::Failed(reason));
                    continue;
                }
            };
            let metadata = host.metadata.unwrap_or_default();
            let settings = VirtualHostSettings {
                description: host.description.or(metadata.description),
                tags: host.tags.or(metadata.tags),
                default_queue_type: host
                    .default_queue_type
                    .or(metadata.default_queue_type)
                    .filter(|kind| kind != "undefined"),
                protected_from_deletion: metadata.protected_from_deletion,
                tracing: host.tracing,
            };
            let is_new = state.virtual_host(&name).is_none();
            let put = Change::PutVirtualHost { name: name.clone(), settings };
            changes.push(Named::new(None, &name, put));
            for (limit, value) in host.limits.iter().filter_map(Value::as_object).flatten() {
                let (virtual_host, limit, value) = (name.clone(), limit.clone(), value.clone());
                let put = Change::PutVirtualHostLimit { virtual_host, name: limit, value };
                changes.push(Named::new(None, &name, put));
            }
            // Who makes a virtual host may use it. At a start nobody is there.
            if is_new && state.user(&self.actor.user).is_some() {
                let permission = crate::vhosts::all_rights(&name, &self.actor.user);
                changes.push(Named::new(None, &name, Change::PutPermission(permission)));
            }
        }
        self.change("vhosts", changes, report).await;
    }

    async fn rights(
        &self,
        permissions: Vec<Map<String, Value>>,
        topics: Vec<Map<String, Value>>,
        report: &mut Report,
    ) {
        let mut changes = vec![];
        for object in permissions {
            let (virtual_host, user) = (text(&object, "vhost"), text(&object, "user"));
            match read::<crate::permissions::PutPermission>(&object) {
                Ok(body) => {
                    let permission: Permission = body.of(&virtual_host, &user);
                    let change = Change::PutPermission(permission);
                    changes.push(Named::new(Some(&virtual_host), &user, change));
                }
                Err(reason) => {
                    let failed = Outcome::Failed(reason);
                    report.add("permissions", Some(&virtual_host), user, failed);
                }
            }
        }
        self.change("permissions", changes, report).await;
        let mut changes = vec![];
        for object in topics {
            let (virtual_host, user) = (text(&object, "vhost"), text(&object, "user"));
            match read::<crate::permissions::PutTopicPermission>(&object) {
                Ok(body) => {
                    let permission: TopicPermission = body.of(&virtual_host, &user);
                    let change = Change::PutTopicPermission(permission);
                    changes.push(Named::new(Some(&virtual_host), &user, change));
                }
                Err(reason) => {
                    let failed = Outcome::Failed(reason);
                    report.add("topic_permissions", Some(&virtual_host), user, failed);
                }
            }
        }
        self.change("topic_permissions", changes, report).await;
    }

    async fn parameters(
        &self,
        globals: Vec<Map<String, Value>>,
        policies: Vec<Map<String, Value>>,
        parameters: Vec<Map<String, Value>>,
        report: &mut Report,
    ) {
        if self.into.is_none() {
            let global = |_: &str, object| {
                let GlobalParameter { name, value } = read(&object)?;
                let parameter = warren_server::catalog::GlobalParameter { name, value };
                Ok(Change::PutGlobalParameter(parameter))
            };
            let changes = self.named(globals, "global_parameters", global, report);
            self.change("global_parameters", changes, report).await;
        }
        let changes = self.named(policies, "policies", policy, report);
        self.change("policies", changes, report).await;
        let parameter = |virtual_host: &str, object| {
            let Parameter { component, name, value } = read(&object)?;
            check_component(&component).map_err(Outcome::Failed)?;
            let virtual_host = virtual_host.to_owned();
            let parameter =
                warren_server::catalog::Parameter { component, virtual_host, name, value };
            Ok(Change::PutParameter(parameter))
        };
        let changes = self.named(parameters, "parameters", parameter, report);
        self.change("parameters", changes, report).await;
    }

    /// The changes that objects with a name ask for.
    fn named(
        &self,
        objects: Vec<Map<String, Value>>,
        category: &'static str,
        change: impl Fn(&str, Map<String, Value>) -> Result<Change, Outcome>,
        report: &mut Report,
    ) -> Vec<Named> {
        let mut changes = vec![];
        for object in objects {
            let name = text(&object, "name");
            let virtual_host = self.virtual_host_of(&object);
            match change(&virtual_host, object) {
                Ok(change) => {
                    let shown = Some(virtual_host.as_str()).filter(|it| !it.is_empty());
                    changes.push(Named::new(shown, &name, change));
                }
                Err(outcome) => report.add(category, Some(&virtual_host), name, outcome),
            }
        }
        changes
    }

    /// Where an object belongs.
    fn virtual_host_of(&self, object: &Map<String, Value>) -> String {
        self.into.clone().unwrap_or_else(|| text(object, "vhost"))
    }

    /// What objects ask to declare.
    fn items<T: serde::de::DeserializeOwned + schemars::JsonSchema>(
        &self,
        objects: Vec<Map<String, Value>>,
        category: &'static str,
        item: impl Fn(&str, T) -> Result<Item, Outcome>,
        report: &mut Report,
    ) -> Vec<Item> {
        let state = self.management.catalog().snapshot();
        let mut items = vec![];
        for object in objects {
            let virtual_host = self.virtual_host_of(&object);
            let name = text(&object, "name");
            let is_there = state.virtual_host(&virtual_host).is_some()
                || (self.dry_run && dry_run::would_make(report, &virtual_host));
            let made = if !is_there {
                Err(Outcome::Failed(format!("there is no virtual host '{virtual_host}'")))
            } else {
                read(&object).map_err(Outcome::Failed).and_then(|it| item(&virtual_host, it))
            };
            match made {
                Ok(item) => items.push(item),
                Err(outcome) => report.add(category, Some(&virtual_host), name, outcome),
            }
        }
        items
    }

    async fn declare(&self, category: &'static str, items: Vec<Item>, report: &mut Report) {
        if items.is_empty() {
            return;
        }
        let there = self.there(category).await;
        let known = |item: &Item| there.contains(&tell(&item.virtual_host, &item.request));
        if self.dry_run {
            let view = self.management.view();
            let state = self.management.catalog().snapshot();
            let would_be = dry_run::would_be(report);
            for item in items {
                let outcome = match known(&item) {
                    true => dry_run::of_known(view, &state, &item),
                    false => dry_run::of_new(view, &would_be, &item),
                };
                report.add(category, Some(&item.virtual_host), item.name, outcome);
            }
            return;
        }
        topology::declare(&self.management, category, items, known, report).await;
    }

    /// What there is of a category.
    async fn there(&self, category: &str) -> HashSet<Told> {
        let view = self.management.view();
        view.fresh().await;
        let one = self.into.as_deref();
        match category {
            "exchanges" => {
                let all = view.exchanges(one).items.into_iter();
                let told =
                    |host: &str, name: &str| Told::Exchange(host.to_owned(), name.to_owned());
                all.map(|it| told(&it.virtual_host, &it.record.name)).collect()
            }
            "queues" => {
                let all = view.queues(one).items.into_iter();
                let told = |host: &str, name: &str| Told::Queue(host.to_owned(), name.to_owned());
                all.map(|it| told(&it.virtual_host, it.name())).collect()
            }
            _ => view.bindings(one).items.iter().map(|it| Told::binding(it)).collect(),
        }
    }
}

/// The change that a policy asks for. What it says about mirrors of queues is passed over: there were
/// some in RabbitMQ 3.
fn policy(virtual_host: &str, mut object: Map<String, Value>) -> Result<Change, Outcome> {
    let name = text(&object, "name");
    if name.is_empty() {
        return Err(Outcome::Failed("name: is missing".to_owned()));
    }
    if let Some(Value::Object(definition)) = object.get_mut("definition") {
        let keys = definition.len();
        definition.retain(|key, _| !key.starts_with("ha-"));
        if definition.is_empty() && keys > 0 {
            return Err(Outcome::Skipped("it is about mirrors of queues alone".to_owned()));
        }
    }
    let body: PutPolicy = read(&object)?;
    let policy = body.policy(virtual_host, &name, false);
    policy.map(Change::PutPolicy).map_err(|error| Outcome::Failed(error.to_string()))
}

/// What tells an object from others.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Told {
    Exchange(String, String),
    Queue(String, String),
    Binding(String, String, Destination, String, Vec<u8>),
}

impl Told {
    fn binding(view: &BindingView) -> Self {
        let arguments = warren_amqp::table::encode(&view.arguments);
        let (host, source) = (view.virtual_host.to_string(), view.source.to_string());
        Self::Binding(host, source, view.destination(), view.routing_key.to_string(), arguments)
    }
}

fn tell(virtual_host: &str, request: &Request) -> Told {
    let host = virtual_host.to_owned();
    match request {
        Request::ExchangeDeclare { name, .. } => Told::Exchange(host, name.clone()),
        Request::Bind { source, destination, routing_key, arguments, .. } => Told::Binding(
            host,
            source.clone(),
            destination.clone(),
            routing_key.clone(),
            warren_amqp::table::encode(arguments),
        ),
        Request::QueueDeclare { name, .. } => Told::Queue(host, name.clone()),
        // Nothing else stands in a file.
        other => Told::Queue(host, format!("{other:?}")),
    }
}

/// A change with what it is for the report.
#[derive(Debug)]
struct Named {
    virtual_host: Option<String>,
    name: String,
    change: Change,
}

impl Named {
    fn new(virtual_host: Option<&str>, name: &str, change: Change) -> Self {
        Self { virtual_host: virtual_host.map(str::to_owned), name: name.to_owned(), change }
    }
}

/// A value that is text; empty if there is none.
fn text(object: &Map<String, Value>, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
