//! An sdist as it shows in a digest: the gzip header, and every header and byte of the tar in it.

use std::io::{self, Read as _};

use flate2::read::GzDecoder;

/// The biggest tar that is unpacked.
const MAX_UNPACKED: u64 = 2 << 30;
/// Name under which the gzip header is listed.
const GZIP: &str = "(gzip header)";

/// One member.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Path below the sdist's top folder.
    pub(crate) name: String,
    /// All of it.
    pub(crate) content: Vec<u8>,
    /// Since 1970.
    pub(crate) time: u64,
    /// Permissions.
    pub(crate) mode: u32,
    /// User and group, by number and name.
    pub(crate) owner: String,
    /// Kind, and where a link leads.
    pub(crate) link: String,
}

/// Reads a `.tar.gz` that a build of ours made.
pub(crate) fn read(bytes: &[u8]) -> io::Result<Vec<Entry>> {
    let decoder = GzDecoder::new(bytes);
    let header = decoder.header().ok_or_else(|| io::Error::other("no gzip header"))?;
    let mut entries = vec![Entry {
        name: GZIP.to_owned(),
        content: header.filename().unwrap_or_default().to_vec(),
        time: header.mtime().into(),
        mode: 0,
        owner: String::new(),
        link: header.operating_system().to_string(),
    }];
    let mut archive = tar::Archive::new(decoder.take(MAX_UNPACKED));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let link = entry.link_name_bytes().unwrap_or_default().into_owned();
        let header = entry.header();
        let name = |name: Option<&[u8]>| String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
        let owner = format!(
            "{} ({}), {} ({})",
            header.uid()?,
            name(header.username_bytes()),
            header.gid()?,
            name(header.groupname_bytes())
        );
        let (time, mode) = (header.mtime()?, header.mode()?);
        let link = format!("{:?} {}", header.entry_type(), String::from_utf8_lossy(&link));
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        let name = path.split_once('/').map_or(path.clone(), |(_, below)| below.to_owned());
        entries.push(Entry { name, content, time, mode, owner, link });
    }
    Ok(entries)
}
