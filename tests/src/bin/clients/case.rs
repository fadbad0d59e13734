//! What is wrong in each case, and the files that it is about.

use std::{
    fs,
    io::{Cursor, Read as _},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::Envelope,
    statement::{Subject, record_digest},
};
use attest_tests::{command, forge::Forge, quorum::Quorum};

/// A project that is always attested, and one that the cases are about: both small, pure and without requirements.
const GOOD: &str = "idna==3.10";
pub(crate) const SUBJECT: &str = "six";
pub(crate) const NEWER: &str = "1.17.0";
const OLDER: &str = "1.16.0";

/// A published file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl File {
    pub(crate) fn digest(&self) -> ArtifactDigest {
        ArtifactDigest::of(&self.bytes)
    }

    fn subject(&self) -> Result<Subject> {
        Ok(Subject { name: WheelName::parse(&self.name)?, digest: self.digest() })
    }

    /// What it installs (docs/TRUST.md 7): audits compare what lies in an environment with that.
    fn record(&self) -> Result<ArtifactDigest> {
        let mut zip = zip::ZipArchive::new(Cursor::new(&self.bytes))?;
        let mut rows = Vec::new();
        for at in 0..zip.len() {
            let mut member = zip.by_index(at)?;
            let name = member.name()?.into_owned();
            if !member.is_dir() && !name.ends_with(".dist-info/RECORD") && !name.contains(".data/scripts/") {
                let mut bytes = Vec::new();
                member.read_to_end(&mut bytes)?;
                rows.push((name, ArtifactDigest::of(&bytes), bytes.len() as u64));
            }
        }
        Ok(record_digest(&rows).sha256)
    }

    /// "I reproduced it", and what it installs.
    fn vote(&self, voter: &Forge) -> Result<Envelope> {
        voter.vote_on(self.subject()?, self.record()?)
    }
}

/// The files of all cases.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) good: File,
    pub(crate) newer: File,
    pub(crate) older: File,
    pub(crate) sdist: File,
}

impl Files {
    /// Has pip fetch them from the configured index.
    pub(crate) fn fetch() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let newer = format!("{SUBJECT}=={NEWER}");
        Ok(Self {
            good: download(folder.path(), GOOD, "--only-binary")?,
            newer: download(folder.path(), &newer, "--only-binary")?,
            older: download(folder.path(), &format!("{SUBJECT}=={OLDER}"), "--only-binary")?,
            sdist: download(folder.path(), &newer, "--no-binary")?,
        })
    }
}

fn download(folder: &Path, requirement: &str, kind: &str) -> Result<File> {
    let folder = folder.join(format!("{requirement}{kind}"));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", kind, ":all:", requirement, "-d"]).arg(&folder);
    command::run(&mut pip)?.expect(0)?;
    let file = fs::read_dir(&folder)?.next().context("pip downloaded nothing")??;
    Ok(File { name: file.file_name().to_string_lossy().into_owned(), bytes: fs::read(file.path())? })
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    AllGood,
    BelowThreshold,
    Contradicted,
    Tampered,
    InstalledWrong,
    CachedThenBlocked,
    HiddenNewest,
    SdistLeft,
    MixedHashes,
}

impl Case {
    pub(crate) const ALL: [Self; 9] = [
        Self::AllGood,
        Self::BelowThreshold,
        Self::Contradicted,
        Self::Tampered,
        Self::InstalledWrong,
        Self::CachedThenBlocked,
        Self::HiddenNewest,
        Self::SdistLeft,
        Self::MixedHashes,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AllGood => "all good",
            Self::BelowThreshold => "one below threshold",
            Self::Contradicted => "one contradicted",
            Self::Tampered => "one tampered",
            Self::InstalledWrong => "already installed wrong",
            Self::CachedThenBlocked => "cached then blocked",
            Self::HiddenNewest => "hidden newest",
            Self::SdistLeft => "sdist left over",
            Self::MixedHashes => "mixed hashes",
        }
    }

    /// What the index offers.
    pub(crate) fn offered(self, files: &Files) -> Vec<File> {
        let mut offered = vec![files.good.clone(), files.newer.clone()];
        match self {
            Self::HiddenNewest => offered.push(files.older.clone()),
            Self::SdistLeft => offered.push(files.sdist.clone()),
            _ => {}
        }
        offered
    }

    /// What the user asks for of the project that the case is about.
    pub(crate) fn requirement(self) -> String {
        match self {
            Self::HiddenNewest => SUBJECT.to_owned(),
            _ => format!("{SUBJECT}=={NEWER}"),
        }
    }

    /// Logs what the rebuilders say at first.
    pub(crate) fn vote(self, quorum: &Quorum, files: &Files) -> Result<()> {
        let everybody = [&quorum.alice, &quorum.carol];
        let vote = |voters: &[_], file: &File| -> Result<()> {
            voters.iter().try_for_each(|voter: &&Forge| quorum.submit(&file.vote(voter)?).map(drop))
        };
        vote(&everybody, &files.good)?;
        match self {
            Self::BelowThreshold => vote(&[&quorum.alice], &files.newer),
            Self::HiddenNewest => vote(&everybody, &files.older),
            Self::SdistLeft => Ok(()),
            Self::Contradicted => {
                vote(&everybody, &files.newer)?;
                contradict(quorum, &files.newer)
            }
            _ => vote(&everybody, &files.newer),
        }
    }

    /// Logs what is said once everything is installed.
    pub(crate) fn afterwards(self, quorum: &Quorum, files: &Files) -> Result<()> {
        if self == Self::CachedThenBlocked { contradict(quorum, &files.newer) } else { Ok(()) }
    }

    /// Whether what an installer ends with may be this file of the project.
    pub(crate) fn accepts(
        self,
        files: &Files,
        module: ArtifactDigest,
        module_of: impl Fn(&File) -> Result<ArtifactDigest>,
    ) -> Result<bool> {
        Ok(match self {
            Self::AllGood | Self::Tampered | Self::InstalledWrong | Self::MixedHashes => {
                module == module_of(&files.newer)?
            }
            Self::HiddenNewest => module == module_of(&files.older)?,
            Self::BelowThreshold | Self::Contradicted | Self::CachedThenBlocked | Self::SdistLeft => false,
        })
    }
}

/// Bob gets another file from what Carol says she built it from.
fn contradict(quorum: &Quorum, file: &File) -> Result<()> {
    let build = Forge::build_of(&file.subject()?.name);
    let carols = file.vote(&quorum.carol)?.statement_id();
    quorum.submit(&quorum.bob.contradiction(file.subject()?, build, carols)?).map(drop)
}
