//! README and docs as a book whose commands are run: every block with commands says which scenario runs it, or why none does.
//!
//! ```text
//! <!-- run: NAME -->                             the blocks of one name are run as one user would, in the book's order
//! <!-- run: NAME, and it ends with 1 -->         the same, and this is its exit code
//! <!-- run: NAME, and leave it running -->       a server: it runs until the scenario ends
//! <!-- run: NAME, and end it -->                 it would run for ever: it runs for a while, and is ended
//! <!-- file: NAME PATH -->                       no commands: the scenario's user has this in that file from here on
//! <!-- shown: REASON -->                         cannot be run by a test
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

const RUN: &str = "<!-- run: ";
const SHOWN: &str = "<!-- shown: ";
const FILE: &str = "<!-- file: ";
const LEFT_RUNNING: &str = ", and leave it running";
const ENDED: &str = ", and end it";
const ENDS_WITH: &str = ", and it ends with ";

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// How long what a scenario starts runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To its end, with this exit code.
    Code(i32),
    /// Until the scenario ends; it goes on once a server listens.
    End,
    /// For a while.
    Ended,
}

/// What a test does with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Run in a scenario.
    Run(String, Until),
    /// Written to a path in a scenario.
    File(String, String),
    /// Not run, with the reason.
    Shown(String),
}

impl Mark {
    /// The scenario that it belongs to.
    pub fn scenario(&self) -> Option<&str> {
        match self {
            Self::Run(name, _) | Self::File(name, _) => Some(name),
            Self::Shown(_) => None,
        }
    }
}

/// Commands on a page, or a file that they need.
#[derive(Clone, Debug)]
pub struct Block {
    /// From the repository's root.
    pub page: String,
    /// Of the line before the first command.
    pub line: usize,
    /// What a shell is given, or the file.
    pub text: String,
    /// What is done with it.
    pub mark: Mark,
}

/// Anything between two lines of three backticks.
#[derive(Clone, Debug)]
pub struct Fenced {
    /// Of its first line.
    pub line: usize,
    /// The word behind the backticks.
    pub language: String,
    /// The line before it.
    pub before: String,
    /// What is in it.
    pub lines: Vec<String>,
}

impl Fenced {
    /// Whether a line of the page is in it, or one of its ends.
    fn holds(&self, number: usize) -> bool {
        (self.line..=self.line + self.lines.len() + 1).contains(&number)
    }
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

/// Where a page's links lead that stay in the repository.
pub fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with(' ')).map(str::to_owned).collect()
}

/// What links name behind `#`: a page's headings, as GitHub and mdBook make an address of them.
///
/// # Errors
/// When the page cannot be read.
pub fn headings(page: &str) -> Result<Vec<String>> {
    let blocks = fenced(page)?;
    let inside = |number: usize| blocks.iter().any(|block| block.holds(number));
    let text = read(page)?;
    let titles = text.lines().zip(1..).filter(|(line, number)| line.starts_with('#') && !inside(*number));
    let address = |(line, _): (&str, usize)| {
        let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
    };
    Ok(titles.map(address).collect())
}

/// A page's text.
///
/// # Errors
/// When it cannot be read.
pub fn read(page: &str) -> Result<String> {
    fs::read_to_string(root().join(page)).with_context(|| format!("reading {page}"))
}

/// Every fenced block of a page.
///
/// # Errors
/// When the page cannot be read, or a block has no end.
pub fn fenced(page: &str) -> Result<Vec<Fenced>> {
    let text = read(page)?;
    let mut lines = text.lines().zip(1..);
    let (mut blocks, mut before) = (Vec::new(), "");
    while let Some((line, number)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            before = line;
            continue;
        };
        let inside: Vec<String> =
            lines.by_ref().map(|(line, _)| line.to_owned()).take_while(|line| line != "```").collect();
        ensure!(
            text.lines().nth(number + inside.len()) == Some("```"),
            "{page}:{number}: expected an end of the block"
        );
        let (language, before) = (language.to_owned(), std::mem::take(&mut before).to_owned());
        blocks.push(Fenced { line: number, language, before, lines: inside });
    }
    Ok(blocks)
}

/// Every block of commands on every page, and every file that they need.
///
/// # Errors
/// When a page cannot be read, or a block with commands has no mark.
pub fn blocks() -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for page in pages()? {
        for block in fenced(&page)? {
            let told = || format!("{page}:{}", block.line);
            let mark = mark(&block.before).with_context(told)?;
            let commands = commands(&block);
            let (text, mark) = match (mark, commands) {
                (Some(mark @ Mark::File(..)), _) => (block.lines.join("\n") + "\n", mark),
                (Some(mark), Some(commands)) => (commands, mark),
                (Some(_), None) => bail!("{}: expected commands", told()),
                (None, None) => continue,
                (None, Some(_)) => bail!("{}: expected `{RUN}NAME -->` or `{SHOWN}REASON -->` before it", told()),
            };
            blocks.push(Block { page: page.clone(), line: block.line, text, mark });
        }
    }
    Ok(blocks)
}

/// What of a block is commands: all of `sh`, what follows the prompts of `console`, the steps of a Dockerfile or of a CI's YAML.
fn commands(block: &Fenced) -> Option<String> {
    let lines = block.lines.iter().map(String::as_str);
    let found: Vec<&str> = match &*block.language {
        "sh" => lines.collect(),
        "console" => {
            let mut goes_on = false;
            lines
                .filter_map(|line| {
                    let command = if goes_on { Some(line) } else { line.strip_prefix("$ ") };
                    goes_on = command.is_some_and(|command| command.ends_with('\\'));
                    command
                })
                .collect()
        }
        "dockerfile" => lines.filter_map(|line| line.strip_prefix("RUN ")).collect(),
        "yaml" => {
            let mut script = false;
            lines
                .map(str::trim)
                .filter_map(|line| {
                    let item = line.strip_prefix("- ");
                    script = line == "script:" || (script && item.is_some());
                    item.filter(|_| script).or_else(|| line.strip_prefix("- run: "))
                })
                .collect()
        }
        _ => Vec::new(),
    };
    (!found.is_empty()).then(|| found.join("\n") + "\n")
}

fn mark(line: &str) -> Result<Option<Mark>> {
    let inner = |start: &str| line.strip_prefix(start).and_then(|rest| rest.strip_suffix(" -->"));
    if let Some(name) = inner(RUN) {
        let (name, until) = if let Some(name) = name.strip_suffix(LEFT_RUNNING) {
            (name, Until::End)
        } else if let Some(name) = name.strip_suffix(ENDED) {
            (name, Until::Ended)
        } else if let Some((name, code)) = name.split_once(ENDS_WITH) {
            (name, Until::Code(code.parse().with_context(|| format!("expected an exit code, found {code:?}"))?))
        } else {
            (name, Until::Code(0))
        };
        return Ok(Some(Mark::Run(name.to_owned(), until)));
    }
    if let Some(file) = inner(FILE) {
        let (name, path) = file.split_once(' ').context("expected a scenario and a path")?;
        return Ok(Some(Mark::File(name.to_owned(), path.to_owned())));
    }
    let Some(reason) = inner(SHOWN) else { return Ok(None) };
    ensure!(!reason.is_empty(), "expected a reason why a block is not run");
    Ok(Some(Mark::Shown(reason.to_owned())))
}

/// Everything on a page that may be typed: lines of blocks, and code within the text; with its line.
///
/// # Errors
/// When the page cannot be read.
pub fn typed(page: &str) -> Result<Vec<(usize, String)>> {
    let blocks = fenced(page)?;
    let mut typed = Vec::new();
    for block in &blocks {
        let text = block.lines.join("\n").replace("\\\n", " ");
        for line in text.lines() {
            let line = line.split(" #").next().unwrap_or_default();
            typed.extend(parts(line).into_iter().map(|part| (block.line, part)));
        }
    }
    let inside = |number: usize| blocks.iter().any(|block| block.holds(number));
    let text = read(page)?;
    // Code may begin on one line and end on the next; a blank line ends a paragraph, and with it what was left open.
    let mut first = 0;
    let mut paragraph = String::new();
    for (line, number) in text.lines().chain([""]).zip(1..) {
        if line.trim().is_empty() || inside(number) {
            let code = paragraph.split('`').skip(1).step_by(2);
            typed.extend(code.flat_map(parts).map(|part| (first, part)));
            paragraph.clear();
        } else {
            first = if paragraph.is_empty() { number } else { first };
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    Ok(typed)
}

/// A line's simple commands: what is between `|`, `;`, `&`, redirections and substitutions, but in quotes.
fn parts(line: &str) -> Vec<String> {
    let mut quote = None;
    let split = |letter: char| {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            _ => {}
        }
        quote.is_none() && "|;&<>()`".contains(letter)
    };
    line.split(split).map(str::to_owned).collect()
}

/// The words behind `attest` or `attest-server` in a simple command, up to `--`: what an installer or another program gets
/// is not ours. Nothing where neither is called.
pub fn of_ours(part: &str) -> Option<(&'static str, Vec<String>)> {
    let mut words = words(part).into_iter().skip_while(|word| name(word).is_none());
    let mut program = name(&words.next()?)?;
    let mut rest: Vec<String> = words.take_while(|word| word != "--").collect();
    // `sudo -u attest attest-server init`, `install -g attest -m 0700`: the user of that name.
    while let Some(next) = rest.first().and_then(|word| name(word)) {
        program = next;
        rest.remove(0);
    }
    let command = rest.first()?.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    // `install -g attest -m 0700` is of a user.
    let of_a_user = rest[0].starts_with('-') && rest[0] != "--data-dir" && rest[0] != "--version";
    (command && !of_a_user).then_some((program, rest))
}

fn name(word: &str) -> Option<&'static str> {
    ["attest", "attest-server"].into_iter().find(|name| word == *name || word == format!("ExecStart=/usr/bin/{name}"))
}

/// As a shell splits them; without the brackets of what may be left out.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in text.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => words.extend(word.take()),
            None if letter == '[' || letter == ']' => {}
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words.retain(|word| word != "..." && word != "…");
    words
}

/// Whether a program refuses only what stands for something else: `VKEY`, `sha256:HEX`, `...`, `$(cat vkey)`, or a flag that
/// the text names without its value.
pub fn is_placeholder(error: &str) -> bool {
    let first = error.lines().next().unwrap_or_default();
    let value = ["invalid value '", "unrecognized subcommand '"];
    let value = value.iter().find_map(|start| first.split_once(start)?.1.split('\'').next());
    let capitals = |value: &str| value.split(|letter: char| !letter.is_ascii_uppercase()).any(|word| word.len() > 2);
    first.contains("a value is required for")
        || value.is_some_and(|value| capitals(value) || ["...", "…", "$"].iter().any(|sign| value.contains(sign)))
}
