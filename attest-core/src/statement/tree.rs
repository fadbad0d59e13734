//! `treeSha256`: what a commit holds, by SHA-256, because the commit's own id may be SHA-1 (docs/TRUST.md 3.6).

use super::Sha256;
use crate::artifact::ArtifactDigest;

/// One file of a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeEntry {
    path: Vec<u8>,
    mode: TreeMode,
    content: Sha256,
}

/// What git keeps of a file beside its path and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TreeMode {
    /// `100644`
    File,
    /// `100755`
    Executable,
    /// `120000`: the content is where it points.
    Link,
}

impl TreeMode {
    /// As git prints it; nothing for anything else, such as the `160000` of a submodule, which has no content here, or
    /// the `100664` of old commits.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::File, Self::Executable, Self::Link].into_iter().find(|mode| mode.as_str() == text)
    }

    /// As git prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
        }
    }
}

impl TreeEntry {
    /// `path` as git has it, below the root, in whatever encoding. Nothing where it holds a NUL, which no path does.
    pub fn new(path: &[u8], mode: TreeMode, content: Sha256) -> Option<Self> {
        (!path.contains(&0)).then(|| Self { path: path.to_owned(), mode, content })
    }
}

/// SHA-256 over one line for each file, `MODE SP PATH NUL HEX LF`, sorted by the bytes of the path: `HEX` is the SHA-256
/// of the blob (before any conversion on checkout; of a link, where it points). Folders have no lines.
///
/// ```
/// use attest_core::{artifact::ArtifactDigest, statement::{TreeEntry, TreeMode, tree_sha256}};
///
/// let six = TreeEntry::new(b"six.py", TreeMode::File, ArtifactDigest::of(b"")).unwrap();
/// let line = "100644 six.py\0e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
/// assert_eq!(tree_sha256(vec![six]), ArtifactDigest::of(line.as_bytes()));
/// ```
pub fn tree_sha256(mut entries: Vec<TreeEntry>) -> Sha256 {
    entries.sort_unstable();
    let mut text = Vec::new();
    for entry in entries {
        text.extend(entry.mode.as_str().bytes());
        text.push(b' ');
        text.extend(entry.path);
        text.push(0);
        text.extend(entry.content.to_string().bytes());
        text.push(b'\n');
    }
    ArtifactDigest::of(&text)
}
