//! The text of `attest.lock`. What is read must be what would be printed, to the byte: nobody can hide a line from a
//! review, or say something in a list that the evidence does not.
use super::{Bundle, Covered, Lockfile, LockfileError, OtherPlatforms};
use crate::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName, excerpt},
    merkle::LeafIndex,
    time::Timestamp,
    verify::Workers,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

const HEADER: &str = "\
# attest.lock: why these files were accepted. Verified again by whoever reads it (docs/lock.md).
# `attest lock` writes it; after a merge, run that again.
";
const VERSION: i64 = 1;
/// As PEM and MIME have it.
const LINE: usize = 76;
/// Before the evidence, and behind it.
const EVIDENCE: &str = "\nevidence = \"\"\"\n";
const END: &str = "\"\"\"\n";
const CONFLICT: [&str; 3] = ["<<<<<<< ", ">>>>>>> ", "======="];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Wire<'a> {
    #[serde(rename = "version")]
    _version: i64,
    made: &'a str,
    locks: Vec<&'a str>,
    other_platforms: &'a str,
    #[serde(rename = "logs")]
    _logs: Vec<LogLine<'a>>,
    files: Vec<FileLine<'a>>,
}

/// Printed from the evidence, and so only read to be refused where it is malformed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLine<'a> {
    #[serde(rename = "origin")]
    _origin: &'a str,
    #[serde(rename = "size")]
    _size: u64,
    #[serde(rename = "root")]
    _root: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLine<'a> {
    project: &'a str,
    version: &'a str,
    file: Option<&'a str>,
    sha256: &'a str,
    groups: Vec<&'a str>,
    exempt: Option<bool>,
    #[serde(rename = "entries")]
    _entries: Vec<&'a str>,
}

#[derive(Deserialize)]
struct OnlyVersion {
    version: i64,
}

impl Lockfile {
    /// Reads a file. `unpack` undoes what `pack` of [`Lockfile::print`] did; it gets the most bytes that may come out, and
    /// must stop there.
    ///
    /// # Errors
    /// [`LockfileError`]: whatever this would not print back.
    pub fn parse(bytes: &[u8], unpack: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>) -> Result<Self, LockfileError> {
        Self::parse_with(bytes, unpack, Workers::ONE)
    }

    /// As [`Lockfile::parse`], sooner: as [`Bundle::parse_with`].
    ///
    /// # Errors
    /// As [`Lockfile::parse`].
    pub fn parse_with(
        bytes: &[u8],
        unpack: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
        workers: Workers,
    ) -> Result<Self, LockfileError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(LockfileError::TooLong { found: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| LockfileError::NotUtf8)?;
        if let Some(at) = text.lines().position(|line| CONFLICT.iter().any(|mark| line.starts_with(mark))) {
            return Err(LockfileError::Conflict { line: at + 1 });
        }
        let (lists, armor) = parted(text)?;
        let wire = read(lists)?;
        let packed: String = armor.split('\n').collect();
        let packed = STANDARD.decode(packed).map_err(|_| LockfileError::Armor)?;
        let unpacked = unpack(&packed, Self::MAX_EVIDENCE).filter(|bytes| bytes.len() <= Self::MAX_EVIDENCE);
        let bundle = Bundle::parse_with(&unpacked.ok_or(LockfileError::Packed)?, workers)?;
        let made = wire.made.parse().map_err(|_| LockfileError::Made { found: excerpt(wire.made) })?;
        let others = [OtherPlatforms::Removed, OtherPlatforms::Kept]
            .into_iter()
            .find(|others| others.as_str() == wire.other_platforms)
            .ok_or_else(|| LockfileError::OtherPlatforms { found: excerpt(wire.other_platforms) })?;
        let files = wire.files.iter().map(covered).collect::<Result<_, _>>()?;
        let lockfile = Self::new(made, wire.locks.iter().map(|lock| (*lock).to_owned()), others, files, bundle)?;
        let printed = lockfile.with_evidence(&packed);
        if printed != text {
            return Err(LockfileError::NotAsPrinted { line: first_difference(&printed, text) });
        }
        Ok(lockfile)
    }

    /// The file. `pack` compresses.
    pub fn print(&self, pack: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        self.with_evidence(&pack(&self.bundle.to_bytes()))
    }

    fn with_evidence(&self, packed: &[u8]) -> String {
        let mut text = String::from(HEADER);
        let made: Timestamp = self.made;
        let locks: Vec<String> = self.locks.iter().map(|lock| quoted(lock)).collect();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "version = {VERSION}\nmade = \"{made}\"\nlocks = [{}]\nother-platforms = \"{}\"\n\nlogs = [\n",
            locks.join(", "),
            self.others.as_str()
        );
        for (origin, head) in self.bundle.heads() {
            let (size, root) = (head.size, head.root);
            let _ = writeln!(text, "    {{ origin = {}, size = {size}, root = \"{root}\" }},", quoted(origin));
        }
        text.push_str("]\n\nfiles = [\n");
        let entries = self.bundle.places();
        for file in &self.files {
            text.push_str(&line(file, &entries));
        }
        text.push_str("]\n");
        text.push_str(EVIDENCE);
        let armor = STANDARD.encode(packed);
        let mut rest = armor.as_str();
        while !rest.is_empty() {
            // Base64 is ASCII.
            let (line, after) = rest.split_at(rest.len().min(LINE));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str(END);
        text
    }
}

fn line(file: &Covered, entries: &BTreeMap<ArtifactDigest, BTreeSet<(&str, LeafIndex)>>) -> String {
    let (project, version) = (file.project.as_str(), file.version.as_str());
    let mut line = format!("    {{ project = {}, version = {}", quoted(project), quoted(version));
    if let Some(name) = &file.file {
        let _ = write!(line, ", file = {}", quoted(name.as_str()));
    }
    let groups: Vec<String> = file.groups.iter().map(|group| quoted(group)).collect();
    let _ = write!(line, ", sha256 = \"{}\", groups = [{}]", file.sha256, groups.join(", "));
    if file.exempt {
        line.push_str(", exempt = true");
    }
    let places = entries.get(&file.sha256).into_iter().flatten();
    let places: Vec<String> = places.map(|(origin, index)| quoted(&format!("{origin} {index}"))).collect();
    let _ = writeln!(line, ", entries = [{}] }},", places.join(", "));
    line
}

/// The lists, and the evidence in its armor. What is not parted so is not as it would be printed.
fn parted(text: &str) -> Result<(&str, &str), LockfileError> {
    let (lists, armor) = text.split_once(EVIDENCE).unwrap_or((text, ""));
    if lists.len() > Lockfile::MAX_LISTS {
        return Err(LockfileError::Lists { found: lists.len() });
    }
    Ok((lists, armor.strip_suffix(END).unwrap_or(armor)))
}

fn read(text: &str) -> Result<Wire<'_>, LockfileError> {
    let refused = |error: &toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        LockfileError::Toml { line, message: error.message().to_owned() }
    };
    match toml::from_str::<OnlyVersion>(text) {
        Ok(OnlyVersion { version: VERSION }) => toml::from_str(text).map_err(|error| refused(&error)),
        Ok(OnlyVersion { version }) => Err(LockfileError::Version { found: version }),
        Err(error) => Err(refused(&error)),
    }
}

fn covered(line: &FileLine<'_>) -> Result<Covered, LockfileError> {
    Ok(Covered {
        project: ProjectName::new(line.project)?,
        version: Version::new(line.version)?,
        file: line.file.map(WheelName::parse).transpose()?,
        sha256: line.sha256.parse().map_err(|_| LockfileError::Digest { found: excerpt(line.sha256) })?,
        groups: line.groups.iter().map(|group| (*group).to_owned()).collect(),
        exempt: line.exempt.unwrap_or(false),
    })
}

/// Whether a text stands between quotation marks as it is, and shows on a terminal as what it is.
pub(super) fn is_plain(text: &str) -> bool {
    (1..=super::Lockfile::MAX_LOCK_NAME).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
        && !text.contains(['"', '\\'])
}

/// Names that could not stand there as they are were refused before.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn first_difference(printed: &str, found: &str) -> usize {
    let same = printed.lines().zip(found.lines()).take_while(|(printed, found)| printed == found).count();
    same + 1
}
