//! `/api/`: the table of endpoints for people, with a command to try each of them by.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{
    answer::show,
    frame::{Frame, Section},
    shown,
};
use crate::http::{
    Site,
    endpoints::{Body, Content, Endpoint, Parameter, Place, Tag, Verb, table::ENDPOINTS},
    openapi,
};

/// The page.
pub(in crate::http) async fn page(State(site): State<Arc<Site>>, request: Request) -> Response {
    show(site, request, |_, asked, frame| {
        asked.must_be("api/")?;
        let groups = [Tag::Evidence, Tag::Record, Tag::Description, Tag::Operation].map(Group::of);
        Ok(ApiPage { frame: &frame, groups }.render()?)
    })
    .await
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage<'a> {
    frame: &'a Frame,
    groups: [Group; 4],
}

/// Endpoints that are there for the same.
struct Group {
    name: &'static str,
    title: &'static str,
    meaning: &'static str,
    endpoints: Vec<Shown>,
}

impl Group {
    fn of(tag: Tag) -> Self {
        let title = match tag {
            Tag::Evidence => "Evidence",
            Tag::Record => "The public record",
            Tag::Description => "This API",
            Tag::Operation => "Operation",
        };
        let endpoints = ENDPOINTS.iter().filter(|endpoint| endpoint.tag == tag).map(Shown::of).collect();
        Self { name: tag.name(), title, meaning: tag.meaning(), endpoints }
    }
}

/// An endpoint in words.
struct Shown {
    id: &'static str,
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    detail: &'static str,
    inputs: Vec<Input>,
    answers: Vec<(u16, String)>,
    curl: String,
}

/// What is sent.
struct Input {
    name: &'static str,
    place: &'static str,
    meaning: String,
    expected: &'static str,
}

impl Shown {
    fn of(endpoint: &'static Endpoint) -> Self {
        let Endpoint { id, path, summary, detail, .. } = *endpoint;
        let method = match endpoint.method {
            Verb::Get => "GET",
            Verb::Post => "POST",
        };
        let body = endpoint.body.as_ref().map(|Body { media, schema, limit, .. }| Input {
            name: schema,
            place: "body",
            meaning: format!("{media}, at most {limit} bytes."),
            expected: "",
        });
        let inputs = endpoint.parameters.iter().map(Input::of).chain(body).collect();
        Self { id, method, path, summary, detail, inputs, answers: answers(endpoint), curl: curl(endpoint) }
    }
}

impl Input {
    fn of(parameter: &Parameter) -> Self {
        let place = match parameter.place {
            Place::Path => "path",
            Place::Query => "query, optional",
            Place::RequiredQuery => "query",
        };
        let Parameter { name, meaning, form, .. } = *parameter;
        Self { name, place, meaning: meaning.to_owned(), expected: form.expected() }
    }
}

fn answers(endpoint: &Endpoint) -> Vec<(u16, String)> {
    let good = endpoint.answers.iter().map(|answer| {
        let schema = match answer.content {
            Content::Json(schema) => format!(" JSON: {schema}."),
            Content::Text(media) => format!(" Text: {media}."),
            Content::Octets => " Bytes.".to_owned(),
            Content::Elsewhere => String::new(),
        };
        (answer.status, format!("{}{schema}", answer.meaning))
    });
    let problems = endpoint.statuses_of_problems().into_iter();
    let problems = problems.map(|status| (status, openapi::meaning(status).to_owned()));
    good.chain(problems).collect()
}

/// A command for a POSIX shell. Nothing in it comes from a request.
fn curl(endpoint: &Endpoint) -> String {
    let mut url = endpoint.path.to_owned();
    for Parameter { name, place, form, .. } in endpoint.parameters {
        match place {
            Place::Path => url = url.replace(&format!("{{{name}}}"), form.example()),
            Place::RequiredQuery => url = format!("{url}?{name}={}", form.example()),
            Place::Query => {}
        }
    }
    let sent = endpoint.body.as_ref().map_or(String::new(), |Body { media, curl, .. }| {
        format!(" -H 'Content-Type: {media}' --data-binary '{curl}'")
    });
    let kept =
        if endpoint.answers.iter().any(|answer| answer.content == Content::Octets) { " --output answer" } else { "" };
    format!("curl{sent}{kept} \"$LOG{url}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_a_command_without_holes() {
        for endpoint in &ENDPOINTS {
            let command = curl(endpoint);
            let (_, url) = command.rsplit_once("\"$LOG").unwrap();
            assert!(!url.contains(['{', '}', ' ', '\'']), "{command}");
        }
    }
}
