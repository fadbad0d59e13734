//! Signing and submitting what a batch found, through the code of `attest sign` and `attest submit`.
//!
//! Both are found again: a statement that was signed before is not signed a second time, and one with a proof that holds
//! is not submitted a second time. So the next run sends what this one could not.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use attest_core::envelope::Envelope;
use attest_core::statement::Statement;
use serde_json::{Value, json};

use crate::cmd::sign::{self, Author, Signed};
use crate::cmd::submit;
use crate::evidence::folder::read_envelope;
use crate::output::causes;
use crate::rebuild::result::ResultFolder;
use crate::run::Run;

/// Signs in one name, and submits to some logs.
#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    author: Author,
    logs: Vec<submit::Target>,
    run: &'a Run,
    /// One at a time: an agent may ask the user, and what was seen of a log is one file.
    turn: Mutex<()>,
}

/// What became of one statement.
#[derive(Debug, Default)]
pub(crate) struct Posting {
    /// Signed, here.
    pub(crate) signed: Option<PathBuf>,
    /// Why it is not signed: an accusation.
    pub(crate) waits: Option<&'static str>,
    /// Log and index.
    pub(crate) logged: Vec<(String, u64)>,
    /// What failed; the rest holds all the same.
    pub(crate) error: Option<anyhow::Error>,
}

impl<'a> Outbox<'a> {
    /// For these logs, all of which have a key that their proofs are checked against.
    pub(crate) fn new(author: Author, mut logs: Vec<submit::Target>, run: &'a Run) -> Self {
        for log in &mut logs {
            // With gpg the envelope that a log had before may be another one, of the same key.
            log.accept_from(author.public().clone());
        }
        Self { author, logs, run, turn: Mutex::default() }
    }

    /// Signs and submits what was not yet.
    pub(super) fn post(&self, result: &ResultFolder) -> Posting {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut posting = Posting::default();
        posting.error = self.try_post(result, &mut posting).err();
        posting
    }

    fn try_post(&self, result: &ResultFolder, posting: &mut Posting) -> anyhow::Result<()> {
        let statement = self.author.statement(result)?;
        if let Some(why) = sign::accusation(statement.predicate()) {
            posting.waits = Some(why);
            return Ok(());
        }
        let (path, envelope) = self.sign(&statement)?;
        posting.signed = Some(path.clone());
        let mut failed = None;
        for log in &self.logs {
            match submitted(log, &path, &envelope) {
                Ok(index) => posting.logged.push((log.url().to_owned(), index)),
                // The other logs still get it.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn sign(&self, statement: &Statement) -> anyhow::Result<(PathBuf, Envelope)> {
        let path = sign::own_place(statement, self.run)?;
        if let Ok((envelope, _)) = read_envelope(&path)
            && envelope.payload() == statement.to_bytes()
            && envelope.verify(self.author.public()).is_ok()
        {
            return Ok((path, envelope));
        }
        let signed = Signed::make(statement, self.author.signer())?;
        let path = sign::keep(&signed, None, self.run)?;
        Ok((path, signed.envelope))
    }
}

fn submitted(log: &submit::Target, path: &Path, envelope: &Envelope) -> anyhow::Result<u64> {
    let beside = submit::Beside::of_log(path, log);
    if let Some(index) = log.proven(envelope, &beside) {
        return Ok(index);
    }
    let receipt =
        log.submit(envelope).with_context(|| format!("{} is signed, but not known to be logged", path.display()))?;
    Ok(submit::keep(path, &beside, &receipt)?.0)
}

impl Posting {
    /// For people, under the result.
    pub(crate) fn lines(&self, folder: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(path) = &self.signed {
            lines.push(format!("signed: {}", path.display()));
        }
        if let Some(why) = self.waits {
            lines
                .push(format!("not signed, since {why}: look at it, then `attest sign --accuse {}`", folder.display()));
        }
        lines.extend(self.logged.iter().map(|(log, index)| format!("logged: {log} as {index}")));
        lines
    }

    /// For tools.
    pub(crate) fn document(&self) -> Value {
        let logged: Vec<_> = self.logged.iter().map(|(log, index)| json!({ "log": log, "index": index })).collect();
        let mut document = json!({ "logged": logged });
        if let Some(path) = &self.signed {
            document["file"] = json!(path);
        }
        if let Some(why) = self.waits {
            document["waits"] = json!(why);
        }
        if let Some(error) = &self.error {
            document["error"] = json!(causes(error.as_ref()));
        }
        document
    }
}
