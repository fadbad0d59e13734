//! What the accepted votes say that a wheel installs: their `recordDigest` (docs/TRUST.md 7). It ties files that lie in an
//! environment to a wheel that is not at hand.

use std::collections::HashMap;

use attest_core::{
    artifact::ArtifactDigest,
    envelope::{Envelope, StatementId},
    statement::{Predicate, Statement},
    verify::Verdict,
    votes::Counts,
};

use crate::gate::{Answer, Judged, Word};

/// The record digest in every statement of the evidence that has one.
#[derive(Debug)]
pub(crate) struct Recorded(HashMap<StatementId, ArtifactDigest>);

impl Recorded {
    /// Reads the evidence once. Nothing in it is believed here: [`Self::of`] asks only for statements that were counted.
    pub(crate) fn read(judged: &Judged<'_>) -> Self {
        let logged = judged.gathered.evidence.logs.iter().flat_map(|view| &view.entries).map(|entry| &entry.envelope);
        let all = logged.chain(&judged.gathered.evidence.unlogged);
        Self(all.filter_map(|bytes| record(bytes)).collect())
    }

    /// What an accepted file installs. Only votes that counted have a say, those of every policy, and all of them the same:
    /// otherwise nothing is known.
    pub(crate) fn of(&self, answer: &Answer<'_>) -> Option<ArtifactDigest> {
        let mut agreed = None;
        for judgement in &answer.judgements {
            let Word::Verdict { verdict, .. } = &judgement.word else { continue };
            let Verdict::Accepted(accepted) = &**verdict else { return None };
            // An equivalent build installs rows of its own.
            let counted = accepted.findings.votes.iter().filter(|vote| vote.counts == Counts::Yes && !vote.equivalent);
            for vote in counted {
                let digest = *self.0.get(&vote.statement)?;
                if agreed.is_some_and(|agreed| agreed != digest) {
                    return None;
                }
                agreed = Some(digest);
            }
        }
        agreed
    }
}

fn record(bytes: &[u8]) -> Option<(StatementId, ArtifactDigest)> {
    let envelope = Envelope::parse(bytes).ok()?;
    match Statement::parse(envelope.payload()).ok()?.predicate() {
        Predicate::Reproduced(build) => Some((envelope.statement_id(), build.record_digest.sha256)),
        _ => None,
    }
}
