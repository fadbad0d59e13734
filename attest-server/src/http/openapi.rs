//! `GET /api/v1/openapi.json`: the table of endpoints as an [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.1) document.

mod schemas;

use std::sync::LazyLock;

use axum::{http::HeaderMap, response::Response};
use serde_json::{Map, Value, json};

use super::{
    endpoints::{Answer, Body, Caching, Content, Endpoint, Parameter, Place, Tag, Verb, table::ENDPOINTS},
    json,
};

/// Of the API, not of the program: what is added under /api/v1 counts in the second place.
const VERSION: &str = "1.0.0";

const ABOUT: &str = "A transparency log of signed statements about rebuilt Python packages.\n\nNothing that a server answers is \
                     evidence by itself: what counts are checkpoint, inclusion proofs and signatures, which a client checks \
                     (docs/TRUST.md). Endpoints tagged `record` help to find them.\n\nUnder /api/v1 nothing is removed or \
                     changes its meaning; docs/api.md says what may be added. HEAD is answered wherever GET is, OPTIONS \
                     everywhere.";

/// The document never changes while the program runs.
static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| serde_json::to_vec_pretty(&openapi()).unwrap_or_default());

/// The document.
pub(super) async fn document(headers: HeaderMap) -> Response {
    json::tagged(DOCUMENT.clone(), &headers)
}

fn openapi() -> Value {
    let mut paths = Map::new();
    for endpoint in &ENDPOINTS {
        let method = match endpoint.method {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        paths.entry(endpoint.path).or_insert_with(|| json!({}))[method] = operation(endpoint);
    }
    let tags = [Tag::Evidence, Tag::Record, Tag::Description, Tag::Operation];
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "attest log",
            "version": VERSION,
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        // Relative to this document, so that it holds wherever it is served.
        "servers": [{"url": "../.."}],
        "tags": tags.map(|tag| json!({"name": tag.name(), "description": tag.meaning()})),
        "paths": paths,
        "components": {"schemas": schemas::components()},
    })
}

impl Tag {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Record => "record",
            Self::Description => "description",
            Self::Operation => "operation",
        }
    }

    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Evidence => "What verdicts rest on, once it is proven from checkpoint, proofs and signatures.",
            Self::Record => "Views of the log, to find things. Not evidence.",
            Self::Description => "This API about itself.",
            Self::Operation => "For who runs the server.",
        }
    }
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut operation = json!({
        "operationId": endpoint.id,
        "tags": [endpoint.tag.name()],
        "summary": endpoint.summary,
        "responses": responses(endpoint),
    });
    if !endpoint.detail.is_empty() {
        operation["description"] = json!(endpoint.detail);
    }
    let mut parameters: Vec<Value> = endpoint.parameters.iter().map(parameter).collect();
    if endpoint.caching != Caching::Never {
        parameters.push(json!({
            "name": "If-None-Match",
            "in": "header",
            "description": "The ETag of an answer that the client has.",
            "schema": {"type": "string"},
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(Body { media, schema, limit, .. }) = endpoint.body {
        operation["requestBody"] = json!({
            "required": true,
            "description": format!("At most {limit} bytes, without content encoding."),
            "content": {media: {"schema": schemas::reference(schema)}},
        });
    }
    operation
}

fn parameter(parameter: &Parameter) -> Value {
    let Parameter { name, place, form, meaning } = parameter;
    let mut schema = form.schema();
    let example = form.example();
    let number = || example.parse::<u64>().ok().filter(|_| schema["type"] == "integer");
    schema["examples"] = json!([number().map_or_else(|| json!(example), |number| json!(number))]);
    json!({
        "name": name,
        "in": if *place == Place::Path { "path" } else { "query" },
        "required": *place != Place::Query,
        "description": meaning,
        "schema": schema,
    })
}

fn responses(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    for answer in endpoint.answers {
        responses.insert(answer.status.to_string(), self::answer(endpoint, answer));
    }
    if endpoint.caching != Caching::Never {
        let same = json!({"description": "The client has it already.", "headers": headers(endpoint, true)});
        responses.insert("304".to_owned(), same);
    }
    for status in endpoint.statuses_of_problems() {
        let response = responses.entry(status.to_string()).or_insert_with(|| json!({"description": meaning(status)}));
        response["content"]["application/problem+json"] = json!({"schema": schemas::reference("Problem")});
        if let Some(headers) = headers_of_problem(status) {
            response["headers"] = headers;
        }
    }
    Value::Object(responses)
}

fn answer(endpoint: &Endpoint, answer: &Answer) -> Value {
    let Answer { status: _, meaning, content } = answer;
    let mut response = json!({"description": meaning});
    match content {
        Content::Json(schema) => {
            response["content"]["application/json"] = json!({"schema": schemas::reference(schema)});
        }
        Content::Text(media) => response["content"][*media] = json!({"schema": {"type": "string"}}),
        Content::Octets => response["content"]["application/octet-stream"] = json!({}),
        Content::Elsewhere => {
            let location = json!({"description": "Relative.", "required": true, "schema": {"type": "string"}});
            response["headers"] = json!({"Location": location});
            return response;
        }
    }
    response["headers"] = headers(endpoint, endpoint.caching != Caching::Never);
    response
}

fn headers(endpoint: &Endpoint, tagged: bool) -> Value {
    let header =
        |description: &str| json!({"description": description, "required": true, "schema": {"type": "string"}});
    let caching = match endpoint.caching {
        Caching::Never => "Not to be kept.",
        Caching::Briefly => "For a few seconds.",
        Caching::Always => "Never changes.",
    };
    let mut headers = json!({"Cache-Control": header(caching)});
    if tagged {
        headers["ETag"] = header("Of this very content.");
    }
    headers
}

fn headers_of_problem(status: u16) -> Option<Value> {
    let seconds = json!({
        "description": "Seconds after which to come back.",
        "schema": {"type": "integer", "minimum": 1},
    });
    matches!(status, 429 | 503).then(|| json!({"Retry-After": seconds}))
}

/// Why a status is answered; one meaning for all endpoints.
pub(super) const fn meaning(status: u16) -> &'static str {
    match status {
        400 => "Not of the form that is described here.",
        403 => "This server, or its list, does not let the client.",
        404 => "There is no such thing here.",
        406 => "The client takes no JSON.",
        413 => "Longer than what is taken.",
        415 => "Another media type, or a compressed body.",
        429 => "Too many requests of one address, or of one rebuilder.",
        500 => "The server could not read its own storage.",
        503 => "Too busy, or not in time.",
        507 => "The server's disk is full.",
        _ => "An error.",
    }
}

#[cfg(test)]
mod tests;
