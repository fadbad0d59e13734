//! `attest submit FILE... --log URL`: a statement is logged when its proof was checked here.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use attest_core::{
    checkpoint::LogCheckpoint,
    envelope::{Envelope, EnvelopeError},
    key::PublicKey,
    merkle::LeafHash,
    note::VerifierKey,
    proof::{TlogProof, TlogProofError},
};
use serde::Serialize;

use crate::{
    client::{Http, LogClient},
    evidence::folder::read_envelope,
    exit::{self, Exit, Failure},
    files::{self, FileError, Mode},
    history::{History, HistoryError},
    layers::{LayerError, Layers},
    output::causes,
    run::Run,
};

/// A path of 64 hashes and a checkpoint with a hundred cosignatures.
const MAX_PROOF: u64 = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Signed statements.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The log's URL.
    #[arg(long, value_name = "URL")]
    log: String,
    /// The log's verifier key [default: from the policy that lists the URL].
    #[arg(long)]
    vkey: Option<VerifierKey>,
}

/// A log's answer proves nothing (docs/TRUST.md 1.5: an open question, no alarm).
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiptError {
    #[error("the log's answer is no proof")]
    Form { source: TlogProofError },
    #[error("the log's proof does not hold under the key of {origin}")]
    Proof { origin: String, source: TlogProofError },
    #[error("the log says index {said}, and its proof is for index {proven}")]
    Index { said: u64, proven: u64 },
    #[error("the log answered about another statement: expected {expected}, found {found}")]
    OtherStatement { expected: String, found: String },
    #[error("the log answered with an envelope that is none")]
    Envelope { source: EnvelopeError },
    #[error("the log has this statement in another envelope, and no key known here signed both")]
    OtherSigner,
}

/// What was logged, proven.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) index: u64,
    pub(crate) proof: TlogProof,
    /// The envelope as logged, where it is not ours byte for byte.
    pub(crate) logged: Option<Envelope>,
}

/// A log to submit to: where it is, and how its answers are checked.
#[derive(Debug)]
pub(crate) struct Target {
    client: LogClient,
    vkey: VerifierKey,
    history: History,
    /// Who may have signed an envelope that the log had before.
    keys: Vec<PublicKey>,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    log: String,
    files: Vec<Line>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    exit: u8,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    // All files are read before the first is sent: a typing error leaves nothing half-submitted.
    let envelopes: Vec<(&PathBuf, Envelope)> =
        args.files.iter().map(|path| Ok((path, read_envelope(path)?.0))).collect::<anyhow::Result<_>>()?;
    let target = Target::open(&args.log, args.vkey.as_ref(), run)?;
    let mut worst = Exit::Pass;
    let mut lines = Vec::new();
    for (path, envelope) in envelopes {
        let task = run.out.task(format!("submitting {}", path.display()));
        let logged = target
            .submit(&envelope)
            .with_context(|| format!("{} is not known to be logged", path.display()))
            .and_then(|receipt| keep(path, &Beside::file(path), &receipt));
        drop(task);
        let (line, exit) = report(path, logged, run)?;
        lines.push(line);
        worst = worst.worst(exit);
    }
    if run.out.is_json() {
        run.out.json(&Document { schema: "attest.submit/v1", log: args.log.clone(), files: lines })?;
    }
    Ok(worst)
}

fn report(path: &Path, logged: anyhow::Result<(u64, PathBuf)>, run: &Run) -> anyhow::Result<(Line, Exit)> {
    let file = path.to_owned();
    Ok(match logged {
        Ok((index, proof)) => {
            if !run.out.is_json() {
                run.out.line(format_args!("{}: logged as {index}", path.display()))?;
                run.out.detail(format_args!("proof: {}", proof.display()));
            }
            (Line { file, index: Some(index), proof: Some(proof), error: None, exit: 0 }, Exit::Pass)
        }
        Err(error) => {
            let (exit, hint) = exit::of(&error);
            if !run.out.is_json() {
                run.out.error(&error, exit, hint.as_deref());
            }
            (Line { file, index: None, proof: None, error: Some(causes(error.as_ref())), exit: exit.code() }, exit)
        }
    })
}

impl Target {
    /// Without a key to check its proofs against, a log could say anything: that is refused.
    pub(crate) fn open(url: &str, vkey: Option<&VerifierKey>, run: &Run) -> anyhow::Result<Self> {
        let client = Http::new().log(url)?;
        let layers = match run.layers() {
            Ok(layers) => Some(layers),
            Err(LayerError::None { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let known = layers.as_ref().and_then(|layers| key_of(layers, client.base()));
        let Some(vkey) = vkey.cloned().or(known) else {
            let hint = "give it with --vkey (the log's operator publishes it), or list the log in your policy";
            let message = format!("no key is known to check the proofs of {} against", client.base());
            return Err(Failure::usage(message).hint(hint).into());
        };
        let keys = layers
            .iter()
            .flat_map(Layers::iter)
            .flat_map(|layer| layer.policy.parties())
            .map(|party| party.key().clone())
            .collect();
        Ok(Self { client, vkey, history: run.history()?, keys })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        self.client.base()
    }

    /// Whose envelopes the log may have had before, beside those of the policies.
    pub(crate) fn accept_from(&mut self, key: PublicKey) {
        self.keys.push(key);
    }

    /// The index of an envelope whose proof was kept, when that proof holds.
    pub(crate) fn proven(&self, envelope: &Envelope, beside: &Beside) -> Option<u64> {
        let proof = TlogProof::parse(&files::read(&beside.proof, MAX_PROOF).ok()?).ok()?;
        let logged = match read_envelope(&beside.logged) {
            Ok((logged, _)) => {
                self.same_statement(envelope, &String::from_utf8(logged.to_bytes()).ok()?).ok()?.to_bytes()
            }
            Err(_) => envelope.to_bytes(),
        };
        proof.verify(LeafHash::of(&logged), &self.vkey).ok()?;
        Some(proof.index.get())
    }

    /// Appends an envelope, and checks the proof over it.
    pub(crate) fn submit(&self, envelope: &Envelope) -> anyhow::Result<Receipt> {
        let ours = envelope.to_bytes();
        let answer = self.client.submit(&ours)?;
        let logged = match &answer.envelope {
            Some(text) if text.as_bytes() != ours => Some(self.same_statement(envelope, text)?),
            _ => None,
        };
        if answer.statement_id != envelope.statement_id() {
            return Err(ReceiptError::OtherStatement {
                expected: envelope.statement_id().to_string(),
                found: answer.statement_id.to_string(),
            }
            .into());
        }
        let leaf = LeafHash::of(&logged.as_ref().map_or(ours, Envelope::to_bytes));
        let proof = TlogProof::parse(answer.proof.as_bytes()).map_err(|source| ReceiptError::Form { source })?;
        let origin = self.vkey.name().as_str().to_owned();
        let checkpoint = proof.verify(leaf, &self.vkey).map_err(|source| ReceiptError::Proof { origin, source })?;
        if proof.index.get() != answer.index {
            return Err(ReceiptError::Index { said: answer.index, proven: proof.index.get() }.into());
        }
        self.admit(&checkpoint)?;
        Ok(Receipt { index: answer.index, proof, logged })
    }

    /// The proof of a duplicate may be as old as its first submission: older than what was seen is no rollback here.
    fn admit(&self, checkpoint: &LogCheckpoint) -> Result<(), HistoryError> {
        match self.history.admit(&self.vkey, checkpoint, |id| self.client.tile(id)) {
            Ok(_) | Err(HistoryError::Stale { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// docs/TRUST.md 2.5: the log keeps the first envelope of a statement by a key.
    fn same_statement(&self, ours: &Envelope, text: &str) -> Result<Envelope, ReceiptError> {
        let theirs = Envelope::parse(text.as_bytes()).map_err(|source| ReceiptError::Envelope { source })?;
        if theirs.statement_id() != ours.statement_id() {
            return Err(ReceiptError::OtherStatement {
                expected: ours.statement_id().to_string(),
                found: theirs.statement_id().to_string(),
            });
        }
        let signed_both = |key: &&PublicKey| ours.verify(key).is_ok() && theirs.verify(key).is_ok();
        self.keys.iter().find(signed_both).map(|_| theirs).ok_or(ReceiptError::OtherSigner)
    }
}

/// The key of the log that a policy has under this URL.
fn key_of(layers: &Layers, url: &str) -> Option<VerifierKey> {
    let logs = layers.iter().flat_map(|layer| layer.policy.logs());
    let named = |known: &String| known.trim_end_matches('/') == url;
    logs.into_iter().find(|log| log.urls().iter().any(named)).map(|log| log.vkey().clone())
}

/// The files beside a statement that say where it is logged.
#[derive(Debug)]
pub(crate) struct Beside {
    proof: PathBuf,
    /// The envelope as logged, where it is another one: the proof is over it then.
    logged: PathBuf,
}

impl Beside {
    /// `FILE.tlog-proof`, for the only log.
    fn file(path: &Path) -> Self {
        Self::named(path, "")
    }

    /// `FILE.ORIGIN.tlog-proof`, where there may be several logs.
    pub(crate) fn of_log(path: &Path, log: &Target) -> Self {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
        let origin: String = log.vkey.name().as_str().chars().map(plain).collect();
        Self::named(path, &format!(".{origin}"))
    }

    fn named(path: &Path, log: &str) -> Self {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!("{log}{ending}"));
            PathBuf::from(name)
        };
        Self { proof: beside(".tlog-proof"), logged: beside(".logged") }
    }
}

/// The proof beside the statement; where the log had another envelope of it, that one too, since the proof is over it.
pub(crate) fn keep(path: &Path, beside: &Beside, receipt: &Receipt) -> anyhow::Result<(u64, PathBuf)> {
    let Beside { proof, logged } = beside;
    let written = receipt
        .logged
        .as_ref()
        .map_or(Ok(()), |envelope| files::replace(logged, &envelope.to_bytes(), Mode::Shared))
        .and_then(|()| files::replace(proof, receipt.proof.to_string().as_bytes(), Mode::Shared));
    written.map_err(|error: FileError| {
        let hint = format!("it is logged as {}: submit it again for the proof, once there is room", receipt.index);
        let message = format!("the proof of {} cannot be kept", path.display());
        anyhow::Error::from(error).context(Failure::usage(message).hint(hint))
    })?;
    Ok((receipt.index, proof.clone()))
}

impl ReceiptError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::OtherSigner => Some("submit with a --policy that lists the signer's key".to_owned()),
            Self::Proof { .. } => Some("check --vkey and the URL: the proof may be another log's".to_owned()),
            _ => None,
        }
    }
}
