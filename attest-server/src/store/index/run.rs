//! A run: the postings of a range of entries, sorted, in one file that never changes.
//!
//! ```text
//! header   one block: magic, version, range of entries, postings of each section, checksum
//! blocks   for each section, its postings in blocks of 4 KiB, each with a checksum
//! summary  first posting of every block, the filter of the statements, checksum
//! ```
//!
//! The summary is what is kept in memory: a fraction of a byte for each entry, and ten bits of filter.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use flate2::Crc;

use super::{
    IndexError,
    filter::Filter,
    posting::{Fingerprint, POSTING, Posting, Section},
};

/// Bytes of a block.
pub(super) const BLOCK: usize = 4096;
/// Postings in a full block; a checksum follows them.
pub(super) const POSTINGS_PER_BLOCK: usize = (BLOCK - CHECKSUM) / POSTING;
const CHECKSUM: usize = 4;
/// Changes with the form of a run, or with what is in it: a file of another version is made again.
const MAGIC: &[u8; 16] = b"attest index v1\n";

/// Postings of each section.
pub(super) type Counts = [u64; Section::ALL.len()];

/// What is at the beginning of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The entries that it covers: from the first, below the second.
    pub(super) range: (u64, u64),
    pub(super) counts: Counts,
}

impl Header {
    pub(super) fn to_block(self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let (from, below) = self.range;
        let [statements, artifacts, projects] = self.counts;
        block[..16].copy_from_slice(MAGIC);
        for (at, number) in (16..).step_by(8).zip([from, below, statements, artifacts, projects]) {
            block[at..at + 8].copy_from_slice(&number.to_be_bytes());
        }
        seal_block(&mut block);
        block
    }

    /// `None` where the file is of another version, or torn.
    fn from_block(block: &[u8; BLOCK]) -> Option<Self> {
        let block = opened(block)?;
        let numbers = block.strip_prefix(MAGIC)?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let [from, below, statements, artifacts, projects] = *numbers.first_chunk()?;
        let counts = [statements, artifacts, projects].map(u64::from_be_bytes);
        Some(Self { range: (u64::from_be_bytes(from), u64::from_be_bytes(below)), counts })
    }

    /// Blocks of each section.
    fn blocks(&self) -> Counts {
        self.counts.map(|count| count.div_ceil(POSTINGS_PER_BLOCK as u64))
    }

    /// Where the summary starts, and how long it is; `None` for numbers that no file has.
    fn summary(&self) -> Option<(u64, usize)> {
        let blocks = self.blocks().into_iter().try_fold(0_u64, u64::checked_add)?;
        let start = blocks.checked_add(1)?.checked_mul(BLOCK as u64)?;
        let firsts = usize::try_from(blocks).ok()?.checked_mul(POSTING)?;
        Some((start, firsts.checked_add(Filter::bytes_for(self.counts[0]))?.checked_add(CHECKSUM)?))
    }
}

/// Writes the checksum of a block to its end.
pub(super) fn seal_block(block: &mut [u8; BLOCK]) {
    let (content, checksum) = block.split_at_mut(BLOCK - CHECKSUM);
    checksum.copy_from_slice(&checksum_of(content));
}

pub(super) fn checksum_of(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

/// The content before a checksum that holds.
fn opened(bytes: &[u8]) -> Option<&[u8]> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    (checksum_of(content) == *checksum).then_some(content)
}

/// An open run.
#[derive(Debug)]
pub(super) struct Run {
    path: PathBuf,
    file: File,
    header: Header,
    /// First posting of every block, section by section.
    firsts: Vec<Posting>,
    filter: Filter,
}

impl Run {
    /// Opens a run; `None` where it is not whole, or of another version.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut block = [0; BLOCK];
        if length < BLOCK as u64 {
            return Ok(None);
        }
        file.read_exact_at(&mut block, 0)?;
        let Some(header) = Header::from_block(&block) else {
            return Ok(None);
        };
        // Before anything of that size is allocated.
        let Some((start, size)) = header.summary().filter(|(start, size)| start + *size as u64 == length) else {
            return Ok(None);
        };
        let mut summary = vec![0; size];
        file.read_exact_at(&mut summary, start)?;
        let Some(summary) = opened(&summary) else {
            return Ok(None);
        };
        let (firsts, filter) = summary.split_at(summary.len() - Filter::bytes_for(header.counts[0]));
        let (firsts, _) = firsts.as_chunks::<POSTING>();
        let firsts = firsts.iter().map(Posting::from_bytes).collect();
        Ok(Some(Self { path: path.to_owned(), file, header, firsts, filter: Filter::from_bytes(filter) }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn header(&self) -> Header {
        self.header
    }

    /// Number of entries that it covers.
    pub(super) const fn entries(&self) -> u64 {
        self.header.range.1 - self.header.range.0
    }

    /// Whether a statement may be in it.
    pub(super) fn may_hold(&self, statement: Fingerprint) -> bool {
        self.filter.may_hold(statement)
    }

    /// Adds the indexes of the postings from `from` on and below `below`, both of one key, to `found`, up to `limit` of
    /// them.
    pub(super) fn find(
        &self,
        section: Section,
        (from, below): (Posting, Posting),
        limit: usize,
        found: &mut Vec<u64>,
    ) -> Result<(), IndexError> {
        let (start, end) = self.blocks(section);
        let firsts = &self.firsts[start..end];
        // The block before the first that starts behind `from` may hold it.
        let first = firsts.partition_point(|first| *first <= from).saturating_sub(1);
        for (block, first) in firsts.iter().enumerate().skip(first) {
            if *first >= below || found.len() >= limit {
                break;
            }
            let postings = self.block(section, block)?;
            let wanted = postings.into_iter().filter(|posting| (from..below).contains(posting));
            found.extend(wanted.take(limit - found.len()).map(|posting| posting.index));
        }
        Ok(())
    }

    /// The postings of one block of a section.
    pub(super) fn block(&self, section: Section, number: usize) -> Result<Vec<Posting>, IndexError> {
        let mut block = [0; BLOCK];
        let at = (1 + self.blocks(section).0 + number) * BLOCK;
        let read = self.file.read_exact_at(&mut block, at as u64);
        read.map_err(|source| IndexError::Io { operation: "reading", path: self.path.clone(), source })?;
        let content = opened(&block).ok_or_else(|| IndexError::Damaged { path: self.path.clone(), block: number })?;
        let count = self.header.counts[section as usize];
        let here = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(number * POSTINGS_PER_BLOCK);
        let (postings, _) = content.as_chunks::<POSTING>();
        Ok(postings.iter().take(here).map(Posting::from_bytes).collect())
    }

    /// Numbers of the first block of a section and of the block after its last.
    pub(super) fn blocks(&self, section: Section) -> (usize, usize) {
        let blocks = self.header.blocks().map(|blocks| usize::try_from(blocks).unwrap_or(usize::MAX));
        let start = blocks[..section as usize].iter().sum();
        (start, start + blocks[section as usize])
    }

    /// All postings of a section, in order.
    pub(super) fn postings(&self, section: Section) -> impl Iterator<Item = Result<Posting, IndexError>> + '_ {
        let (start, end) = self.blocks(section);
        (0..end - start).flat_map(move |number| match self.block(section, number) {
            Ok(postings) => postings.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }
}
