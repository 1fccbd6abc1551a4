//! Which keys are taken, for what, and which one a token gets.

use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::EncodePublicKey;
use serde_json::{Value, json};

use super::super::signing::{SECRET, Signer, jwks, make_rsa, rsa_public_pem};
use super::*;

fn parse(keys: &[Value]) -> Result<Vec<Key>, KeyError> {
    parse_jwks(&jwks(keys))
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

#[test]
fn a_key_is_for_the_algorithms_of_its_kind() {
    let rsa = AlgorithmFamily::Rsa.algorithms();
    let cases: [(Algorithm, &[Algorithm]); 4] = [
        (Algorithm::RS256, rsa),
        (Algorithm::ES256, &[Algorithm::ES256]),
        (Algorithm::ES384, &[Algorithm::ES384]),
        (Algorithm::EdDSA, &[Algorithm::EdDSA]),
    ];
    for (algorithm, expected) in cases {
        let jwk = Signer::new("k", algorithm).jwk();
        let keys = parse(&[without(jwk.clone(), "alg")]).unwrap();
        assert_eq!(keys[0].algorithms, expected);
        assert_eq!(keys[0].id.as_deref(), Some("k"));
        // With `alg`, for that one alone.
        assert_eq!(parse(&[jwk]).unwrap()[0].algorithms, [algorithm]);
    }
}

#[test]
fn keys_that_are_not_for_signatures_are_passed_over() {
    let jwk = || without(Signer::new("k", Algorithm::ES256).jwk(), "alg");
    let bad = [
        with(jwk(), "use", json!("enc")),
        with(jwk(), "key_ops", json!(["sign"])),
        with(jwk(), "alg", json!("ES384")),
        with(jwk(), "alg", json!("RSA-OAEP")),
        with(jwk(), "crv", json!("P-521")),
        with(jwk(), "kty", json!("AKP")),
        with(jwk(), "x", json!("***")),
        with(jwk(), "x", json!("AAAA")),
        with(jwk(), "y", json!("AAAA")),
        with(Signer::new("k", Algorithm::EdDSA).jwk(), "x", json!("AAAA")),
        with(Signer::new("k", Algorithm::EdDSA).jwk(), "x", json!("A".repeat(64))),
        json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}),
        json!({}),
        json!("a text"),
    ];
    for key in &bad {
        assert_eq!(parse(std::slice::from_ref(key)).unwrap_err(), KeyError::NoneUsable(1), "{key}");
    }
    let good = [with(jwk(), "use", json!("sig")), with(jwk(), "key_ops", json!(["verify"]))];
    let all = [&bad[..], &good[..]].concat();
    assert_eq!(parse(&all).unwrap().len(), 2);
}

#[test]
fn a_text_that_is_no_set_of_keys_is_refused() {
    for text in ["", "[]", "{}", "{\"keys\": 5}", "<html>", "{\"keys\": [}"] {
        assert!(matches!(parse_jwks(text.as_bytes()), Err(KeyError::NotJwks(_))), "{text}");
    }
    assert_eq!(parse(&[]).unwrap_err(), KeyError::NoneUsable(0));
    let many = vec![json!({}); limits::TOKEN_KEYS + 1];
    assert!(matches!(parse(&many), Err(KeyError::NotJwks(_))));
}

#[test]
fn rsa_keys_have_a_size_that_is_safe() {
    let small = make_rsa(1024).to_public_key();
    let pem = small.to_public_key_pem(rsa::pkcs8::LineEnding::LF).unwrap();
    assert_eq!(Key::from_pem("k", pem.as_bytes()).unwrap_err(), KeyError::RsaSize);
    assert_eq!(bits(&[0, 0, 1]), 1);
    assert_eq!(bits(&[0x80; 256]), 2048);
    assert_eq!(bits(&[]), 0);
    // What no arithmetic is needed for: a modulus of so many bits, in base64.
    let jwk = |bytes: usize| json!({"kty": "RSA", "e": "AQAB", "n": "_".repeat(bytes / 3 * 4)});
    assert!(parse(&[jwk(1023)]).is_ok());
    assert!(parse(&[jwk(1026)]).is_err());
    assert!(parse(&[jwk(255)]).is_err());
}

#[test]
fn public_keys_come_in_pem() {
    let rsa = rsa_public_pem();
    let key = Key::from_pem("k", rsa.as_bytes()).unwrap();
    assert!(key.is_for(Algorithm::RS256) && key.is_for(Algorithm::PS512));
    assert!(!key.is_for(Algorithm::HS256) && !key.is_for(Algorithm::ES256));
    let public = make_rsa(2048).to_public_key();
    let pkcs1 = public.to_pkcs1_pem(rsa::pkcs1::LineEnding::LF).unwrap();
    assert!(Key::from_pem("k", pkcs1.as_bytes()).is_ok());
    for text in ["", "a text", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        assert_eq!(Key::from_pem("k", text.as_bytes()).unwrap_err(), KeyError::NotPem, "{text}");
    }
}

#[test]
fn a_secret_is_as_long_as_its_hash() {
    for (algorithm, least) in
        [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)]
    {
        let secret = |length| Key::from_secret("s", algorithm, &vec![b'x'; length]);
        assert_eq!(secret(least - 1).unwrap_err(), KeyError::ShortSecret { algorithm, least });
        assert_eq!(secret(least).unwrap().algorithms, [algorithm]);
    }
    let wrong = Key::from_secret("s", Algorithm::RS256, SECRET.as_bytes());
    assert_eq!(wrong.unwrap_err(), KeyError::NotSymmetric);
}

#[test]
fn a_secret_shows_itself_nowhere() {
    let key = Key::from_secret("s", Algorithm::HS256, SECRET.as_bytes()).unwrap();
    assert!(!format!("{key:?}").contains("sixty"), "{key:?}");
}

/// Which of the keys a token with this head gets, by its number.
fn chosen(
    algorithm: Algorithm,
    named: Option<&str>,
    keys: &[Key],
    default: Option<&str>,
) -> Result<usize, Refusal> {
    let signed = Signed { algorithm, key: named.map(str::to_owned) };
    let key = signed.choose(keys.iter(), default)?;
    Ok(keys.iter().position(|other| std::ptr::eq(other, key)).unwrap())
}

#[test]
fn a_token_gets_the_key_that_it_names() {
    use Algorithm::{ES256, HS256};
    let first = without(Signer::new("a", ES256).jwk(), "alg");
    let second = without(Signer::new("b", ES256).jwk(), "alg");
    let keys = parse(&[first, second]).unwrap();
    assert_eq!(chosen(ES256, Some("b"), &keys, None), Ok(1));
    assert_eq!(chosen(ES256, Some("b"), &keys, Some("a")), Ok(1));
    assert_eq!(chosen(ES256, None, &keys, Some("b")), Ok(1));
    assert_eq!(chosen(ES256, None, &keys[..1], None), Ok(0));
    assert_eq!(chosen(ES256, None, &keys, None), Err(Refusal::KeyNotNamed));
    assert_eq!(chosen(ES256, Some("c"), &keys, None), Err(Refusal::UnknownKey));
    assert_eq!(chosen(ES256, Some("c"), &keys, Some("a")), Err(Refusal::UnknownKey));
    assert_eq!(chosen(HS256, Some("a"), &keys, None), Err(Refusal::Algorithm(HS256)));
    assert_eq!(chosen(HS256, None, &keys, None), Err(Refusal::UnknownKey));
}
