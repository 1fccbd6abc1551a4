//! The records of the topology in the database, and definitions.

use redb::{ReadableDatabase, ReadableTable, TableError, WriteTransaction};
use warren_engine::{QueueId, VirtualHostId, Write};

use super::seal::{Key, seal, unseal};
use super::{BINDINGS, DEFINITIONS, EXCHANGES, Index, QUEUES};
use crate::Error;
use crate::bytes::Cursor;
use crate::recovery::Damage;
use crate::topology::{self, Topology};

const EXCHANGES_NAME: &str = "exchanges";
const QUEUES_NAME: &str = "queues";
const BINDINGS_NAME: &str = "bindings";
const DEFINITIONS_NAME: &str = "definitions";

/// Records that cannot be read, by table and key.
type Bad = Vec<(&'static str, String)>;

impl Index {
    /// Everything declared. A damaged record is left out and reported.
    pub(crate) fn topology(&self, damaged: &mut Vec<Damage>) -> Result<Topology, Error> {
        let mut topology = Topology::default();
        match self.topology_found(&mut topology, damaged).into_iter().next() {
            Some(error) => Err(error),
            None => Ok(topology),
        }
    }

    /// Reads what can be read of everything declared; gives why the rest cannot.
    pub(crate) fn topology_found(
        &self,
        topology: &mut Topology,
        damaged: &mut Vec<Damage>,
    ) -> Vec<Error> {
        let mut bad = Vec::new();
        let exchanges = self.read("read", |index| index.read_exchanges(topology, &mut bad));
        let queues = self.read("read", |index| index.read_queues(topology, &mut bad));
        let bindings = self.read("read", |index| index.read_bindings(topology, &mut bad));
        let definitions = self.read("read", |index| index.read_definitions(topology, &mut bad));
        damaged.extend(bad.into_iter().map(|(table, key)| {
            let text = "the record does not match its checksum, and is lost";
            self.damage(format!("table {table}, key {key}: {text}"))
        }));
        [exchanges, queues, bindings, definitions].into_iter().filter_map(Result::err).collect()
    }

    fn read_exchanges(&self, topology: &mut Topology, bad: &mut Bad) -> Result<(), redb::Error> {
        for row in self.database()?.begin_read()?.open_table(EXCHANGES)?.iter()? {
            let (key, value) = row?;
            let (host, name) = key.value();
            let host = VirtualHostId(host);
            let record = unseal(EXCHANGES_NAME, Key::OfHost(host, name.as_bytes()), value.value())
                .and_then(|record| topology::exchange(&mut Cursor::new(record)));
            match record {
                Some(record) => drop(topology.exchanges.insert((host, name.to_owned()), record)),
                None => bad.push((EXCHANGES_NAME, format!("({}, {name:?})", host.0))),
            }
        }
        Ok(())
    }

    fn read_queues(&self, topology: &mut Topology, bad: &mut Bad) -> Result<(), redb::Error> {
        for row in self.database()?.begin_read()?.open_table(QUEUES)?.iter()? {
            let (key, value) = row?;
            let queue = key.value();
            let record = unseal(QUEUES_NAME, Key::Number(queue), value.value())
                .and_then(|record| topology::queue(&mut Cursor::new(record)));
            match record {
                Some(record) => drop(topology.queues.insert(QueueId(queue), record)),
                None => bad.push((QUEUES_NAME, queue.to_string())),
            }
        }
        Ok(())
    }

    fn read_bindings(&self, topology: &mut Topology, bad: &mut Bad) -> Result<(), redb::Error> {
        for row in self.database()?.begin_read()?.open_table(BINDINGS)?.iter()? {
            let (key, value) = row?;
            let (host, bytes) = key.value();
            let host = VirtualHostId(host);
            let record = unseal(BINDINGS_NAME, Key::OfHost(host, bytes), value.value())
                .and_then(|_| topology::binding(&mut Cursor::new(bytes)));
            match record {
                Some(record) => drop(topology.bindings.insert((host, bytes.to_vec()), record)),
                None => bad.push((BINDINGS_NAME, format!("({}, {bytes:?})", host.0))),
            }
        }
        Ok(())
    }

    fn read_definitions(&self, topology: &mut Topology, bad: &mut Bad) -> Result<(), redb::Error> {
        let table = match self.database()?.begin_read()?.open_table(DEFINITIONS) {
            // It is made with the first definition, and earlier versions had none.
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            other => other?,
        };
        for row in table.iter()? {
            let (key, value) = row?;
            let key = key.value();
            match unseal(DEFINITIONS_NAME, Key::Name(key), value.value()) {
                Some(value) => drop(topology.definitions.insert(key.to_owned(), value.to_vec())),
                None => bad.push((DEFINITIONS_NAME, format!("{key:?}"))),
            }
        }
        Ok(())
    }
}

/// Applies changes in order.
pub(super) fn apply(transaction: &WriteTransaction, writes: &[Write]) -> Result<(), redb::Error> {
    if writes.is_empty() {
        return Ok(());
    }
    let mut exchanges = transaction.open_table(EXCHANGES)?;
    let mut queues = transaction.open_table(QUEUES)?;
    let mut bindings = transaction.open_table(BINDINGS)?;
    let mut definitions = transaction.open_table(DEFINITIONS)?;
    let (mut bytes, mut seal_of_binding) = (Vec::new(), Vec::new());
    for write in writes {
        bytes.clear();
        match write {
            Write::ExchangeDeclared(host, record) => {
                topology::put_exchange(&mut bytes, record);
                let key = Key::OfHost(*host, record.name.as_bytes());
                seal(EXCHANGES_NAME, key, &mut bytes);
                exchanges.insert((host.0, record.name.as_str()), bytes.as_slice())?;
            }
            Write::ExchangeDeleted(host, name) => {
                exchanges.remove((host.0, name.as_str()))?;
            }
            Write::QueueDeclared(record) => {
                topology::put_queue(&mut bytes, record);
                seal(QUEUES_NAME, Key::Number(record.id.0), &mut bytes);
                queues.insert(record.id.0, bytes.as_slice())?;
            }
            Write::QueueDeleted(queue) => {
                queues.remove(queue.0)?;
            }
            Write::Bound(host, record) => {
                topology::put_binding(&mut bytes, record);
                seal_of_binding.clear();
                seal(BINDINGS_NAME, Key::OfHost(*host, &bytes), &mut seal_of_binding);
                bindings.insert((host.0, bytes.as_slice()), seal_of_binding.as_slice())?;
            }
            Write::Unbound(host, record) => {
                topology::put_binding(&mut bytes, record);
                bindings.remove((host.0, bytes.as_slice()))?;
            }
            Write::DefinitionSet { key, value } => {
                bytes.extend_from_slice(value);
                seal(DEFINITIONS_NAME, Key::Name(key), &mut bytes);
                definitions.insert(key.as_str(), bytes.as_slice())?;
            }
            Write::DefinitionDeleted { key } => {
                definitions.remove(key.as_str())?;
            }
            Write::Enqueued { .. }
            | Write::Settled { .. }
            | Write::Returned { .. }
            | Write::Delivered { .. }
            | Write::Together(_) => {}
        }
    }
    Ok(())
}
