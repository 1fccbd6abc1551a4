//! Who may log in.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::Config;

/// Whether a login is good. A user that may come from the machine itself only is refused from
/// elsewhere in the same way as one with a wrong password: nothing is given away.
pub(crate) fn is_accepted(config: &Config, username: &str, password: &str, peer: IpAddr) -> bool {
    let known = username.as_bytes().ct_eq(config.default_user.as_bytes());
    let matches = password.as_bytes().ct_eq(config.default_pass.0.as_bytes());
    bool::from(known & matches) && may_come_from(config, username, peer)
}

/// Whether clients that say nothing of themselves may come in from there.
pub(crate) fn is_anonymous_accepted(config: &Config, peer: IpAddr) -> bool {
    let user = &config.anonymous_login_user;
    *user == config.default_user && may_come_from(config, user, peer)
}

fn may_come_from(config: &Config, user: &str, peer: IpAddr) -> bool {
    let local_only = config.loopback_users.iter().any(|other| other == user);
    !local_only || peer.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_user_is_refused_from_elsewhere() {
        let mut config = Config::for_tests();
        for (peer, accepted) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            let peer: IpAddr = peer.parse().unwrap();
            assert_eq!(is_accepted(&config, "guest", "secret", peer), accepted, "{peer}");
        }
        config.loopback_users.clear();
        assert!(is_accepted(&config, "guest", "secret", "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn both_name_and_password_must_be_right() {
        let peer = "127.0.0.1".parse().unwrap();
        for (user, password) in [("guest", "wrong"), ("guest", ""), ("other", "secret"), ("", "")] {
            assert!(!is_accepted(&Config::for_tests(), user, password, peer), "{user} {password}");
        }
    }
}
