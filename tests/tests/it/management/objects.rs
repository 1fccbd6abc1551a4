//! Queues, exchanges, bindings, connections and channels.

use serde_json::json;
use warren_tests::wire::Wire;
use warren_tests::{client, eventually};

use super::{message, names, start};

#[test]
fn what_is_declared_by_one_way_is_seen_by_the_other() {
    let (broker, api) = start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        client::durable_queue(&channel, "wire").await;
        client::bind(&channel, "wire", "amq.topic", "a.*").await;
        let queue = api.get("/queues/%2F/wire");
        assert_eq!((&queue["durable"], &queue["type"]), (&json!(true), &json!("classic")));
        let bindings = api.get("/queues/%2F/wire/bindings");
        assert_eq!(bindings[1]["routing_key"], "a.*");

        let body = json!({"durable": true, "arguments": {"x-max-length": 1}});
        assert_eq!(api.status("PUT", "/queues/%2F/api", Some(&body)), 201);
        api.done("POST", "/bindings/%2F/e/amq.topic/q/api", Some(&json!({"routing_key": "a.b"})));
        for text in ["1", "2"] {
            client::publish(&channel, "amq.topic", "a.b", text.as_bytes()).await;
        }
        eventually("both queues have their messages", || {
            let count = |queue| api.get(&format!("/queues/%2F/{queue}"))["messages"].as_u64();
            (count("wire") == Some(2) && count("api") == Some(1)).then_some(())
        });
    });
}

#[test]
fn a_connection_is_seen_with_its_channels_and_consumers_and_can_be_closed() {
    let (broker, api) = start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        client::queue(&channel, "q").await;
        let options = lapin::options::BasicConsumeOptions::default();
        let arguments = lapin::types::FieldTable::default();
        let _consumer =
            channel.basic_consume("q".into(), "tag".into(), options, arguments).await.unwrap();
        let connections = api.get("/connections");
        let seen = &connections[0];
        assert_eq!((&seen["user"], &seen["vhost"]), (&json!("guest"), &json!("/")));
        assert_eq!((&seen["state"], &seen["protocol"]), (&json!("running"), &json!("AMQP 0-9-1")));
        let name = seen["name"].as_str().unwrap();
        let path = name.replace(' ', "%20").replace('>', "%3E");
        assert_eq!(api.get(&format!("/connections/{path}"))["name"], *name);
        let channels = api.get(&format!("/connections/{path}/channels"));
        let channel_name = format!("{name} (1)");
        assert_eq!(names(&channels), [channel_name.as_str()]);
        let path_of_channel = channel_name.replace(' ', "%20").replace('>', "%3E");
        let details = api.get(&format!("/channels/{path_of_channel}"));
        assert_eq!(details["consumer_details"][0]["consumer_tag"], "tag");
        let consumers = api.get("/consumers/%2F");
        assert_eq!(consumers[0]["queue"], json!({"name": "q", "vhost": "/"}));
        assert_eq!(consumers[0]["channel_details"]["connection_name"], *name);
        assert_eq!(api.get("/queues/%2F/q")["consumer_details"][0]["consumer_tag"], "tag");

        let headers = [("X-Reason", "enough")];
        let deleted = api.send_bytes("DELETE", &format!("/connections/{path}"), &headers, b"");
        assert_eq!(deleted.status, 204);
        let closed = async {
            while connection.status().connected() {
                tokio::time::sleep(warren_tests::GLANCE).await;
            }
        };
        client::soon("the connection is closed", closed).await;
    });
    eventually("nobody is connected", || (api.get("/connections") == json!([])).then_some(()));
    assert_eq!(api.status("DELETE", "/connections/none", None), 404);
}

#[test]
fn a_connection_whose_client_does_not_confirm_its_end_is_told_as_closing() {
    let (broker, api) = start();
    let mut peer = Wire::open(broker.amqp_address());
    let name = api.get("/connections")[0]["name"].clone();
    let path = name.as_str().unwrap().replace(' ', "%20").replace('>', "%3E");
    assert_eq!(api.status("DELETE", &format!("/connections/{path}"), None), 204);
    let seen = api.get("/connections");
    assert_eq!((&seen[0]["name"], &seen[0]["state"]), (&name, &json!("closing")));
    assert_eq!(peer.expect_close().code, 320);
}

#[test]
fn names_may_hold_anything() {
    let (_broker, api) = start();
    for name in [
        "a%2Fb",
        "a%20b",
        "a+b",
        "100%25",
        "%C3%BC%F0%9F%A6%8A",
        "what%3F%23",
        "a;b:c=d,e",
        "..",
        "%2E%2E%2F",
        "%00",
        "%22%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
    ] {
        let path = format!("/queues/%2F/{name}");
        assert_eq!(api.status("PUT", &path, Some(&json!({}))), 201, "{name}");
        assert_eq!(api.get(&path)["vhost"], "/", "{name}");
        assert_eq!(api.status("DELETE", &path, None), 204, "{name}");
    }
    assert_eq!(api.get("/queues"), json!([]));
    for (path, status) in [
        (format!("/queues/%2F/{}", "n".repeat(256)), 400),
        ("/queues/%2F/%FF".to_owned(), 404),
        ("/queues/%2F/%ED%A0%80".to_owned(), 404),
    ] {
        let answer = api.send("PUT", &path, Some(&json!({})));
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["reason"].is_string(), "{path}");
    }
}

#[test]
fn many_may_change_things_at_a_time() {
    let (_broker, api) = start();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let api = api.clone();
            std::thread::spawn(move || {
                for number in 0..20 {
                    let queue = format!("/queues/%2F/q{}", (worker + number) % 10);
                    let body = json!({"durable": true});
                    let declared = api.status("PUT", &queue, Some(&body));
                    assert!(matches!(declared, 201 | 204), "{declared}");
                    let user = format!("/users/u{worker}");
                    api.done("PUT", &user, Some(&json!({"password": "x", "tags": ""})));
                    let published = api.send(
                        "POST",
                        "/exchanges/%2F/amq.default/publish",
                        Some(&message("none", "x")),
                    );
                    assert_eq!(published.json(), json!({"routed": false}));
                    let deleted = api.status("DELETE", &queue, None);
                    assert!(matches!(deleted, 204 | 404), "{deleted}");
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!(api.get("/queues"), json!([]));
    assert_eq!(api.get("/users").as_array().unwrap().len(), 9);
}

#[test]
fn a_virtual_host_that_is_made_again_begins_empty_and_shows_what_comes() {
    let (_broker, api) = start();
    for name in ["before", "after"] {
        api.done("PUT", "/vhosts/again", None);
        assert!(names(&api.get("/queues/again")).is_empty());
        api.done("PUT", &format!("/queues/again/{name}"), Some(&json!({})));
        assert_eq!(names(&api.get("/queues/again")), [name]);
        if name == "before" {
            api.done("DELETE", "/vhosts/again", None);
        }
    }
}

#[test]
fn a_single_queue_tells_what_left_it_and_a_stream_what_is_in_it() {
    let (_broker, api) = start();
    let stream = json!({"durable": true, "arguments": {"x-queue-type": "stream"}});
    api.done("PUT", "/queues/%2F/s", Some(&stream));
    assert_eq!(api.get("/queues/%2F/s")["stream_offsets"], json!(null));
    api.done("PUT", "/queues/%2F/q", Some(&json!({"arguments": {"x-max-length": 2}})));
    for queue in ["s", "q"] {
        for text in ["1", "2", "3"] {
            let message = super::message(queue, text);
            api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message));
        }
    }
    assert_eq!(api.get("/queues/%2F/s")["stream_offsets"], json!({"first": 0, "last": 2}));
    let queue = eventually("the oldest message has gone", || {
        let queue = api.get("/queues/%2F/q");
        (queue["losses"]["dropped"] == 1).then_some(queue)
    });
    assert_eq!((&queue["losses"]["purged"], &queue["moved_in"]), (&json!(0), &json!(0)));
    assert!(queue["declared_at"].as_u64().is_some_and(|time| time > 0), "{queue}");
    api.done("DELETE", "/queues/%2F/q/contents", None);
    assert_eq!(api.get("/queues/%2F/q")["losses"]["purged"], 2);
    api.done("PUT", "/queues/%2F/q/pause", None);
    let paused = api.get("/queues?sort=paused&sort_reverse=true&columns=name,paused");
    assert_eq!(paused[0], json!({"name": "q", "paused": true}));
}

#[test]
fn a_consumer_tells_what_it_has() {
    let (broker, api) = start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        client::queue(&channel, "q").await;
        for text in ["1", "2", "3"] {
            client::publish(&channel, "", "q", text.as_bytes()).await;
        }
        let mut consumer = client::consume(&channel, "q").await;
        let first = client::next(&mut consumer).await;
        first.ack(lapin::options::BasicAckOptions::default()).await.unwrap();
        eventually("the consumer has two of three messages", || {
            let consumer = &api.get("/consumers/%2F")[0];
            let counts = ["delivered", "acknowledged", "messages_unacknowledged", "priority"];
            (counts.map(|name| consumer[name].as_u64()) == [3, 1, 2, 0].map(Some)).then_some(())
        });
    });
}
