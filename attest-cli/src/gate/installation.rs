//! What came of an installation that the gate let through, for tools.

use serde::{Serialize, Serializer};

use crate::exit::Exit;

/// What an installer did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Installation<'a> {
    pub(crate) installer: String,
    /// How it ended; nothing where it was not run.
    #[serde(serialize_with = "code")]
    pub(crate) exit: Option<Exit>,
    pub(crate) installed: Vec<Installed<'a>>,
    /// There already, and shown to be what was verified.
    pub(crate) kept: &'a [String],
    /// Fit here too, and were not accepted.
    pub(crate) passed_over: &'a [String],
}

/// A project that was installed.
#[derive(Debug, Serialize)]
pub(crate) struct Installed<'a> {
    pub(crate) project: &'a str,
    pub(crate) version: &'a str,
    /// One of these: with pip there is only one.
    pub(crate) files: Vec<InstalledFile<'a>>,
}

/// A file that was accepted.
#[derive(Debug, Serialize)]
pub(crate) struct InstalledFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) sha256: String,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference to the field")]
fn code<S: Serializer>(exit: &Option<Exit>, serializer: S) -> Result<S::Ok, S::Error> {
    exit.map(Exit::code).serialize(serializer)
}
