//! The files of an index as they lie there, for whoever checks a log: nothing is deleted, merged or made.

use std::{fs, io, path::Path};

use attest_core::merkle::{LeafIndex, TreeSize};

use super::{
    IndexError, Keys, name,
    posting::{Fingerprint, Posting, Section},
    run::Run,
};

/// The runs that a start would use.
#[derive(Debug, Default)]
pub struct Audit {
    runs: Vec<Run>,
    useless: Vec<String>,
    damaged: Vec<String>,
}

impl Audit {
    /// Reads the headers and summaries of `data/index`; of one that does not exist, nothing.
    pub fn open(data: &Path) -> io::Result<Self> {
        let files = match fs::read_dir(data.join("index")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            files => files?,
        };
        let (mut audit, mut found) = (Self::default(), Vec::new());
        for file in files {
            let path = file?.path();
            let shown = format!("index/{}", path.file_name().unwrap_or_default().to_string_lossy());
            if path.is_dir() || path.extension().is_some_and(|end| end == "tmp") {
                audit.useless.push(shown);
            } else if let Some(run) = Run::open(&path)?.filter(|run| path.ends_with(name(run.header().range))) {
                found.push((run, shown));
            } else {
                audit.damaged.push(shown);
            }
        }
        found.sort_by_key(|(run, _)| (run.header().range.0, std::cmp::Reverse(run.header().range.1)));
        for (run, shown) in found {
            if run.header().range.0 == audit.covered().get() && run.entries() > 0 {
                audit.runs.push(run);
            } else {
                audit.useless.push(shown);
            }
        }
        Ok(audit)
    }

    /// Every entry below this index is in it.
    pub fn covered(&self) -> TreeSize {
        TreeSize::new(self.runs.last().map_or(0, |run| run.header().range.1))
    }

    /// Files that a crash left and the next start deletes.
    pub fn useless(&self) -> &[String] {
        &self.useless
    }

    /// Files that are no part of an index.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// By which of its keys an entry is not found, of those that it has.
    pub fn missing(&self, index: LeafIndex, keys: &Keys) -> Result<Option<&'static str>, IndexError> {
        let statement = keys.statement.map(Fingerprint::of_statement);
        let subject = keys.subject.as_ref();
        let sought = [
            ("statement", Section::Statement, statement),
            ("artifact", Section::Artifact, subject.map(|(artifact, _)| Fingerprint::of_artifact(artifact))),
            ("project", Section::Project, subject.map(|(_, project)| Fingerprint::of_project(project))),
        ];
        let index = index.get();
        let Some(run) = self.runs.iter().find(|run| (run.header().range.0..run.header().range.1).contains(&index))
        else {
            return Ok(Some("index"));
        };
        for (what, section, key) in sought {
            let Some(key) = key else { continue };
            let mut found = Vec::new();
            run.find(section, (Posting { key, index }, Posting { key, index: index + 1 }), 1, &mut found)?;
            if found.is_empty() || (section == Section::Statement && !run.may_hold(key)) {
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    /// Reads every block, and returns the number of statements, artifacts and projects that entries are found by.
    pub fn postings(&self) -> Result<[u64; 3], IndexError> {
        let mut counts = [0; 3];
        for run in &self.runs {
            for (section, count) in Section::ALL.into_iter().zip(&mut counts) {
                for posting in run.postings(section) {
                    posting?;
                    *count += 1;
                }
            }
        }
        Ok(counts)
    }
}
