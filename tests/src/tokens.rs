//! An issuer of tokens: it signs them with a key that it made just now, and serves the public key
//! over HTTP, as identity providers do.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// The issuer. What it serves goes on being served until the process ends.
#[derive(Debug)]
pub struct Issuer {
    key: Key,
    served: Arc<Mutex<Served>>,
    asked: Arc<AtomicUsize>,
    url: String,
}

/// A private key.
#[derive(Debug)]
pub struct Key {
    id: String,
    key: EncodingKey,
}

#[derive(Debug)]
struct Served {
    status: u16,
    keys: Vec<Value>,
}

impl Key {
    /// A new key of Ed25519.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    pub fn new(id: &str) -> Self {
        // What stands before the 32 bytes of a private key in DER (RFC 8410, 7).
        let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        let mut seed = [0; 32];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut seed))
            .expect("the system gives random numbers");
        der.extend(seed);
        Self { id: id.to_owned(), key: EncodingKey::from_ed_der(&der) }
    }

    /// A token with these claims.
    ///
    /// # Panics
    /// Never: the claims are JSON.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.id.clone());
        encode(&header, claims, &self.key).expect("claims can be signed")
    }

    fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, Algorithm::EdDSA);
        let mut jwk = jwk.expect("the public half is known");
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).expect("a key is JSON")
    }
}

impl Issuer {
    /// Starts to serve one key.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let key = Key::new("first");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}/keys", listener.local_addr().expect("it has an address"));
        let served = Arc::new(Mutex::new(Served { status: 200, keys: vec![key.jwk()] }));
        let asked = Arc::new(AtomicUsize::new(0));
        let (serving, counting) = (Arc::clone(&served), Arc::clone(&asked));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    request.extend(byte);
                }
                counting.fetch_add(1, Ordering::SeqCst);
                let served = serving.lock().unwrap_or_else(PoisonError::into_inner);
                let body = json!({ "keys": served.keys }).to_string();
                let (status, length) = (served.status, body.len());
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n");
                // Whoever asked may have gone.
                let _ = stream.write_all(&[head, body].concat().into_bytes());
            }
        });
        Self { key, served, asked, url }
    }

    /// The section of the configuration by which a broker trusts this issuer. The broker's name in
    /// tokens is `rabbitmq`.
    pub fn config(&self) -> String {
        format!("[oauth2]\nresource_server_id = \"rabbitmq\"\njwks_url = \"{}\"\n", self.url)
    }

    /// How often it was asked for keys.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// From now on it serves these keys with this status.
    pub fn serve(&self, status: u16, keys: &[&Key]) {
        let keys = keys.iter().map(|key| key.jwk()).collect();
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Served { status, keys };
    }

    /// A token of a user, good for some seconds, with these scopes.
    pub fn token(&self, user: &str, seconds: u64, scopes: &str) -> String {
        self.sign(&claims(user, seconds, scopes))
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.key.sign(claims)
    }
}

/// What a token says whose broker is `rabbitmq`.
pub fn claims(user: &str, seconds: u64, scopes: &str) -> Value {
    json!({"sub": user, "aud": "rabbitmq", "exp": now() + seconds, "scope": scopes})
}

/// Seconds since 1970.
///
/// # Panics
/// When the clock stands before 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}
