//! What a batch came to: a row for each, counts that add up, and the same as JSON (`schemas/rebuild.schema.json`).

use std::collections::BTreeMap;

use attest_core::statement::Network;
use serde_json::{Value, json};

use super::{End, Entry};
use crate::exit::{self, Exit, Failure};
use crate::output::{Output, Style, causes};
use crate::rebuild::record::Verdict;

/// A reason in the table is one line, and no longer.
const MAX_REASON: usize = 120;

impl Entry {
    /// How it ended, in one word: a verdict, or why there is none.
    pub(crate) fn word(&self) -> String {
        match &self.end {
            End::Done { outcome, .. } => outcome.folder.record().verdict.to_string(),
            End::NotAttestable { .. } => "NOT_ATTESTABLE".to_owned(),
            End::NotSelectable { .. } => "NOT_SELECTABLE".to_owned(),
            End::Duplicate { .. } => "DUPLICATE".to_owned(),
            End::Failed { .. } => "NOT_REBUILT".to_owned(),
        }
    }

    /// The file, or what was named where there is none.
    pub(crate) fn name(&self) -> &str {
        match &self.end {
            End::Done { outcome, .. } => &outcome.folder.record().subject.name,
            End::NotAttestable { name, .. } | End::Duplicate { name } if !name.is_empty() => name,
            _ => &self.target,
        }
    }

    /// Whether its build could reach the network.
    pub(crate) fn was_open(&self) -> bool {
        matches!(&self.end, End::Done { outcome, .. } if outcome.folder.record().environment.network != Network::None)
    }

    /// How long it took, where something was built in this run.
    pub(super) fn seconds(&self) -> Option<f64> {
        match &self.end {
            End::Done { outcome, kept: false } => Some(outcome.took.as_secs_f64()),
            _ => None,
        }
    }

    /// The most telling line about it.
    pub(crate) fn reason(&self) -> String {
        let reason = match &self.end {
            End::Done { outcome, .. } => outcome.explanation.first().cloned().unwrap_or_default(),
            End::NotAttestable { why, .. } | End::NotSelectable { why } => why.clone(),
            End::Duplicate { .. } => format!("{} leads to a file that is looked at already", self.target),
            End::Failed { error } => causes(error.as_ref()),
        };
        let line = reason.lines().next().unwrap_or_default();
        match line.char_indices().nth(MAX_REASON) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line.to_owned(),
        }
    }

    /// One line, while the batch is running.
    pub(super) fn line(&self) -> String {
        let (word, name, reason) = (self.word(), self.name(), self.reason());
        let colon = if reason.is_empty() { "" } else { ": " };
        let took = match &self.end {
            End::Done { kept: true, .. } => " (kept from an earlier run)".to_owned(),
            _ => self.seconds().map(|seconds| format!(", {seconds:.1} s")).unwrap_or_default(),
        };
        format!("{word} {name}{took}{colon}{reason}")
    }

    /// What is said of it in JSON, where there is no result.
    pub(crate) fn document(&self) -> Value {
        match &self.end {
            // The command says it, with the names that it always had.
            End::Done { .. } => json!({ "target": self.target }),
            End::Failed { error } => json!({ "target": self.target, "error": causes(error.as_ref()) }),
            End::NotAttestable { .. } | End::NotSelectable { .. } | End::Duplicate { .. } => {
                json!({ "target": self.target, "skipped": self.word(), "name": self.name(), "reason": self.reason() })
            }
        }
    }

    /// What a shell is told (docs/TRUST.md 1.5), without what `exit_of` says of a verdict.
    pub(crate) fn exit(&self, exit_of: fn(Verdict) -> Exit) -> Exit {
        let end = match &self.end {
            End::Done { outcome, .. } => exit_of(outcome.folder.record().verdict),
            End::NotSelectable { .. } | End::Duplicate { .. } => Exit::Pass,
            // An error that knows its code; any other means that nothing can be said about the wheel.
            End::Failed { error } if error.downcast_ref::<Failure>().is_some() => exit::of(error).0,
            End::NotAttestable { .. } | End::Failed { .. } => Exit::Undecided,
        };
        let posted = self.posting.as_ref().and_then(|posting| posting.error.as_ref());
        posted.map_or(end, |error| end.worst(exit::of(error).0))
    }

    fn style(&self) -> Style {
        match &self.end {
            End::Done { outcome, .. } if outcome.folder.record().verdict.outcome().is_none() => Style::Good,
            End::Done { .. } => Style::Bad,
            End::Failed { .. } | End::NotAttestable { .. } => Style::Caution,
            End::NotSelectable { .. } | End::Duplicate { .. } => Style::Faint,
        }
    }
}

/// How many ended how: the sum is the number of entries.
pub(crate) fn counts(entries: &[Entry]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry.word()).or_default() += 1;
    }
    counts
}

/// How many were found again.
pub(crate) fn kept(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| matches!(entry.end, End::Done { kept: true, .. })).count()
}

/// A row for each, and the sum.
pub(crate) fn table(entries: &[Entry], seconds: f64, out: &Output) -> anyhow::Result<()> {
    let width = |text: fn(&Entry) -> usize| entries.iter().map(text).max().unwrap_or_default();
    let (words, names) = (width(|entry| entry.word().len()), width(|entry| entry.name().len()));
    for entry in entries {
        let word = out.paint(entry.style(), format!("{:words$}", entry.word()));
        let took = match &entry.end {
            End::Done { kept: true, .. } => "kept".to_owned(),
            _ => entry.seconds().map(|seconds| format!("{seconds:.1} s")).unwrap_or_default(),
        };
        let row = format!("{word}  {:names$}  {took:>8}  {}", entry.name(), entry.reason());
        out.line(row.trim_end())?;
    }
    let counts: Vec<_> = counts(entries).iter().map(|(word, count)| format!("{count} {word}")).collect();
    let kept = match kept(entries) {
        0 => String::new(),
        kept => format!(" ({kept} kept from earlier runs)"),
    };
    out.line(format!("{} checked: {}{kept}, in {seconds:.0} s", entries.len(), counts.join(", ")))?;
    Ok(())
}
