//! Why a file is not a zip.

/// Why a file is not a zip that can be trusted to mean one thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ZipError {
    /// No end-of-central-directory record at the very end.
    #[error("expected a zip that ends with its directory, found {found} bytes without one at the end")]
    NoEnd {
        /// Length of the file.
        found: usize,
    },
    /// A structure runs past the end or into another one.
    #[error("expected the {what} at byte {offset} to be inside the file, found that it is not")]
    OutOfBounds {
        /// Which structure.
        what: &'static str,
        /// Where it was to start.
        offset: usize,
    },
    /// A structure does not start with its signature.
    #[error("expected the {what} at byte {offset}, found something else")]
    Signature {
        /// Which structure.
        what: &'static str,
        /// Where it was to start.
        offset: usize,
    },
    /// Several disks, zip64, or a directory that does not end where the end record starts.
    #[error(
        "expected a zip on one disk with a directory of the stated size and nothing after it, found another layout"
    )]
    Layout,
    /// Two members of one name: readers disagree which one is installed.
    #[error("expected every name once, found two members named {name:?}")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A name that leaves the folder or that is not plain text.
    #[error("expected a relative path inside the wheel, found {name:?}")]
    Path {
        /// The name as given.
        name: String,
    },
    /// A member that is a link, a device or anything else than a file or a folder.
    #[error("expected a regular file, found that {name:?} is of type {kind:#o}")]
    Special {
        /// The member.
        name: String,
        /// The `S_IFMT` bits.
        kind: u32,
    },
    /// Encryption or an unknown method.
    #[error("expected stored or deflated data in {name:?}, found method {method} with flags {flags:#06x}")]
    Method {
        /// The member.
        name: String,
        /// Compression method.
        method: u16,
        /// General purpose flags.
        flags: u16,
    },
    /// The local header says something else than the directory.
    #[error("expected one description of {name:?}, found that its local header contradicts the directory")]
    LocalHeader {
        /// The member.
        name: String,
    },
    /// Sizes that no honest wheel has.
    #[error("expected at most {limit} bytes unpacked, found {found} claimed by {name:?}")]
    TooLarge {
        /// The member at which the limit was passed.
        name: String,
        /// Bytes.
        limit: u64,
        /// Bytes.
        found: u64,
    },
}
