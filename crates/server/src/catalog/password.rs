//! Passwords: how they are kept and checked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

use crate::config::Password;
use crate::error::Error;

/// Bytes of salt, as with RabbitMQ.
const SALT_BYTES: usize = 4;

/// How a password is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hashing {
    /// Salted SHA-256, as RabbitMQ does it.
    #[default]
    #[serde(rename = "rabbit_password_hashing_sha256")]
    Sha256,
    /// Salted SHA-512, as RabbitMQ does it.
    #[serde(rename = "rabbit_password_hashing_sha512")]
    Sha512,
    /// Salted MD5, as old versions of RabbitMQ did it.
    #[serde(rename = "rabbit_password_hashing_md5")]
    Md5,
    /// Argon2id, which RabbitMQ does not know.
    #[serde(rename = "argon2id")]
    Argon2id,
}

impl Hashing {
    /// The name in definitions and in the HTTP API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
            Self::Md5 => "rabbit_password_hashing_md5",
            Self::Argon2id => "argon2id",
        }
    }

    /// What has this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Sha256, Self::Sha512, Self::Md5, Self::Argon2id];
        all.into_iter().find(|one| one.name() == name)
    }
}

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    /// How it was made.
    pub hashing: Hashing,
    /// Salt and hash in base64; with argon2id, all of it in that algorithm's own text form.
    pub hash: String,
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordHash").field("hashing", &self.hashing).finish_non_exhaustive()
    }
}

/// What is to be kept of a password.
pub(crate) fn hash(hashing: Hashing, password: &Password) -> Result<PasswordHash, Error> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)?;
    let hash = BASE64.encode([&salt[..], &salted(hashing, &salt, password)].concat());
    Ok(PasswordHash { hashing, hash })
}

fn salted(hashing: Hashing, salt: &[u8], password: &Password) -> Vec<u8> {
    let password = password.0.as_bytes();
    match hashing {
        Hashing::Sha256 | Hashing::Argon2id => {
            Sha256::new().chain_update(salt).chain_update(password).finalize().to_vec()
        }
        Hashing::Sha512 => {
            Sha512::new().chain_update(salt).chain_update(password).finalize().to_vec()
        }
        Hashing::Md5 => Md5::new().chain_update(salt).chain_update(password).finalize().to_vec(),
    }
}
