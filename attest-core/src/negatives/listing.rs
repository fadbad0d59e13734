//! The signed note: which list belongs to which tree.
//!
//! ```
//! use attest_core::negatives::Listing;
//!
//! let text = "\
//! attest/negatives/v1
//! log.example.org/attest
//! 1000
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! 0
//! Donn7XTJpZRMiGWF1jTjxo9NzNCjGWj+UtbfCHPM3sY=
//! ";
//! let listing: Listing = text.parse()?;
//! assert_eq!((listing.head().size.get(), listing.count()), (1_000, 0));
//! assert_eq!(listing.to_string(), text);
//! # Ok::<(), attest_core::negatives::ListingError>(())
//! ```
//!
//! Lines are plain Ed25519 (0x01) over the text: whoever signs says that these are all negatives of that tree, which does
//! not age, so there is no time in it. How fresh N is, the witnesses of the checkpoint of exactly that size and root say
//! (docs/negatives.md, "Freshness"). A text of this kind is never a checkpoint: where that has its size, this has a name.
use super::{ListDigest, Table, TableError};
use crate::{
    merkle::{DecimalError, HashError, RootHash, TreeHead, TreeSize, parse_decimal},
    note::{KeyName, Note, NoteError, SignerKey, VerifierKey},
};
use std::{fmt, str::FromStr};

/// First line.
pub const HEADER: &str = "attest/negatives/v1";

/// What a note says: origin, tree, number of records, digest of the list. Display prints the note's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    origin: KeyName,
    head: TreeHead,
    count: u64,
    list: ListDigest,
}

impl Listing {
    /// The listing of `table`, which has `count` records, for the tree `head` of the log `origin`.
    ///
    /// # Errors
    /// [`ListingError::Count`] when there cannot be as many.
    pub fn new(origin: KeyName, head: TreeHead, count: u64, table: &Table) -> Result<Self, ListingError> {
        let listing = Self { origin, head, count, list: table.digest() };
        listing.check()?;
        Ok(listing)
    }

    /// Of the log.
    pub fn origin(&self) -> &str {
        self.origin.as_str()
    }

    /// The tree whose entries were looked at.
    pub const fn head(&self) -> TreeHead {
        self.head
    }

    /// Records in the list.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Of the list.
    pub const fn list(&self) -> ListDigest {
        self.list
    }

    fn check(&self) -> Result<(), ListingError> {
        // An entry has one subject, so it is one record at most; and only the empty list has none.
        let empty = self.list == Table::empty().digest();
        if self.count > self.head.size.get() || empty != (self.count == 0) {
            return Err(ListingError::Count { size: self.head.size, found: self.count });
        }
        if self.head.size == TreeSize::ZERO && self.head.root != RootHash::of_empty() {
            return Err(ListingError::EmptyTreeRoot { found: self.head.root });
        }
        Ok(())
    }

    /// Signs it, alone. Only for a caller that computed it from entries that it holds and verified.
    pub fn sign(&self, key: &SignerKey) -> Result<ListingNote, ListingError> {
        let text = self.to_string();
        let note = Note::new(text.clone(), vec![key.sign(&text)?])?;
        Ok(ListingNote { note, listing: self.clone() })
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TreeHead { size, root } = self.head;
        writeln!(f, "{HEADER}\n{}\n{size}\n{root}\n{}\n{}", self.origin, self.count, self.list)
    }
}

impl FromStr for Listing {
    type Err = ListingError;

    fn from_str(text: &str) -> Result<Self, ListingError> {
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or(ListingError::Lines)?.splitn(7, '\n').collect();
        let [header, origin, size, root, count, list] = lines.as_slice() else {
            return Err(ListingError::Lines);
        };
        if *header != HEADER {
            return Err(ListingError::Header);
        }
        let size: TreeSize = size.parse().map_err(ListingError::Size)?;
        let listing = Self {
            origin: KeyName::new(origin)?,
            head: TreeHead { size, root: root.parse().map_err(ListingError::Root)? },
            count: parse_decimal(count, TreeSize::MAX.get()).map_err(ListingError::CountForm)?,
            list: list.parse().map_err(ListingError::List)?,
        };
        listing.check()?;
        Ok(listing)
    }
}

/// A note whose text is a listing; its signatures are looked at one by one. Display prints the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingNote {
    note: Note,
    listing: Listing,
}

impl ListingNote {
    /// Bytes of the largest note that is read: six lines, and as many signature lines as a note may have.
    pub const MAX_LEN: usize = 64 * 1024;

    /// Parses the note and its text. Only its signatures say whether any of it is true.
    pub fn parse(bytes: &[u8]) -> Result<Self, ListingError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(ListingError::TooLong { found: bytes.len() });
        }
        let note = Note::parse(bytes)?;
        let listing = note.text().parse()?;
        Ok(Self { note, listing })
    }

    /// What it says.
    pub const fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The note.
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Whether `key` signed it.
    ///
    /// # Errors
    /// A line of that key does not hold: signed-note rejects the whole note then.
    pub fn is_signed_by(&self, key: &VerifierKey) -> Result<bool, NoteError> {
        match self.note.verify(&[key]) {
            Ok(_) => Ok(true),
            Err(NoteError::NoKnownSignature) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// This note with a line by `key` too. Only for a caller that computed the same listing by itself.
    pub fn countersigned(self, key: &SignerKey) -> Result<Self, NoteError> {
        let line = key.sign(self.note.text())?;
        Ok(Self { note: self.note.with_line(line), listing: self.listing })
    }

    /// This note with the lines of these keys alone, once verified; `None` when no line is left. What cannot be verified
    /// is not passed on: a bad line in somebody's name makes others reject the whole note.
    pub fn signed_by_only(self, keys: &[&VerifierKey]) -> Result<Option<Self>, NoteError> {
        match self.note.verify(keys) {
            Ok(_) => {}
            Err(NoteError::NoKnownSignature) => return Ok(None),
            Err(error) => return Err(error),
        }
        let note = self.note.retain_lines(|line| keys.iter().any(|key| key.made(line)));
        Ok(Some(Self { note, listing: self.listing }))
    }
}

impl fmt::Display for ListingNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// What is wrong with a note about negatives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// More records than entries, or a count that does not fit the list.
    #[error(
        "expected at most as many negatives as entries, and none for the empty list alone, found {found} in {size}"
    )]
    Count {
        /// Entries.
        size: TreeSize,
        /// Records.
        found: u64,
    },
    /// The count line is not a number.
    #[error("count of the negatives: {0}")]
    CountForm(#[source] DecimalError),
    /// Size 0 with the root of some other tree.
    #[error("expected the root of the empty tree to be SHA-256 of nothing, found {found}")]
    EmptyTreeRoot {
        /// The root.
        found: RootHash,
    },
    /// Another kind of note.
    #[error("expected `{HEADER}` in the first line of the note")]
    Header,
    /// Not six lines.
    #[error("expected six lines (header, origin, size, root, count, digest) that end in newlines, found others")]
    Lines,
    /// The last line is not a digest.
    #[error(transparent)]
    List(TableError),
    /// The note around it, its origin or a signature is wrong.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The root line is not a hash.
    #[error("root in the note about negatives: {0}")]
    Root(#[source] HashError),
    /// The size line is not a size.
    #[error("size in the note about negatives: {0}")]
    Size(#[source] DecimalError),
    /// Larger than [`ListingNote::MAX_LEN`].
    #[error("expected a note about negatives of at most {max} bytes, found {found}", max = ListingNote::MAX_LEN)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
}
