//! The OpenAPI document, made from the table of routes and the types of bodies.

use axum::http::Method;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::authorize::Right;
use crate::routes::{Parameters, Route};

/// The document that describes these routes.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut types = Types::new();
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| Value::Object(Map::new()));
        path[route.method.as_str().to_lowercase()] = operation(route, &mut types);
    }
    let mut schemas = types.bodies.take_definitions(true);
    schemas.extend(types.answers.take_definitions(true));
    schemas.insert("Error".to_owned(), error_schema());
    schemas.insert("ListPage".to_owned(), page_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Warren's management API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "RabbitMQ's management HTTP API. Names in paths are percent-encoded: \
                            the virtual host / is %2F. The default exchange is amq.default.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "responses": {
                "Error": {
                    "description": "Refused, with the reason",
                    "content": content(&json!({"$ref": "#/components/schemas/Error"})),
                },
            },
        },
    })
}

/// The types of bodies, as they are read, and of answers, as they are written.
struct Types {
    bodies: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Types {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12()
            .with(|settings| settings.definitions_path = "/components/schemas".into());
        let answers = SchemaGenerator::new(settings.clone().for_serialize());
        Self { bodies: SchemaGenerator::new(settings), answers }
    }
}

/// What a list answers with if pages are asked for.
fn page_schema() -> Value {
    let number = json!({"type": "integer"});
    json!({
        "type": "object",
        "required": ["items", "page", "page_size", "page_count", "item_count", "total_count",
                     "filtered_count"],
        "properties": {
            "items": {"type": "array", "items": {"type": "object"}},
            "page": number, "page_size": number, "page_count": number,
            "item_count": number, "total_count": number, "filtered_count": number,
        },
    })
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["error", "reason"],
        "properties": {
            "error": {"type": "string", "description": "What kind of error"},
            "reason": {"type": ["string", "array"], "description": "For people"},
        },
    })
}

fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn operation(route: &Route, types: &mut Types) -> Value {
    let mut parameters: Vec<_> = route.path_names().map(path_parameter).collect();
    parameters.extend(route.parameters.iter().flat_map(|group| query_parameters(*group)));
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [tag(route)],
        "x-right": route.right.name(),
        "parameters": parameters,
        "responses": responses(route, &mut types.answers),
    });
    if route.right != Right::None {
        operation["security"] = json!([{"basic": []}]);
    }
    if let Some(body) = route.body {
        operation["requestBody"] = json!({"content": content(&body(&mut types.bodies).into())});
    }
    operation
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    if route.is_page {
        let page = json!({"text/html": {"schema": {"type": "string"}}});
        return json!({"200": {"description": "A page for people", "content": page}});
    }
    let mut add = |status: &str, description: &str, schema: Option<Value>| {
        let mut response = json!({"description": description});
        if let Some(schema) = schema {
            response["content"] = content(&schema);
        }
        responses.insert(status.to_owned(), response);
    };
    let mut schema = route.answer.map(|answer| Value::from(answer(generator)));
    if let Some(list) = schema.take_if(|_| route.parameters.contains(&Parameters::Pages)) {
        schema = Some(json!({"anyOf": [list, {"$ref": "#/components/schemas/ListPage"}]}));
    }
    if route.method == Method::GET || schema.is_some() {
        add("200", "Found", Some(schema.unwrap_or(Value::Bool(true))));
    }
    if route.method == Method::PUT || route.method == Method::POST {
        add("201", "Made", None);
    }
    if route.method != Method::GET {
        add("204", "Done", None);
    }
    for status in ["400", "401", "404", "412", "413", "503"] {
        responses.insert(status.to_owned(), json!({"$ref": "#/components/responses/Error"}));
    }
    if tag(route) == "health" {
        let schema = json!({"type": "object"});
        responses["503"] = json!({"description": "It is not well", "content": content(&schema)});
    }
    Value::Object(responses)
}

/// `get /api/queues/{vhost}/{queue}` is `getQueuesVhostQueue`.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut id = route.method.as_str().to_lowercase();
    for word in words {
        id.extend(word.chars().take(1).map(|first| first.to_ascii_uppercase()));
        id.push_str(&word[1..]);
    }
    id
}

/// The first word of the path after `/api`; what describes the API itself stands together.
pub(crate) fn tag(route: &Route) -> &'static str {
    match route.path.split('/').nth(2) {
        None | Some("index.html" | "openapi.json") => "api",
        Some(word) => word,
    }
}

fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

/// The names of the parameters of a group, each with what it is for.
pub(crate) fn parameter_texts(group: Parameters) -> &'static [(&'static str, &'static str)] {
    match group {
        Parameters::List => &[
            ("sort", "the path of the value to order by, such as message_stats.publish"),
            ("sort_reverse", "true: the other way round"),
            ("columns", "paths of the values that are wanted, with commas: there are no others"),
        ],
        Parameters::Pages => &[
            ("page", "the number of the page, from 1; without it there are no pages"),
            ("page_size", "objects on a page, 1 to 500; 100 if it is not given"),
            ("name", "only objects with this in their name; with pages only"),
            ("use_regex", "true: name is a regular expression"),
            ("without", "objects with names that begin so are left out"),
            ("named", "only objects with this in their name; also without pages"),
        ],
        Parameters::Columns => {
            &[("columns", "paths of the values that are wanted, with commas: there are no others")]
        }
        Parameters::Samples => &[
            ("lengths_age", "seconds of history of numbers of messages"),
            ("lengths_incr", "seconds between two of its samples"),
            ("msg_rates_age", "seconds of history of message counters"),
            ("msg_rates_incr", "seconds between two of its samples"),
            ("data_rates_age", "seconds of history of byte counters"),
            ("data_rates_incr", "seconds between two of its samples"),
            ("node_stats_age", "seconds of history of the node's numbers"),
            ("node_stats_incr", "seconds between two of its samples"),
        ],
        Parameters::Totals => &[
            ("disable_stats", "true: without statistics"),
            ("enable_queue_totals", "true: with numbers of messages all the same"),
        ],
        Parameters::One(..) => &[],
    }
}

fn query_parameters(group: Parameters) -> Vec<Value> {
    let parameter = |name: &str, description: &str| {
        let schema = json!({"type": "string"});
        json!({"name": name, "in": "query", "description": description, "schema": schema})
    };
    match group {
        Parameters::One(name, description) => vec![parameter(name, description)],
        group => {
            let texts = parameter_texts(group).iter();
            texts.map(|(name, description)| parameter(name, description)).collect()
        }
    }
}
