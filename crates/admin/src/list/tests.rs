//! Lists as clients ask for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::to_bytes;
use serde_json::{Value, json};

use super::*;

/// A queue, as far as lists care.
#[derive(Clone)]
struct Item {
    name: String,
    messages: i64,
}

impl Entry for Item {
    fn name(&self) -> &str {
        &self.name
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        match path {
            ["name"] => self.name.as_str().into(),
            ["stats", "messages"] => Key::Integer(self.messages),
            _ => Key::Missing,
        }
    }
}

/// Items whose order by name and by messages are others than that in which they come.
fn items(count: usize) -> Vec<Item> {
    (0..count)
        .map(|number| {
            let number = number * 7919 % count;
            Item { name: format!("q{number:06}"), messages: number as i64 % 10 }
        })
        .collect()
}

fn object(item: &Item) -> Value {
    json!({"name": item.name, "stats": {"messages": item.messages}})
}

async fn ask(query: &str, count: usize) -> Result<Value, Error> {
    let wishes = Wishes::read(&Query::from(query), &["name"])?;
    let answer = wishes.answer(items(count), object).await?;
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    Ok(serde_json::from_slice(&body).unwrap())
}

fn names(list: &Value) -> Vec<String> {
    let names = list.as_array().unwrap().iter();
    names.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_put_together_are_the_whole_list() {
    for count in [0, 1, 10, 1009, 2003] {
        for order in [
            "",
            "&sort=name&sort_reverse=true",
            "&sort=stats.messages",
            "&sort=stats.messages&sort_reverse=true",
            "&sort=no.such.thing",
        ] {
            let whole = names(&ask(&format!("x=y{order}"), count).await.unwrap());
            assert_eq!(whole.len(), count);
            let mut together = vec![];
            for number in 1.. {
                let query = format!("page={number}&page_size=100{order}");
                match ask(&query, count).await {
                    Ok(page) => together.extend(names(&page["items"])),
                    Err(error) => {
                        assert!(matches!(error, Error::PageOutOfRange { .. }), "{error}");
                        break;
                    }
                }
            }
            assert_eq!(together, whole, "{count} by {order}");
        }
    }
}

#[tokio::test]
async fn equal_objects_are_in_the_usual_order() {
    let list = ask("sort=stats.messages", 50).await.unwrap();
    let keys: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["stats"]["messages"].as_i64().unwrap(), item["name"].to_string()))
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
}

#[tokio::test]
async fn an_empty_sort_leaves_the_order_as_it_comes() {
    let list = names(&ask("sort=", 20).await.unwrap());
    let expected: Vec<_> = items(20).into_iter().map(|item| item.name).collect();
    assert_eq!(list, expected);
}

#[tokio::test]
async fn columns_hold_for_lists_and_pages() {
    let list = ask("columns=stats.messages&sort=name", 3).await.unwrap();
    assert_eq!(list, json!([0, 1, 2].map(|it| json!({"stats": {"messages": it}}))));
    let page = ask("page=2&page_size=2&columns=name&sort=name", 3).await.unwrap();
    assert_eq!(page["items"], json!([{"name": "q000002"}]));
}

#[tokio::test]
async fn a_page_of_many_objects_makes_json_of_the_page_alone() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let counted = move |item: &Item| {
        counter.fetch_add(1, Ordering::Relaxed);
        object(item)
    };
    let query = "page=500&page_size=100&name=q&sort=stats.messages&sort_reverse=true";
    let wishes = Wishes::read(&Query::from(query), &["name"]).unwrap();
    let items = items(100_000);
    let answer = wishes.answer(items, counted).await.unwrap();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let page: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&page["total_count"], &page["item_count"]), (&json!(100_000), &json!(100)));
    assert_eq!(made.load(Ordering::Relaxed), 100);
}

#[test]
fn a_path_to_sort_by_has_its_limit() {
    let query = format!("sort={}", ["a"; 9].join("."));
    assert!(Wishes::read(&Query::from(query.as_str()), &[]).is_err());
}

#[tokio::test]
async fn every_page_in_every_order_is_a_part_of_the_whole_list() {
    // Given in the usual order, so that both ways come to the same.
    let mut items = items(97);
    items.sort_by(|a, b| a.name.cmp(&b.name));
    for order in ["", "&sort_reverse=true", "&sort=stats.messages", "&sort=name&sort_reverse=true"]
    {
        let wishes = |query: String| Wishes::read(&Query::from(query.as_str()), &["name"]).unwrap();
        for is_given in [false, true] {
            let answer = async |query: String| {
                let mut wishes = wishes(query);
                if is_given {
                    wishes = wishes.given_in_order();
                }
                let answer = wishes.answer(items.clone(), object).await.unwrap();
                let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
                serde_json::from_slice::<Value>(&body).unwrap()
            };
            let whole = names(&answer(format!("x=1{order}")).await);
            assert_eq!(whole.len(), 97);
            let mut pages = vec![];
            for page in 1..=10 {
                let query = format!("page={page}&page_size=10{order}");
                pages.extend(names(&answer(query).await["items"]));
            }
            assert_eq!(pages, whole, "{order} {is_given}");
        }
    }
}

#[tokio::test]
async fn a_list_without_a_usual_order_comes_as_it_is() {
    for (query, expected) in [("x=1", 0..7), ("page=2&page_size=3", 3..6)] {
        let wishes = Wishes::read(&Query::from(query), &[]).unwrap();
        let answer = wishes.answer(items(7), object).await.unwrap();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let list = if answer.is_array() { &answer } else { &answer["items"] };
        let given: Vec<_> = items(7).into_iter().map(|item| item.name).collect();
        assert_eq!(names(list), given[expected], "{query}");
    }
}
