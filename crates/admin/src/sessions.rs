//! Sessions of people who signed in with a browser.
//!
//! The browser keeps a random name in a cookie that scripts cannot read, and the broker keeps what it
//! stands for, in memory: after a restart everybody signs in again. A session ends when nobody uses
//! it for a while, after a time however it is used, when its user signs out, goes or gets another
//! password, and when the token that it began with expires.
//!
//! The time is an argument.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use warren_server::Identity;
use warren_server::catalog::PasswordHash;

use crate::limits;

/// When sessions end, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRules {
    /// After this time without a request.
    pub idle: Duration,
    /// After this time, whatever happens.
    pub longest: Duration,
}

/// Random bytes as text: 256 bits, in letters that may stand in cookies, headers and pages.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    rules: SessionRules,
    open: Mutex<HashMap<Key, Session>>,
}

/// What a session is found by: a hash of its name, so that the time a search takes says nothing of
/// the names there are.
type Key = [u8; 32];

#[derive(Debug)]
struct Session {
    holder: Holder,
    csrf: Secret,
    began: Duration,
    used: Duration,
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// As the login gave it.
    pub(crate) identity: Identity,
    /// The password at that time; None if it was a token.
    pub(crate) password: Option<PasswordHash>,
}

/// A session that has just begun.
#[derive(Debug)]
pub(crate) struct Opened {
    /// For the cookie.
    pub(crate) name: Secret,
    /// For forms and scripts of the broker's own pages.
    pub(crate) csrf: Secret,
}

/// Whether a search for a session is a use of it, from which its time without one is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Somebody does something.
    Yes,
    /// A page that somebody has left open keeps itself up to date.
    No,
}

/// A session that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Who signed in.
    pub(crate) holder: Holder,
    /// What a request that changes something must bring.
    pub(crate) csrf: Secret,
}

impl Secret {
    fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text, for the one place where it is meant to be.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a text is this one; how long that takes says nothing.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Sessions {
    pub(crate) fn new(rules: SessionRules) -> Self {
        Self { rules, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session. If there are too many, the one goes that was not used for longest: of the
    /// same user first.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub(crate) fn begin(&self, holder: Holder, now: Duration) -> Result<Opened, getrandom::Error> {
        let (name, csrf) = (Secret::random()?, Secret::random()?);
        let mut open = self.open();
        open.retain(|_, session| !self.is_over(session, now));
        let user = Arc::clone(&holder.identity.user);
        let is_own = |session: &Session| session.holder.identity.user == user;
        if open.values().filter(|session| is_own(session)).count() >= limits::USER_SESSIONS {
            remove_least_used(&mut open, is_own);
        }
        if open.len() >= limits::SESSIONS {
            remove_least_used(&mut open, |_| true);
        }
        let session = Session { holder, csrf: csrf.clone(), began: now, used: now };
        open.insert(key(name.expose()), session);
        Ok(Opened { name, csrf })
    }

    /// Finds the session of a cookie, and notes that it is used if it is. `is_good` says whether whoever
    /// signed in still may; if not, the session is over for good.
    pub(crate) fn find(
        &self,
        name: &str,
        now: Duration,
        kind: Use,
        is_good: impl FnOnce(&Holder) -> bool,
    ) -> Option<Found> {
        let mut open = self.open();
        let key = key(name);
        let session = open.get_mut(&key)?;
        if self.is_over(session, now) || !is_good(&session.holder) {
            open.remove(&key);
            return None;
        }
        if kind == Use::Yes {
            session.used = now;
        }
        Some(Found { holder: session.holder.clone(), csrf: session.csrf.clone() })
    }

    /// Ends a session, if there is one.
    pub(crate) fn end(&self, name: &str) {
        self.open().remove(&key(name));
    }

    fn is_over(&self, session: &Session, now: Duration) -> bool {
        now.saturating_sub(session.used) >= self.rules.idle
            || now.saturating_sub(session.began) >= self.rules.longest
    }
}

fn key(name: &str) -> Key {
    Sha256::digest(name.as_bytes()).into()
}

fn remove_least_used(open: &mut HashMap<Key, Session>, among: impl Fn(&Session) -> bool) {
    let candidates = open.iter().filter(|(_, session)| among(session));
    let least = candidates.min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
    if let Some(key) = least {
        open.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use warren_server::AccessSource;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sessions() -> Sessions {
        Sessions::new(SessionRules { idle: 10 * MINUTE, longest: 60 * MINUTE })
    }

    fn holder(user: &str) -> Holder {
        let (access, tags) = (AccessSource::Stored, vec!["management".to_owned()]);
        let identity = Identity { user: user.into(), tags, access, expires_at: None };
        Holder { identity, password: None }
    }

    fn is_there(sessions: &Sessions, opened: &Opened, now: Duration) -> bool {
        sessions.find(opened.name.expose(), now, Use::Yes, |_| true).is_some()
    }

    #[test]
    fn a_session_is_found_by_its_name_alone() {
        let sessions = sessions();
        let opened = sessions.begin(holder("anna"), MINUTE).unwrap();
        let found = sessions.find(opened.name.expose(), MINUTE, Use::Yes, |_| true).unwrap();
        assert_eq!(found.holder, holder("anna"));
        assert!(found.csrf.is(opened.csrf.expose()));
        for other in ["", "x", opened.csrf.expose(), &opened.name.expose()[1..]] {
            assert_eq!(sessions.find(other, MINUTE, Use::Yes, |_| true), None);
        }
    }

    #[test]
    fn a_page_that_is_only_open_does_not_keep_a_session() {
        let sessions = sessions();
        let opened = sessions.begin(holder("anna"), MINUTE).unwrap();
        let find = |now, kind| sessions.find(opened.name.expose(), now, kind, |_| true).is_some();
        assert!(find(9 * MINUTE, Use::No));
        assert!(!find(12 * MINUTE, Use::No));
    }

    #[test]
    fn names_are_random_and_show_themselves_nowhere() {
        let sessions = sessions();
        let mut seen = HashSet::new();
        for _ in 0..100 {
            let opened = sessions.begin(holder("anna"), MINUTE).unwrap();
            let shown = format!("{opened:?} {sessions:?}");
            for secret in [opened.name, opened.csrf] {
                // 32 bytes in base64 without padding.
                assert_eq!(secret.expose().len(), 43);
                assert!(!shown.contains(secret.expose()), "{shown}");
                assert!(seen.insert(secret.expose().to_owned()));
            }
        }
    }

    #[test]
    fn a_session_that_is_not_used_ends() {
        let sessions = sessions();
        let opened = sessions.begin(holder("anna"), MINUTE).unwrap();
        assert!(is_there(&sessions, &opened, 10 * MINUTE));
        assert!(is_there(&sessions, &opened, 19 * MINUTE));
        assert!(!is_there(&sessions, &opened, 29 * MINUTE));
        // It does not come back.
        assert!(!is_there(&sessions, &opened, 19 * MINUTE));
    }

    #[test]
    fn a_session_that_is_used_ends_too() {
        let sessions = sessions();
        let opened = sessions.begin(holder("anna"), Duration::ZERO).unwrap();
        for minute in 1..60 {
            assert!(is_there(&sessions, &opened, minute * MINUTE), "{minute}");
        }
        assert!(!is_there(&sessions, &opened, 60 * MINUTE));
    }

    #[test]
    fn whoever_signs_out_is_out() {
        let sessions = sessions();
        let opened = sessions.begin(holder("anna"), MINUTE).unwrap();
        let other = sessions.begin(holder("anna"), MINUTE).unwrap();
        sessions.end(opened.name.expose());
        assert!(!is_there(&sessions, &opened, MINUTE));
        assert!(is_there(&sessions, &other, MINUTE));
    }

    #[test]
    fn a_session_whose_holder_is_not_good_any_more_is_over() {
        let sessions = sessions();
        let opened = sessions.begin(holder("anna"), MINUTE).unwrap();
        assert_eq!(sessions.find(opened.name.expose(), MINUTE, Use::Yes, |_| false), None);
        assert!(!is_there(&sessions, &opened, MINUTE));
    }

    #[test]
    fn a_user_has_so_many_sessions() {
        let sessions = sessions();
        let other = sessions.begin(holder("otto"), Duration::ZERO).unwrap();
        let second = |number: usize| Duration::from_secs(number as u64);
        let opened: Vec<Opened> = (0..=limits::USER_SESSIONS)
            .map(|number| sessions.begin(holder("anna"), second(number + 1)).unwrap())
            .collect();
        assert!(!is_there(&sessions, &opened[0], MINUTE));
        for later in &opened[1..] {
            assert!(is_there(&sessions, later, MINUTE));
        }
        assert!(is_there(&sessions, &other, MINUTE));
    }

    #[test]
    fn there_are_so_many_sessions() {
        let sessions = sessions();
        let first = sessions.begin(holder("first"), Duration::ZERO).unwrap();
        for number in 0..limits::SESSIONS {
            sessions.begin(holder(&format!("user {number}")), Duration::from_secs(1)).unwrap();
        }
        assert_eq!(sessions.open().len(), limits::SESSIONS);
        assert!(!is_there(&sessions, &first, MINUTE));
    }

    #[test]
    fn sessions_that_are_over_take_no_room() {
        let sessions = sessions();
        for number in 0..20 {
            sessions.begin(holder("anna"), 20 * number * MINUTE).unwrap();
        }
        assert_eq!(sessions.open().len(), 1);
    }
}
