//! Who a connection belongs to: the login, which may have to wait until the keys of tokens are
//! there, a new secret, and the end of a login that holds for a time only.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tracing::{info, warn};
use warren_amqp::{Millis, ReplyCode};
use warren_engine::Command;

use super::{Connection, Ended};
use crate::attempts::Protocol;
use crate::config::Mechanism;
use crate::login::{self, AccessSource, Identity, LoginError};
use crate::{clock, limits};

/// A login or a new secret that is being looked at. Until it is decided, nothing more is read.
pub(super) struct Deciding {
    what: What,
    decision: Pin<Box<dyn Future<Output = Decision> + Send>>,
}

type Decision = Result<Identity, LoginError>;

/// What is to be decided.
enum What {
    Login { mechanism: String, username: String },
    NewSecret,
}

/// Waits until it is decided; then it must be taken.
pub(super) async fn decided(deciding: &mut Option<Deciding>) -> Decision {
    match deciding {
        Some(deciding) => deciding.decision.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Connection {
    pub(super) fn log_in(&mut self, mechanism: &str, username: String, password: String) {
        let what = What::Login { mechanism: mechanism.to_owned(), username: username.clone() };
        if mechanism == Mechanism::Anonymous.name() {
            return self.decide(what, login::anonymous(&self.shared, self.peer.ip()));
        }
        let (shared, peer) = (Arc::clone(&self.shared), self.peer.ip());
        let decision = async move {
            login::by_password(&shared, Protocol::Amqp091, &username, &password, peer).await
        };
        self.wait_for(what, Box::pin(decision));
    }

    /// The client has a new token. Rights that are stored need no secret to go on.
    pub(super) fn renew(&mut self, secret: String) {
        let access = self.identity.as_ref().map(|identity| &identity.access);
        if !matches!(access, Some(AccessSource::Scopes(_))) {
            return self.amqp.update_secret_ok();
        }
        if self.deciding.is_some() {
            let text = "a new secret came before the last one was answered";
            return self.refuse(ReplyCode::CommandInvalid, text, 10, 70);
        }
        let (shared, peer) = (Arc::clone(&self.shared), self.peer.ip());
        let decision =
            async move { login::by_token(&shared, Protocol::Amqp091, &secret, peer).await };
        self.wait_for(What::NewSecret, Box::pin(decision));
    }

    fn wait_for(
        &mut self,
        what: What,
        mut decision: Pin<Box<dyn Future<Output = Decision> + Send>>,
    ) {
        // Mostly it is decided at once.
        match decision.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(decision) => self.decide(what, decision),
            Poll::Pending => self.deciding = Some(Deciding { what, decision }),
        }
    }

    /// It is decided, after a while, in which the client may have sent more.
    pub(super) fn decided(&mut self, decision: Decision) {
        let Some(Deciding { what, .. }) = self.deciding.take() else { return };
        self.amqp.was_not_read(self.shared.now());
        self.decide(what, decision);
        let input = std::mem::take(&mut self.unread);
        let consumed = self.take_input(&input);
        self.unread.extend_from_slice(input.get(consumed..).unwrap_or_default());
    }

    fn decide(&mut self, what: What, decision: Decision) {
        match (what, decision) {
            (What::Login { mechanism, .. }, Ok(identity)) => {
                self.mechanism = mechanism.into();
                self.become_user(identity);
                self.amqp.login_accepted();
            }
            (What::Login { mechanism, username }, Err(reason)) => {
                warn!(peer = %self.peer, user = username, mechanism, %reason, "login refused");
                self.amqp.login_refused(&mechanism);
            }
            (What::NewSecret, Ok(identity)) => self.go_on_as(identity),
            (What::NewSecret, Err(reason)) => self.refuse_secret(&reason.to_string()),
        }
    }

    fn become_user(&mut self, identity: Identity) {
        self.user = (&*identity.user).into();
        self.expires = identity.expires_at.map(|at| {
            let left = at.saturating_sub(clock::now());
            self.shared.now().saturating_add(left)
        });
        self.identity = Some(identity);
    }

    /// The new token is good: what it allows holds from now on, also for consumers there are.
    fn go_on_as(&mut self, identity: Identity) {
        if *identity.user != *self.user {
            return self.refuse_secret("it is another user's");
        }
        let Some(session) = self.session.as_ref().filter(|session| !session.closed) else { return };
        let session_id = session.id;
        let virtual_host = self.virtual_host.clone();
        let Some(access) = login::access(&self.shared, &identity, &virtual_host) else {
            let user = &identity.user;
            let text = format!("access to vhost '{virtual_host}' refused for user '{user}'");
            return self.refuse(ReplyCode::NotAllowed, &text, 10, 70);
        };
        self.is_impersonator = access.is_impersonator();
        self.requests.command(Command::SetAccess { session: session_id, access });
        self.become_user(identity);
        info!(peer = %self.peer, user = &*self.user, "the client has renewed its token");
        self.amqp.update_secret_ok();
    }

    fn refuse_secret(&mut self, reason: &str) {
        warn!(peer = %self.peer, user = &*self.user, reason, "a new secret is refused");
        let text = "New secret was refused by one of the backends";
        self.refuse(ReplyCode::NotAllowed, text, 10, 70);
    }

    /// The login held until now: RabbitMQ closes the connection in these words.
    pub(super) fn expire(&mut self, now: Millis) -> Result<(), Ended> {
        if self.expires.is_none_or(|at| now < at) {
            return Ok(());
        }
        self.expires = None;
        if self.session.is_none() {
            return Err(Ended::Expired);
        }
        self.refuse(ReplyCode::ConnectionForced, "credential expired", 0, 0);
        Ok(())
    }

    /// When to look at the time again because of the login. Not in years: a timer has its limits.
    pub(super) fn expiry_look(&self) -> Option<Millis> {
        let latest = || self.shared.now().saturating_add(limits::EXPIRY_LOOK_MS);
        self.expires.map(|at| at.min(latest()))
    }
}
