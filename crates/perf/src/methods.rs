//! Numbers of the AMQP 0-9-1 methods that the generator uses: class in the upper 16 bits, method in
//! the lower ones, as the first four bytes of a method frame's payload hold them.

pub(crate) const CONNECTION_START: u32 = id(10, 10);
pub(crate) const CONNECTION_START_OK: u32 = id(10, 11);
pub(crate) const CONNECTION_TUNE: u32 = id(10, 30);
pub(crate) const CONNECTION_TUNE_OK: u32 = id(10, 31);
pub(crate) const CONNECTION_OPEN: u32 = id(10, 40);
pub(crate) const CONNECTION_OPEN_OK: u32 = id(10, 41);
pub(crate) const CONNECTION_CLOSE: u32 = id(10, 50);
pub(crate) const CONNECTION_CLOSE_OK: u32 = id(10, 51);
pub(crate) const CHANNEL_OPEN: u32 = id(20, 10);
pub(crate) const CHANNEL_OPEN_OK: u32 = id(20, 11);
pub(crate) const CHANNEL_CLOSE: u32 = id(20, 40);
pub(crate) const CHANNEL_CLOSE_OK: u32 = id(20, 41);
pub(crate) const EXCHANGE_DECLARE: u32 = id(40, 10);
pub(crate) const EXCHANGE_DECLARE_OK: u32 = id(40, 11);
pub(crate) const EXCHANGE_DELETE: u32 = id(40, 20);
pub(crate) const EXCHANGE_DELETE_OK: u32 = id(40, 21);
pub(crate) const QUEUE_DECLARE: u32 = id(50, 10);
pub(crate) const QUEUE_DECLARE_OK: u32 = id(50, 11);
pub(crate) const QUEUE_BIND: u32 = id(50, 20);
pub(crate) const QUEUE_BIND_OK: u32 = id(50, 21);
pub(crate) const QUEUE_DELETE: u32 = id(50, 40);
pub(crate) const QUEUE_DELETE_OK: u32 = id(50, 41);
pub(crate) const QUEUE_UNBIND: u32 = id(50, 50);
pub(crate) const QUEUE_UNBIND_OK: u32 = id(50, 51);
pub(crate) const BASIC_QOS: u32 = id(60, 10);
pub(crate) const BASIC_QOS_OK: u32 = id(60, 11);
pub(crate) const BASIC_CONSUME: u32 = id(60, 20);
pub(crate) const BASIC_CANCEL: u32 = id(60, 30);
pub(crate) const BASIC_PUBLISH: u32 = id(60, 40);
pub(crate) const BASIC_DELIVER: u32 = id(60, 60);
pub(crate) const BASIC_GET: u32 = id(60, 70);
pub(crate) const BASIC_GET_OK: u32 = id(60, 71);
pub(crate) const BASIC_ACK: u32 = id(60, 80);
pub(crate) const BASIC_REJECT: u32 = id(60, 90);
pub(crate) const BASIC_NACK: u32 = id(60, 120);
pub(crate) const CONFIRM_SELECT: u32 = id(85, 10);
pub(crate) const CONFIRM_SELECT_OK: u32 = id(85, 11);

const fn id(class: u16, method: u16) -> u32 {
    ((class as u32) << 16) | method as u32
}
