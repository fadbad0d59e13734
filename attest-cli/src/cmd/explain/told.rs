//! The statements themselves, for what a verdict does not carry: in what a rebuilt file differs.

use std::collections::HashMap;

use attest_core::{
    envelope::{Envelope, StatementId},
    statement::{Difference, DifferenceKind, Predicate, Refusal, Statement},
    verify::Evidence,
};

use crate::output::plural;

/// As many differences as fit on a line or two.
const SHOWN: usize = 4;

/// What statements of evidence say beside their verdict, by their ids. Whether they are believed was decided elsewhere.
#[derive(Debug)]
pub(super) struct Told(HashMap<StatementId, Refusal>);

impl Told {
    pub(super) fn read(evidence: &Evidence) -> Self {
        let logged = evidence.logs.iter().flat_map(|view| &view.entries).map(|entry| &entry.envelope);
        let refusal = |bytes: &Vec<u8>| {
            let envelope = Envelope::parse(bytes).ok()?;
            match Statement::parse(envelope.payload()).ok()?.predicate() {
                Predicate::NotReproduced { refusal, .. } => Some((envelope.statement_id(), refusal.clone())),
                _ => None,
            }
        };
        Self(logged.chain(&evidence.unlogged).filter_map(refusal).collect())
    }

    /// `demo.py differs in content, evil.pth is only in the published file; 7 differences in all`
    pub(super) fn differences(&self, statement: StatementId) -> Option<String> {
        let refusal = self.0.get(&statement)?;
        let shown: Vec<String> = refusal.differences.iter().take(SHOWN).map(words).collect();
        if shown.is_empty() {
            return None;
        }
        let total = usize::try_from(refusal.differences_total).unwrap_or(usize::MAX);
        let all = if total > shown.len() { format!("; {} in all", plural(total, "difference")) } else { String::new() };
        Some(format!("{}{all}", shown.join(", ")))
    }

    /// The same for tools.
    pub(super) fn document(&self, statement: StatementId) -> serde_json::Value {
        let differences = self.0.get(&statement).map(|refusal| &refusal.differences[..]).unwrap_or_default();
        serde_json::json!(differences)
    }
}

fn words(difference: &Difference) -> String {
    let path = &difference.path;
    match difference.kind {
        DifferenceKind::Content => format!("{path} has other content"),
        DifferenceKind::OnlyInPublished => format!("{path} is only in the published file"),
        DifferenceKind::OnlyInRebuilt => format!("{path} is only in the rebuilt file"),
        DifferenceKind::ZipMetadata => format!("{path} has another time, mode or creator"),
        DifferenceKind::Order => format!("{path} stands elsewhere in the archive"),
        DifferenceKind::Compression => format!("{path} is compressed otherwise"),
    }
}
