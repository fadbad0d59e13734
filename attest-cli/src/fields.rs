//! Files of attest's own that carry a checksum: a line that names the form, the SHA-256 of all that follows, and then plain
//! fields, numbers big-endian, everything of variable length behind its length.
//!
//! They hold evidence that can be had again. What is not exactly as it was written reads as nothing.

use attest_core::artifact::ArtifactDigest;

const HASH: usize = 32;

/// Fields to write.
#[derive(Debug)]
pub(crate) struct Writer {
    header: usize,
    bytes: Vec<u8>,
}

impl Writer {
    /// `header` ends in a newline.
    pub(crate) fn new(header: &str) -> Self {
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend([0; HASH]);
        Self { header: header.len(), bytes }
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.bytes.extend(number.to_be_bytes());
    }

    pub(crate) fn hash(&mut self, hash: &[u8; HASH]) {
        self.bytes.extend(hash);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend(bytes);
    }

    pub(crate) fn each<I: IntoIterator>(&mut self, items: I, mut write: impl FnMut(&mut Self, I::Item))
    where
        I::IntoIter: ExactSizeIterator,
    {
        let items = items.into_iter();
        self.number(items.len() as u64);
        items.for_each(|item| write(self, item));
    }

    /// The file.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let (head, body) = self.bytes.split_at_mut(self.header + HASH);
        head[self.header..].copy_from_slice(ArtifactDigest::of(body).as_bytes());
        self.bytes
    }
}

/// Fields to read, each `None` where there is none.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The fields of a file that begins with this header and has the checksum that it says.
    pub(crate) fn open(header: &str, file: &'a [u8]) -> Option<Self> {
        let (sum, body) = file.strip_prefix(header.as_bytes())?.split_at_checked(HASH)?;
        (ArtifactDigest::of(body).as_bytes() == sum).then_some(Self(body))
    }

    /// Whether all was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(crate) fn hash(&mut self) -> Option<[u8; HASH]> {
        self.take(HASH)?.try_into().ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.take(count)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Every item takes a byte at least, so a count cannot make this larger than the file.
    pub(crate) fn each<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())?;
        (0..count).map(|_| read(self)).collect()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}
