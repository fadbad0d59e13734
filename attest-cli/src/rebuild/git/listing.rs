//! What a commit holds, read from git's own listing before anything is written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use attest_core::artifact::ArtifactDigest;
use attest_core::statement::{Sha256, TreeEntry, TreeMode, tree_sha256};

use super::error::GitError;
use crate::host;
use crate::rebuild::tree::{SourceFile, Tree, points_inside};

/// The most files in a commit, as in an sdist.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// The most bytes in them.
pub(super) const MAX_UNPACKED: u64 = 2 << 30;
/// Folders that are git's own on some file system: as written, and as Windows shortens it.
const GITS_OWN: [&str; 2] = [".git", "git~1"];
/// How a file that git-lfs keeps elsewhere begins.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// One file of a commit.
#[derive(Debug)]
struct Listed {
    path: PathBuf,
    mode: TreeMode,
    blob: String,
}

/// All files of a commit.
#[derive(Debug)]
pub(super) struct Listing(Vec<Listed>);

impl Listing {
    /// Reads `git ls-tree -r -z --long`: `MODE SP TYPE SP ID SP* SIZE TAB PATH NUL`.
    pub(super) fn parse(answer: &[u8]) -> Result<Self, GitError> {
        let mut listed = Vec::new();
        let mut unpacked = 0_u64;
        for line in answer.split(|b| *b == 0).filter(|line| !line.is_empty()) {
            let refuse = || GitError::Answer {
                what: "list a commit's files",
                found: String::from_utf8_lossy(line).chars().take(80).collect(),
            };
            let tab = line.iter().position(|b| *b == b'\t').ok_or_else(refuse)?;
            let head = std::str::from_utf8(&line[..tab]).map_err(|_| refuse())?;
            let path = host::path_of(&line[tab + 1..]);
            let [mode, kind, blob, size] = head.split_ascii_whitespace().collect::<Vec<_>>()[..] else {
                return Err(refuse());
            };
            if kind == "commit" {
                return Err(GitError::Submodule { path });
            }
            let Some(mode) = TreeMode::parse(mode) else {
                return Err(GitError::Mode { path, mode: mode.to_owned() });
            };
            check_path(&path)?;
            unpacked = unpacked.saturating_add(size.parse().map_err(|_| refuse())?);
            if unpacked > MAX_UNPACKED || listed.len() >= MAX_ENTRIES {
                return Err(GitError::TooLarge);
            }
            listed.push(Listed { path, mode, blob: blob.to_owned() });
        }
        Ok(Self(listed))
    }

    /// What `git cat-file --batch` is asked for.
    pub(super) fn blobs(&self) -> Vec<u8> {
        self.0.iter().flat_map(|one| [one.blob.as_bytes(), b"\n"].concat()).collect()
    }

    /// With the contents that `git cat-file --batch` answered, `ID SP blob SP SIZE LF CONTENT LF` each: the files as git
    /// has them, all changed at `time`.
    pub(super) fn with_contents(&self, mut answer: &[u8], time: Duration) -> Result<Contents, GitError> {
        let mut contents = Contents { tree: Tree::default(), entries: Vec::new(), pointers: Vec::new() };
        let mut digests = HashMap::<&str, Sha256>::new();
        for one in &self.0 {
            let content = next_blob(&mut answer, &one.blob)?;
            let digest = *digests.entry(&one.blob).or_insert_with(|| ArtifactDigest::of(content));
            contents.add(one, content, digest, time)?;
        }
        contents.tree.check_kinds().map_err(|path| GitError::Duplicate { path })?;
        Ok(contents)
    }
}

/// The files of a commit.
#[derive(Debug)]
pub(super) struct Contents {
    /// As they are laid out.
    pub(super) tree: Tree,
    entries: Vec<TreeEntry>,
    /// Files that git-lfs keeps elsewhere.
    pub(super) pointers: Vec<PathBuf>,
}

impl Contents {
    /// For the statement.
    pub(super) fn digest(&self) -> Sha256 {
        tree_sha256(self.entries.clone())
    }

    fn add(&mut self, one: &Listed, content: &[u8], digest: Sha256, time: Duration) -> Result<(), GitError> {
        let path = one.path.clone();
        let entry = TreeEntry::new(path.as_os_str().as_encoded_bytes(), one.mode, digest);
        self.entries.push(entry.ok_or_else(|| GitError::Path { path: path.clone() })?);
        if content.starts_with(LFS_POINTER) {
            self.pointers.push(path.clone());
        }
        let mode = match one.mode {
            TreeMode::Link => {
                let target = host::path_of(content);
                if content.is_empty() || content.contains(&0) || !points_inside(&path, &target) {
                    return Err(GitError::Link { path, target });
                }
                return if self.tree.add_link(path.clone(), target) {
                    Ok(())
                } else {
                    Err(GitError::Duplicate { path })
                };
            }
            TreeMode::Executable => 0o755,
            TreeMode::File => 0o644,
        };
        let file = SourceFile { content: content.to_owned(), mode, modified: time };
        if self.tree.add_file(path.clone(), file) { Ok(()) } else { Err(GitError::Duplicate { path }) }
    }
}

/// git checks this too, as its settings say; a stranger's path is looked at twice.
fn check_path(path: &Path) -> Result<(), GitError> {
    let refuse = || Err(GitError::Path { path: path.to_owned() });
    if path.as_os_str().is_empty() || path.is_absolute() {
        return refuse();
    }
    for part in path.as_os_str().as_encoded_bytes().split(|b| *b == b'/') {
        let text = String::from_utf8_lossy(part);
        let is_gits_own = GITS_OWN.iter().any(|name| text.trim_end_matches(['.', ' ']).eq_ignore_ascii_case(name));
        if matches!(part, b"" | b"." | b"..") || is_gits_own {
            return refuse();
        }
    }
    Ok(())
}

fn next_blob<'a>(answer: &mut &'a [u8], blob: &str) -> Result<&'a [u8], GitError> {
    let refuse = |found: &[u8]| GitError::Answer {
        what: "read a commit's files",
        found: String::from_utf8_lossy(&found[..found.len().min(80)]).into_owned(),
    };
    let end = answer.iter().position(|b| *b == b'\n').ok_or_else(|| refuse(answer))?;
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| refuse(answer))?;
    let size = head.strip_prefix(blob).and_then(|rest| rest.strip_prefix(" blob "));
    let size: usize = size.and_then(|size| size.parse().ok()).ok_or_else(|| refuse(answer))?;
    let rest = &answer[end + 1..];
    if size >= rest.len() || rest[size] != b'\n' {
        return Err(refuse(answer));
    }
    *answer = &rest[size + 1..];
    Ok(&rest[..size])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

    fn line(mode: &str, kind: &str, size: &str, path: &str) -> Vec<u8> {
        format!("{mode} {kind} {BLOB} {size}\t{path}\0").into_bytes()
    }

    #[test]
    fn paths_that_are_gits_own_or_lead_out_are_refused() {
        for path in [
            ".git/config",
            ".GIT/hooks/post-checkout",
            "a/.Git/x",
            "git~1/x",
            ".git ./x",
            "../x",
            "/etc/x",
            "a//b",
            ".",
        ] {
            let found = Listing::parse(&line("100644", "blob", "0", path));
            assert!(matches!(found, Err(GitError::Path { .. })), "{path}");
        }
        assert!(Listing::parse(&line("100644", "blob", "0", ".gitattributes")).is_ok());
    }

    #[test]
    fn submodules_and_odd_modes_are_refused() {
        let found = Listing::parse(&line("160000", "commit", "-", "vendor"));
        assert!(matches!(found, Err(GitError::Submodule { .. })));
        let found = Listing::parse(&line("100664", "blob", "0", "old"));
        assert!(matches!(found, Err(GitError::Mode { .. })));
    }

    #[test]
    fn more_than_a_source_may_have_is_refused_before_it_is_read() {
        let found = Listing::parse(&line("100644", "blob", &(MAX_UNPACKED + 1).to_string(), "big"));
        assert!(matches!(found, Err(GitError::TooLarge)));
        let many: Vec<u8> = (0..=MAX_ENTRIES).flat_map(|n| line("100644", "blob", "0", &n.to_string())).collect();
        assert!(matches!(Listing::parse(&many), Err(GitError::TooLarge)));
    }

    #[test]
    fn links_that_lead_out_and_a_path_that_is_two_things_are_refused() {
        let read = |lines: &[Vec<u8>], contents: &[&str]| {
            let answer: Vec<u8> =
                contents.iter().flat_map(|text| format!("{BLOB} blob {}\n{text}\n", text.len()).into_bytes()).collect();
            Listing::parse(&lines.concat()).unwrap().with_contents(&answer, Duration::ZERO)
        };
        for target in ["/etc/passwd", "../../x", "..", ""] {
            let found = read(&[line("120000", "blob", "1", "a/link")], &[target]);
            let inside = target == "..";
            assert_eq!(matches!(found, Err(GitError::Link { .. })), !inside, "{target:?}");
        }
        let twice = read(&[line("120000", "blob", "1", "a"), line("100644", "blob", "1", "a/b")], &["b", "c"]);
        assert!(matches!(twice, Err(GitError::Duplicate { .. })));
        let twice = read(&[line("100644", "blob", "1", "a"), line("100644", "blob", "1", "a")], &["b", "c"]);
        assert!(matches!(twice, Err(GitError::Duplicate { .. })));
    }

    #[test]
    fn an_answer_that_is_cut_short_or_about_another_blob_is_refused() {
        let listing = Listing::parse(&line("100644", "blob", "3", "a")).unwrap();
        let good = format!("{BLOB} blob 3\nabc\n");
        assert!(listing.with_contents(good.as_bytes(), Duration::ZERO).is_ok());
        for bad in
            [&good[..good.len() - 1], &good[..20], "", &good.replace("blob 3", "blob 9"), &good.replace('e', "f")]
        {
            assert!(matches!(listing.with_contents(bad.as_bytes(), Duration::ZERO), Err(GitError::Answer { .. })));
        }
    }
}
