//! What must not be guessed: names that the broker makes up for clients that gave none, and the
//! key of a new message log.

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

/// A number that nobody can guess.
pub(crate) fn random_number() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
