//! What the name of a queue says about it.

/// True for the names of streams.
pub(crate) fn is_stream(name: &str) -> bool {
    name.starts_with('s')
}
