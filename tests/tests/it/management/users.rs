//! Users and what they may do, here and on the wire.

use serde_json::json;
use warren_tests::client;

use super::{message, start};

#[test]
fn a_new_user_may_use_what_it_was_given_and_nothing_else() {
    let (broker, api) = start();
    api.done("PUT", "/vhosts/work", None);
    let ann = json!({"password": "secret", "tags": "management"});
    assert_eq!(api.status("PUT", "/users/ann", Some(&ann)), 201);
    let as_ann = api.as_user("ann", "secret");
    assert_eq!(as_ann.get("/whoami")["tags"], json!(["management"]));
    assert_eq!(as_ann.get("/vhosts"), json!([]));
    assert_eq!(as_ann.status("PUT", "/queues/work/q", Some(&json!({}))), 401);
    let uri = |vhost: &str| format!("amqp://ann:secret@{}/{vhost}", broker.amqp_address());
    assert!(client::run(client::connect_to(&uri("work"))).is_err());

    let permission = json!({"configure": "^q", "write": ".*", "read": ".*"});
    assert_eq!(api.status("PUT", "/permissions/work/ann", Some(&permission)), 201);
    assert_eq!(as_ann.status("PUT", "/queues/work/q", Some(&json!({}))), 201);
    assert_eq!(as_ann.status("PUT", "/queues/work/other", Some(&json!({}))), 401);
    assert!(client::run(client::connect_to(&uri("work"))).is_ok());
    assert!(client::run(client::connect_to(&uri("%2f"))).is_err());

    api.done("DELETE", "/users/ann", None);
    assert_eq!(as_ann.status("GET", "/whoami", None), 401);
    assert!(client::run(client::connect_to(&uri("work"))).is_err());
}

#[test]
fn users_and_rights_outlive_a_restart() {
    let (mut broker, api) = start();
    api.done("PUT", "/vhosts/kept", Some(&json!({"description": "d", "tags": ["a"]})));
    api.done("PUT", "/users/bob", Some(&json!({"password": "secret", "tags": "monitoring"})));
    let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
    api.done("PUT", "/permissions/kept/bob", Some(&all));
    api.done("PUT", "/queues/kept/q", Some(&json!({"durable": true})));
    api.done("POST", "/exchanges/kept/amq.default/publish", Some(&message("q", "x")));
    api.done("PUT", "/users/guest", Some(&json!({"password": "new", "tags": "administrator"})));
    broker.kill();
    broker.restart();
    let api = warren_tests::http::Api::of(&broker);
    assert_eq!(api.status("GET", "/whoami", None), 401);
    let api = api.as_user("guest", "new");
    assert_eq!(api.get("/vhosts/kept")["description"], "d");
    assert_eq!(api.get("/users/bob")["tags"], json!(["monitoring"]));
    assert_eq!(api.get("/permissions/kept/bob")["write"], ".*");
    assert_eq!(api.as_user("bob", "secret").status("GET", "/queues/kept/q", None), 200);
}

#[test]
fn who_makes_a_virtual_host_may_use_it_and_a_protected_one_stays() {
    let (_broker, api) = start();
    let body = json!({"protected_from_deletion": true});
    assert_eq!(api.status("PUT", "/vhosts/mine", Some(&body)), 201);
    assert_eq!(api.get("/permissions/mine/guest")["configure"], ".*");
    let refused = api.send("DELETE", "/vhosts/mine", None);
    assert_eq!((refused.status, &refused.json()["error"]), (412, &json!("precondition_failed")));
    api.done("DELETE", "/vhosts/mine/deletion/protection", None);
    assert_eq!(api.status("DELETE", "/vhosts/mine", None), 204);
    assert_eq!(api.status("GET", "/vhosts/mine", None), 404);
    assert_eq!(api.get("/permissions").as_array().unwrap().len(), 1);
}

#[test]
fn a_deleted_virtual_host_takes_its_connections_with_it() {
    let (broker, api) = start();
    api.done("PUT", "/vhosts/short", None);
    client::run(async {
        let uri = format!("amqp://guest:guest@{}/short", broker.amqp_address());
        let connection = client::connect_to(&uri).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        client::queue(&channel, "q").await;
        api.done("DELETE", "/vhosts/short", None);
        let closed = async {
            while connection.status().connected() {
                tokio::time::sleep(warren_tests::GLANCE).await;
            }
        };
        client::soon("the connection is closed", closed).await;
    });
    assert_eq!(api.status("GET", "/queues/short/q", None), 404);
}
