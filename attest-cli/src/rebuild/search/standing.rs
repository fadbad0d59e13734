//! How near a build comes to the published wheel.

use std::fmt;

use attest_core::statement::DifferenceKind;

use crate::rebuild::build::Built;
use crate::rebuild::compare::{self, Found, Sides};
use crate::rebuild::tree::Tree;
use crate::rebuild::wheel::Wheel;
use crate::rebuild::zip::Member;

/// From near to far. What the files contain counts before what the container says about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// The same file.
    Exact,
    /// Every file is the same; so many entries of the container are not.
    Container(usize),
    /// Only `.dist-info` differs, by so many lines.
    Metadata(usize),
    /// No wheel came out.
    Failed,
    /// Code differs.
    Code,
}

impl Standing {
    /// Which files of the source go into a wheel is the tools' choice, so those are no difference in code.
    pub(super) fn of(published: &Wheel, built: &Result<Built, String>, source: &Tree) -> Self {
        let Ok(ours) = built.as_ref().map_err(drop).and_then(|built| Wheel::read(&built.bytes).map_err(drop)) else {
            return Self::Failed;
        };
        if ours.digest() == published.digest() {
            return Self::Exact;
        }
        let found = compare::compare(published, &ours, Sides::PublishedAndRebuilt);
        let (container, content): (Vec<&Found>, Vec<&Found>) = found.iter().partition(|one| is_container(one.kind));
        if content.is_empty() {
            return Self::Container(container.len());
        }
        let is_metadata = |one: &&Found| published.is_metadata(&one.path) || ours.is_metadata(&one.path);
        let is_choice = |one: &&Found| {
            let same = |member: &&Member| {
                let (name, content) = (&member.name, &member.content);
                source.files().any(|(path, file)| path.ends_with(name) && file.content == *content)
            };
            let mut members = published.members().iter().chain(ours.members()).filter(|member| member.name == one.path);
            one.kind != DifferenceKind::Content && members.all(|member| same(&member))
        };
        if content.iter().all(|one| is_metadata(one) || is_choice(one)) {
            Self::Metadata(content.iter().map(|one| one.detail.len().max(1)).sum())
        } else {
            Self::Code
        }
    }

    /// Whether the files are the same.
    pub(super) fn has_all_content(self) -> bool {
        matches!(self, Self::Exact | Self::Container(_))
    }
}

fn is_container(kind: DifferenceKind) -> bool {
    use DifferenceKind::{Compression, Content, OnlyInPublished, OnlyInRebuilt, Order, ZipMetadata};
    match kind {
        ZipMetadata | Order | Compression => true,
        Content | OnlyInPublished | OnlyInRebuilt => false,
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("the very file"),
            Self::Container(entries) => write!(f, "the same files, {entries} zip entries differ"),
            Self::Metadata(lines) => write!(f, "the same code, {lines} lines of metadata differ"),
            Self::Failed => f.write_str("no wheel"),
            Self::Code => f.write_str("other code"),
        }
    }
}

#[cfg(test)]
mod tests;
