//! What the document says, held to the table and to the router.

use std::{collections::BTreeSet, fmt::Write as _};

use super::*;

/// All `$ref`s in a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("$ref", Value::String(target)) => drop(found.insert(target)),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_component_and_every_component_is_reached() {
    let document = openapi();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let components = document["components"]["schemas"].as_object().unwrap();
    let names: BTreeSet<String> = components.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    let found: BTreeSet<String> = found.into_iter().map(str::to_owned).collect();
    assert_eq!(found, names);
}

#[test]
fn two_files_do_not_define_one_component_twice() {
    let definitions = |text: &str| {
        let schema: Value = serde_json::from_str(text).unwrap();
        schema["$defs"].as_object().unwrap().len()
    };
    let api = definitions(include_str!("../../../../schemas/api.schema.json"));
    let record = definitions(include_str!("../../../../schemas/record.schema.json"));
    let envelope = definitions(include_str!("../../../../schemas/envelope.schema.json"));
    // The envelope itself, and the document.
    assert_eq!(schemas::components().len(), api + record + envelope + 2);
}

#[test]
fn every_parameter_of_a_path_is_declared_and_ids_are_told_apart() {
    let mut ids = BTreeSet::new();
    for endpoint in &ENDPOINTS {
        assert!(ids.insert(endpoint.id), "{}", endpoint.id);
        let declared: Vec<&str> =
            endpoint.parameters.iter().filter(|one| one.place == Place::Path).map(|one| one.name).collect();
        let in_path: Vec<&str> = endpoint.path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        assert_eq!(declared, in_path, "{}", endpoint.path);
        assert!(!endpoint.summary.ends_with('.'), "{}", endpoint.id);
    }
}

/// What docs/api.md lists between its marks.
fn listed() -> String {
    let mut list = "| request | what it is |\n|---|---|\n".to_owned();
    for endpoint in &ENDPOINTS {
        let method = match endpoint.method {
            Verb::Get => "GET",
            Verb::Post => "POST",
        };
        let query: Vec<&str> =
            endpoint.parameters.iter().filter(|one| one.place != Place::Path).map(|one| one.name).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}=", query.join("=&")) };
        let Endpoint { path, summary, tag, .. } = endpoint;
        writeln!(list, "| `{method} {path}{query}` | {summary} ({}) |", tag.name()).unwrap();
    }
    list
}

#[test]
fn the_list_in_the_documentation_is_the_table() {
    let page = include_str!("../../../../docs/api.md");
    let list = page.split("<!-- endpoints -->\n").nth(1).and_then(|rest| rest.split("<!-- end -->").next());
    assert_eq!(list, Some(&*listed()), "docs/api.md: expected\n{}", listed());
}

#[test]
fn paths_are_those_that_clients_know() {
    use attest_core::api::{self, record};
    let paths: Vec<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
    for known in [
        api::STATEMENTS,
        api::LOOKUP,
        api::NEGATIVES,
        api::HEALTH,
        api::READY,
        record::LOG,
        record::PROJECTS,
        record::ENTRIES,
        record::REBUILDERS,
        record::DISAGREEMENTS,
        record::SEARCH,
    ] {
        assert!(paths.contains(&known), "{known}");
    }
    for (known, parameter) in [
        (api::ARTIFACTS, "{sha256}"),
        (api::SHARDS, "{sha256}"),
        (record::FILES, "{sha256}"),
        (record::ENTRIES, "{index}"),
        (record::PROJECTS, "{name}"),
        (record::REBUILDERS, "{id}"),
    ] {
        assert!(paths.contains(&format!("{known}/{parameter}").as_str()), "{known}/{parameter}");
    }
}

#[test]
fn a_list_says_how_long_it_can_be() {
    let components = schemas::components();
    for name in ["PageOfProjects", "PageOfEntries", "PageOfDisagreements"] {
        assert_eq!(components[name]["properties"]["items"]["maxItems"], attest_core::api::record::PAGE, "{name}");
    }
    assert_eq!(components["Lookup"]["properties"]["digests"]["maxItems"], attest_core::api::MAX_LOOKUP);
}
