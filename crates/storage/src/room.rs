//! Room on the disk: how much is free, and what the store can give back when there is none.
//!
//! The log needs room for new segments, redb for its pages. When either finds the disk full, what
//! the store holds in advance goes first: dead segments, recycled spares, and at last the file
//! `reserve`. With that the log goes on in small segments and checkpoints go on freeing large
//! ones, which is what brings room back.

use std::io;
use std::sync::{Arc, Weak};

use crate::shared::{Shared, State};
use crate::{Error, segment};

/// Takes up room that is given back when the disk is full.
pub(crate) const RESERVE: &str = "reserve";

/// Tells how much room the store has; see [`Log::room`](crate::Log::room).
#[derive(Debug, Clone)]
pub struct Room {
    shared: Weak<Shared>,
}

impl Room {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::downgrade(shared) }
    }

    /// Bytes that the store can still fill: what is free on its file system, and its spare
    /// segments, which nobody else can take. None after the store was closed.
    ///
    /// # Errors
    /// What the file system says.
    pub fn free_bytes(&self) -> io::Result<Option<u64>> {
        let Some(shared) = self.shared.upgrade() else { return Ok(None) };
        let spares = shared.state().spares.len() as u64 * shared.options.segment_bytes;
        Ok(Some(shared.disk.free_bytes()?.saturating_add(spares)))
    }
}

/// Something that can be given back to the file system.
enum Piece {
    Dead(u32),
    Spare(u64),
    Reserve,
}

impl State {
    fn take_piece(&mut self, spares_kept: usize) -> Option<Piece> {
        if let Some((number, _)) = self.retired.pop() {
            return Some(Piece::Dead(number));
        }
        if self.spares.len() > spares_kept {
            return self.spares.pop().map(Piece::Spare);
        }
        std::mem::take(&mut self.has_reserve).then_some(Piece::Reserve)
    }
}

impl Shared {
    /// Gives the next piece of what is held in advance back to the file system, but for
    /// `spares_kept` spare segments. False if there is nothing left to give.
    pub(crate) fn give_back(&self, spares_kept: usize) -> Result<bool, Error> {
        let piece = self.state().take_piece(spares_kept);
        let name = match piece {
            Some(Piece::Dead(number)) => segment::name(number),
            Some(Piece::Spare(number)) => segment::spare_name(number),
            Some(Piece::Reserve) => RESERVE.to_owned(),
            None => return Ok(false),
        };
        match self.disk.remove(&name) {
            Ok(()) => Ok(true),
            // Deleted by hand; there was nothing to gain, but perhaps from the next piece.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(Error::io("delete", &self.disk.path(&name), &error)),
        }
    }

    /// Makes the reserve if it is missing. False if it was there.
    ///
    /// # Errors
    /// `DiskFull`, which leaves no part of it behind, and any error of the disk.
    pub(crate) fn make_reserve(&self) -> Result<bool, Error> {
        let bytes = self.options.reserve_bytes;
        if self.state().has_reserve || bytes == 0 {
            return Ok(false);
        }
        let path = self.disk.path(RESERVE);
        let whole = self.disk.open(RESERVE).and_then(|file| Ok(file.len()? == bytes));
        if !whole.unwrap_or(false) {
            let made = self.disk.create(RESERVE).and_then(|file| file.reserve(bytes));
            if let Err(error) = made {
                // If it stays, it is taken for what it is: too short.
                let _ = self.disk.remove(RESERVE);
                return Err(Error::io("make", &path, &error));
            }
        }
        self.state().has_reserve = true;
        Ok(true)
    }
}
