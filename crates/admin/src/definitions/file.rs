//! The file: what it holds, and how lenient we are with it.
//!
//! Every object is read on its own, so that one that makes no sense does not keep the others out.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use warren_server::catalog::Hashing;

use crate::error::Error;
use crate::json::{self, lenient};

/// Definitions. Keys that are not here are passed over; every list may be missing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct File {
    /// The RabbitMQ that wrote the file. It decides how hashes were made of which nothing is said.
    pub(crate) rabbitmq_version: Option<String>,
    /// The same, as it was called before.
    pub(crate) rabbit_version: Option<String>,
    /// Users.
    pub(crate) users: Vec<Map<String, Value>>,
    /// Virtual hosts.
    pub(crate) vhosts: Vec<Map<String, Value>>,
    /// Permissions.
    pub(crate) permissions: Vec<Map<String, Value>>,
    /// Topic permissions.
    pub(crate) topic_permissions: Vec<Map<String, Value>>,
    /// Exchanges.
    pub(crate) exchanges: Vec<Map<String, Value>>,
    /// Global parameters.
    pub(crate) global_parameters: Vec<Map<String, Value>>,
    /// Policies.
    pub(crate) policies: Vec<Map<String, Value>>,
    /// Parameters, operator policies and limits of virtual hosts among them.
    pub(crate) parameters: Vec<Map<String, Value>>,
    /// Queues.
    pub(crate) queues: Vec<Map<String, Value>>,
    /// Bindings.
    pub(crate) bindings: Vec<Map<String, Value>>,
    /// In a file of one virtual host: its limits.
    pub(crate) limits: Option<Map<String, Value>>,
}

impl File {
    /// Reads a file. A mark of the byte order in front is passed over.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let object = json::object(bytes).map_err(|_| Error::bad_request("failed_to_parse_json"))?;
        json::typed(&object)
    }

    /// How hashes were made of which the file does not say it.
    pub(crate) fn usual_hashing(&self) -> Hashing {
        let version = self.rabbitmq_version.as_deref().or(self.rabbit_version.as_deref());
        let mut numbers = version.unwrap_or_default().split('.').map(|it| it.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(3), Some(3..=5)) => Hashing::Md5,
            _ => Hashing::default(),
        }
    }
}

/// One object of a list. What its error says begins with the key that is wrong.
pub(crate) fn read<T: DeserializeOwned + JsonSchema>(
    object: &Map<String, Value>,
) -> Result<T, String> {
    json::typed(object).map_err(|error| error.to_string())
}

/// A virtual host.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct VirtualHost {
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default, deserialize_with = "lenient::maybe_tags")]
    pub(crate) tags: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) default_queue_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::maybe_boolean")]
    pub(crate) tracing: Option<bool>,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
    /// An object; old files have an empty list for none.
    #[serde(default)]
    pub(crate) limits: Option<Value>,
}

/// What people and clients are told about a virtual host.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default, deserialize_with = "lenient::maybe_tags")]
    pub(crate) tags: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) default_queue_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::maybe_boolean")]
    pub(crate) protected_from_deletion: Option<bool>,
}

/// An exchange.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub(crate) durable: bool,
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub(crate) auto_delete: bool,
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub(crate) internal: bool,
    #[serde(default, deserialize_with = "lenient::table")]
    #[schemars(with = "Map<String, Value>")]
    pub(crate) arguments: Map<String, Value>,
}

/// A queue.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Queue {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub(crate) durable: bool,
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub(crate) auto_delete: bool,
    #[serde(default, deserialize_with = "lenient::table")]
    #[schemars(with = "Map<String, Value>")]
    pub(crate) arguments: Map<String, Value>,
    /// RabbitMQ writes the type here too; a quorum queue may have it here alone.
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
}

/// A binding.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Binding {
    pub(crate) source: String,
    pub(crate) destination: String,
    /// `queue` or `exchange`.
    pub(crate) destination_type: String,
    #[serde(default)]
    pub(crate) routing_key: String,
    #[serde(default, deserialize_with = "lenient::table")]
    #[schemars(with = "Map<String, Value>")]
    pub(crate) arguments: Map<String, Value>,
}

/// A parameter of a component.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Parameter {
    pub(crate) component: String,
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// A global parameter.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GlobalParameter {
    pub(crate) name: String,
    pub(crate) value: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_without_its_algorithm_is_of_its_time() {
        for (file, hashing) in [
            (r#"{"rabbitmq_version": "3.5.7"}"#, Hashing::Md5),
            (r#"{"rabbit_version": "3.3.0"}"#, Hashing::Md5),
            (r#"{"rabbit_version": "3.6.0"}"#, Hashing::Sha256),
            (r#"{"rabbit_version": "3.5.0", "rabbitmq_version": "3.13.7"}"#, Hashing::Sha256),
            (r#"{"rabbitmq_version": "4.0.5"}"#, Hashing::Sha256),
            ("{}", Hashing::Sha256),
        ] {
            assert_eq!(File::read(file.as_bytes()).unwrap().usual_hashing(), hashing, "{file}");
        }
    }

    #[test]
    fn a_file_may_begin_with_a_mark_and_hold_what_we_do_not_know() {
        let file = File::read(b"\xef\xbb\xbf{\"cats\": [1], \"users\": []}").unwrap();
        assert!(file.users.is_empty());
        for wrong in [&b"[]"[..], b"{", b"{\"users\": 5}", b"{\"users\": [5]}"] {
            assert!(File::read(wrong).is_err());
        }
    }
}
