//! Checks with `rabbitmq_http_client`, the client that `rabbitmqadmin` is built on: its asynchronous
//! methods one by one, then its blocking ones. What it reads is typed strictly, so that a member
//! that is missing or of another type fails the whole answer.

mod access;
mod blocking;
#[allow(dead_code)]
#[path = "../../../interop/rust/src/lib.rs"]
mod checks;
mod live;
mod objects;
mod server;

use checks::{Checks, Outcome, Trouble};
use rabbitmq_http_client::api::Client;
use rabbitmq_http_client::error::Error;
use rabbitmq_http_client::requests::{VirtualHostParams, XArguments};
use serde_json::Value;
use std::process::ExitCode;

/// The client as this program uses it.
pub type Api = Client<String, String, String>;

/// What all checks have.
pub struct World {
    pub checks: Checks,
    pub api: Api,
    pub endpoint: String,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Trouble> {
    let checks = Checks::from_arguments()?;
    let http = std::env::args().nth(5).ok_or("the HTTP port is missing")?;
    let endpoint = format!("http://{}:{http}/api", checks.host);
    let api = login(&endpoint, "guest", "guest");
    let world = World { checks, api, endpoint };
    server::run(&world).await;
    objects::run(&world).await;
    access::run(&world).await;
    live::run(&world).await;
    blocking::run(&world).await;
    Ok(world.checks.finish())
}

/// The client of a user.
pub fn login(endpoint: &str, user: &str, password: &str) -> Api {
    Client::new(endpoint.to_owned(), user.to_owned(), password.to_owned())
}

impl World {
    /// A virtual host for one check.
    pub async fn vhost(&self) -> Result<String, Trouble> {
        let name = self.checks.unique("rust/vhost");
        self.api.create_vhost(&VirtualHostParams::named(&name)).await?;
        Ok(name)
    }

    /// It is not wanted any more.
    pub async fn done_with(&self, vhost: &str) -> Outcome {
        Ok(self.api.delete_vhost(vhost, false).await?)
    }

    /// How many exchanges a new virtual host has beside RabbitMQ's seven.
    pub fn more_exchanges(&self) -> usize {
        usize::from(self.checks.only_warren().is_ok())
    }

    /// Ends a check whose answer RabbitMQ 3.10.8 gives in a form that this client, made for later
    /// ones, does not read.
    pub fn later_than_3_10(&self) -> Outcome {
        self.checks.only_warren()
    }
}

/// Arguments from JSON.
pub fn arguments(value: Value) -> XArguments {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Demands that the server refuses with this status.
pub fn refused<T>(
    status: u16,
    result: Result<T, rabbitmq_http_client::api::HttpClientError>,
) -> Outcome {
    let found = match result {
        Err(Error::ClientErrorResponse { status_code, .. }) => status_code.as_u16(),
        Err(Error::NotFound) => 404,
        Err(other) => return Err(format!("no answer of the API: {other}").into()),
        Ok(_) => 200,
    };
    checks::equal(found, status)
}
