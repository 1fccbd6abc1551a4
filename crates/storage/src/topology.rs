//! The records of exchanges, queues and bindings in stored form, and all of them together, with what
//! else is kept beside them.
//!
//! The log and redb share these forms. A first byte of flags leaves room for more.

use std::collections::BTreeMap;

use warren_engine::{
    BindingRecord, Destination, ExchangeRecord, ExchangeType, QueueId, QueueRecord, VirtualHostId,
    Write,
};

use crate::arguments::{put_table, table};
use crate::bytes::{Cursor, put_bytes, put_number};

const DURABLE: u8 = 1;
const AUTO_DELETE: u8 = 2;
const INTERNAL: u8 = 4;
const EXCLUSIVE: u8 = 8;
const PAUSED: u8 = 16;

/// Everything declared.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    pub(crate) exchanges: BTreeMap<(VirtualHostId, String), ExchangeRecord>,
    pub(crate) queues: BTreeMap<QueueId, QueueRecord>,
    /// By virtual host and stored form, which is a binding's identity.
    pub(crate) bindings: BTreeMap<(VirtualHostId, Vec<u8>), BindingRecord>,
    pub(crate) definitions: BTreeMap<String, Vec<u8>>,
}

impl Topology {
    /// Queues whose name a newer one has.
    pub(crate) fn replaced_queues(&self) -> Vec<QueueId> {
        let mut replaced = Vec::new();
        let mut newest = BTreeMap::new();
        for (id, record) in &self.queues {
            // Numbers rise, so the newer one comes later.
            replaced.extend(newest.insert((id.virtual_host(), &record.name), *id));
        }
        replaced
    }

    /// Applies a write; those of messages change nothing here.
    pub(crate) fn apply(&mut self, write: &Write) {
        match write {
            Write::ExchangeDeclared(virtual_host, record) => {
                self.exchanges.insert((*virtual_host, record.name.clone()), record.clone());
            }
            Write::ExchangeDeleted(virtual_host, name) => {
                self.exchanges.remove(&(*virtual_host, name.clone()));
            }
            Write::QueueDeclared(record) => {
                self.queues.insert(record.id, record.clone());
            }
            Write::QueueDeleted(queue) => {
                self.queues.remove(queue);
            }
            Write::Bound(virtual_host, record) => {
                self.bindings.insert((*virtual_host, binding_bytes(record)), record.clone());
            }
            Write::Unbound(virtual_host, record) => {
                self.bindings.remove(&(*virtual_host, binding_bytes(record)));
            }
            Write::DefinitionSet { key, value } => {
                self.definitions.insert(key.clone(), value.clone());
            }
            Write::DefinitionDeleted { key } => {
                self.definitions.remove(key);
            }
            Write::Enqueued { .. }
            | Write::Settled { .. }
            | Write::Returned { .. }
            | Write::Delivered { .. }
            | Write::Together(_) => {}
        }
    }
}

/// Appends an exchange.
pub(crate) fn put_exchange(out: &mut Vec<u8>, record: &ExchangeRecord) {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.push(
        flag(record.durable, DURABLE)
            | flag(record.auto_delete, AUTO_DELETE)
            | flag(record.internal, INTERNAL),
    );
    put_bytes(out, record.name.as_bytes());
    put_bytes(out, record.kind.name().as_bytes());
    put_table(out, &record.arguments);
}

/// Reads an exchange.
pub(crate) fn exchange(cursor: &mut Cursor<'_>) -> Option<ExchangeRecord> {
    let flags = cursor.byte()?;
    Some(ExchangeRecord {
        name: cursor.string()?,
        kind: ExchangeType::from_name(&cursor.string()?)?,
        durable: flags & DURABLE != 0,
        auto_delete: flags & AUTO_DELETE != 0,
        internal: flags & INTERNAL != 0,
        arguments: table(cursor)?,
    })
}

/// Appends a queue.
pub(crate) fn put_queue(out: &mut Vec<u8>, record: &QueueRecord) {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.push(
        flag(record.durable, DURABLE)
            | flag(record.auto_delete, AUTO_DELETE)
            | flag(record.exclusive, EXCLUSIVE)
            | flag(record.paused, PAUSED),
    );
    put_number(out, record.id.0);
    put_bytes(out, record.name.as_bytes());
    put_table(out, &record.arguments);
}

/// Reads a queue.
pub(crate) fn queue(cursor: &mut Cursor<'_>) -> Option<QueueRecord> {
    let flags = cursor.byte()?;
    Some(QueueRecord {
        id: QueueId(cursor.number()?),
        name: cursor.string()?,
        durable: flags & DURABLE != 0,
        exclusive: flags & EXCLUSIVE != 0,
        auto_delete: flags & AUTO_DELETE != 0,
        paused: flags & PAUSED != 0,
        arguments: table(cursor)?,
    })
}

/// Appends a binding.
pub(crate) fn put_binding(out: &mut Vec<u8>, record: &BindingRecord) {
    let (kind, name) = match &record.destination {
        Destination::Queue(name) => (0, name),
        Destination::Exchange(name) => (1, name),
    };
    out.push(kind);
    put_bytes(out, record.source.as_bytes());
    put_bytes(out, name.as_bytes());
    put_bytes(out, record.routing_key.as_bytes());
    put_table(out, &record.arguments);
}

/// A binding in stored form: its key in redb, as equal bindings have equal bytes.
pub(crate) fn binding_bytes(record: &BindingRecord) -> Vec<u8> {
    let mut out = Vec::new();
    put_binding(&mut out, record);
    out
}

/// Reads a binding.
pub(crate) fn binding(cursor: &mut Cursor<'_>) -> Option<BindingRecord> {
    let kind = cursor.byte()?;
    let source = cursor.string()?;
    let name = cursor.string()?;
    Some(BindingRecord {
        source,
        destination: match kind {
            0 => Destination::Queue(name),
            1 => Destination::Exchange(name),
            _ => return None,
        },
        routing_key: cursor.string()?,
        arguments: table(cursor)?,
    })
}
