//! `schemas/*.json` as components of the document. In a file, definitions refer to each other by its place; here they all
//! are one level deep, under names of their own.

use serde_json::{Map, Value, json};

/// Name of the file, what its definitions are called after here, its text.
const FILES: [(&str, &str, &str); 3] = [
    ("api", "", include_str!("../../../../schemas/api.schema.json")),
    ("record", "", include_str!("../../../../schemas/record.schema.json")),
    ("envelope", "Envelope", include_str!("../../../../schemas/envelope.schema.json")),
];

/// Refers to a component.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// All of them.
pub(super) fn components() -> Map<String, Value> {
    let mut components = Map::new();
    for (file, prefix, text) in FILES {
        let Ok(Value::Object(mut schema)) = serde_json::from_str(text) else { continue };
        if let Some(Value::Object(definitions)) = schema.remove("$defs") {
            for (name, definition) in definitions {
                components.insert(component(prefix, &name), moved(definition, file));
            }
        }
        if !prefix.is_empty() {
            schema.retain(|name, _| !matches!(name.as_str(), "$schema" | "$id"));
            components.insert(prefix.to_owned(), moved(Value::Object(schema), file));
        }
    }
    let document = json!({"description": "OpenAPI 3.1.", "type": "object", "required": ["openapi", "info", "paths"]});
    components.insert("Document".to_owned(), document);
    components
}

fn component(prefix: &str, name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    prefix.chars().chain(first).chain(letters).collect()
}

/// The schema with its references leading to components; it stood in `file`.
fn moved(mut schema: Value, file: &str) -> Value {
    match &mut schema {
        Value::Object(members) => {
            for (name, value) in members {
                *value = match (name.as_str(), &*value) {
                    ("$ref", Value::String(target)) => json!(target_of(target, file)),
                    _ => moved(value.take(), file),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = moved(item.take(), file)),
        _ => {}
    }
    schema
}

fn target_of(reference: &str, file: &str) -> String {
    let (place, definition) = reference.split_once('#').unwrap_or((reference, ""));
    let file = if place.is_empty() { file } else { place.trim_end_matches(".schema.json") };
    let prefix = FILES.iter().find(|(name, ..)| *name == file).map_or("", |(_, prefix, _)| prefix);
    let name = definition.trim_start_matches("/$defs/");
    format!("#/components/schemas/{}", component(prefix, name))
}
