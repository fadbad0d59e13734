//! Results by digest, for any web server: whoever reads a statement can fetch what it names.
//!
//! ```text
//! by-digest/
//!     sha256/HEX          a recipe, record, lock, log or report; a rebuilt wheel where it is not the published one
//!     artifact/HEX.json   the results about the published file with this digest, newest first
//! ```
//!
//! JSON Schema of the second: `schemas/results.schema.json`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attest_core::artifact::ArtifactDigest;
use serde::{Deserialize, Serialize};

use super::{RECORD, ResultError, ResultFolder, read};
use crate::files::{self, FileError, Mode};
use crate::rebuild::record::{RecordedFile, Verdict};

/// The value of `schema`.
const SCHEMA: &str = "https://w3id.org/attest/results/v1";
/// Older results about one file stay on the shelf, but are no longer listed.
const MAX_LISTED: usize = 32;
/// So many results with a dozen files each.
const MAX_INDEX: u64 = 1 << 20;

/// A folder that a web server can serve as it is.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
}

/// `artifact/HEX.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    schema: String,
    results: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Listed {
    /// The published file.
    subject: RecordedFile,
    verdict: Verdict,
    rebuilt_at: String,
    /// All files of the result; the record itself is the first.
    files: Vec<RecordedFile>,
}

impl Shelf {
    /// Below the folder that has the result folders.
    pub(crate) fn new(results: &Path) -> Self {
        Self { folder: results.join("by-digest") }
    }

    /// Where it writes.
    pub(crate) fn folders(&self) -> [PathBuf; 2] {
        [self.folder.join("sha256"), self.folder.join("artifact")]
    }

    /// Takes copies of a result's files (people edit recipes where they are), then lists them: whatever is listed is
    /// there, also if we crash in between.
    pub(crate) fn put(&self, result: &ResultFolder) -> Result<(), ResultError> {
        let record = result.record();
        let mut files = vec![RecordedFile { name: RECORD.to_owned(), sha256: result.digest()? }];
        files.extend(record.files.iter().cloned());
        files.extend(record.rebuilt.iter().filter(|file| file.sha256 != record.subject.sha256).cloned());
        let [blobs, artifacts] = self.folders();
        for file in &files {
            keep(&blobs.join(file.sha256.to_string()), file, result.path())?;
        }
        let path = artifacts.join(format!("{}.json", record.subject.sha256));
        let mut results = match files::read(&path, MAX_INDEX) {
            // Made anew if it is none: it is derived from what is there.
            Ok(bytes) => serde_json::from_slice::<Index>(&bytes).map(|index| index.results).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        results.retain(|listed| listed.files.first().map(|file| file.sha256) != Some(files[0].sha256));
        let (subject, verdict, rebuilt_at) = (record.subject.clone(), record.verdict, record.rebuilt_at.clone());
        results.insert(0, Listed { subject, verdict, rebuilt_at, files });
        results.truncate(MAX_LISTED);
        let bytes = serde_json::to_vec_pretty(&Index { schema: SCHEMA.to_owned(), results })?;
        files::replace(&path, &bytes, Mode::Shared).map_err(|error| unwritten(path, error))
    }
}

/// A file under its digest. One that is there already has it, unless somebody wrote to it.
fn keep(path: &Path, file: &RecordedFile, folder: &Path) -> Result<(), ResultError> {
    if fs::read(path).is_ok_and(|bytes| ArtifactDigest::of(&bytes) == file.sha256) {
        return Ok(());
    }
    let bytes = read(folder, &file.name)?;
    let found = ArtifactDigest::of(&bytes);
    if found != file.sha256 {
        return Err(ResultError::Changed { name: file.name.clone(), expected: file.sha256, found });
    }
    files::replace(path, &bytes, Mode::Shared).map_err(|error| unwritten(path.to_owned(), error))
}

fn unwritten(path: PathBuf, error: FileError) -> ResultError {
    let source = match error {
        FileError::Write { source, .. } | FileError::Read { source, .. } => source,
        other @ (FileError::Exists { .. } | FileError::TooLarge { .. }) => io::Error::other(other),
    };
    ResultError::Write { path, source }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::rebuild::result::tests::written;

    #[test]
    fn all_that_is_listed_is_there_under_its_digest() {
        let (folder, path) = written(Verdict::Different);
        let shelf = Shelf::new(folder.path());
        let result = ResultFolder::open(&path).unwrap();
        shelf.put(&result).unwrap();
        shelf.put(&result).unwrap();
        let [blobs, artifacts] = shelf.folders();
        let index = artifacts.join(format!("{}.json", result.record().subject.sha256));
        let index: Value = serde_json::from_slice(&fs::read(index).unwrap()).unwrap();
        let schema: Value = serde_json::from_str(include_str!("../../../../schemas/results.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        assert_eq!(schema.validate(&index).map_err(|error| error.to_string()), Ok(()));
        assert_eq!(index["results"].as_array().unwrap().len(), 1, "the same result is listed once");
        let files = index["results"][0]["files"].as_array().unwrap();
        assert_eq!(files[0]["name"], "build.json");
        assert!(files.iter().any(|file| file["name"] == "demo-1.0-py3-none-any.whl"));
        for file in files {
            let bytes = fs::read(blobs.join(file["sha256"].as_str().unwrap())).unwrap();
            assert_eq!(ArtifactDigest::of(&bytes).to_string(), file["sha256"].as_str().unwrap());
        }
    }

    #[test]
    fn a_recipe_that_is_edited_in_its_folder_stays_as_it_was_on_the_shelf() {
        let (folder, path) = written(Verdict::Exact);
        let shelf = Shelf::new(folder.path());
        shelf.put(&ResultFolder::open(&path).unwrap()).unwrap();
        let recipe = fs::read(path.join("recipe.toml")).unwrap();
        fs::write(path.join("recipe.toml"), "edited").unwrap();
        let [blobs, _] = shelf.folders();
        assert_eq!(fs::read(blobs.join(ArtifactDigest::of(&recipe).to_string())).unwrap(), recipe);
    }

    #[test]
    fn a_file_that_somebody_wrote_to_is_put_right() {
        let (folder, path) = written(Verdict::Exact);
        let shelf = Shelf::new(folder.path());
        let result = ResultFolder::open(&path).unwrap();
        shelf.put(&result).unwrap();
        let [blobs, _] = shelf.folders();
        let blob = blobs.join(result.digest().unwrap().to_string());
        fs::write(&blob, "torn").unwrap();
        shelf.put(&result).unwrap();
        assert_eq!(ArtifactDigest::of(&fs::read(blob).unwrap()), result.digest().unwrap());
    }
}
