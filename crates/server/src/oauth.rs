//! Bearer tokens (JWT of OAuth 2.0): who holds one, what it allows and until when.
//!
//! ```text
//! token -> keys: its form, its key, its signature      source: where keys come from
//!       -> claims: from whom, for whom, when, who      fetch, place, schedule: how, and how often
//!       -> scopes: what it allows
//! ```
//! The time is an argument everywhere. A token and a secret show themselves nowhere.

mod claims;
mod fetch;
mod keys;
mod place;
mod schedule;
mod scopes;
mod settings;
#[cfg(test)]
mod signing;
mod source;

use std::sync::Arc;

use jsonwebtoken::{Validation, decode};
use serde_json::{Map, Value};
use warren_amqp::Millis;

use self::claims::Claims;
pub use self::fetch::Authorities;
use self::keys::Signed;
pub use self::keys::{Key, KeyError};
pub use self::place::{Place, PlaceError, Reach};
pub use self::scopes::Scopes;
pub use self::settings::{ALGORITHMS, KeySource, Settings, Web};
use self::source::Source;
use crate::limits;
pub use jsonwebtoken::Algorithm;

/// Why a token is refused. It is for the log: whoever comes with the token is told nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no token.
    #[error("it is no token, or of a form that nobody uses")]
    Malformed,
    /// It is longer than tokens are.
    #[error("it is longer than {} bytes", limits::TOKEN_BYTES)]
    TooLong,
    /// Its algorithm is not allowed, or not with the key that it names.
    #[error("its algorithm {0:?} is not allowed, or not with its key")]
    Algorithm(Algorithm),
    /// There is no key by the name that it says, or none for its algorithm.
    #[error("its key is not known")]
    UnknownKey,
    /// It names no key, and there are several that it could be.
    #[error("it names no key, there is no default_key, and several keys are for its algorithm")]
    KeyNotNamed,
    /// Somebody else made it, or it was changed.
    #[error("its signature is wrong")]
    Signature,
    /// It is from somebody else than the issuer that is configured.
    #[error("it is from another issuer")]
    Issuer,
    /// It is not for this broker.
    #[error("it is for another audience")]
    Audience,
    /// A claim is missing or is not what it must be.
    #[error("its claim {0} is missing or is no time")]
    Claim(&'static str),
    /// It holds later.
    #[error("it does not hold before {from}")]
    NotYet {
        /// From when, in seconds since 1970.
        from: u64,
    },
    /// It does not hold any more.
    #[error("it has expired at {until}")]
    Expired {
        /// When, in seconds since 1970, with the time that clocks may be apart.
        until: u64,
    },
    /// It does not say whose it is.
    #[error("it has no user name of 1 to 255 bytes")]
    NoUser,
    /// It has more scopes than somebody could have a reason for.
    #[error("it has more than {} scopes", limits::TOKEN_SCOPES)]
    TooManyScopes,
    /// There are no keys to check it with.
    #[error("there are no keys: {0}")]
    NoKeys(String),
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The user's name.
    pub username: String,
    /// What the user may do.
    pub scopes: Arc<Scopes>,
    /// The second since 1970 from which the token does not hold any more.
    pub expires_at: u64,
}

/// Checks tokens.
#[derive(Debug)]
pub struct Tokens {
    settings: Settings,
    source: Option<Arc<Source>>,
}

/// Two clocks, of which one may be set and the other only goes on.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Seconds since 1970.
    pub unix_seconds: u64,
    /// Milliseconds since some moment.
    pub monotonic: Millis,
}

impl Tokens {
    /// Tokens that are checked in this way. Keys are fetched when the first token comes.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let from = settings.source.clone();
        let source = from.map(|from| Arc::new(Source::new(from, settings.issuer.clone())));
        Self { settings, source }
    }

    /// Whether a password can be a token: three parts in the alphabet of base64 for URLs, of which
    /// the first is a JSON object. Passwords do not look like that.
    #[must_use]
    pub fn is_like_one(password: &str) -> bool {
        let mut parts = password.split('.');
        let (head, claims, signature) = (parts.next(), parts.next(), parts.next());
        let in_alphabet = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
        // A signature may be empty, that of `none`: it is a token nevertheless, and a bad one.
        head.is_some_and(|head| head.starts_with("ey"))
            && claims.is_some_and(|claims| !claims.is_empty())
            && signature.is_some()
            && parts.next().is_none()
            && password.bytes().all(|letter| letter == b'.' || in_alphabet(letter))
    }

    /// Checks a token. It may have to wait until keys are fetched, for as long as
    /// [`FETCH_TIME`](limits::FETCH_TIME) for each of two documents.
    ///
    /// # Errors
    ///
    /// Why the token is refused.
    pub async fn check(&self, token: &str, now: Now) -> Result<Bearer, Refusal> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(Refusal::TooLong);
        }
        let signed = Signed::read(token, &self.settings.algorithms)?;
        let claims = self.claims(token, &signed, now.monotonic).await?;
        let expires_at = claims.check(&self.settings, now.unix_seconds)?;
        let username = claims.username(&self.settings)?.to_owned();
        let scopes = claims.scopes(&self.settings);
        let scopes = Scopes::parse(scopes.iter().map(String::as_str), &self.settings.scope_prefix)?;
        Ok(Bearer { username, scopes: Arc::new(scopes), expires_at })
    }

    /// The claims of a token, if its signature is good.
    async fn claims(&self, token: &str, signed: &Signed, now: Millis) -> Result<Claims, Refusal> {
        let Some(source) = &self.source else { return self.verify(token, signed, &[]) };
        source.keep_fresh(now).await;
        let known = source.keys();
        let found = self.verify(token, signed, &known);
        if !matches!(found, Err(Refusal::UnknownKey)) {
            return found;
        }
        source.find_more(now, known).await.map_err(Refusal::NoKeys)?;
        self.verify(token, signed, &source.keys())
    }

    fn verify(&self, token: &str, signed: &Signed, others: &[Key]) -> Result<Claims, Refusal> {
        let keys = self.settings.keys.iter().chain(others);
        let key = signed.choose(keys, self.settings.default_key.as_deref())?;
        // Times, audience and issuer are checked by `Claims`, against the time that was given.
        let mut validation = Validation::new(signed.algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        match decode::<Map<String, Value>>(token, key.material(), &validation) {
            Ok(data) => Ok(Claims(data.claims)),
            Err(error) if is_of_form(error.kind()) => Err(Refusal::Malformed),
            Err(_) => Err(Refusal::Signature),
        }
    }
}

/// Whether it is the form that is wrong, and not the signature.
fn is_of_form(kind: &jsonwebtoken::errors::ErrorKind) -> bool {
    use jsonwebtoken::errors::ErrorKind;
    matches!(kind, ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Json(_))
}

#[cfg(test)]
mod tests;
