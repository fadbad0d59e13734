//! Asking a Python, once: it takes longer than everything else that a warm run does.
//!
//! The answer is kept until one of the files that the Python consists of changes, its libc among them. Who can write the
//! user's data folder could plant an answer that makes files vanish; but there they could as well make attest forget every
//! checkpoint and policy serial. What others could have written is not read.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::UNIX_EPOCH,
};

use attest_core::artifact::ArtifactDigest;
use serde::{Deserialize, Serialize};

use super::Python;
use crate::files::{self, Mode};
use crate::host;

const SCRIPT: &str = include_str!("probe.py");
/// A thousand tags and some paths are 50 KB.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// A Python gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("{} cannot be run", .python.display())]
    Run { python: PathBuf, source: io::Error },
    #[error("{} does not say which files it takes: {said}", .python.display())]
    Failed { python: PathBuf, said: String },
    #[error("{} does not say which files it takes", .python.display())]
    Garbage { python: PathBuf, source: serde_json::Error },
}

/// What the script prints.
#[derive(Debug, Deserialize, Serialize)]
struct Answer {
    executable: PathBuf,
    files: Vec<PathBuf>,
    tags: Option<Vec<String>>,
    markers: BTreeMap<String, String>,
}

impl From<Answer> for Python {
    fn from(answer: Answer) -> Self {
        Self { executable: answer.executable, tags: answer.tags.map(Into::into), markers: answer.markers }
    }
}

/// An answer, and what it holds for.
#[derive(Debug, Deserialize, Serialize)]
struct Remembered {
    script: ArtifactDigest,
    files: Vec<Stamp>,
    answer: Answer,
}

/// A file that did not change.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Stamp {
    path: PathBuf,
    size: u64,
    inode: u64,
    seconds: u64,
    nanoseconds: u32,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        let changed = file.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            path: path.to_owned(),
            size: file.len(),
            inode: host::inode(&file),
            seconds: changed.as_secs(),
            nanoseconds: changed.subsec_nanos(),
        })
    }
}

/// Asks the Python that is this real file, or remembers what it said. `memory` is a folder of the user's.
pub(super) fn ask(python: &Path, memory: Option<&Path>) -> Result<Python, ProbeError> {
    let kept =
        memory.map(|memory| memory.join(format!("{}.json", ArtifactDigest::of(python.as_os_str().as_encoded_bytes()))));
    if let Some(answer) = kept.as_deref().and_then(|kept| remembered(kept, python)) {
        return Ok(answer.into());
    }
    let answer = run(python)?;
    if let Some(kept) = kept {
        remember(&kept, python, &answer);
    }
    Ok(answer.into())
}

fn run(python: &Path) -> Result<Answer, ProbeError> {
    let mut command = Command::new(python);
    // -I: no variable and no file of this folder has a say; -S: nor has what is installed in the environment.
    command.args(["-I", "-S", "-c", SCRIPT]).stdin(Stdio::null());
    // What the build of Python reads in spite of -I.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("_PYTHON")) {
        command.env_remove(name);
    }
    let output = command.output().map_err(|source| ProbeError::Run { python: python.to_owned(), source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given").trim().to_owned();
        return Err(ProbeError::Failed { python: python.to_owned(), said });
    }
    serde_json::from_slice(&output.stdout).map_err(|source| ProbeError::Garbage { python: python.to_owned(), source })
}

fn remembered(kept: &Path, python: &Path) -> Option<Answer> {
    let mine = |path: &Path| fs::metadata(path).is_ok_and(|file| host::is_ours_alone(&file));
    if !mine(kept) || !mine(kept.parent()?) {
        return None;
    }
    let remembered: Remembered = serde_json::from_slice(&files::read(kept, MAX_ANSWER).ok()?).ok()?;
    let same = remembered.script == ArtifactDigest::of(SCRIPT.as_bytes())
        && remembered.answer.executable == python
        && remembered.files.iter().any(|stamp| stamp.path == python)
        && remembered.files.iter().all(|stamp| Stamp::of(&stamp.path).is_ok_and(|now| now == *stamp));
    same.then_some(remembered.answer)
}

/// Nothing is lost when this fails: the next run asks again.
fn remember(kept: &Path, python: &Path, answer: &Answer) {
    // A launcher that leads somewhere else may lead elsewhere the next time.
    if answer.executable != python || !answer.files.iter().any(|file| file == python) {
        return;
    }
    let Ok(stamps) = answer.files.iter().map(|file| Stamp::of(file)).collect::<io::Result<Vec<_>>>() else {
        return;
    };
    let answer = Answer {
        executable: answer.executable.clone(),
        files: Vec::new(),
        tags: answer.tags.clone(),
        markers: answer.markers.clone(),
    };
    let whole = Remembered { script: ArtifactDigest::of(SCRIPT.as_bytes()), files: stamps, answer };
    let (Ok(text), Some(folder)) = (serde_json::to_vec(&whole), kept.parent()) else {
        return;
    };
    let _ = host::make_private(folder);
    let _ = files::replace(kept, &text, Mode::Private);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A program that says what a Python would say, and counts how often it was asked.
    fn python(folder: &Path, version: &str) -> PathBuf {
        let path = folder.join("python");
        let text = format!(
            "#!/bin/sh\necho >> {folder}/asked\necho '{{\"executable\": \"{path}\", \"files\": [\"{path}\", \"{folder}/libc\"], \
             \"tags\": [\"py3-none-any\"], \"markers\": {{\"python_version\": \"{version}\"}}}}'\n",
            folder = folder.display(),
            path = path.display(),
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_python_is_asked_once_and_again_when_a_file_of_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        let memory = here.join("data/pythons");
        fs::write(here.join("libc"), "2.36").unwrap();
        let path = python(&here, "3.11");
        let asked = || fs::read(here.join("asked")).unwrap().len();
        let version = || ask(&path, Some(&memory)).unwrap().marker("python_version").unwrap().to_owned();
        assert_eq!((version(), version(), asked()), ("3.11".to_owned(), "3.11".to_owned(), 1));
        fs::write(here.join("libc"), "2.41 ").unwrap();
        assert_eq!((version(), asked()), ("3.11".to_owned(), 2));
        python(&here, "3.12 ");
        assert_eq!((version(), version(), asked()), ("3.12 ".to_owned(), "3.12 ".to_owned(), 3));
    }

    #[test]
    fn what_others_could_have_written_or_what_is_garbage_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        let memory = here.join("pythons");
        fs::write(here.join("libc"), "2.36").unwrap();
        let path = python(&here, "3.11");
        let asked = || fs::read(here.join("asked")).unwrap().len();
        ask(&path, Some(&memory)).unwrap();
        let kept = fs::read_dir(&memory).unwrap().next().unwrap().unwrap().path();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o666)).unwrap();
        ask(&path, Some(&memory)).unwrap();
        assert_eq!(asked(), 2);
        let text = fs::read_to_string(&kept).unwrap();
        for garbage in ["", "{", "[]", &text[..text.len() / 2], &text.replace("3.11", "3.12").replacen('2', "3", 1)] {
            fs::write(&kept, garbage).unwrap();
            let before = asked();
            assert_eq!(ask(&path, Some(&memory)).unwrap().marker("python_version"), Some("3.11"), "{garbage}");
            assert_eq!(asked(), before + 1);
        }
    }

    #[test]
    fn a_program_that_is_no_python_gives_no_answer() {
        assert!(matches!(ask(Path::new("/bin/false"), None), Err(ProbeError::Failed { .. })));
        assert!(matches!(ask(Path::new("/bin/echo"), None), Err(ProbeError::Garbage { .. })));
        assert!(matches!(ask(Path::new("/no/python"), None), Err(ProbeError::Run { .. })));
    }
}
