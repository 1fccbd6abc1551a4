//! Small resources about the broker and who asks.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use warren_server::config::Password;
use warren_server::{AccessSource, Identity};

use crate::answer::{self, Answer};
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;
use crate::list::list;

/// Who sends the request.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WhoAmI {
    name: String,
    tags: Vec<String>,
    /// The user is one of the broker's own.
    is_internal_user: bool,
    /// After how many minutes somebody who signs in with a browser has to do so again.
    login_session_timeout: u64,
}

impl WhoAmI {
    pub(crate) fn new(api: &Api, identity: &Identity) -> Self {
        Self {
            name: identity.user.to_string(),
            tags: identity.tags.clone(),
            is_internal_user: identity.access == AccessSource::Stored,
            login_session_timeout: api.config.sessions.longest.as_secs() / 60,
        }
    }
}

pub(crate) async fn whoami(call: Call) -> Answer {
    answer::ok(&WhoAmI::new(&call.api, &call.identity))
}

/// The version that clients are told, as JSON text.
pub(crate) async fn version(call: Call) -> Answer {
    answer::ok(&call.api.management.config().identity.version)
}

/// By what the console logs in: the names of RabbitMQ 3.10 and of later ones.
pub(crate) async fn auth(_call: Call) -> Answer {
    answer::ok(&json!({
        "oauth_enabled": false,
        "enable_uaa": false,
        "uaa_client_id": "",
        "uaa_location": "",
    }))
}

/// Parts of RabbitMQ's console: its own one, which tools expect to be there.
pub(crate) async fn extensions(_call: Call) -> Answer {
    answer::ok(&json!([{"javascript": "dispatcher.js"}]))
}

/// A list of what there never is.
pub(crate) async fn nothing(_call: Call) -> Answer {
    answer::ok(&json!([]))
}

/// The same in a virtual host, which must be there.
pub(crate) async fn nothing_there(call: Call) -> Answer {
    call.virtual_host()?;
    answer::ok(&json!([]))
}

/// Feature flags of RabbitMQ for what Warren has, each with what it is.
const FEATURE_FLAGS: [(&str, &str); 9] = [
    ("classic_queue_type_delivery_support", "Consumers of classic queues may be anywhere"),
    ("drop_unroutable_metric", "Dropped messages are counted"),
    ("empty_basic_get_metric", "Answers to basic.get without a message are counted"),
    ("implicit_default_bindings", "Every queue is bound to the default exchange"),
    ("quorum_queue", "Queues of the type quorum"),
    ("stream_queue", "Queues of the type stream"),
    ("user_limits", "Limits of connections and channels of users"),
    ("virtual_host_metadata", "Virtual hosts have descriptions and tags"),
    ("message_containers", "Messages keep the properties that they came with"),
];

pub(crate) async fn feature_flags(call: Call) -> Answer {
    let flags = FEATURE_FLAGS.map(|(name, description)| {
        json!({
            "name": name,
            "desc": description,
            "doc_url": "",
            "state": "enabled",
            "stability": "required",
            "provided_by": "warren",
        })
    });
    list(&call, flags.into(), &["name"]).await
}

pub(crate) async fn enable_feature_flag(call: Call) -> Answer {
    let name = call.path("name");
    if name == "all" || FEATURE_FLAGS.iter().any(|(other, _)| *other == name) {
        return answer::done();
    }
    Err(Error::bad_request(format!("the feature flag {name} is not supported")))
}

pub(crate) async fn hash_password(call: Call) -> Answer {
    let password = Password(call.path("password").to_owned());
    let hash = call.api.management.hash_password(&password).await;
    let hash = hash.map_err(|error| Error::Internal(error.to_string()))?;
    answer::ok(&json!({"ok": hash.hash}))
}

/// There is one node: queues are where they should be.
pub(crate) async fn rebalance(_call: Call) -> Answer {
    answer::done()
}
