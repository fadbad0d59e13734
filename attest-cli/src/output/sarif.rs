//! [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html), as much of it as attest writes.
//! `schemas/sarif.schema.json` says the same as a JSON Schema. What the results are is the gate's part.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::exit::Exit;

/// Of the official schema.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The base of relative URIs (3.14.14).
pub(crate) const ROOT: &str = "%SRCROOT%";

/// A file of this format (3.13).
#[derive(Debug, Serialize)]
pub(crate) struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

/// One run of one tool (3.14).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    tool: Tool,
    invocations: [Invocation; 1],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    original_uri_base_ids: BTreeMap<&'static str, ArtifactLocation>,
    column_kind: &'static str,
    results: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<serde_json::Value>,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

/// 3.19
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

/// What can be wrong (3.49).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) short_description: Message,
    pub(crate) full_description: Message,
    pub(crate) help: Message,
    pub(crate) default_configuration: Configuration,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Configuration {
    pub(crate) level: Level,
}

/// 3.11 and 3.12: plain text.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) text: String,
}

impl Message {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

/// 3.27.10
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    Warning,
    Note,
}

/// How the run went (3.20).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    /// Whether there is an answer; a "no" is one.
    execution_successful: bool,
    exit_code: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

/// Something about the run and not about a file (3.58).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Notification {
    pub(crate) level: Level,
    pub(crate) message: Message,
}

/// A thing that is wrong, somewhere: `result` in the specification (3.27).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    pub(crate) rule_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule_index: Option<usize>,
    pub(crate) level: Level,
    pub(crate) message: Message,
    pub(crate) locations: [Location; 1],
    /// 3.27.17: the same finding in the next run, wherever its line went.
    pub(crate) partial_fingerprints: BTreeMap<&'static str, String>,
}

/// 3.28
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Location {
    pub(crate) physical_location: PhysicalLocation,
}

/// 3.29
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PhysicalLocation {
    pub(crate) artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<Region>,
}

/// 3.4
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArtifactLocation {
    pub(crate) uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uri_base_id: Option<&'static str>,
}

/// 3.30
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Region {
    pub(crate) start_line: usize,
}

/// What the gate has to say.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) rules: Vec<Rule>,
    pub(crate) results: Vec<Finding>,
    pub(crate) notifications: Vec<Notification>,
    /// Where relative URIs begin, as an absolute one.
    pub(crate) root: Option<String>,
    pub(crate) properties: Option<serde_json::Value>,
}

impl Log {
    /// Of a run that has an answer.
    pub(crate) fn of(content: Content, exit: Exit) -> Self {
        Self::new(content, exit, true)
    }

    /// Of a run that ended without one.
    pub(crate) fn of_error(error: &str, hint: Option<&str>, exit: Exit) -> Self {
        let hint = hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        let notification = Notification { level: Level::Error, message: Message::new(format!("{error}{hint}")) };
        let content = Content {
            rules: Vec::new(),
            results: Vec::new(),
            notifications: vec![notification],
            root: None,
            properties: None,
        };
        Self::new(content, exit, false)
    }

    fn new(content: Content, exit: Exit, answered: bool) -> Self {
        let driver = Driver { name: "attest", semantic_version: env!("CARGO_PKG_VERSION"), rules: content.rules };
        let base = |uri| (ROOT, ArtifactLocation { uri, uri_base_id: None });
        let run = Run {
            tool: Tool { driver },
            invocations: [Invocation {
                execution_successful: answered,
                exit_code: exit.code(),
                tool_execution_notifications: content.notifications,
            }],
            original_uri_base_ids: content.root.map(base).into_iter().collect(),
            column_kind: "unicodeCodePoints",
            results: content.results,
            properties: content.properties,
        };
        Self { schema: SCHEMA, version: "2.1.0", runs: [run] }
    }
}
