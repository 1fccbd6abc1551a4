//! The section `[oauth2]`: which tokens are good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use warren_server::oauth::{
    ALGORITHMS, Algorithm, Authorities, Key, KeySource, Place, Settings, Web,
};

/// What is wrong with a key of the section: its name, and what it must be.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) key: String,
    pub(super) expected: String,
}

/// The keys of the section, by RabbitMQ's names where it has them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OAuth2 {
    resource_server_id: String,
    verify_aud: bool,
    issuer: Option<String>,
    scope_prefix: Option<String>,
    scope_aliases: BTreeMap<String, Scopes>,
    additional_scopes_key: String,
    preferred_username_claims: Vec<String>,
    algorithms: Option<Vec<String>>,
    leeway_seconds: u64,
    default_key: Option<String>,
    signing_keys: BTreeMap<String, SigningKey>,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    allow_http: bool,
    cacertfile: Option<PathBuf>,
}

/// Scopes, as a text with spaces between them or as a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scopes {
    Text(String),
    List(Vec<String>),
}

/// A public key in a file, or a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningKey {
    file: Option<PathBuf>,
    algorithm: Option<String>,
    secret: Option<String>,
}

/// Nothing of a secret is shown.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Default for OAuth2 {
    fn default() -> Self {
        Self {
            resource_server_id: String::new(),
            verify_aud: true,
            issuer: None,
            scope_prefix: None,
            scope_aliases: BTreeMap::new(),
            additional_scopes_key: String::new(),
            preferred_username_claims: Vec::new(),
            algorithms: None,
            leeway_seconds: 0,
            default_key: None,
            signing_keys: BTreeMap::new(),
            jwks_file: None,
            jwks_url: None,
            allow_http: false,
            cacertfile: None,
        }
    }
}

fn wrong<T>(key: &str, expected: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { key: format!("oauth2.{key}"), expected: expected.into() })
}

impl OAuth2 {
    /// The settings that the section stands for. Files that it names are read.
    pub(super) fn settings(self) -> Result<Settings, Wrong> {
        if self.resource_server_id.is_empty() {
            return wrong("resource_server_id", "the name that this broker has in tokens");
        }
        let source = self.source()?;
        let defaults = Settings::new(&self.resource_server_id);
        let keys = self.signing_keys.into_iter().map(|(id, key)| key.read(&id));
        let keys = keys.collect::<Result<Vec<Key>, Wrong>>()?;
        if keys.is_empty() && source.is_none() {
            return wrong("jwks_url", "given, or jwks_file, issuer or signing_keys");
        }
        let algorithms = match self.algorithms {
            Some(names) => names.iter().map(|name| algorithm("algorithms", name)).collect(),
            None => Ok(ALGORITHMS.to_vec()),
        };
        Ok(Settings {
            verify_audience: self.verify_aud,
            issuer: self.issuer,
            scope_prefix: self.scope_prefix.unwrap_or(defaults.scope_prefix),
            scope_aliases: self.scope_aliases.into_iter().map(Scopes::named).collect(),
            additional_scopes: words(&self.additional_scopes_key),
            preferred_username_claims: self.preferred_username_claims,
            algorithms: algorithms?,
            leeway_seconds: self.leeway_seconds,
            default_key: self.default_key,
            keys,
            source,
            resource_server_id: defaults.resource_server_id,
        })
    }

    /// Where keys come from that are not configured one by one. RabbitMQ too prefers an address of
    /// keys to what the issuer says.
    fn source(&self) -> Result<Option<KeySource>, Wrong> {
        if let Some(file) = &self.jwks_file {
            if self.jwks_url.is_some() {
                return wrong("jwks_file", "left out where jwks_url is given");
            }
            return Ok(Some(KeySource::File(file.clone())));
        }
        if let Some(url) = &self.jwks_url {
            return self.web("jwks_url", url).map(KeySource::Url).map(Some);
        }
        // With keys of its own the broker need not ask the issuer for any.
        match &self.issuer {
            Some(url) if self.signing_keys.is_empty() => {
                self.web("issuer", url).map(KeySource::Issuer).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn web(&self, key: &str, url: &str) -> Result<Web, Wrong> {
        let place = match Place::configured(url, self.allow_http) {
            Ok(place) => place,
            Err(reason) => return wrong(key, format!("an address of keys: {reason}")),
        };
        let Some(file) = &self.cacertfile else { return Ok(Web { place, authorities: None }) };
        match Authorities::from_pem(&read("cacertfile", file)?) {
            Some(authorities) => Ok(Web { place, authorities: Some(authorities) }),
            None => wrong("cacertfile", "a file of certificates in PEM form"),
        }
    }
}

impl Scopes {
    fn named((alias, scopes): (String, Self)) -> (String, Vec<String>) {
        match scopes {
            Self::Text(text) => (alias, words(&text)),
            Self::List(list) => (alias, list),
        }
    }
}

impl SigningKey {
    fn read(self, id: &str) -> Result<Key, Wrong> {
        let name = format!("signing_keys.{id}");
        let key = match self {
            Self { file: Some(file), algorithm: None, secret: None } => {
                Key::from_pem(id, &read(&name, &file)?)
            }
            Self { file: None, algorithm: Some(named), secret: Some(secret) } => {
                Key::from_secret(id, algorithm(&name, &named)?, secret.as_bytes())
            }
            _ => return wrong(&name, "either a file, or an algorithm and a secret"),
        };
        key.or_else(|reason| wrong(&name, format!("a key that can be used: {reason}")))
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn algorithm(key: &str, name: &str) -> Result<Algorithm, Wrong> {
    let found = ALGORITHMS.into_iter().find(|algorithm| format!("{algorithm:?}") == name);
    match found {
        Some(algorithm) => Ok(algorithm),
        None => wrong(key, format!("of {}", ALGORITHMS.map(|it| format!("{it:?}")).join(", "))),
    }
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, Wrong> {
    match std::fs::read(file) {
        Ok(text) => Ok(text),
        Err(reason) => wrong(key, format!("a file that can be read: {}: {reason}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        let section: OAuth2 = toml::from_str(text).map_err(|error| error.to_string())?;
        section.settings().map_err(|Wrong { key, expected }| format!("{key} must be {expected}"))
    }

    #[test]
    fn the_names_are_those_of_rabbitmq() {
        let settings = settings(
            "resource_server_id = 'broker'
            verify_aud = false
            issuer = 'https://login.example/realm'
            jwks_url = 'https://login.example/keys'
            scope_prefix = 'api://'
            additional_scopes_key = 'roles a.b'
            preferred_username_claims = ['user_name']
            algorithms = ['RS256', 'EdDSA']
            default_key = 'k'
            leeway_seconds = 5
            [scope_aliases]
            admin = 'broker.tag:administrator broker.read:*/*'
            list = ['a', 'b']",
        )
        .unwrap();
        assert!(!settings.verify_audience);
        assert_eq!(settings.issuer.as_deref(), Some("https://login.example/realm"));
        assert_eq!(settings.scope_prefix, "api://");
        assert_eq!(settings.additional_scopes, ["roles", "a.b"]);
        assert_eq!(settings.algorithms, [Algorithm::RS256, Algorithm::EdDSA]);
        assert_eq!(
            settings.scope_aliases["admin"],
            ["broker.tag:administrator", "broker.read:*/*"]
        );
        assert_eq!(settings.scope_aliases["list"], ["a", "b"]);
        assert!(matches!(settings.source, Some(KeySource::Url(_))));
    }

    #[test]
    fn defaults_are_those_of_rabbitmq() {
        let settings = settings(
            "resource_server_id = 'broker'
            issuer = 'https://login.example'",
        )
        .unwrap();
        assert!(settings.verify_audience);
        assert_eq!(settings.scope_prefix, "broker.");
        assert_eq!(settings.algorithms, ALGORITHMS);
        assert!(matches!(settings.source, Some(KeySource::Issuer(_))));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_name() {
        let id = "resource_server_id = 'broker'\n";
        for (text, expected) in [
            ("jwks_url = 'https://a/'", "oauth2.resource_server_id must be"),
            (id, "oauth2.jwks_url must be given"),
            (&format!("{id}jwks_url = 'http://a/'"), "oauth2.jwks_url must be an address"),
            (&format!("{id}jwks_url = 'a'"), "oauth2.jwks_url must be an address"),
            (&format!("{id}issuer = 'a'"), "oauth2.issuer must be an address"),
            (&format!("{id}jwks_url = 'https://a/'\njwks_file = 'f'"), "oauth2.jwks_file must be"),
            (
                &format!("{id}jwks_url = 'https://a/'\nalgorithms = ['none']"),
                "oauth2.algorithms must be of RS256",
            ),
            (
                &format!("{id}jwks_url = 'https://a/'\ncacertfile = '/does/not/exist'"),
                "oauth2.cacertfile must be a file that can be read",
            ),
            (&format!("{id}[signing_keys.k]"), "oauth2.signing_keys.k must be either"),
            (
                &format!("{id}[signing_keys.k]\nfile = '/does/not/exist'"),
                "oauth2.signing_keys.k must be a file that can be read",
            ),
            (
                &format!("{id}[signing_keys.k]\nalgorithm = 'HS256'\nsecret = 'canary'"),
                "oauth2.signing_keys.k must be a key that can be used",
            ),
            (
                &format!("{id}[signing_keys.k]\nalgorithm = 'RS256'\nsecret = 'canary'"),
                "oauth2.signing_keys.k must be a key that can be used",
            ),
            (&format!("{id}surprise = 1"), "unknown field `surprise`"),
        ] {
            let told = settings(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
            assert!(!told.contains("canary"), "{told}");
        }
    }

    #[test]
    fn a_secret_is_shown_nowhere() {
        let text = "resource_server_id = 'broker'
            [signing_keys.k]
            algorithm = 'HS256'
            secret = 'a canary of at least thirty-two bytes'";
        let section: OAuth2 = toml::from_str(text).unwrap();
        let shown = format!("{section:?}");
        let shown = format!("{shown} {:?}", settings(text).unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
