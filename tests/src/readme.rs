//! The README's commands, as they stand there: what people copy must work.

use std::fs;

use anyhow::{Context, Result};

/// The first shell block under a heading.
///
/// # Errors
/// When there is no such heading or block.
pub fn commands(heading: &str) -> Result<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))?;
    let (_, section) = readme
        .split_once(&format!("# {heading}\n"))
        .with_context(|| format!("the README has no section {heading:?}"))?;
    let (_, block) = section.split_once("```sh\n").context("the section has no commands")?;
    let (commands, _) = block.split_once("```").context("the commands have no end")?;
    Ok(commands.to_owned())
}
