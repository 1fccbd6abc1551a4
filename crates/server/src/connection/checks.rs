//! What a message's properties must not say, and what the broker writes into them. Looked at only
//! when a flag says that such a property is there.

use warren_amqp::Publish;
use warren_amqp::properties::{self, Property};
use warren_engine::Request;

use super::requests::Requests;
use super::{ChannelState, Connection};

/// The queue that there is for direct replies, by its name.
pub(super) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The beginning of the names that replies are published to.
const REPLY_PREFIX: &str = "amq.rabbitmq.reply-to.";

/// Flags of the properties that the broker looks at: `reply_to`, `expiration`, `user_id`.
const CHECKED: u16 =
    Property::ReplyTo.flag() | Property::Expiration.flag() | Property::UserId.flag();

/// Whether the message has a property that is to be looked at.
#[inline]
pub(super) fn is_to_be_checked(publish: &Publish<'_>) -> bool {
    let flags = publish.properties.first_chunk::<2>();
    flags.is_some_and(|flags| u16::from_be_bytes(*flags) & CHECKED != 0)
}

/// Adds a message with such properties to what the shard is asked: with the requester's own name
/// where replies are to come directly, or as the error that it is. If a user is given, messages may
/// be in the name of nobody else.
pub(super) fn publish(
    publish: &Publish<'_>,
    rest: usize,
    state: Option<&ChannelState>,
    user: Option<&str>,
    requests: &mut Requests,
) {
    match checked(publish.properties, state, user) {
        Ok(None) => requests.publish(publish, rest),
        Ok(Some(own)) => requests.publish(&Publish { properties: &own, ..*publish }, rest),
        Err(reason) => {
            let exchange = String::from_utf8_lossy(publish.exchange).into_owned();
            requests.request(publish.channel, Request::PublishFail { exchange, reason });
        }
    }
}

/// The properties to go on with, if they are others; or why the message is refused.
fn checked(
    properties: &[u8],
    state: Option<&ChannelState>,
    user: Option<&str>,
) -> Result<Option<Vec<u8>>, String> {
    let mut own = None;
    if properties::reply_to(properties) == Some(REPLY_TO) {
        let replies = state.and_then(|state| state.replies.as_ref());
        let (_, name) = replies.ok_or("fast reply consumer does not exist")?;
        own = Some(properties::replaced(properties, Property::ReplyTo, Some(name.as_bytes())));
    }
    refuse_wrong(properties, user)?;
    Ok(own)
}

/// Why a message with these properties is not to be published, if there is a reason. If a user is
/// given, it may be in the name of nobody else.
pub(crate) fn refuse_wrong(properties: &[u8], user: Option<&str>) -> Result<(), String> {
    if let Some(user) = user
        && let Some(claimed) = properties::user_id(properties).filter(|claimed| *claimed != user)
    {
        return Err(format!(
            "user_id property set to '{claimed}' but authenticated user was '{user}'"
        ));
    }
    if let Some(text) = properties::expiration(properties)
        && let Err(problem) = warren_engine::expiration(text)
    {
        return Err(format!("invalid expiration '{text}': {problem}"));
    }
    Ok(())
}

impl Connection {
    /// `basic.consume` of direct replies. The name is known here at once, as messages that follow
    /// are to carry it; if the engine refuses, the channel ends with it.
    pub(super) fn consume_replies(
        &mut self,
        channel: u16,
        consumer_tag: String,
        no_ack: bool,
        no_wait: bool,
    ) {
        // Two parts and an end as RabbitMQ's names have them, which are in Base64: programs match
        // on that form.
        let Some(requester) = self.generated(REPLY_PREFIX) else { return };
        let Some(name) = self.generated(&format!("{requester}.")) else { return };
        let name = name + "==";
        if let Some(state) = self.channels.get_mut(&channel)
            && state.replies.is_none()
        {
            state.replies = Some((consumer_tag.clone(), name.clone()));
        }
        let request = Request::ConsumeReplies { consumer_tag, no_ack, no_wait, name };
        self.requests.request(channel, request);
    }
}
