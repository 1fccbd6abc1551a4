//! Passwords: what is kept of them, and how they are checked.
//!
//! RabbitMQ keeps a salt and a hash of salt and password; so does this, and definitions go both ways.
//! Argon2id is for those who would rather make guessing dear. It takes milliseconds and megabytes,
//! hence its own threads, a few at a time, and a memory of what was right a moment ago.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use md5::Md5;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::config::Password;
use crate::error::Error;
use crate::limits;

/// Bytes of salt in a new hash, as with RabbitMQ. Other lengths are read as well.
const SALT_BYTES: usize = 4;

/// Bytes of salt and of hash with argon2id.
const ARGON2_BYTES: (usize, usize) = (16, 32);

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

impl PasswordHash {
    /// True if this is a hash that a password can be checked against.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self.hashing {
            Hashing::Argon2id => Argon2Hash::read(&self.hash).is_some(),
            Hashing::Sha256 | Hashing::Sha512 | Hashing::Md5 => self.parts().is_some(),
        }
    }

    /// Salt and hash.
    fn parts(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut salt = STANDARD.decode(&self.hash).ok()?;
        let bytes = match self.hashing {
            Hashing::Sha256 => Sha256::output_size(),
            Hashing::Sha512 => Sha512::output_size(),
            Hashing::Md5 => Md5::output_size(),
            // Has another form.
            Hashing::Argon2id => return None,
        };
        let hash = salt.split_off(salt.len().checked_sub(bytes)?);
        Some((salt, hash))
    }

    /// Whether it is the hash of a password. With argon2id this takes a while.
    fn is_of(&self, password: &str) -> bool {
        match self.hashing {
            Hashing::Argon2id => {
                Argon2Hash::read(&self.hash).is_some_and(|hash| hash.is_of(password))
            }
            Hashing::Sha256 | Hashing::Sha512 | Hashing::Md5 => {
                self.parts().is_some_and(|(salt, hash)| {
                    salted(self.hashing, &salt, password).ct_eq(&hash).into()
                })
            }
        }
    }
}

fn salted(hashing: Hashing, salt: &[u8], password: &str) -> Vec<u8> {
    fn digest<D: Digest>(salt: &[u8], password: &str) -> Vec<u8> {
        D::new().chain_update(salt).chain_update(password).finalize().to_vec()
    }
    match hashing {
        Hashing::Sha256 => digest::<Sha256>(salt, password),
        Hashing::Sha512 => digest::<Sha512>(salt, password),
        Hashing::Md5 => digest::<Md5>(salt, password),
        // Not of this kind.
        Hashing::Argon2id => vec![],
    }
}

/// What is to be kept of a password. With argon2id this takes a while.
pub(super) fn hash(hashing: Hashing, password: &Password) -> Result<PasswordHash, Error> {
    let hash = match hashing {
        Hashing::Argon2id => {
            let mut salt = vec![0; ARGON2_BYTES.0];
            getrandom::fill(&mut salt)?;
            Argon2Hash::new(salt, &password.0).map(|hash| hash.to_text()).unwrap_or_default()
        }
        Hashing::Sha256 | Hashing::Sha512 | Hashing::Md5 => {
            let mut salt = [0; SALT_BYTES];
            getrandom::fill(&mut salt)?;
            STANDARD.encode([&salt[..], &salted(hashing, &salt, &password.0)].concat())
        }
    };
    Ok(PasswordHash { hashing, hash })
}

/// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, with salt and hash in base64 without its end.
struct Argon2Hash {
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Argon2Hash {
    /// With what OWASP recommends: 19 MiB, two passes.
    fn new(salt: Vec<u8>, password: &str) -> Option<Self> {
        let params = Params::default();
        let hash = Self::hashed(&params, &salt, ARGON2_BYTES.1, password)?;
        Some(Self { params, salt, hash })
    }

    fn hashed(params: &Params, salt: &[u8], bytes: usize, password: &str) -> Option<Vec<u8>> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut out = vec![0; bytes];
        argon2.hash_password_into(password.as_bytes(), salt, &mut out).ok()?;
        Some(out)
    }

    fn to_text(&self) -> String {
        let (m, t, p) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let [salt, hash] = [&self.salt, &self.hash].map(|bytes| STANDARD_NO_PAD.encode(bytes));
        format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}")
    }

    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        let &["", "argon2id", "v=19", params, salt, hash] = parts.as_slice() else { return None };
        let mut numbers = params.splitn(3, ',').zip(["m=", "t=", "p="]).map(|(text, name)| {
            text.strip_prefix(name).and_then(|number| number.parse::<u32>().ok())
        });
        let (m, t, p) = (numbers.next()??, numbers.next()??, numbers.next()??);
        if m > limits::ARGON2_KIB || t > limits::ARGON2_PASSES {
            return None;
        }
        let params = Params::new(m, t, p, None).ok()?;
        let [salt, hash] = [salt, hash].map(|text| STANDARD_NO_PAD.decode(text).ok());
        Some(Self { params, salt: salt?, hash: hash.filter(|hash| hash.len() >= 16)? })
    }

    fn is_of(&self, password: &str) -> bool {
        let hash = Self::hashed(&self.params, &self.salt, self.hash.len(), password);
        hash.is_some_and(|hash| hash.ct_eq(&self.hash).into())
    }
}

/// Whether a password is right.
pub(super) enum Checked {
    /// It is known at once.
    Known(bool),
    /// It takes a while.
    Later(Pin<Box<dyn Future<Output = bool> + Send>>),
}

/// Makes and checks hashes.
#[derive(Debug)]
pub(crate) struct Passwords {
    hashing: Hashing,
    /// What is checked for a name that nobody has, so that the answer takes as long.
    nobody: PasswordHash,
    /// How many hashes of argon2id may be worked at.
    turns: Arc<Semaphore>,
    good: Arc<Good>,
}

/// What was right a moment ago, under a key that tells nothing of it.
#[derive(Debug)]
struct Good {
    secret: [u8; 32],
    since: Mutex<FxHashMap<[u8; 32], Instant>>,
}

impl Good {
    fn key(&self, user: &str, hash: &PasswordHash, password: &str) -> [u8; 32] {
        let mut digest = Sha256::new().chain_update(self.secret);
        for part in [user, &hash.hash, password] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn since(&self) -> MutexGuard<'_, FxHashMap<[u8; 32], Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, key: &[u8; 32]) -> bool {
        self.since().get(key).is_some_and(|since| since.elapsed() < limits::GOOD_PASSWORD)
    }

    fn add(&self, key: [u8; 32]) {
        let mut since = self.since();
        if since.len() >= limits::GOOD_PASSWORDS {
            since.clear();
        }
        since.insert(key, Instant::now());
    }
}

impl Passwords {
    /// New hashes are made by `hashing`.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub(crate) fn new(hashing: Hashing) -> Result<Self, Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self {
            hashing,
            nobody: hash(hashing, &Password(STANDARD.encode(secret)))?,
            turns: Arc::new(Semaphore::new(limits::ARGON2_TURNS)),
            good: Arc::new(Good { secret, since: Mutex::default() }),
        })
    }

    pub(super) async fn hash(&self, password: &Password) -> Result<PasswordHash, Error> {
        let (hashing, password) = (self.hashing, password.clone());
        if hashing != Hashing::Argon2id {
            return hash(hashing, &password);
        }
        // Never closed.
        let _turn = self.turns.acquire().await;
        let hashed = tokio::task::spawn_blocking(move || hash(hashing, &password)).await;
        hashed.map_err(|error| Error::Thread(error.into()))?
    }

    /// Whether a user's password is this. Nobody has an empty one.
    pub(super) fn check(&self, user: &str, password: &str, kept: Option<&PasswordHash>) -> Checked {
        let is_possible = kept.is_some() && !password.is_empty();
        let hash = kept.unwrap_or(&self.nobody).clone();
        if hash.hashing != Hashing::Argon2id {
            return Checked::Known(hash.is_of(password) && is_possible);
        }
        let key = self.good.key(user, &hash, password);
        if is_possible && self.good.has(&key) {
            return Checked::Known(true);
        }
        let (turns, good) = (Arc::clone(&self.turns), Arc::clone(&self.good));
        let password = Password(password.to_owned());
        Checked::Later(Box::pin(async move {
            let _turn = turns.acquire().await;
            let checked = tokio::task::spawn_blocking(move || hash.is_of(&password.0)).await;
            let is_right = is_possible && checked.unwrap_or(false);
            if is_right {
                good.add(key);
            }
            is_right
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(passwords: &Passwords, password: &str, hash: Option<&PasswordHash>) -> bool {
        match passwords.check("user", password, hash) {
            Checked::Known(is_right) => is_right,
            Checked::Later(checking) => checking.await,
        }
    }

    fn kept(hashing: Hashing, hash: &str) -> PasswordHash {
        PasswordHash { hashing, hash: hash.to_owned() }
    }

    #[test]
    fn hashes_that_rabbitmq_made_are_understood() {
        // From RabbitMQ's documentation, and from a RabbitMQ 3.10.8.
        let documented = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
        for (hashing, hash, password) in [
            (Hashing::Sha256, documented, "test12"),
            (Hashing::Sha256, "rwu4/j+sYNN9Z0AcacxWHWDWlpCJ11V89ZBsS0FIjuufAbmt", "p"),
        ] {
            let hash = kept(hashing, hash);
            assert!(hash.is_sound() && hash.is_of(password), "{password}");
            assert!(!hash.is_of(&format!("{password} ")) && !hash.is_of(""));
        }
    }

    #[tokio::test]
    async fn what_is_hashed_is_known_again_and_nothing_else() {
        for hashing in [Hashing::Sha256, Hashing::Sha512, Hashing::Md5, Hashing::Argon2id] {
            let passwords = Passwords::new(hashing).unwrap();
            let hash = passwords.hash(&Password("secret".to_owned())).await.unwrap();
            assert_eq!(hash.hashing, hashing);
            assert!(hash.is_sound());
            for _ in 0..2 {
                assert!(check(&passwords, "secret", Some(&hash)).await, "{hashing:?}");
                assert!(!check(&passwords, "Secret", Some(&hash)).await, "{hashing:?}");
                assert!(!check(&passwords, "secret", None).await, "{hashing:?}");
            }
            let again = passwords.hash(&Password("secret".to_owned())).await.unwrap();
            assert_ne!(hash, again, "each has a salt of its own");
            assert_eq!(Hashing::from_name(hashing.name()), Some(hashing));
        }
    }

    #[tokio::test]
    async fn nobody_has_an_empty_password() {
        for hashing in [Hashing::Sha256, Hashing::Argon2id] {
            let passwords = Passwords::new(hashing).unwrap();
            let hash = passwords.hash(&Password(String::new())).await.unwrap();
            assert!(!check(&passwords, "", Some(&hash)).await);
        }
    }

    #[test]
    fn salts_of_other_lengths_are_read() {
        for bytes in [0, 1, 8, 32] {
            let salt = vec![7; bytes];
            let hash = [&salt[..], &salted(Hashing::Sha512, &salt, "secret")].concat();
            let hash = kept(Hashing::Sha512, &STANDARD.encode(hash));
            assert!(hash.is_of("secret") && !hash.is_of("other"));
        }
    }

    #[test]
    fn what_is_no_hash_is_told_apart() {
        let argon2 = hash(Hashing::Argon2id, &Password("secret".to_owned())).unwrap();
        let hungry = argon2.hash.replace("m=19456", "m=4000000");
        for (hashing, text) in [
            (Hashing::Sha256, "not base64"),
            (Hashing::Sha256, ""),
            (Hashing::Sha256, "AAAA"),
            (Hashing::Argon2id, ""),
            (Hashing::Argon2id, "$argon2id$v=19$m=19456,t=2,p=1$AAAA$"),
            (Hashing::Argon2id, &hungry),
        ] {
            let hash = kept(hashing, text);
            assert!(!hash.is_sound() && !hash.is_of("") && !hash.is_of("secret"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_right_password_is_remembered_until_the_hash_is_another() {
        let passwords = Passwords::new(Hashing::Argon2id).unwrap();
        let secret = Password("secret".to_owned());
        let hash = passwords.hash(&secret).await.unwrap();
        let is_known = |password: &str, hash: &PasswordHash| {
            matches!(passwords.check("user", password, Some(hash)), Checked::Known(true))
        };
        assert!(!is_known("secret", &hash));
        assert!(check(&passwords, "secret", Some(&hash)).await);
        assert!(is_known("secret", &hash));
        assert!(!is_known("other", &hash));
        let changed = passwords.hash(&secret).await.unwrap();
        assert!(!is_known("secret", &changed));
    }

    #[test]
    fn a_hash_does_not_show_itself() {
        let hash = kept(Hashing::Sha256, "c2VjcmV0");
        assert!(!format!("{hash:?}").contains("c2VjcmV0"));
    }
}
