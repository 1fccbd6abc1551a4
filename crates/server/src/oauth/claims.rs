//! What a token says of whoever holds it.

use serde_json::{Map, Value};

use super::{Refusal, Settings};

/// The claims of a token whose signature is good.
pub(super) struct Claims(pub(super) Map<String, Value>);

impl Claims {
    /// Checks where the token is from, whom it is for and when it holds. Gives the second since
    /// 1970 from which it does not hold any more.
    pub(super) fn check(&self, settings: &Settings, now: u64) -> Result<u64, Refusal> {
        if let Some(issuer) = &settings.issuer
            && self.text("iss") != Some(issuer)
        {
            return Err(Refusal::Issuer);
        }
        if settings.verify_audience && !self.is_for(&settings.resource_server_id) {
            return Err(Refusal::Audience);
        }
        let from = match self.0.get("nbf") {
            Some(value) => seconds(value).ok_or(Refusal::Claim("nbf"))?,
            None => 0,
        };
        if now.saturating_add(settings.leeway_seconds) < from {
            return Err(Refusal::NotYet { from });
        }
        let until = self.0.get("exp").and_then(seconds).ok_or(Refusal::Claim("exp"))?;
        let until = until.saturating_add(settings.leeway_seconds);
        if until <= now {
            return Err(Refusal::Expired { until });
        }
        Ok(until)
    }

    /// The user's name: the first of the claims that are preferred, then `sub`, then `client_id`.
    pub(super) fn username(&self, settings: &Settings) -> Result<&str, Refusal> {
        let preferred = settings.preferred_username_claims.iter().map(String::as_str);
        let mut names = preferred.chain(["sub", "client_id"]).filter_map(|claim| self.text(claim));
        // The name stands in short strings of the protocol and in lines of the log.
        let is_good = |name: &&str| !name.is_empty() && name.len() <= 255;
        let name = names.next().filter(is_good).ok_or(Refusal::NoUser)?;
        if name.chars().any(char::is_control) { Err(Refusal::NoUser) } else { Ok(name) }
    }

    /// All scopes, with those that aliases stand for.
    pub(super) fn scopes(&self, settings: &Settings) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(value) = self.0.get("scope") {
            add_scopes(value, None, &mut found);
        }
        for path in &settings.additional_scopes {
            let mut keys = path.split('.').filter(|key| !key.is_empty());
            if let Some(key) = keys.next()
                && let Some(value) = self.0.get(key)
            {
                let keys: Vec<&str> = keys.collect();
                follow(value, &keys, &settings.resource_server_id, &mut found);
            }
        }
        // Each once: a token that repeats an alias must not multiply what the alias stands for.
        found.sort();
        found.dedup();
        let aliases = found.iter().filter_map(|scope| settings.scope_aliases.get(scope));
        let stood_for: Vec<String> = aliases.flatten().cloned().collect();
        found.extend(stood_for);
        found
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim)?.as_str()
    }

    fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        }
    }
}

/// Follows a path to scopes through objects, and through all members of lists.
fn follow(value: &Value, path: &[&str], resource: &str, found: &mut Vec<String>) {
    match (value, path.split_first()) {
        (_, None) => add_scopes(value, Some(resource), found),
        (Value::Object(members), Some((key, rest))) => {
            if let Some(member) = members.get(*key) {
                follow(member, rest, resource, found);
            }
        }
        (Value::Array(members), Some(_)) => {
            members.iter().for_each(|member| follow(member, path, resource, found));
        }
        _ => {}
    }
}

/// Adds the scopes in a value: a text with spaces between them, or a list of them. In an object,
/// with `resource`, they stand under that name and without it in front.
fn add_scopes(value: &Value, resource: Option<&str>, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(text.split_whitespace().map(str::to_owned)),
        Value::Array(members) => {
            found.extend(members.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        Value::Object(members) => {
            let Some(resource) = resource else { return };
            let Some(value) = members.get(resource) else { return };
            let first = found.len();
            add_scopes(value, None, found);
            for scope in found.iter_mut().skip(first) {
                *scope = format!("{resource}.{scope}");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A time in seconds since 1970, whole or with a fraction.
fn seconds(value: &Value) -> Option<u64> {
    let number = value.as_number()?;
    // Larger numbers and those below zero become the largest and zero.
    number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        match value {
            Value::Object(members) => Claims(members),
            other => panic!("{other} is no object"),
        }
    }

    fn settings() -> Settings {
        Settings::new("rabbitmq")
    }

    #[test]
    fn the_audience_must_be_this_broker() {
        let check = |value: Value| claims(value).check(&settings(), 100);
        assert_eq!(check(json!({"exp": 200, "aud": "rabbitmq"})), Ok(200));
        assert_eq!(check(json!({"exp": 200, "aud": ["other", "rabbitmq"]})), Ok(200));
        for aud in
            [json!("other"), json!(["other"]), json!([]), json!(null), json!({"rabbitmq": 1})]
        {
            assert_eq!(check(json!({"exp": 200, "aud": aud})), Err(Refusal::Audience), "{aud}");
        }
        assert_eq!(check(json!({"exp": 200})), Err(Refusal::Audience));
        let indifferent = Settings { verify_audience: false, ..settings() };
        assert_eq!(claims(json!({"exp": 200})).check(&indifferent, 100), Ok(200));
    }

    #[test]
    fn the_issuer_must_be_the_one_that_is_configured() {
        let settings = Settings {
            issuer: Some("https://login.example".to_owned()),
            verify_audience: false,
            ..settings()
        };
        let check = |value: Value| claims(value).check(&settings, 100);
        assert_eq!(check(json!({"exp": 200, "iss": "https://login.example"})), Ok(200));
        for iss in [json!("https://login.example/"), json!(["https://login.example"]), json!(null)]
        {
            assert_eq!(check(json!({"exp": 200, "iss": iss})), Err(Refusal::Issuer));
        }
        assert_eq!(check(json!({"exp": 200})), Err(Refusal::Issuer));
    }

    #[test]
    fn a_token_holds_from_its_first_second_until_its_last() {
        let settings = Settings { verify_audience: false, ..settings() };
        let check = |value: Value, now| claims(value).check(&settings, now);
        let token = || json!({"nbf": 100, "exp": 200});
        assert_eq!(check(token(), 99), Err(Refusal::NotYet { from: 100 }));
        assert_eq!(check(token(), 100), Ok(200));
        assert_eq!(check(token(), 199), Ok(200));
        assert_eq!(check(token(), 200), Err(Refusal::Expired { until: 200 }));
        let lenient = Settings { leeway_seconds: 10, ..settings.clone() };
        assert_eq!(claims(token()).check(&lenient, 89), Err(Refusal::NotYet { from: 100 }));
        assert_eq!(claims(token()).check(&lenient, 90), Ok(210));
        assert_eq!(claims(token()).check(&lenient, 209), Ok(210));
        assert_eq!(claims(token()).check(&lenient, 210), Err(Refusal::Expired { until: 210 }));
        assert_eq!(check(json!({"exp": 200.9}), 199), Ok(200));
        assert_eq!(check(json!({"exp": 1e300}), 199), Ok(u64::MAX));
        assert_eq!(check(json!({"exp": -5}), 0), Err(Refusal::Expired { until: 0 }));
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        let settings = Settings { verify_audience: false, ..settings() };
        let check = |value: Value| claims(value).check(&settings, 100);
        for exp in [json!("200"), json!(null), json!([200]), json!(true)] {
            assert_eq!(check(json!({"exp": exp})), Err(Refusal::Claim("exp")), "{exp}");
        }
        assert_eq!(check(json!({})), Err(Refusal::Claim("exp")));
        assert_eq!(check(json!({"exp": 200, "nbf": "1"})), Err(Refusal::Claim("nbf")));
    }

    #[test]
    fn the_name_comes_from_the_first_claim_that_is_there() {
        let preferring = Settings {
            preferred_username_claims: vec!["user_name".to_owned(), "email".to_owned()],
            ..settings()
        };
        let name = |value: Value| claims(value).username(&preferring).map(str::to_owned);
        let named = |name: &str| Ok(name.to_owned());
        assert_eq!(name(json!({"sub": "s", "email": "e", "user_name": "u"})), named("u"));
        assert_eq!(name(json!({"sub": "s", "email": "e", "user_name": 5})), named("e"));
        assert_eq!(name(json!({"sub": "s", "client_id": "c"})), named("s"));
        assert_eq!(name(json!({"client_id": "c"})), named("c"));
        for nobody in [json!({}), json!({"sub": ""}), json!({"sub": "a\nb"}), json!({"sub": 1})] {
            assert_eq!(name(nobody), Err(Refusal::NoUser));
        }
        assert_eq!(name(json!({"sub": "x".repeat(256)})), Err(Refusal::NoUser));
    }

    #[test]
    fn scopes_are_a_text_or_a_list() {
        for scope in [json!("a  b c"), json!(["a", "b", 5, "c"])] {
            assert_eq!(claims(json!({"scope": scope})).scopes(&settings()), ["a", "b", "c"]);
        }
        for none in [json!({}), json!({"scope": null}), json!({"scope": {"rabbitmq": "a"}})] {
            assert!(claims(none).scopes(&settings()).is_empty());
        }
    }

    #[test]
    fn more_scopes_stand_where_the_configuration_says() {
        let settings = Settings {
            additional_scopes: vec!["roles".to_owned(), "a.b.c".to_owned(), ".".to_owned()],
            ..settings()
        };
        let scopes = |value: Value| claims(value).scopes(&settings);
        assert_eq!(scopes(json!({"scope": "x", "roles": "y z"})), ["x", "y", "z"]);
        assert_eq!(scopes(json!({"a": {"b": {"c": ["y"]}}})), ["y"]);
        assert_eq!(
            scopes(json!({"a": [{"b": [{"c": "y"}, {"d": "n"}]}, 5, {"b": {"c": "z"}}]})),
            ["y", "z"]
        );
        assert_eq!(
            scopes(json!({"roles": {"rabbitmq": ["tag:a", "read:*/*"], "other": "n"}})),
            ["rabbitmq.read:*/*", "rabbitmq.tag:a"]
        );
        assert!(scopes(json!({"a": {"b": 5}, "roles": 7})).is_empty());
    }

    #[test]
    fn an_alias_adds_what_it_stands_for() {
        let aliases = [("admin", vec!["rabbitmq.tag:administrator", "rabbitmq.read:*/*"])];
        let settings = Settings {
            scope_aliases: aliases
                .into_iter()
                .map(|(alias, scopes)| {
                    (alias.to_owned(), scopes.into_iter().map(str::to_owned).collect())
                })
                .collect(),
            ..settings()
        };
        assert_eq!(
            claims(json!({"scope": "other admin other admin"})).scopes(&settings),
            ["admin", "other", "rabbitmq.tag:administrator", "rabbitmq.read:*/*"]
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-c. ]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let name = prop_oneof!["[a-c]", Just("rabbitmq".to_owned())];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_claims_make_it_panic(values in prop::collection::vec(any_json(), 7), now in any::<u64>()) {
            let names = ["scope", "a", "aud", "iss", "exp", "nbf", "sub"];
            let members = names.into_iter().map(str::to_owned).zip(values).collect();
            let settings = Settings {
                additional_scopes: vec!["a".to_owned(), "a.b.c".to_owned()],
                leeway_seconds: 5,
                ..settings()
            };
            let claims = Claims(members);
            // Whatever holds, holds for a while.
            if let Ok(until) = claims.check(&settings, now) {
                prop_assert!(until > now);
            }
            let _ = claims.username(&settings);
            let _ = claims.scopes(&settings);
        }
    }
}
