//! Statements in local folders: the user's own, for the most part.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use attest_core::{artifact::ArtifactDigest, envelope::Envelope, statement::Statement};

use crate::{
    files,
    output::{Output, causes},
};

/// An envelope, and the line end that an editor may have put behind it.
const MAX_ENVELOPE: u64 = 65_536;

/// Envelopes in local folders that are about one of the files. What is no envelope there is named and left alone.
pub(super) fn unlogged(folders: &[PathBuf], digests: &[ArtifactDigest], out: &Output) -> io::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for folder in folders {
        for path in statement_files(folder)? {
            match read_envelope(&path) {
                Ok((envelope, statement)) if digests.contains(&statement.subject().digest) => {
                    found.push(envelope.to_bytes());
                }
                Ok(_) => {}
                Err(error) => {
                    out.warning(format_args!("{} is left out: {}", path.display(), causes(error.as_ref())));
                }
            }
        }
    }
    Ok(found)
}

/// The `.json` files of a folder, by name; none where there is no such folder. A file is itself.
fn statement_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

/// An envelope file, with the statement that it claims; no signature is verified.
pub(crate) fn read_envelope(path: &Path) -> anyhow::Result<(Envelope, Statement)> {
    let bytes = files::read(path, MAX_ENVELOPE)?;
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let envelope = Envelope::parse(bytes).with_context(|| format!("{} is no envelope", path.display()))?;
    let statement =
        Statement::parse(envelope.payload()).with_context(|| format!("{} holds no statement", path.display()))?;
    Ok((envelope, statement))
}
