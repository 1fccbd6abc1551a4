//! Tokens as whole texts: good ones, and bad ones of every kind.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;
use serde_json::json;

use super::signing::{SECRET, Signer, jwks, rsa_public_pem};
use super::*;

/// The second at which all these tests happen.
const NOW: u64 = 1_700_000_000;

fn at(monotonic: Millis) -> Now {
    Now { unix_seconds: NOW, monotonic }
}

fn claims() -> Value {
    json!({
        "sub": "anna",
        "aud": ["rabbitmq"],
        "exp": NOW + 60,
        "scope": "openid rabbitmq.read:*/* rabbitmq.tag:monitoring",
    })
}

/// Tokens that are checked with the public keys of these.
fn tokens(signers: &[&Signer]) -> Tokens {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    let keys = keys::parse_jwks(&jwks(&keys)).unwrap();
    Tokens::new(Settings { keys, ..Settings::new("rabbitmq") })
}

#[tokio::test]
async fn a_good_token_says_who_may_do_what_until_when() {
    for algorithm in [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ] {
        let signer = Signer::new("k", algorithm);
        let token = signer.sign(&claims());
        assert!(Tokens::is_like_one(&token));
        let bearer = tokens(&[&signer]).check(&token, at(0)).await.unwrap();
        assert_eq!(bearer.username, "anna");
        assert_eq!(bearer.expires_at, NOW + 60);
        assert_eq!(bearer.scopes.tags, ["monitoring"]);
        assert_eq!(bearer.scopes.grants("/").map(|grants| grants.len()), Some(1));
    }
}

#[tokio::test]
async fn a_secret_is_used_only_if_it_is_configured() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let token = Signer::new("s", algorithm).sign(&claims());
        let key = Key::from_secret("s", algorithm, SECRET.as_bytes()).unwrap();
        let knowing = Settings { keys: vec![key], ..Settings::new("rabbitmq") };
        assert!(Tokens::new(knowing).check(&token, at(0)).await.is_ok());
        let other = tokens(&[&Signer::new("s", Algorithm::ES256)]);
        let refused = other.check(&token, at(0)).await;
        assert_eq!(refused, Err(Refusal::Algorithm(algorithm)));
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    // Whoever signs with HMAC and the public key as the secret must not get in.
    let pem = rsa_public_pem();
    let key = Key::from_pem("k", pem.as_bytes()).unwrap();
    let tokens = Tokens::new(Settings { keys: vec![key], ..Settings::new("rabbitmq") });
    let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
    header.kid = Some("k".to_owned());
    let secret = jsonwebtoken::EncodingKey::from_secret(pem.as_bytes()).unwrap();
    let forged = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    assert_eq!(tokens.check(&forged, at(0)).await, Err(Refusal::Algorithm(Algorithm::HS256)));
    let good = Signer::new("k", Algorithm::RS256).sign(&claims());
    assert!(tokens.check(&good, at(0)).await.is_ok());
}

/// Letters of base64 for URLs.
fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    let sextets = bits.as_bytes().chunks(6).map(|six| {
        let six = std::str::from_utf8(six).unwrap();
        usize::from_str_radix(&format!("{six:0<6}"), 2).unwrap()
    });
    sextets.map(|sextet| char::from(LETTERS[sextet])).collect()
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused() {
    let signer = Signer::new("k", Algorithm::ES256);
    let body = base64(&claims().to_string());
    for alg in ["none", "None", "NONE", "ES256K", "dir", ""] {
        let head = base64(&json!({"alg": alg, "kid": "k"}).to_string());
        for signature in ["", "AAAA"] {
            let token = format!("{head}.{body}.{signature}");
            assert!(Tokens::is_like_one(&token));
            let refused = tokens(&[&signer]).check(&token, at(0)).await;
            assert_eq!(refused, Err(Refusal::Malformed), "{alg}");
        }
    }
    let good = signer.sign(&claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    for signature in ["", "AAAA"] {
        let refused = tokens(&[&signer]).check(&format!("{message}.{signature}"), at(0)).await;
        assert_eq!(refused, Err(Refusal::Signature));
    }
}

#[tokio::test]
async fn a_head_that_demands_what_is_not_known_is_refused() {
    let signer = Signer::new("k", Algorithm::ES256);
    let good = signer.sign(&claims());
    let (_, rest) = good.split_once('.').unwrap();
    let head = base64(&json!({"alg": "ES256", "kid": "k", "crit": ["exp"], "exp": 5}).to_string());
    let refused = tokens(&[&signer]).check(&format!("{head}.{rest}"), at(0)).await;
    assert!(matches!(refused, Err(Refusal::Malformed | Refusal::Signature)), "{refused:?}");
}

#[tokio::test]
async fn only_algorithms_that_are_allowed_are_taken() {
    let signer = Signer::new("k", Algorithm::RS256);
    let mut tokens = tokens(&[&signer]);
    tokens.settings.algorithms = vec![Algorithm::ES256];
    let refused = tokens.check(&signer.sign(&claims()), at(0)).await;
    assert_eq!(refused, Err(Refusal::Algorithm(Algorithm::RS256)));
}

#[tokio::test]
async fn a_token_of_somebody_else_is_refused() {
    let (signer, other) = (Signer::new("k", Algorithm::ES256), Signer::new("k", Algorithm::ES256));
    let tokens = tokens(&[&signer]);
    assert_eq!(tokens.check(&other.sign(&claims()), at(0)).await, Err(Refusal::Signature));
    let unknown = Signer::new("other", Algorithm::ES256).sign(&claims());
    assert_eq!(tokens.check(&unknown, at(0)).await, Err(Refusal::UnknownKey));
    let long = "x".repeat(limits::TOKEN_BYTES + 1);
    assert_eq!(tokens.check(&long, at(0)).await, Err(Refusal::TooLong));
}

#[test]
fn a_password_is_not_taken_for_a_token() {
    for password in ["", "guest", "eyes.wide.", "ey.", "ey..x", "a.b.c", "ey a.b.c", "eyJ.a.b.c"] {
        let expected = password == "eyes.wide.";
        assert_eq!(Tokens::is_like_one(password), expected, "{password}");
    }
}

/// A path, the status of the answer and its body.
type Document = (String, u16, Vec<u8>);

/// A server of documents by path, which counts how often it was asked.
struct Server {
    url: String,
    documents: Arc<Mutex<Vec<Document>>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let documents: Arc<Mutex<Vec<Document>>> = Arc::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (serving, counting) = (Arc::clone(&documents), Arc::clone(&asked));
        // It ends with the program.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                counting.fetch_add(1, Ordering::SeqCst);
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap();
                let documents = serving.lock().unwrap_or_else(PoisonError::into_inner);
                let found = documents.iter().find(|(known, ..)| known == path).cloned();
                let (_, status, body) = found.unwrap_or((String::new(), 404, Vec::new()));
                let length = body.len();
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            }
        });
        Self { url, documents, asked }
    }

    fn put(&self, path: &str, status: u16, body: impl Into<Vec<u8>>) {
        let mut documents = self.documents.lock().unwrap();
        documents.retain(|(known, ..)| known != path);
        documents.push((path.to_owned(), status, body.into()));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn web(&self, path: &str) -> Web {
        let place = Place::configured(&format!("{}{path}", self.url), false).unwrap();
        Web { place, authorities: None }
    }

    fn tokens(&self) -> Tokens {
        let source = Some(KeySource::Url(self.web("/keys")));
        Tokens::new(Settings { source, ..Settings::new("rabbitmq") })
    }
}

#[tokio::test]
async fn keys_are_fetched_at_first_use_and_kept() {
    let (server, signer) = (Server::start(), Signer::new("k", Algorithm::ES256));
    server.put("/keys", 200, jwks(&[signer.jwk()]));
    let tokens = server.tokens();
    assert_eq!(server.asked(), 0);
    for time in 0..5 {
        assert!(tokens.check(&signer.sign(&claims()), at(time)).await.is_ok());
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn many_tokens_at_once_lead_to_one_question() {
    let (server, signer) = (Server::start(), Signer::new("k", Algorithm::ES256));
    server.put("/keys", 200, jwks(&[signer.jwk()]));
    let (tokens, token) = (Arc::new(server.tokens()), signer.sign(&claims()));
    let checks: Vec<_> = (0..20)
        .map(|_| {
            let (tokens, token) = (Arc::clone(&tokens), token.clone());
            tokio::spawn(async move { tokens.check(&token, at(0)).await.is_ok() })
        })
        .collect();
    for check in checks {
        assert!(check.await.unwrap());
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the server answers from a thread of its own")]
async fn whoever_hangs_up_does_not_end_the_question_for_others() {
    let (server, signer) = (Server::start(), Signer::new("k", Algorithm::ES256));
    server.put("/keys", 200, jwks(&[signer.jwk()]));
    let (tokens, token) = (server.tokens(), signer.sign(&claims()));
    // The server cannot answer while this is held.
    let held = server.documents.lock().unwrap();
    let hasty = tokio::time::timeout(std::time::Duration::ZERO, tokens.check(&token, at(0)));
    assert!(hasty.await.is_err());
    drop(held);
    assert!(tokens.check(&token, at(1)).await.is_ok());
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_after_a_pause() {
    let (server, first) = (Server::start(), Signer::new("1", Algorithm::ES256));
    let second = Signer::new("2", Algorithm::ES256);
    server.put("/keys", 200, jwks(&[first.jwk()]));
    let tokens = server.tokens();
    assert!(tokens.check(&first.sign(&claims()), at(0)).await.is_ok());
    server.put("/keys", 200, jwks(&[second.jwk()]));
    // Somebody sends tokens with made-up keys all the time.
    for time in 1..50 {
        let unknown = Signer::new(&format!("made up {time}"), Algorithm::ES256).sign(&claims());
        assert_eq!(tokens.check(&unknown, at(time)).await, Err(Refusal::UnknownKey));
    }
    assert_eq!(server.asked(), 1);
    let later = at(limits::KEYS_PAUSE_MS);
    assert!(tokens.check(&second.sign(&claims()), later).await.is_ok());
    assert_eq!(server.asked(), 2);
    // The first one is not among the keys any more.
    assert_eq!(tokens.check(&first.sign(&claims()), later).await, Err(Refusal::UnknownKey));
}

#[tokio::test]
async fn a_bad_answer_replaces_nothing() {
    let (server, signer) = (Server::start(), Signer::new("k", Algorithm::ES256));
    let good = jwks(&[signer.jwk()]);
    server.put("/keys", 200, good.clone());
    let tokens = server.tokens();
    let token = signer.sign(&claims());
    assert!(tokens.check(&token, at(0)).await.is_ok());
    let other = jwks(&[Signer::new("k", Algorithm::ES256).jwk()]);
    let bad = [
        (500, other.clone()),
        (404, other.clone()),
        (202, other),
        (200, b"<html>".to_vec()),
        (200, b"{}".to_vec()),
        (200, jwks(&[])),
    ];
    let mut time = 0;
    for (status, body) in bad {
        server.put("/keys", status, body);
        time += limits::KEYS_PAUSE_MS;
        let asked = server.asked();
        let unknown = Signer::new("unknown", Algorithm::ES256).sign(&claims());
        assert_eq!(tokens.check(&unknown, at(time)).await, Err(Refusal::UnknownKey));
        assert_eq!(server.asked(), asked + 1);
        assert!(tokens.check(&token, at(time)).await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn without_an_answer_there_are_no_keys_until_there_is_one() {
    let (server, signer) = (Server::start(), Signer::new("k", Algorithm::ES256));
    let tokens = server.tokens();
    let token = signer.sign(&claims());
    let refused = tokens.check(&token, at(0)).await;
    assert!(matches!(&refused, Err(Refusal::NoKeys(why)) if why.contains("404")), "{refused:?}");
    server.put("/keys", 200, jwks(&[signer.jwk()]));
    assert!(matches!(tokens.check(&token, at(5)).await, Err(Refusal::NoKeys(_))));
    assert_eq!(server.asked(), 1);
    assert!(tokens.check(&token, at(limits::KEYS_PAUSE_MS)).await.is_ok());
}

#[tokio::test]
async fn old_keys_are_replaced_in_the_background() {
    let (server, signer) = (Server::start(), Signer::new("1", Algorithm::ES256));
    server.put("/keys", 200, jwks(&[signer.jwk()]));
    let tokens = server.tokens();
    let token = signer.sign(&claims());
    assert!(tokens.check(&token, at(0)).await.is_ok());
    server.put("/keys", 200, jwks(&[Signer::new("2", Algorithm::ES256).jwk()]));
    // This one does not wait for the answer, and is good as long as that takes.
    assert!(tokens.check(&token, at(limits::KEYS_AGE_MS)).await.is_ok());
    let later = at(limits::KEYS_AGE_MS + 1);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while tokens.check(&token, later).await.is_ok() {
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn keys_are_found_through_the_issuer() {
    let (server, signer) = (Server::start(), Signer::new("k", Algorithm::ES256));
    let issuer = format!("{}/realm", server.url);
    let settings = Settings {
        issuer: Some(issuer.clone()),
        source: Some(KeySource::Issuer(server.web("/realm"))),
        ..Settings::new("rabbitmq")
    };
    let mut claims = claims();
    claims["iss"] = json!(issuer);
    let token = signer.sign(&claims);
    server.put("/keys", 200, jwks(&[signer.jwk()]));
    let document =
        |issuer: &str, keys: &str| json!({"issuer": issuer, "jwks_uri": keys}).to_string();
    let well_known = "/realm/.well-known/openid-configuration";
    let keys = format!("{}/keys", server.url);

    server.put(well_known, 200, document(&issuer, &keys));
    let tokens = Tokens::new(settings.clone());
    assert!(tokens.check(&token, at(0)).await.is_ok());

    for (bad, why) in [
        (document("http://localhost/other", &keys), "another issuer"),
        (document(&issuer, "http://127.0.0.1:1/keys"), "must be https"),
        (document(&issuer, "file:///keys"), "no URL"),
        (json!({"issuer": issuer}).to_string(), "jwks_uri"),
    ] {
        server.put(well_known, 200, bad);
        let refused = Tokens::new(settings.clone()).check(&token, at(0)).await;
        let Err(Refusal::NoKeys(text)) = &refused else { panic!("{refused:?}") };
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn a_file_is_read_again_when_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let source = Some(KeySource::File(path.clone()));
    let tokens = Tokens::new(Settings { source, ..Settings::new("rabbitmq") });
    let (first, second) =
        (Signer::new("1", Algorithm::ES256), Signer::new("longer", Algorithm::ES256));
    let check = async |signer: &Signer| tokens.check(&signer.sign(&claims()), at(0)).await;
    assert!(matches!(check(&first).await, Err(Refusal::NoKeys(_))));
    std::fs::write(&path, jwks(&[first.jwk()])).unwrap();
    assert!(check(&first).await.is_ok());
    assert_eq!(check(&second).await, Err(Refusal::UnknownKey));
    std::fs::write(&path, jwks(&[second.jwk()])).unwrap();
    assert!(check(&second).await.is_ok());
    assert_eq!(check(&first).await, Err(Refusal::UnknownKey));
    // A file that is broken, too long or gone takes nothing away.
    std::fs::write(&path, "{").unwrap();
    assert!(check(&second).await.is_ok());
    std::fs::write(&path, vec![b' '; limits::FETCH_BYTES as usize + 1]).unwrap();
    assert!(check(&second).await.is_ok());
    std::fs::remove_file(&path).unwrap();
    assert!(check(&second).await.is_ok());
}

#[test]
fn no_refusal_tells_what_is_in_the_token() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let signer = Signer::new("canary-key", Algorithm::ES256);
    let token = signer.sign(&json!({"sub": "canary-name", "exp": 5}));
    for tokens in [tokens(&[&signer]), tokens(&[&Signer::new("k", Algorithm::ES256)])] {
        let refusal = runtime.block_on(tokens.check(&token, at(0))).unwrap_err();
        let told = format!("{refusal} {refusal:?}");
        let parts = token.split('.').chain(["canary"]);
        assert!(parts.into_iter().all(|part| !told.contains(part)), "{told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// One letter of a token changed makes it bad, whichever it is: all of it is signed. The last
    /// letter is left out, as its lowest bits stand for nothing.
    #[test]
    fn a_token_that_was_changed_is_refused(place in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_-]") {
        let signer = Signer::new("k", Algorithm::EdDSA);
        let token = signer.sign(&claims());
        let place = place.index(token.len() - 1);
        prop_assume!(token.as_bytes()[place] != b'.' && token[place..=place] != letter);
        let mut changed = token;
        changed.replace_range(place..=place, &letter);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert!(runtime.block_on(tokens(&[&signer]).check(&changed, at(0))).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", parts in "ey[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,9}") {
        let tokens = tokens(&[&Signer::new("k", Algorithm::EdDSA)]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for text in [text, parts] {
            let _ = Tokens::is_like_one(&text);
            prop_assert!(runtime.block_on(tokens.check(&text, at(0))).is_err());
        }
    }
}
