//! Requirements files with hashes ([pip's format](https://pip.pypa.io/en/stable/reference/requirements-file-format/)).
//!
//! Read as pip reads them, or not at all: whatever pip and this reader could understand differently (other encodings,
//! other line ends, environment variables, abbreviated options) is an error, so that no hash an installer would accept
//! goes unasked.

use std::{
    io,
    path::{Path, PathBuf},
};

use attest_core::artifact::{ProjectName, Version};

use crate::{
    files::{self, FileError},
    item::{Elsewhere, GateError, Item, Place, Question, Unattestable},
    platform::Target,
};

use super::listed::parse_hash;

use self::{
    lines::{LineError, Logical},
    wanted::Wanted,
};

mod lines;
mod wanted;

/// Ten thousand requirements with a hundred hashes each.
const MAX_FILE: u64 = 128 * 1024 * 1024;
/// Files that include each other.
const MAX_FILES: usize = 64;

/// What a requirements file asks for, and the files it includes.
#[derive(Debug, Default)]
pub(crate) struct Requirements {
    pub(crate) items: Vec<Item>,
    /// What constraints say. They install nothing, but pip builds what they lead to when it resolves.
    pub(crate) constraints: Vec<Item>,
    /// Options that lead to other indexes or folders, as written: they are part of the question.
    pub(crate) sources: Vec<(Place, String)>,
}

/// A file that is being read, with those that lead to it.
struct Reader<'a, 't> {
    read: Requirements,
    visited: Vec<PathBuf>,
    target: &'a Target<'t>,
}

/// A requirements file cannot be read as pip would read it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequirementsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {source}", .path.display())]
    Text { path: PathBuf, source: LineError },
    #[error("{place}: expected an option that attest knows, found {found:?}")]
    Option { place: Place, found: String },
    #[error("{place}: expected a value after {option}")]
    Value { place: Place, option: String },
    #[error("{place}: {found:?} is replaced by pip from the environment")]
    Variable { place: Place, found: String },
    #[error("{place}: includes {found:?}, which is no local file")]
    RemoteInclude { place: Place, found: String },
    #[error("{place}: includes a file that includes it")]
    Cycle { place: Place },
    #[error("{place}: more than {MAX_FILES} files include each other")]
    TooMany { place: Place },
}

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Requirement,
    Constraint,
}

/// How an option of a requirements file bears on the question.
enum Meaning {
    /// `-r`: read too.
    Include,
    /// `-c`: read too. It can only take away, since every requirement has to bring its own hashes; but what a constraints
    /// file includes with `-r` are requirements again, for pip.
    Narrow,
    /// `-e`.
    Editable,
    /// Where files come from.
    Source,
    /// A flag or choice that no hash gets past.
    Choice { value: bool },
}

const OPTIONS: [(&str, Meaning); 18] = [
    ("-r", Meaning::Include),
    ("--requirement", Meaning::Include),
    ("-c", Meaning::Narrow),
    ("--constraint", Meaning::Narrow),
    ("-e", Meaning::Editable),
    ("--editable", Meaning::Editable),
    ("-i", Meaning::Source),
    ("--index-url", Meaning::Source),
    ("--pypi-url", Meaning::Source),
    ("--extra-index-url", Meaning::Source),
    ("-f", Meaning::Source),
    ("--find-links", Meaning::Source),
    ("--trusted-host", Meaning::Choice { value: true }),
    ("--only-binary", Meaning::Choice { value: true }),
    ("--no-binary", Meaning::Choice { value: true }),
    ("--no-index", Meaning::Choice { value: false }),
    ("--pre", Meaning::Choice { value: false }),
    ("--prefer-binary", Meaning::Choice { value: false }),
];
/// Says again what this reader insists on.
const REQUIRE_HASHES: &str = "--require-hashes";

impl Requirements {
    /// Reads a file and what it includes, for whatever Python.
    pub(crate) fn read(path: &Path) -> Result<Self, RequirementsError> {
        Self::read_for(&files::read(path, MAX_FILE)?, path, &Target::some_python())
    }

    /// Reads what is in a file, and what that includes. `path` names it, and is where includes are looked for.
    pub(crate) fn read_for(bytes: &[u8], path: &Path, target: &Target<'_>) -> Result<Self, RequirementsError> {
        let mut reader = Reader { read: Self::default(), visited: Vec::new(), target };
        // What was piped in has no path that could lead back to it.
        reader.visited.extend(path.canonicalize());
        reader.text(bytes, path, Role::Requirement)?;
        Ok(reader.read)
    }
}

impl Reader<'_, '_> {
    fn include(&mut self, path: &Path, from: &Place, role: Role) -> Result<(), RequirementsError> {
        let bytes = files::read(path, MAX_FILE)?;
        let real =
            path.canonicalize().map_err(|source: io::Error| FileError::Read { path: path.to_owned(), source })?;
        if self.visited.contains(&real) {
            return Err(RequirementsError::Cycle { place: from.clone() });
        }
        if self.visited.len() == MAX_FILES {
            return Err(RequirementsError::TooMany { place: from.clone() });
        }
        self.visited.push(real);
        self.text(&bytes, path, role)?;
        self.visited.pop();
        Ok(())
    }

    fn text(&mut self, bytes: &[u8], path: &Path, role: Role) -> Result<(), RequirementsError> {
        let lines =
            lines::logical(bytes).map_err(|source| RequirementsError::Text { path: path.to_owned(), source })?;
        lines.iter().try_for_each(|line| self.line(path, line, role))
    }

    fn line(&mut self, path: &Path, line: &Logical, role: Role) -> Result<(), RequirementsError> {
        let place = Place::line(path, line.number);
        if let Some(found) = lines::variable(&line.text) {
            // Where files come from may depend on a secret; what gets installed may not depend on the environment.
            if !line.text.starts_with('-') || !options_only_name_sources(&line.text) {
                return Err(RequirementsError::Variable { place, found: found.to_owned() });
            }
        }
        let (requirement, options) = lines::split_options(&line.text);
        if requirement.is_empty() {
            return self.options(path, &place, &options);
        }
        let hashes = hash_options(&place, &options)?;
        let items = items(requirement, hashes, &place, self.target);
        match role {
            Role::Requirement => self.read.items.extend(items),
            Role::Constraint => self.read.constraints.extend(items),
        }
        Ok(())
    }

    fn options(&mut self, path: &Path, place: &Place, tokens: &[&str]) -> Result<(), RequirementsError> {
        let mut tokens = tokens.iter();
        while let Some(token) = tokens.next() {
            let (option, joined) = match token.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (*token, None),
            };
            if option == REQUIRE_HASHES && joined.is_none() {
                continue;
            }
            let unknown = || RequirementsError::Option { place: place.clone(), found: (*token).to_owned() };
            let meaning = meaning(option).ok_or_else(unknown)?;
            if matches!(meaning, Meaning::Choice { value: false }) {
                joined.map_or(Ok(()), |_| Err(unknown()))?;
                continue;
            }
            let value = joined.or_else(|| tokens.next().copied()).filter(|value| !value.is_empty());
            let value =
                value.ok_or_else(|| RequirementsError::Value { place: place.clone(), option: option.to_owned() })?;
            self.option(path, place, meaning, option, value)?;
        }
        Ok(())
    }

    fn option(
        &mut self,
        path: &Path,
        place: &Place,
        meaning: &Meaning,
        option: &str,
        value: &str,
    ) -> Result<(), RequirementsError> {
        match meaning {
            Meaning::Include | Meaning::Narrow => {
                if value.contains("://") || value.contains(['"', '\'', '\\']) {
                    return Err(RequirementsError::RemoteInclude { place: place.clone(), found: value.to_owned() });
                }
                let included = path.parent().unwrap_or(Path::new("")).join(value);
                // Of the option alone, wherever it stands: pip forgets that the file around it holds constraints.
                let role = if matches!(meaning, Meaning::Narrow) { Role::Constraint } else { Role::Requirement };
                self.include(&included, place, role)?;
            }
            Meaning::Editable => {
                let question = Question::NotAttestable(Unattestable::Local);
                self.read.items.push(Item::new(value, place.clone(), question));
            }
            Meaning::Source => self.read.sources.push((place.clone(), format!("{option} {value}"))),
            Meaning::Choice { .. } => {}
        }
        Ok(())
    }
}

fn options_only_name_sources(text: &str) -> bool {
    text.split_whitespace()
        .filter(|token| token.starts_with('-'))
        .all(|token| matches!(meaning(token.split('=').next().unwrap_or(token)), Some(Meaning::Source)))
}

fn meaning(option: &str) -> Option<&'static Meaning> {
    OPTIONS.iter().find(|(name, _)| *name == option).map(|(_, meaning)| meaning)
}

/// The values of `--hash=VALUE` and `--hash VALUE`; a requirement takes no other option.
fn hash_options(place: &Place, tokens: &[&str]) -> Result<Vec<String>, RequirementsError> {
    let mut hashes = Vec::new();
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        let value = match token.strip_prefix("--hash=") {
            Some(value) => value,
            None if *token == "--hash" => tokens.next().copied().unwrap_or_default(),
            None => {
                return Err(RequirementsError::Option { place: place.clone(), found: (*token).to_owned() });
            }
        };
        hashes.push(value.to_owned());
    }
    Ok(hashes)
}

/// One item for each hash: an installer takes a file that matches any of them, so every one has to pass.
fn items(text: &str, hashes: Vec<String>, place: &Place, target: &Target<'_>) -> Vec<Item> {
    let (text, marker) = split_marker(text);
    let item = |question| Item::new(text, place.clone(), question);
    if let Some(marker) = marker.filter(|marker| target.rules_out(marker)) {
        return vec![item(Question::NotSelectable(Elsewhere::Marker(marker.to_owned())))];
    }
    let wanted = match Wanted::parse(text) {
        Ok(wanted) => wanted,
        Err(question) => return vec![item(question)],
    };
    let hashes: Vec<String> = hashes.into_iter().chain(wanted.hashes.clone()).collect();
    if hashes.is_empty() {
        return vec![item(Question::Refused(GateError::NoHash))];
    }
    let digests: Vec<_> = hashes.iter().map(|hash| parse_hash(hash)).collect();
    if let Some(found) = wanted.on_disk()
        && !digests.contains(&Ok(found))
    {
        return vec![item(Question::Refused(GateError::Mismatch { found }))];
    }
    let question = |digest| match digest {
        Ok(digest) => wanted.question(digest),
        Err(error) => Question::Refused(error),
    };
    digests.into_iter().map(|digest| item(question(digest))).collect()
}

/// Why pip would run somebody's build code to find out what a requirement is; nothing where it is a release or a wheel.
pub(crate) fn runs_code(requirement: &str) -> Option<Unattestable> {
    match Wanted::parse(split_marker(requirement).0) {
        Err(Question::NotAttestable(why)) => Some(why),
        _ => None,
    }
}

/// `NAME[extras]==VERSION`, without its marker; nothing where it is something else.
pub(crate) fn release(requirement: &str) -> Option<(ProjectName, Version)> {
    Wanted::parse(split_marker(requirement).0).ok()?.into_release()
}

/// PEP 508: `;` begins the marker. Beside a URL pip wants a space on either side or takes it for a part of the URL,
/// depending on how the line begins; only what it surely reads as a marker is one.
fn split_marker(text: &str) -> (&str, Option<&str>) {
    let at = text.find(';');
    let spaced = |at: usize| text[..at].ends_with(' ') && text[at + 1..].starts_with(' ');
    match at.filter(|at| !text.contains(':') || spaced(*at)) {
        Some(at) => (text[..at].trim(), Some(text[at + 1..].trim())),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests;
