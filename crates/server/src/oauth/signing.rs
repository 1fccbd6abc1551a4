//! For tests: somebody who signs tokens, with keys that were made just now.

use std::convert::Infallible;
use std::sync::OnceLock;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};

/// A private key and what it is called.
pub(super) struct Signer {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    key: EncodingKey,
}

/// An RSA key of 2048 bits, which takes a while to make; all tests share it.
fn rsa() -> &'static rsa::PrivateKey {
    static KEY: OnceLock<rsa::PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| make_rsa(2048))
}

/// An RSA key of any size.
pub(super) fn make_rsa(bits: usize) -> rsa::PrivateKey {
    rsa::PrivateKey::new(&mut Random, bits).unwrap()
}

/// The public half of the RSA key that all tests share.
pub(super) fn rsa_public_pem() -> String {
    rsa().to_public_key().to_pkcs1_pem(rsa::pkcs1::LineEnding::LF).unwrap()
}

/// Random bits of the system.
struct Random;

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(getrandom::u32().unwrap())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(getrandom::u64().unwrap())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        getrandom::fill(bytes).unwrap();
        Ok(())
    }
}

impl TryCryptoRng for Random {}

/// What stands before the 32 bytes of a private key of Ed25519 in DER (RFC 8410, 7).
const ED25519_HEAD: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A random number that is below the order of every curve.
fn scalar<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).unwrap();
    bytes[0] &= 0x7f;
    bytes
}

impl Signer {
    pub(super) fn new(id: &str, algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                EncodingKey::from_secret(SECRET.as_bytes()).unwrap()
            }
            Algorithm::ES256 => {
                let key = p256::SecretKey::from_slice(&scalar::<32>()).unwrap();
                EncodingKey::from_ec_der(key.to_pkcs8_der().unwrap().as_bytes())
            }
            Algorithm::ES384 => {
                let key = p384::SecretKey::from_slice(&scalar::<48>()).unwrap();
                EncodingKey::from_ec_der(key.to_pkcs8_der().unwrap().as_bytes())
            }
            Algorithm::EdDSA => {
                EncodingKey::from_ed_der(&[&ED25519_HEAD[..], &scalar::<32>()].concat())
            }
            _ => EncodingKey::from_rsa_der(rsa().to_pkcs1_der().unwrap().as_bytes()),
        };
        Self { id: Some(id.to_owned()), algorithm, key }
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid.clone_from(&self.id);
        encode(&header, claims, &self.key).unwrap()
    }

    /// The public key, as a JWKS has it.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id.clone_from(&self.id);
        serde_json::to_value(jwk).unwrap()
    }
}

/// A secret that is long enough for all algorithms.
pub(super) const SECRET: &str =
    "a secret of sixty-four bytes, which is what the longest of them takes";

/// A JWKS.
pub(super) fn jwks(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}
