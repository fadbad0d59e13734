//! Whether a published sdist is what a commit gives: the sdist is built from the commit, in the room, with what the wheel
//! was built with, and compared.
//!
//! VERIFIED means that a wheel built from either is built from the same: the same bytes, or else the same paths, each with
//! the same content, the same kind and, for files, the same executable bit. Everything is compared, PKG-INFO and egg-info
//! that the backend generates included. Not compared, since no code comes of them: times, owners, other permission bits,
//! empty folders, the order of the archive and its compression. There is no list of files that may differ.

use std::path::Path;

use anyhow::Context as _;
use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::Recipe;
use attest_core::statement::FromCommit;
use serde::Serialize;

use crate::rebuild::attempt::Bench;
use crate::rebuild::explain::visible;
use crate::rebuild::sdist;
use crate::rebuild::source::Source;
use crate::rebuild::tree::Tree;

/// How many differences are kept.
const MAX_DIFFERENCES: usize = 100;
/// How many are printed.
const MAX_SHOWN: usize = 8;

/// A published sdist, held against a commit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SdistCheck {
    sdist: String,
    sha256: ArtifactDigest,
    commit: String,
    /// Whether it is what the commit gives.
    verdict: FromCommit,
    /// Whether the archive itself is the same.
    byte_equal: bool,
    /// How many files differ.
    differences_total: usize,
    /// The first of them.
    differences: Vec<SdistDifference>,
    /// Why there is nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One path that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SdistDifference {
    path: String,
    kind: SdistDifferenceKind,
}

/// How it differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SdistDifferenceKind {
    /// Other bytes, or a link to elsewhere.
    Content,
    /// Executable in one only.
    Executable,
    /// A file in one, a link in the other.
    Kind,
    /// The commit does not give it: where a backdoor would be.
    OnlyInPublished,
    /// The commit gives it, the sdist does not have it.
    OnlyInRebuilt,
}

impl SdistCheck {
    /// Builds the sdist of the bench's commit as `recipe` builds its wheel, and compares it with a published one. A project
    /// whose build fails leaves it unverified.
    pub(crate) fn make(bench: &Bench<'_>, recipe: &Recipe, published: &Source) -> anyhow::Result<Self> {
        let (Source::Git(commit), Source::Sdist { name, digest, tree, .. }) = (bench.source, published) else {
            anyhow::bail!("expected a commit and an sdist to compare");
        };
        (bench.progress)(&format!("building the sdist, to see whether {name} is what the commit gives"));
        let mut check = Self {
            sdist: name.clone(),
            sha256: *digest,
            commit: commit.commit().to_string(),
            verdict: FromCommit::Unverified,
            byte_equal: false,
            differences_total: 0,
            differences: Vec::new(),
            error: None,
        };
        let built = match bench.build_sdist(recipe)? {
            Ok(built) => built,
            Err(error) => return Ok(Self { error: Some(error), ..check }),
        };
        check.byte_equal = ArtifactDigest::of(&built.bytes) == *digest;
        match sdist::read(&built.bytes).context("expected a source distribution from the build") {
            Ok(rebuilt) => check.differences = compare(tree, &rebuilt),
            Err(error) => return Ok(Self { error: Some(format!("{error:#}")), ..check }),
        }
        check.differences_total = check.differences.len();
        check.differences.truncate(MAX_DIFFERENCES);
        if check.differences_total == 0 {
            check.verdict = FromCommit::Verified;
        }
        Ok(check)
    }

    /// Whether the sdist is what the commit gives.
    pub(crate) fn is_verified(&self) -> bool {
        self.verdict == FromCommit::Verified
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let (sdist, commit) = (&self.sdist, &self.commit);
        if let Some(error) = &self.error {
            let mut lines = vec![format!("{sdist} UNVERIFIED: commit {commit} gives no sdist")];
            lines.extend(error.lines().map(|line| format!("    {}", visible(line))));
            return lines;
        }
        if self.is_verified() {
            let how = if self.byte_equal { "bit for bit" } else { "file by file" };
            return vec![format!("{sdist} VERIFIED: it is what commit {commit} gives, {how}")];
        }
        let total = self.differences_total;
        let mut lines = vec![format!("{sdist} UNVERIFIED: {total} files are not what commit {commit} gives")];
        lines.extend(
            self.differences.iter().take(MAX_SHOWN).map(|one| format!("    {}: {}", one.path, one.kind.words())),
        );
        if total > MAX_SHOWN {
            lines.push(format!("    and {} more, in report.json", total - MAX_SHOWN));
        }
        lines
    }
}

impl SdistDifferenceKind {
    fn words(self) -> &'static str {
        match self {
            Self::Content => "other content",
            Self::Executable => "executable in one only",
            Self::Kind => "a file in one, a link in the other",
            Self::OnlyInPublished => "only in the published sdist",
            Self::OnlyInRebuilt => "only in what the commit gives",
        }
    }
}

/// Only what an attacker adds to the published sdist comes first; then by path.
fn compare(published: &Tree, rebuilt: &Tree) -> Vec<SdistDifference> {
    let mut found = Vec::new();
    let mut add = |path: &Path, kind| found.push(SdistDifference { path: visible(&path.to_string_lossy()), kind });
    let has = |tree: &Tree, path: &Path| tree.file_at(path).is_some() || tree.link_at(path).is_some();
    for (path, theirs) in published.files() {
        match rebuilt.file_at(path) {
            Some(ours) if ours.content != theirs.content => add(path, SdistDifferenceKind::Content),
            Some(ours) if (ours.mode ^ theirs.mode) & 0o100 != 0 => add(path, SdistDifferenceKind::Executable),
            Some(_) => {}
            None if rebuilt.link_at(path).is_some() => add(path, SdistDifferenceKind::Kind),
            None => add(path, SdistDifferenceKind::OnlyInPublished),
        }
    }
    for (path, target) in published.links() {
        match rebuilt.link_at(path) {
            Some(ours) if ours != target => add(path, SdistDifferenceKind::Content),
            Some(_) => {}
            None if rebuilt.file_at(path).is_some() => add(path, SdistDifferenceKind::Kind),
            None => add(path, SdistDifferenceKind::OnlyInPublished),
        }
    }
    let ours = rebuilt.files().map(|(path, _)| path).chain(rebuilt.links().map(|(path, _)| path));
    for path in ours.filter(|path| !has(published, path)) {
        add(path, SdistDifferenceKind::OnlyInRebuilt);
    }
    found.sort_by(|left, right| {
        let added = |one: &SdistDifference| one.kind != SdistDifferenceKind::OnlyInPublished;
        (added(left), &left.path).cmp(&(added(right), &right.path))
    });
    found
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::rebuild::tree::SourceFile;

    fn tree(files: &[(&str, &str, u32)], links: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, content, mode) in files {
            let file = SourceFile { content: content.as_bytes().to_vec(), mode: *mode, modified: Duration::ZERO };
            tree.add_file(PathBuf::from(path), file);
        }
        for (path, target) in links {
            tree.add_link(PathBuf::from(path), PathBuf::from(target));
        }
        tree
    }

    fn kinds(published: &Tree, rebuilt: &Tree) -> Vec<(String, SdistDifferenceKind)> {
        compare(published, rebuilt).into_iter().map(|one| (one.path, one.kind)).collect()
    }

    #[test]
    fn a_file_that_is_only_in_the_published_sdist_is_named_first() {
        let commit = tree(&[("a.py", "x = 1\n", 0o644), ("b.py", "", 0o644)], &[]);
        let xz = tree(&[("a.py", "x = 2\n", 0o644), ("b.py", "", 0o644), ("m4/build-to-host.m4", "evil", 0o644)], &[]);
        let expected = [
            ("m4/build-to-host.m4".to_owned(), SdistDifferenceKind::OnlyInPublished),
            ("a.py".to_owned(), SdistDifferenceKind::Content),
        ];
        assert_eq!(kinds(&xz, &commit), expected);
    }

    #[test]
    fn contents_kinds_links_and_executable_bits_count_and_other_modes_do_not() {
        let one = tree(&[("a", "x", 0o644), ("run", "x", 0o755), ("f", "b", 0o644)], &[("l", "a"), ("g", "b")]);
        assert_eq!(
            kinds(&one, &tree(&[("a", "x", 0o664), ("run", "x", 0o775), ("f", "b", 0o600)], &[("l", "a"), ("g", "b")])),
            []
        );
        let other = tree(&[("a", "y", 0o644), ("run", "x", 0o644), ("g", "b", 0o644)], &[("l", "run"), ("f", "b")]);
        let expected = [
            ("a", SdistDifferenceKind::Content),
            ("f", SdistDifferenceKind::Kind),
            ("g", SdistDifferenceKind::Kind),
            ("l", SdistDifferenceKind::Content),
            ("run", SdistDifferenceKind::Executable),
        ];
        assert_eq!(kinds(&one, &other), expected.map(|(path, kind)| (path.to_owned(), kind)));
        let less = tree(&[("a", "x", 0o644)], &[]);
        assert!(compare(&less, &one).iter().all(|one| one.kind == SdistDifferenceKind::OnlyInRebuilt));
        assert_eq!(compare(&less, &one).len(), 4);
    }
}
