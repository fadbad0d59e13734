//! One case on stage: a log with what the rebuilders say, an index with the files, an environment to install into.

use std::{
    fs,
    io::{Cursor, Read as _},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use attest_core::artifact::ArtifactDigest;
use attest_tests::{
    clients::{self, Client},
    index::{Fault, Index},
    quorum::Quorum,
    wheel::{Offered, Wheel},
};
use serde_json::json;

use super::case::{Case, File, Files, SUBJECT};

/// Everything that one cell of the table needs; removed when dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) quorum: Quorum,
    pub(crate) case: Case,
    pub(crate) client: Client,
    pub(crate) index: Index,
}

impl Stage {
    pub(crate) fn set(case: Case, client: Client, files: &Files) -> Result<Self> {
        let quorum = Quorum::new()?;
        case.vote(&quorum, files)?;
        quorum.write_policy()?;
        let offered = case.offered(files).into_iter().map(|file| Offered::published(&file.name, file.bytes));
        let index = Index::serve(&offered.collect::<Result<Vec<_>>>()?)?;
        let subject = &files.newer;
        match case {
            Case::Tampered => index.break_it(&subject.name, Fault::Tampered(evil()?.bytes().to_vec())),
            Case::MixedHashes => {
                let hashes = json!({ "sha256": subject.digest().to_string(), "sha512": "ab".repeat(64) });
                index.break_it(&subject.name, Fault::Says(json!({ "hashes": hashes })));
            }
            _ => {}
        }
        let stage = Self { quorum, case, client, index };
        stage.make_environment()?;
        Ok(stage)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.quorum.scene.path(name)
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.path("venv/bin/python")
    }

    /// A new environment, with the installer in it where that is pip, and what the case has there already.
    pub(crate) fn make_environment(&self) -> Result<()> {
        let venv = self.path("venv");
        if venv.exists() {
            fs::remove_dir_all(&venv)?;
        }
        clients::environment(self.client, &venv)?.context("the installer cannot be had")?;
        if self.case == Case::InstalledWrong {
            zip::ZipArchive::new(Cursor::new(evil()?.bytes()))?.extract(clients::site_packages(&venv)?)?;
        }
        Ok(())
    }

    /// The digest of the module that is installed, if one is.
    pub(crate) fn installed(&self) -> Result<Option<ArtifactDigest>> {
        let module = clients::site_packages(&self.path("venv"))?.join(format!("{SUBJECT}.py"));
        Ok(fs::read(module).ok().map(|bytes| ArtifactDigest::of(&bytes)))
    }
}

/// The same name and version as the attested file, other content.
fn evil() -> Result<Wheel> {
    Wheel::new(SUBJECT, "1.17.0", "EVIL = True\n")
}

/// The digest of the module in a wheel.
pub(crate) fn module_of(file: &File) -> Result<ArtifactDigest> {
    let mut bytes = Vec::new();
    let mut zip = zip::ZipArchive::new(Cursor::new(&file.bytes))?;
    zip.by_name(&format!("{SUBJECT}.py"))?.read_to_end(&mut bytes)?;
    Ok(ArtifactDigest::of(&bytes))
}
