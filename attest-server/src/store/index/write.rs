//! Writing a run: block by block, under a temporary name until it is durable.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use super::{
    filter::Filter,
    posting::{POSTING, Posting, Section},
    run::{BLOCK, Header, POSTINGS_PER_BLOCK, checksum_of, seal_block},
};

/// Bytes after which what was written is synced: a long merge must not leave the disk with work that an answer of the
/// log has to wait for.
const SYNC_AFTER: usize = 4 << 20;

/// A run that is being written: section by section, each in order.
pub(super) struct Writer {
    file: File,
    block: [u8; BLOCK],
    in_block: usize,
    firsts: Vec<u8>,
    filter: Filter,
    buffer: Vec<u8>,
}

impl Writer {
    /// Starts a file with as many postings as `header` says.
    pub(super) fn create(temporary: &Path, header: Header) -> io::Result<Self> {
        let file = File::create(temporary)?;
        let filter = Filter::new(header.counts[0]);
        let mut buffer = Vec::with_capacity(SYNC_AFTER + BLOCK);
        buffer.extend_from_slice(&header.to_block());
        Ok(Self { file, block: [0; BLOCK], in_block: 0, firsts: Vec::new(), filter, buffer })
    }

    pub(super) fn push(&mut self, section: Section, posting: Posting) -> io::Result<()> {
        let bytes = posting.to_bytes();
        if self.in_block == 0 {
            self.firsts.extend_from_slice(&bytes);
        }
        if section == Section::Statement {
            self.filter.insert(posting.key);
        }
        self.block[self.in_block * POSTING..][..POSTING].copy_from_slice(&bytes);
        self.in_block += 1;
        if self.in_block == POSTINGS_PER_BLOCK { self.end_block() } else { Ok(()) }
    }

    /// Ends a section: the next one starts in a block of its own.
    pub(super) fn end_section(&mut self) -> io::Result<()> {
        if self.in_block == 0 { Ok(()) } else { self.end_block() }
    }

    fn end_block(&mut self) -> io::Result<()> {
        seal_block(&mut self.block);
        self.buffer.extend_from_slice(&self.block);
        self.block = [0; BLOCK];
        self.in_block = 0;
        if self.buffer.len() >= SYNC_AFTER {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Gives the file its name; it is durable before it has it.
    pub(super) fn finish(mut self, temporary: &Path, path: &Path) -> io::Result<()> {
        let mut summary = std::mem::take(&mut self.firsts);
        summary.extend_from_slice(&self.filter.to_bytes());
        let checksum = checksum_of(&summary);
        self.buffer.extend_from_slice(&summary);
        self.buffer.extend_from_slice(&checksum);
        self.file.write_all(&self.buffer)?;
        self.file.sync_all()?;
        fs::rename(temporary, path)
    }
}
