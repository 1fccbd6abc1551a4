//! The table as a whole: every route is served, to whom it says, and the document lists it.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use warren_server::catalog::{Change, Permission, VirtualHostSettings};

use super::{Route, routes};
use crate::authorize::Right;
use crate::testing::Fixture;

/// The virtual host of the walk.
const HOST: &str = "walk";

/// Tags of users, each with the rights that it gives in a virtual host with and without permissions.
const TAGS: [(&str, &[Right], &[Right]); 5] = {
    use Right::{
        Administrator, Management, Monitoring, None, Owner, Policymaker, VirtualHost, Visible,
    };
    [
        ("none", &[None], &[None]),
        (
            "management",
            &[None, Management, Owner, Visible, VirtualHost],
            &[None, Management, Owner],
        ),
        (
            "policymaker",
            &[None, Management, Owner, Visible, VirtualHost, Policymaker],
            &[None, Management, Owner],
        ),
        (
            "monitoring",
            &[None, Management, Owner, Visible, VirtualHost, Monitoring],
            &[None, Management, Owner, Visible, Monitoring],
        ),
        (
            "administrator",
            &[
                None,
                Management,
                Owner,
                Visible,
                VirtualHost,
                Policymaker,
                Monitoring,
                Administrator,
            ],
            &[
                None,
                Management,
                Owner,
                Visible,
                VirtualHost,
                Policymaker,
                Monitoring,
                Administrator,
            ],
        ),
    ]
};

/// The path with the virtual host of the walk, and with names of nothing that is there.
fn path(route: &Route) -> String {
    let parts = route.path.split('/').map(|part| match part {
        "{vhost}" => HOST,
        "{kind}" => "q",
        part if part.starts_with('{') => "nothing",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    let mut changes = vec![host()];
    for (tag, ..) in TAGS {
        for group in ["member", "stranger"] {
            let tags: &[&str] = if tag == "none" { &[] } else { &[tag] };
            changes.push(fixture.user(&format!("{tag}-{group}"), tags).await);
        }
        changes.push(permission(tag));
    }
    fixture.change(changes).await;
    fixture
}

fn host() -> Change {
    let settings = VirtualHostSettings {
        protected_from_deletion: Some(false),
        ..VirtualHostSettings::default()
    };
    Change::PutVirtualHost { name: HOST.to_owned(), settings }
}

fn permission(tag: &str) -> Change {
    Change::PutPermission(Permission {
        virtual_host: HOST.to_owned(),
        user: format!("{tag}-member"),
        configure: ".*".to_owned(),
        write: ".*".to_owned(),
        read: ".*".to_owned(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_for_those_whom_the_table_names() {
    let fixture = fixture().await;
    for route in routes() {
        // The one before may have deleted it.
        let mut again = vec![host()];
        again.extend(TAGS.iter().map(|(tag, ..)| permission(tag)));
        fixture.change(again).await;
        let path = path(&route);
        let names_host = route.path_names().any(|name| name == "vhost");
        let answer = fixture.send(route.method.clone(), &path, None, &[], "").await;
        let is_open = route.right == Right::None;
        let refused = answer.status == StatusCode::UNAUTHORIZED;
        assert_eq!(refused, !is_open, "{} {path} by nobody: {answer:?}", route.method);
        for (tag, member, stranger) in TAGS {
            for (group, rights) in [("member", member), ("stranger", stranger)] {
                let user = format!("{tag}-{group}");
                let answer = fixture.send(route.method.clone(), &path, Some(&user), &[], "").await;
                // Without a virtual host in the path, lists show what there is to see.
                let by_tag = matches!(route.right, Right::Visible | Right::VirtualHost);
                let is_allowed = rights.contains(&route.right)
                    || (!names_host && by_tag && tag != "none")
                    || (!names_host && route.right == Right::Policymaker && tag == "policymaker");
                let is_refused = answer.status == StatusCode::UNAUTHORIZED
                    && answer.json()["reason"] != "Access refused."
                    && route.right != Right::Owner;
                let told = format!("{} {path} by {user}: {answer:?}", route.method);
                if route.right == Right::Owner {
                    let is_in = answer.status != StatusCode::UNAUTHORIZED
                        || answer.json()["reason"] != "Not management user";
                    assert_eq!(is_in, is_allowed, "{told}");
                } else {
                    assert_eq!(is_refused, !is_allowed, "{told}");
                }
            }
        }
    }
    fixture.stop().await;
}

#[test]
fn no_route_is_there_twice_and_all_rights_are_used() {
    let mut seen = BTreeSet::new();
    for route in routes() {
        let request = format!("{} {}", route.method, route.path);
        assert!(seen.insert(request.clone()), "{request} is there twice");
        assert!(!route.summary.is_empty() && route.path.starts_with("/api"), "{request}");
    }
    for right in Right::ALL {
        assert!(routes().iter().any(|route| route.right == right), "{right:?} is never needed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_refused_with_those_that_there_are() {
    let fixture = Fixture::new().await;
    let all = routes();
    for path in all.iter().map(|route| route.path).collect::<BTreeSet<_>>() {
        let methods: BTreeSet<_> =
            all.iter().filter(|it| it.path == path).map(|it| it.method.as_str()).collect();
        let mut expected: BTreeSet<&str> = methods.clone();
        if methods.contains("GET") {
            expected.insert("HEAD");
        }
        expected.insert("OPTIONS");
        let path = path.replace(['{', '}'], "");
        for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
            if methods.contains(method.as_str()) {
                continue;
            }
            // Nobody need be known to be told.
            let answer = fixture.send(method.clone(), &path, None, &[], "").await;
            // Another path of the same shape may have the method.
            if answer.status == StatusCode::UNAUTHORIZED {
                continue;
            }
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.json()["error"], "method_not_allowed");
            let allow = answer.headers["allow"].to_str().unwrap();
            let allow: BTreeSet<_> = allow.split(", ").collect();
            assert_eq!(allow, expected, "{method} {path}");
        }
        let answer = fixture.send(Method::OPTIONS, &path, None, &[], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.headers.contains_key("allow"), "{path}");
    }
    fixture.stop().await;
}

/// The rows of the document's table, without what they were tested with.
fn table() -> Vec<String> {
    let rows = routes().into_iter().map(|route| {
        let Route { method, path, right, summary, .. } = route;
        format!("| `{method} {path}` | {} | {summary} | ", right.name())
    });
    rows.collect()
}

#[test]
fn the_document_lists_all_routes() {
    let path = std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/../../docs/management-api.md";
    let document = std::fs::read_to_string(path).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| `") && line.contains(" /api"));
    let rows: Vec<&str> = rows.collect();
    let table = table();
    assert_eq!(rows.len(), table.len());
    for (row, expected) in rows.iter().zip(&table) {
        let tested = row.strip_prefix(expected.as_str()).and_then(|rest| rest.strip_suffix(" |"));
        assert!(tested.is_some_and(|it| !it.is_empty()), "{row} should begin with {expected}");
    }
}

#[test]
fn the_openapi_document_has_all_routes_and_no_loose_ends() {
    let document = crate::openapi::document(&routes());
    for route in routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        assert_eq!(operation["summary"], route.summary, "{}", route.path);
        assert_eq!(operation["security"].is_null(), route.right == Right::None, "{}", route.path);
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    let ids: Vec<_> = text.split("\"operationId\":\"").skip(1).collect();
    let unique: BTreeSet<_> = ids.iter().map(|it| it.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), unique.len());
}
