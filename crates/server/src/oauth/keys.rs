//! Keys that tokens are signed with.
//!
//! A key is for certain algorithms and nothing else: were a public RSA key taken for the secret of
//! an HMAC, everybody could sign with it.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, decode_header};
use serde::Deserialize;

use super::Refusal;
use crate::limits;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no public key in PEM.
    #[error("it is no public key in PEM form of RSA, of P-256 or P-384, or Ed25519")]
    NotPem,
    /// A secret that can be guessed.
    #[error("a secret for {algorithm:?} has at least {least} bytes")]
    ShortSecret {
        /// What it is for.
        algorithm: Algorithm,
        /// How long it must be, in bytes.
        least: usize,
    },
    /// A secret is for HS256, HS384 or HS512.
    #[error("a secret is for HS256, HS384 or HS512")]
    NotSymmetric,
    /// A modulus that can be factored, or one that takes too long to work with.
    #[error("an RSA key has {} to {} bits", limits::RSA_BITS.start(), limits::RSA_BITS.end())]
    RsaSize,
    /// It is not a set of keys.
    #[error("it is no JWKS: {0}")]
    NotJwks(String),
    /// No key of the set can be used.
    #[error("none of its {0} keys is a public key for signatures that can be used")]
    NoneUsable(usize),
}

/// A key, with what it is for. It shows itself nowhere.
#[derive(Clone)]
pub struct Key {
    /// What tokens call it.
    pub(super) id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, algorithms, .. } = self;
        f.debug_struct("Key")
            .field("id", id)
            .field("algorithms", algorithms)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A public key in PEM form, that tokens call `id`.
    ///
    /// # Errors
    ///
    /// If it is none, or one of another kind, or an RSA key of a bad size.
    pub fn from_pem(id: &str, pem: &[u8]) -> Result<Self, KeyError> {
        let rsa = DecodingKey::from_rsa_pem(pem);
        let others = || DecodingKey::from_ec_pem(pem).or_else(|_| DecodingKey::from_ed_pem(pem));
        let key = rsa.or_else(|_| others()).map_err(|_| KeyError::NotPem)?;
        // In this form, size and curve can be told.
        let jwk = Jwk::from_decoding_key(&key, None).map_err(|_| KeyError::NotPem)?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::NotPem)?;
        let algorithms = algorithms_of(&jwk, &key)?;
        Ok(Self { id: Some(id.to_owned()), algorithms, key })
    }

    /// A secret, that tokens call `id`.
    ///
    /// # Errors
    ///
    /// If it is too short to keep others from signing, or the algorithm takes no secret.
    pub fn from_secret(id: &str, algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        // RFC 7518, 3.2: as long as the hash at least.
        let least = match algorithm {
            Algorithm::HS256 => 32,
            Algorithm::HS384 => 48,
            Algorithm::HS512 => 64,
            _ => return Err(KeyError::NotSymmetric),
        };
        if secret.len() < least {
            return Err(KeyError::ShortSecret { algorithm, least });
        }
        let short = |_| KeyError::ShortSecret { algorithm, least };
        let key = DecodingKey::from_secret(secret).map_err(short)?;
        Ok(Self { id: Some(id.to_owned()), algorithms: vec![algorithm], key })
    }

    /// A key of a set. None if it is not for signatures, is a secret, or of an unknown kind.
    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
        let verifies = |all: &Vec<KeyOperations>| all.contains(&KeyOperations::Verify);
        if !signs || !common.key_operations.as_ref().is_none_or(verifies) {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let mut algorithms = algorithms_of(jwk, &key).ok()?;
        if let Some(only) = common.key_algorithm {
            algorithms.retain(|algorithm| KeyAlgorithm::from(*algorithm) == only);
        }
        (!algorithms.is_empty()).then(|| Self { id: common.key_id.clone(), algorithms, key })
    }

    /// What the token is checked with.
    pub(super) fn material(&self) -> &DecodingKey {
        &self.key
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }
}

/// The algorithms that a public key can be for, by its kind, curve and size.
fn algorithms_of(jwk: &Jwk, key: &DecodingKey) -> Result<Vec<Algorithm>, KeyError> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => {
            let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind() else {
                return Err(KeyError::NotPem);
            };
            if !limits::RSA_BITS.contains(&bits(n)) {
                return Err(KeyError::RsaSize);
            }
            Ok(AlgorithmFamily::Rsa.algorithms().to_vec())
        }
        // A key of another length is broken, and not everything below takes that well. A point is
        // one byte and two coordinates.
        AlgorithmParameters::EllipticCurve(curve) => match (&curve.curve, bytes(key)) {
            (EllipticCurve::P256, 65) => Ok(vec![Algorithm::ES256]),
            (EllipticCurve::P384, 97) => Ok(vec![Algorithm::ES384]),
            _ => Err(KeyError::NotPem),
        },
        AlgorithmParameters::OctetKeyPair(pair) => match (&pair.curve, bytes(key)) {
            (EllipticCurve::Ed25519, 32) => Ok(vec![Algorithm::EdDSA]),
            _ => Err(KeyError::NotPem),
        },
        // A secret in a set that others publish would be none.
        _ => Err(KeyError::NotPem),
    }
}

/// How long a key is that has no parts.
fn bytes(key: &DecodingKey) -> usize {
    key.try_get_as_bytes().map_or(0, <[u8]>::len)
}

/// How many bits a number has, with the highest byte first.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    ((number.len() - zeros) * 8).saturating_sub(first)
}

/// The part of a JWKS that is always there.
#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// Reads a JWKS: all keys in it that can be used. Others are passed over, as a set may hold keys
/// for other purposes and of kinds that came later.
///
/// # Errors
///
/// If it is no JWKS, or nothing in it can be used.
pub(super) fn parse_jwks(text: &[u8]) -> Result<Vec<Key>, KeyError> {
    let document: Document =
        serde_json::from_slice(text).map_err(|error| KeyError::NotJwks(error.to_string()))?;
    let count = document.keys.len();
    if count > limits::TOKEN_KEYS {
        return Err(KeyError::NotJwks(format!("more than {} keys", limits::TOKEN_KEYS)));
    }
    let jwks = document.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
    let keys: Vec<Key> = jwks.filter_map(|jwk| Key::from_jwk(&jwk)).collect();
    if keys.is_empty() { Err(KeyError::NoneUsable(count)) } else { Ok(keys) }
}

/// What a token says of its signature.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) algorithm: Algorithm,
    key: Option<String>,
}

impl Signed {
    /// Reads the head of a token.
    pub(super) fn read(token: &str, allowed: &[Algorithm]) -> Result<Self, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
        if !allowed.contains(&header.alg) {
            return Err(Refusal::Algorithm(header.alg));
        }
        Ok(Self { algorithm: header.alg, key: header.kid })
    }

    /// The key that the token names. If it names none, the default one, or else the only one that
    /// is for its algorithm.
    pub(super) fn choose<'k>(
        &self,
        keys: impl Iterator<Item = &'k Key> + Clone,
        default: Option<&str>,
    ) -> Result<&'k Key, Refusal> {
        let fitting = |key: &&Key| key.is_for(self.algorithm);
        if let Some(id) = self.key.as_deref().or(default) {
            let mut named = keys.filter(|key| key.id.as_deref() == Some(id)).peekable();
            named.peek().ok_or(Refusal::UnknownKey)?;
            return named.find(fitting).ok_or(Refusal::Algorithm(self.algorithm));
        }
        let mut fitting = keys.filter(fitting);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Refusal::KeyNotNamed),
            (None, _) => Err(Refusal::UnknownKey),
        }
    }
}

#[cfg(test)]
mod tests;
