//! Requests that are carried out as a client would do it: with the rights of the user, by the rules
//! of AMQP. What the broker refuses there is told over HTTP as RabbitMQ tells it.

use serde_json::json;
use warren_amqp::{FieldTable, ReplyCode, properties};
use warren_engine::{Declaration, Reply, Request};
use warren_server::{Client, ClientError, OpenError, reply_code};

use crate::call::Call;
use crate::error::Error;

/// Opens a session in a virtual host.
pub(crate) async fn open(call: &Call, virtual_host: &str) -> Result<Client, Error> {
    let opened = call.api.management.open(&call.identity, virtual_host).await;
    opened.map_err(|error| match error {
        OpenError::VirtualHostNotFound(_) => Error::NotFound("vhost_not_found".to_owned()),
        OpenError::Refused { .. } => Error::not_authorised("Access refused."),
        OpenError::Closed => Error::Unavailable(error.to_string()),
    })
}

/// Declares, deletes, binds or unbinds something.
pub(crate) async fn request(
    call: &Call,
    virtual_host: &str,
    request: Request,
) -> Result<Reply, Error> {
    let mut client = open(call, virtual_host).await?;
    let reply = client.request(request).await.map_err(declaration_refused)?;
    client.close().await;
    Ok(reply)
}

/// The error of a declaration and the like: the reason alone.
fn declaration_refused(error: ClientError) -> Error {
    let ClientError::Refused(refusal) = error else { return failed(&error) };
    let reason = refusal.to_string();
    match reply_code(&refusal) {
        ReplyCode::NotFound => Error::NotFound(reason),
        ReplyCode::AccessRefused | ReplyCode::NotAllowed => {
            Error::not_authorised("Access refused.")
        }
        _ => Error::BadRequest(reason),
    }
}

/// The error of a request about messages: the reason as it would be sent to a client.
pub(crate) fn message_refused(error: ClientError) -> Error {
    let ClientError::Refused(refusal) = error else { return failed(&error) };
    let code = reply_code(&refusal);
    let reason = format!("{} - {refusal}", code.name());
    match code {
        ReplyCode::NotFound => Error::NotFound(reason),
        ReplyCode::AccessRefused => Error::not_authorised(reason),
        _ => Error::BadRequest(format!("{} {reason}", code as u16)),
    }
}

/// The error of a message that was not published: RabbitMQ tells all of them in the same way.
pub(crate) fn publish_refused(error: ClientError) -> Error {
    let ClientError::Refused(refusal) = error else { return failed(&error) };
    let code = reply_code(&refusal);
    Error::BadRequest(format!("{} {} - {refusal}", code as u16, code.name()))
}

fn failed(error: &ClientError) -> Error {
    match error {
        ClientError::NotTaken => {
            Error::bad_request("rejected Unable to publish message. Check queue limits.")
        }
        ClientError::Refused(_) | ClientError::Closed | ClientError::TimedOut => {
            Error::Unavailable(error.to_string())
        }
    }
}

/// Whether something is there, by a request that asks for it. What may not be used by this user, as it
/// belongs to a connection, is there; that will be told by what follows.
pub(crate) async fn exists(
    call: &Call,
    virtual_host: &str,
    passive: Request,
) -> Result<bool, Error> {
    let mut client = open(call, virtual_host).await?;
    match client.request(passive).await {
        Ok(_) => Ok(true),
        Err(ClientError::Refused(refusal)) => Ok(reply_code(&refusal) != ReplyCode::NotFound),
        Err(error) => Err(failed(&error)),
    }
}

/// The queue by which it is checked that messages go through. It stays, as RabbitMQ's does: to make
/// and delete one with every check would be more work than the check.
const ALIVENESS: &str = "aliveness-test";

/// Sends a message through a virtual host.
pub(crate) async fn aliveness(call: &Call, virtual_host: &str) -> Result<(), Error> {
    let mut client = open(call, virtual_host).await?;
    let declare = Request::QueueDeclare {
        name: ALIVENESS.to_owned(),
        generated: false,
        declaration: Declaration::default(),
        arguments: FieldTable::default(),
    };
    client.request(declare).await.map_err(message_refused)?;
    let published = client.publish("", ALIVENESS, properties::NONE, b"test_message", true).await;
    let routed = published.map_err(publish_refused)?;
    let fetched = client.get(ALIVENESS, true).await.map_err(message_refused)?;
    client.close().await;
    if routed && fetched.is_some() {
        return Ok(());
    }
    Err(Error::Unhealthy(json!({"status": "failed", "reason": "a message did not go through"})))
}
