//! Who may log in.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::Config;

/// Whether a login is good. A user that may come from the machine itself only is refused from
/// elsewhere in the same way as one with a wrong password: nothing is given away.
pub(crate) fn is_accepted(config: &Config, username: &str, password: &str, peer: IpAddr) -> bool {
    let known = username.as_bytes().ct_eq(config.default_user.as_bytes());
    let matches = password.as_bytes().ct_eq(config.default_pass.0.as_bytes());
    let local_only = config.loopback_users.iter().any(|user| user == username);
    bool::from(known & matches) && (!local_only || peer.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Password;

    fn config() -> Config {
        Config {
            data_dir: "data".into(),
            amqp_listen: ([127, 0, 0, 1], 0).into(),
            default_user: "guest".to_owned(),
            default_pass: Password("secret".to_owned()),
            loopback_users: vec!["guest".to_owned()],
            handshake_timeout: std::time::Duration::from_secs(10),
            heartbeat_seconds: 60,
            frame_max: 131_072,
            channel_max: 2047,
            message_bytes_max: 1,
            disk_free_limit: 0,
            memory_limit: None,
            checkpoint_interval: std::time::Duration::from_secs(1),
            storage: warren_storage::Options::default(),
        }
    }

    #[test]
    fn a_loopback_user_is_refused_from_elsewhere() {
        let mut config = config();
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
            assert!(!is_accepted(&config(), user, password, peer), "{user} {password}");
        }
    }
}
