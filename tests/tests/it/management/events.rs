//! Lists and objects that come again when they change.

use serde_json::json;

use super::{message, names, start};

#[test]
fn a_list_comes_again_when_it_has_changed() {
    let (_broker, api) = start();
    let mut events = api.events("/queues/%2F?columns=name,messages");
    let (event, list) = events.next_event().unwrap();
    assert_eq!((event.as_str(), list), ("update", json!([])));
    api.done("PUT", "/queues/%2F/q", Some(&json!({})));
    let (event, list) = events.next_event().unwrap();
    assert_eq!((event.as_str(), names(&list)), ("update", vec!["q".to_owned()]));
    api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message("q", "text")));
    let counted = || events.next_event().unwrap().1[0]["messages"] == 1;
    assert!(std::iter::repeat_with(counted).take(5).any(|there| there), "the message is seen");
}

#[test]
fn a_stream_ends_with_an_error_when_its_sender_may_not_see_it_any_more() {
    let (_broker, api) = start();
    api.done("PUT", "/users/ann", Some(&json!({"password": "secret", "tags": "management"})));
    let right = json!({"configure": "", "write": "", "read": ".*"});
    api.done("PUT", "/permissions/%2F/ann", Some(&right));
    let mut events = api.as_user("ann", "secret").events("/queues/%2F?columns=name");
    assert_eq!(events.next_event().unwrap(), ("update".to_owned(), json!([])));
    api.done("DELETE", "/permissions/%2F/ann", None);
    let (event, reason) = events.next_event().unwrap();
    assert_eq!((event.as_str(), &reason["error"]), ("error", &json!("not_authorised")));
    assert_eq!(events.next_event(), None);
}

#[test]
fn an_object_that_is_deleted_ends_its_stream() {
    let (_broker, api) = start();
    api.done("PUT", "/queues/%2F/q", Some(&json!({})));
    let mut events = api.events("/queues/%2F/q?columns=name");
    assert_eq!(events.next_event().unwrap(), ("update".to_owned(), json!({"name": "q"})));
    api.done("DELETE", "/queues/%2F/q", None);
    let (event, reason) = events.next_event().unwrap();
    assert_eq!((event.as_str(), &reason["error"]), ("error", &json!("Object Not Found")));
    assert_eq!(events.next_event(), None);
}
