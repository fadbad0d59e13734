//! What was around a build that somebody states, and what is around ours: where they differ, outputs may.

use std::collections::BTreeMap;

use attest_core::statement::{Environment, Tool};
use serde::Serialize;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Surrounding {
    /// Which.
    what: &'static str,
    /// As the statement has it.
    stated: String,
    /// Here.
    found: String,
    /// Whether another output may come from it.
    explains: bool,
}

impl Surrounding {
    /// Whether another output may come from it.
    pub(crate) fn explains(&self) -> bool {
        self.explains
    }
}

impl std::fmt::Display for Surrounding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} in the statement, {} here", self.what, self.stated, self.found)
    }
}

/// All that differs. Another file of the same version of a program is listed, and explains nothing: distributions build
/// their own.
pub(crate) fn compare(stated: &Environment, found: &Environment) -> Vec<Surrounding> {
    let mut all = vec![
        differs("platform", &stated.platform, &found.platform),
        differs("umask", &stated.umask, &found.umask),
        differs("build path", &stated.build_path, &found.build_path),
        differs("clock", &format!("{:?}", stated.clock), &format!("{:?}", found.clock)),
        differs("network", &format!("{:?}", stated.network), &format!("{:?}", found.network)),
        differs("variables", &words(&stated.variables), &words(&found.variables)),
        differs("image", &image(stated), &image(found)),
    ];
    all.extend(tool("python", Some(&stated.python), Some(&found.python)));
    all.extend(tool("zlib", Some(&stated.zlib), Some(&found.zlib)));
    all.extend(tool("cc", stated.cc.as_ref(), found.cc.as_ref()));
    all.extend(tool("ld", stated.ld.as_ref(), found.ld.as_ref()));
    all.extend(tool("libc", stated.libc.as_ref(), found.libc.as_ref()));
    all.into_iter().flatten().collect()
}

fn differs(what: &'static str, stated: &str, found: &str) -> Option<Surrounding> {
    let (stated, found) = (stated.to_owned(), found.to_owned());
    (stated != found).then_some(Surrounding { what, stated, found, explains: true })
}

fn tool(what: &'static str, stated: Option<&Tool>, found: Option<&Tool>) -> [Option<Surrounding>; 2] {
    let version = |tool: Option<&Tool>| tool.map_or_else(|| "none".to_owned(), |tool| tool.version.clone());
    let digest = |tool: Option<&Tool>| tool.and_then(|tool| tool.digest).map(|digest| digest.sha256.to_string());
    let versions = differs(what, &version(stated), &version(found));
    let files = match (&versions, digest(stated), digest(found)) {
        (None, Some(stated), Some(found)) if stated != found => {
            Some(Surrounding { what, stated: short(&stated), found: short(&found), explains: false })
        }
        _ => None,
    };
    [versions, files]
}

fn short(digest: &str) -> String {
    format!("sha256:{}…", digest.get(..16).unwrap_or(digest))
}

fn words(variables: &BTreeMap<String, String>) -> String {
    let words: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    words.join(" ")
}

fn image(environment: &Environment) -> String {
    environment.container_image.map_or_else(|| "none".to_owned(), |image| image.sha256.to_string())
}
