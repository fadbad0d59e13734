//! Lists of project names, most used first: one name per line with `#` comments, or the JSON that top-pypi-packages
//! publishes (`{"rows": [{"project": NAME, ...}, ...]}`).

use std::path::Path;

use anyhow::{Context as _, bail};
use attest_core::artifact::ProjectName;
use serde::Deserialize;

use super::fetch;
use crate::files;

/// Fifteen thousand rows are 1 MB.
const MAX_LIST: u64 = 16 << 20;

#[derive(Deserialize)]
struct List {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    project: String,
}

/// From a file or a URL.
pub(crate) fn load(from: &str) -> anyhow::Result<Vec<u8>> {
    if from.starts_with("http://") || from.starts_with("https://") {
        return fetch::get(from, MAX_LIST);
    }
    Ok(files::read(Path::new(from), MAX_LIST)?)
}

/// The first so many names.
pub(crate) fn names(bytes: &[u8], first: usize) -> anyhow::Result<Vec<ProjectName>> {
    let text = std::str::from_utf8(bytes).context("expected a list of names in UTF-8")?;
    let names: Vec<String> = if text.trim_start().starts_with('{') {
        let list: List = serde_json::from_str(text).context("expected {\"rows\": [{\"project\": NAME}, ...]}")?;
        list.rows.into_iter().map(|row| row.project).collect()
    } else {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    if names.is_empty() {
        bail!("expected a list of project names, found none");
    }
    let name = |name: &String| ProjectName::new(name).with_context(|| format!("{name:?} is no project name"));
    names.iter().take(first).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_list_are_read_and_nothing_else() {
        let json = br#"{"last_update": "x", "rows": [{"download_count": 2, "project": "boto3"}, {"project": "Six"}]}"#;
        for bytes in [&json[..], b"# most used\nboto3\n\nSix  # old\n"] {
            let names = names(bytes, 10).unwrap();
            assert_eq!(names.iter().map(ProjectName::as_str).collect::<Vec<_>>(), ["boto3", "six"]);
        }
        assert_eq!(names(json, 1).unwrap().len(), 1);
        for bytes in [&b""[..], b"\xff", b"../../etc", b"{\"rows\": 1}", b"<html></html>"] {
            assert!(names(bytes, 10).is_err(), "{bytes:?}");
        }
    }
}
