//! README and docs as a book whose commands are run: every shell block says which scenario runs it, or why none does.
//!
//! ```text
//! <!-- run: NAME -->                             the blocks of one name are run as one user would, in the book's order
//! <!-- run: NAME, and leave it running -->       a server: it runs until the scenario ends
//! <!-- shown: REASON -->                         cannot be run by a test
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

const RUN: &str = "<!-- run: ";
const SHOWN: &str = "<!-- shown: ";
const LEFT_RUNNING: &str = ", and leave it running";

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What a test does with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Run to its end in a scenario.
    Run(String),
    /// Started in a scenario, which goes on once it listens.
    Serve(String),
    /// Not run, with the reason.
    Shown(String),
}

/// Commands on a page.
#[derive(Clone, Debug)]
pub struct Block {
    /// From the repository's root.
    pub page: String,
    /// Of the line before the first command.
    pub line: usize,
    /// As it stands.
    pub text: String,
    /// What is done with it.
    pub mark: Mark,
}

/// README and every page of docs, in the order of docs/SUMMARY.md; those that it does not have come last.
///
/// # Errors
/// When they cannot be read.
pub fn pages() -> Result<Vec<String>> {
    let mut pages = vec!["README.md".to_owned()];
    let mut found = Vec::new();
    gather(&root().join("docs"), "docs", &mut found)?;
    found.sort();
    // One that is listed and not there is a dead link, which a test of its own tells.
    pages.extend(listed()?.into_iter().map(|page| format!("docs/{page}")).filter(|page| found.contains(page)));
    pages.extend(found.into_iter().filter(|page| page != "docs/SUMMARY.md"));
    let mut seen = std::collections::BTreeSet::new();
    pages.retain(|page| seen.insert(page.clone()));
    Ok(pages)
}

fn gather(folder: &Path, name: &str, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &path, found)?;
        } else if entry.path().extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    Ok(())
}

/// What docs/SUMMARY.md links to.
///
/// # Errors
/// When it cannot be read.
pub fn listed() -> Result<Vec<String>> {
    Ok(links(&read("docs/SUMMARY.md")?))
}

/// Where a page's links lead that stay in the repository, without what is behind `#`.
pub fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains("://") && !target.starts_with(['#', ' ']));
    inside.filter_map(|target| target.split('#').next()).map(str::to_owned).collect()
}

/// A page's text.
///
/// # Errors
/// When it cannot be read.
pub fn read(page: &str) -> Result<String> {
    fs::read_to_string(root().join(page)).with_context(|| format!("reading {page}"))
}

/// Every block of shell commands on every page.
///
/// # Errors
/// When a page cannot be read, or a block has no mark.
pub fn blocks() -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for page in pages()? {
        let text = read(&page)?;
        let lines: Vec<&str> = text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "```sh") {
            let end = lines[at + 1..]
                .iter()
                .position(|line| *line == "```")
                .with_context(|| format!("{page}:{}: expected an end of the block", at + 1))?;
            let before = at.checked_sub(1).map_or("", |before| lines[before]);
            let mark = mark(before).with_context(|| format!("{page}:{}", at + 1))?;
            let text = lines[at + 1..=at + end].join("\n") + "\n";
            blocks.push(Block { page: page.clone(), line: at + 1, text, mark });
        }
    }
    Ok(blocks)
}

fn mark(line: &str) -> Result<Mark> {
    let inner = |start: &str| line.strip_prefix(start).and_then(|rest| rest.strip_suffix(" -->"));
    if let Some(name) = inner(RUN) {
        return Ok(match name.strip_suffix(LEFT_RUNNING) {
            Some(name) => Mark::Serve(name.to_owned()),
            None => Mark::Run(name.to_owned()),
        });
    }
    let Some(reason) = inner(SHOWN) else {
        bail!("expected `{RUN}NAME -->` or `{SHOWN}REASON -->` on the line before ```sh, found {line:?}");
    };
    ensure!(!reason.is_empty(), "expected a reason why a block is not run");
    Ok(Mark::Shown(reason.to_owned()))
}
