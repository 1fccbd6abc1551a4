//! How tokens are checked, as it is configured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jsonwebtoken::Algorithm;

use super::fetch::Authorities;
use super::keys::Key;
use super::place::Place;

/// How tokens are checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name that this broker has among those that tokens are made for.
    pub resource_server_id: String,
    /// Whether a token must name it in `aud`.
    pub verify_audience: bool,
    /// What `iss` must be, if it matters.
    pub issuer: Option<String>,
    /// What scopes of this broker begin with.
    pub scope_prefix: String,
    /// What scopes stand for, by their names in tokens.
    pub scope_aliases: BTreeMap<String, Vec<String>>,
    /// Where in a token more scopes are: names of members with dots between them.
    pub additional_scopes: Vec<String>,
    /// Claims that are taken as the user's name, before `sub` and `client_id`.
    pub preferred_username_claims: Vec<String>,
    /// The algorithms that are allowed. Each needs a key that is made for it.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may be apart, in seconds.
    pub leeway_seconds: u64,
    /// The key of tokens that name none.
    pub default_key: Option<String>,
    /// Keys that are configured one by one.
    pub keys: Vec<Key>,
    /// Where there are more.
    pub source: Option<KeySource>,
}

/// Where a set of keys (a JWKS) is.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// In a file, which is read again when it has changed.
    File(PathBuf),
    /// At an address.
    Url(Web),
    /// Where the issuer's document says: `<issuer>/.well-known/openid-configuration`.
    Issuer(Web),
}

/// An address, and what is trusted on the way there.
#[derive(Debug, Clone)]
pub struct Web {
    /// The address.
    pub place: Place,
    /// Those whose certificates are trusted; none are those that browsers trust.
    pub authorities: Option<Authorities>,
}

/// All algorithms: nothing else is ever taken, least of all `none`.
pub const ALGORITHMS: [Algorithm; 12] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
];

impl Settings {
    /// RabbitMQ's defaults for a broker with this name, without any key.
    #[must_use]
    pub fn new(resource_server_id: &str) -> Self {
        Self {
            resource_server_id: resource_server_id.to_owned(),
            verify_audience: true,
            issuer: None,
            scope_prefix: format!("{resource_server_id}."),
            scope_aliases: BTreeMap::new(),
            additional_scopes: Vec::new(),
            preferred_username_claims: Vec::new(),
            algorithms: ALGORITHMS.to_vec(),
            leeway_seconds: 0,
            default_key: None,
            keys: Vec::new(),
            source: None,
        }
    }
}
