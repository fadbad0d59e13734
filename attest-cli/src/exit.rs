//! Exit codes (docs/TRUST.md 1.5), and how an error becomes one: the only place that knows the numbers.

use std::{
    fmt,
    process::{ExitCode, ExitStatus},
};

use attest_core::verify::Severity;

use crate::{
    client::ClientError,
    cmd::submit::ReceiptError,
    evidence::bundle::BundleError,
    files::FileError,
    history::HistoryError,
    host,
    index::IndexError,
    input::InputError,
    layers::{FetchError, LayerError},
    places::PlaceError,
    replica::ReplicaError,
    signer::SignerError,
};

/// How a command ended. The same in every output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked holds.
    Pass,
    /// The policy, or the log that was asked, says no.
    Refused,
    /// Usage, configuration or I/O: the question was not understood or could not be put.
    Usage,
    /// Evidence is unreachable, stale or incomplete. Refuses like [`Exit::Refused`]; trying again may help.
    Undecided,
    /// A contradiction that is proven: evidence is kept and nothing goes on.
    Alarm,
    /// The code of a program that was run for the user.
    Child(u8),
}

impl Exit {
    /// The number a shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Undecided => 3,
            Self::Alarm => 4,
            Self::Child(code) => code,
        }
    }

    /// How a program ended that was run for the user; by a signal as a shell has it.
    pub(crate) fn of_child(status: ExitStatus) -> Self {
        match host::code_of(status) {
            Some(0) => Self::Pass,
            code => Self::Child(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        }
    }

    /// The code of a run with several answers: an alarm is never drowned, and a refusal is final where an outage is not.
    pub(crate) fn worst(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Undecided => 1,
            Self::Refused => 2,
            Self::Child(_) => 3,
            Self::Usage => 4,
            Self::Alarm => 5,
        }
    }
}

impl From<Severity> for Exit {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Undecided => Self::Undecided,
            Severity::Refused => Self::Refused,
            Severity::Alarm => Self::Alarm,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error of the command layer: what went wrong, the code it ends with, and the next step.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Exit 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    const fn kind(&self) -> &'static str {
        match self.exit {
            Exit::Usage => "usage",
            Exit::Undecided => "undecided",
            Exit::Alarm => "alarm",
            Exit::Pass | Exit::Refused | Exit::Child(_) => "refused",
        }
    }

    /// The next step, for a person.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Code and hint of an error: of the outermost cause that knows its own, otherwise exit 2 without a hint.
pub(crate) fn of(error: &anyhow::Error) -> (Exit, Option<String>) {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return (failure.exit, failure.hint.clone());
    }
    error.chain().find_map(known).unwrap_or((Exit::Usage, None))
}

/// What kind of error it is, for tools: of a closed list (`schemas/error.schema.json`), told by the outermost cause that is one
/// of these.
pub(crate) fn kind(error: &anyhow::Error) -> &'static str {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.kind();
    }
    error.chain().find_map(known_kind).unwrap_or("other")
}

fn known_kind(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.kind());
    }
    let kinds = [
        (cause.is::<ClientError>(), "log"),
        (cause.is::<HistoryError>(), "log-history"),
        (cause.is::<ReplicaError>(), "log-replica"),
        (cause.is::<ReceiptError>(), "log-receipt"),
        (cause.is::<LayerError>(), "policy"),
        (cause.is::<SignerError>(), "signer"),
        (cause.is::<BundleError>(), "attest-lock"),
        (cause.is::<IndexError>(), "index"),
        (cause.is::<InputError>(), "input"),
        (cause.is::<PlaceError>(), "account"),
        (cause.is::<FileError>() || cause.is::<std::io::Error>(), "file"),
    ];
    kinds.into_iter().find_map(|(is, kind)| is.then_some(kind))
}

fn known(cause: &(dyn std::error::Error + 'static)) -> Option<(Exit, Option<String>)> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some((failure.exit, failure.hint.clone()));
    }
    if let Some(client) = cause.downcast_ref::<ClientError>() {
        return Some((of_client(client), client.hint()));
    }
    if let Some(history) = cause.downcast_ref::<HistoryError>() {
        return Some((of_history(history), None));
    }
    if let Some(replica) = cause.downcast_ref::<ReplicaError>() {
        return Some((of_replica(replica), replica.hint()));
    }
    if let Some(receipt) = cause.downcast_ref::<ReceiptError>() {
        // Garbage from a log proves nothing.
        return Some((Exit::Undecided, receipt.hint()));
    }
    if let Some(layer) = cause.downcast_ref::<LayerError>() {
        return Some((of_layer(layer), layer.hint()));
    }
    if let Some(index) = cause.downcast_ref::<IndexError>() {
        return Some((of_index(index), index.hint()));
    }
    if let Some(signer) = cause.downcast_ref::<SignerError>() {
        return Some((Exit::Usage, signer.hint()));
    }
    if let Some(bundle) = cause.downcast_ref::<BundleError>() {
        // Garbage proves nothing, and is nothing to go by (docs/TRUST.md 1.5).
        let exit = if matches!(bundle, BundleError::Format { .. }) { Exit::Undecided } else { Exit::Usage };
        return Some((exit, bundle.hint()));
    }
    if let Some(input) = cause.downcast_ref::<InputError>() {
        return Some((Exit::Usage, input.hint()));
    }
    let place = cause.downcast_ref::<PlaceError>()?;
    Some((Exit::Usage, Some(place.hint())))
}

/// A log that says no is a refusal; one that is down, or answers what no log answers, leaves the question open.
const fn of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::Url { .. } | ClientError::NotALog { .. } | ClientError::Setup { .. } => Exit::Usage,
        ClientError::Refused { .. } => Exit::Refused,
        ClientError::Unreachable { .. }
        | ClientError::Broken { .. }
        | ClientError::Oversized { .. }
        | ClientError::Busy { .. }
        | ClientError::Garbage { .. } => Exit::Undecided,
    }
}

/// An index that is down leaves the question open, as a log does; one that refuses us is configured wrongly.
pub(crate) fn of_index(error: &IndexError) -> Exit {
    if error.is_outage() { Exit::Undecided } else { Exit::Usage }
}

/// docs/TRUST.md 1.5: an older policy than was seen, and bytes that are not those of their pinned digest, are proof.
fn of_layer(error: &LayerError) -> Exit {
    match error {
        LayerError::Rollback { .. } | LayerError::OtherBytes { .. } => Exit::Alarm,
        LayerError::Include { source, .. } if !matches!(**source, FetchError::File(_)) => Exit::Undecided,
        _ => Exit::Usage,
    }
}

/// Garbage from a server or a disk leaves the question open.
const fn of_replica(error: &ReplicaError) -> Exit {
    match error {
        ReplicaError::Client(error) => of_client(error),
        ReplicaError::History(error) => of_history(error),
        ReplicaError::File(_) => Exit::Usage,
        ReplicaError::Checkpoint { .. }
        | ReplicaError::Damaged { .. }
        | ReplicaError::OtherEntries { .. }
        | ReplicaError::Smaller { .. }
        | ReplicaError::Tile(_) => Exit::Undecided,
    }
}

/// Only two signed checkpoints that contradict each other are proof (docs/TRUST.md 1.5).
const fn of_history(error: &HistoryError) -> Exit {
    match error {
        HistoryError::Fork { .. } => Exit::Alarm,
        HistoryError::Stale { .. } | HistoryError::Unproven { .. } => Exit::Undecided,
        HistoryError::State { .. } | HistoryError::Remembered { .. } => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_outranks_everything_and_a_refusal_outranks_an_outage() {
        assert_eq!(Exit::Refused.worst(Exit::Alarm), Exit::Alarm);
        assert_eq!(Exit::Alarm.worst(Exit::Usage), Exit::Alarm);
        assert_eq!(Exit::Undecided.worst(Exit::Refused), Exit::Refused);
        assert_eq!(Exit::Refused.worst(Exit::Undecided), Exit::Refused);
        assert_eq!(Exit::Pass.worst(Exit::Undecided), Exit::Undecided);
    }

    #[test]
    fn an_index_that_is_down_is_undecided_wherever_it_is_asked_and_one_that_wants_a_login_is_not() {
        for (status, exit) in
            [(500, Exit::Undecided), (503, Exit::Undecided), (429, Exit::Undecided), (401, Exit::Usage)]
        {
            let status = reqwest::StatusCode::from_u16(status).unwrap();
            let error = anyhow::Error::from(IndexError::Status { host: "h".to_owned(), status }).context("explaining");
            assert_eq!((of(&error).0, kind(&error)), (exit, "index"), "{status}");
            assert!(of(&error).1.is_some());
        }
    }

    #[test]
    fn a_failure_keeps_its_code_and_hint_under_context() {
        let error = anyhow::Error::from(Failure::new(Exit::Undecided, "down").hint("later")).context("asking the log");
        assert_eq!(of(&error), (Exit::Undecided, Some("later".to_owned())));
        assert_eq!(kind(&error), "undecided");
        let path = std::path::PathBuf::from("x");
        let file = anyhow::Error::from(FileError::TooLarge { path, limit: 1 }).context("reading the lock");
        assert_eq!((kind(&file), kind(&anyhow::anyhow!("odd"))), ("file", "other"));
    }
}
