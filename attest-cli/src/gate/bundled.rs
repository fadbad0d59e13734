//! Evidence with an `attest.lock` at hand: who is still asked about what.

use std::collections::BTreeSet;

use attest_core::{artifact::ArtifactDigest, policy::Negatives, verify::Connection};

use crate::{
    evidence::{
        self, Asking, Gathered,
        bundle::{Answered, Bundles},
    },
    gate::{self, Outcome},
    item::{Item, Question},
    layers::Layers,
    run::{Pinned, Run},
};

/// Everything about these digests from the bundles, and from the logs what else is needed; and what the logs themselves
/// said.
pub(super) fn gather(
    asking: Asking,
    items: &[Item],
    digests: &BTreeSet<ArtifactDigest>,
    bundles: &Bundles,
    layers: &Layers,
    run: &Run,
) -> anyhow::Result<(Gathered, Answered)> {
    let (sources, history) = (evidence::sources(layers), run.history()?);
    let kept = |all: &BTreeSet<ArtifactDigest>| -> anyhow::Result<Gathered> {
        let folders = run.statements()?;
        let all: Vec<_> = all.iter().copied().collect();
        let mut gathered = evidence::at_hand(&folders, &all, run.connection, &run.out)?;
        bundles.join(&mut gathered, &sources, &history, run);
        Ok(gathered)
    };
    if run.pinned == Pinned::Frozen {
        return Ok((kept(digests)?, Answered::default()));
    }
    if may_settle(layers, run) {
        let alone = kept(digests)?;
        let open = unsettled(items, layers, &alone);
        if open.is_empty() && alone.alarms.is_empty() {
            return Ok((alone, Answered::default()));
        }
    }
    let asked: Vec<_> = digests.iter().copied().collect();
    let mut gathered = gate::gather_as(asking, &asked, layers, run)?;
    let answered = Answered::of(&gathered);
    bundles.join(&mut gathered, &sources, &history, run);
    Ok((gathered, answered))
}

/// A file of evidence can leave out what speaks against a file. Only where every policy wants proof that nothing was
/// withheld, fresh as of now, does it spare the question (docs/TRUST.md 4.4, 5.1).
fn may_settle(layers: &Layers, run: &Run) -> bool {
    let complete = |negatives| matches!(negatives, Negatives::Complete { .. });
    run.pinned == Pinned::Free
        && run.connection == Connection::Online
        && layers.iter().all(|layer| complete(layer.policy.negatives().value))
}

/// Files that the evidence at hand does not make pass.
fn unsettled(items: &[Item], layers: &Layers, gathered: &Gathered) -> BTreeSet<ArtifactDigest> {
    let again = Gathered {
        evidence: gathered.evidence.clone(),
        alarms: Vec::new(),
        asked: Vec::new(),
        connection: gathered.connection,
        recalled: gathered.recalled,
    };
    let judged = gate::decide(items, layers, again);
    let open = judged.answers.iter().filter(|answer| !matches!(answer.outcome, Outcome::Passed | Outcome::Exempt));
    let open = open.filter_map(|answer| match &answer.item.question {
        Question::File { wanted, .. } => Some(wanted.digest),
        _ => None,
    });
    open.collect()
}
