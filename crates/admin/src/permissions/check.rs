//! Whether a user may do something with a name, without trying it.

use schemars::JsonSchema;
use serde::Serialize;
use warren_engine::Right;
use warren_server::{AccessSource, Identity};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::users::user;

/// What a user may do with a queue or an exchange of a name, whether it is there or not.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckObject {
    /// The user has permissions in the virtual host at all.
    has_permissions: bool,
    /// May declare and delete it.
    configure: bool,
    /// May put messages in.
    write: bool,
    /// May take messages out.
    read: bool,
    /// If it is an exchange of type `topic` and a routing key was given: may publish with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    publish_with_key: Option<bool>,
    /// The same: may bind a queue with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    bind_with_key: Option<bool>,
}

/// `GET /api/permissions/{vhost}/{user}/check`.
pub(crate) async fn get(call: Call) -> Answer {
    let host = call.virtual_host()?;
    let name = user(&call.state, &call)?.name.clone();
    let Some(object) = call.query.get("name") else {
        return Err(Error::bad_request("name is missing: the queue or exchange that is meant"));
    };
    // The default exchange goes by another name where it is about rights.
    let object = if object.is_empty() { "amq.default" } else { object };
    let identity = Identity {
        user: name.into(),
        tags: vec![],
        access: AccessSource::Stored,
        expires_at: None,
    };
    let access = call.api.management.access(&identity, host);
    let may = |right: Right| access.as_ref().is_some_and(|access| access.may(right, object));
    let key = call.query.get("routing_key");
    let may_use = |right: Right| {
        key.map(|key| {
            let access = access.as_ref();
            may(right) && access.is_some_and(|it| it.may_use_topic(right, object, key))
        })
    };
    answer::ok(&CheckObject {
        has_permissions: access.is_some(),
        configure: may(Right::Configure),
        write: may(Right::Write),
        read: may(Right::Read),
        publish_with_key: may_use(Right::Write),
        bind_with_key: may_use(Right::Read),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use serde_json::json;

    use crate::testing::Fixture;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_user_may_is_told_without_trying_it() {
        let fixture = Fixture::new().await;
        fixture.ask(Method::PUT, "/api/users/anne", "{\"password\": \"x\", \"tags\": \"\"}").await;
        let check = async |query: &str| {
            fixture.ask(Method::GET, &format!("/api/permissions/%2F/anne/check?{query}"), "").await
        };
        assert_eq!(
            check("name=orders").await.json(),
            json!({"has_permissions": false, "configure": false, "write": false, "read": false})
        );
        let body = json!({"configure": "", "write": "^orders", "read": ".*"}).to_string();
        fixture.ask(Method::PUT, "/api/permissions/%2F/anne", &body).await;
        let body = json!({"exchange": "orders.topic", "write": "^eu", "read": ""}).to_string();
        fixture.ask(Method::PUT, "/api/topic-permissions/%2F/anne", &body).await;
        assert_eq!(
            check("name=orders.topic&routing_key=eu.new").await.json(),
            json!({"has_permissions": true, "configure": false, "write": true, "read": true,
                   "publish_with_key": true, "bind_with_key": false})
        );
        assert_eq!(check("").await.status, StatusCode::BAD_REQUEST);
        let nobody = fixture.ask(Method::GET, "/api/permissions/%2F/nobody/check?name=a", "").await;
        assert_eq!(nobody.status, StatusCode::NOT_FOUND);
        fixture.stop().await;
    }
}
