//! What is seldom true of an entry, a bit for each: as `bool`s they would make every entry larger
//! by eight bytes.

/// One of the marks of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mark {
    /// It has a time of its own, so that it may expire before those in front of it.
    ExpiresAlone = 1,
    /// It was taken out of the range on disk while others around it stayed.
    FromRange = 2,
    /// It was taken by its place, so that the store does not know that it was delivered.
    Untold = 4,
}

/// The marks of an entry; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    /// Whether `mark` is there.
    pub(crate) fn has(self, mark: Mark) -> bool {
        self.0 & mark as u8 != 0
    }

    /// Puts `mark` there, or takes it away.
    pub(crate) fn set(&mut self, mark: Mark, is_there: bool) {
        match is_there {
            true => self.0 |= mark as u8,
            false => self.0 &= !(mark as u8),
        }
    }
}
