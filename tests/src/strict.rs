//! A site under the strictest parsers that there are for HTML, XML and Atom.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{clients, command};

/// Parsers of HTML, of XML with RELAX NG, and of feeds.
const REQUIREMENTS: [&str; 3] = ["html5lib==1.1", "lxml==6.1.3", "feedparser==6.0.14"];

/// What there was to read, and what is wrong with it.
#[derive(Debug, Deserialize)]
pub struct Reading {
    /// Answers by media type.
    pub read: BTreeMap<String, usize>,
    /// Every path that was read.
    pub paths: Vec<String>,
    /// What is wrong.
    pub found: Vec<Wrong>,
}

/// Something that is wrong.
#[derive(Debug, Deserialize)]
pub struct Wrong {
    /// Where.
    pub page: String,
    /// What.
    pub what: String,
}

/// Reads everything that links lead to from `/` and from `paths`, by `python/strict.py`. Nothing where the parsers cannot
/// be had, with the reason printed.
///
/// # Errors
/// When the script does not end well.
///
/// # Panics
/// When the parsers cannot be had and the environment variable `CI` is set.
pub fn read(url: &str, paths: &[String]) -> Result<Option<Reading>> {
    let Some(python) = clients::tools("strict-parsers-1", &REQUIREMENTS)? else { return Ok(None) };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut read = Command::new(python);
    read.arg(here.join("python/strict.py")).arg(url);
    read.arg(here.join("../attest-server/templates")).arg(here.join("fixtures/atom.rng"));
    let said = command::run(read.args(paths))?.expect(0)?.stdout;
    serde_json::from_str(&said).with_context(|| said.clone()).map(Some)
}
