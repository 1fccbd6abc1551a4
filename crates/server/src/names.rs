//! Names that the broker makes up for clients that gave none, with the key of a new message log, as
//! neither must be guessed; and names as clients mean them.

/// Letters that are legal everywhere a name goes; 64 of them, so that each takes six random bits.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A name that nobody has and nobody can guess: `prefix` and 22 letters, 132 random bits.
pub(crate) fn generated(prefix: &str) -> Result<String, getrandom::Error> {
    let mut random = [0_u8; 22];
    getrandom::fill(&mut random)?;
    let mut name = prefix.to_owned();
    for byte in random {
        name.push(char::from(LETTERS[usize::from(byte % 64)]));
    }
    Ok(name)
}

/// A name without its line ends: clients that read names from files or forms leave them there, and
/// RabbitMQ takes them off where something is declared, bound or deleted, and nowhere else.
pub(crate) fn without_line_ends(name: &str) -> String {
    name.replace(['\n', '\r'], "")
}

/// A number that nobody can guess.
pub(crate) fn random_number() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
