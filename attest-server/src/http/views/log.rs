//! The log itself.

use attest_core::{
    api::record::{CheckpointView, Coverage, HealthView, LogRole, LogView, NegativesView, PAGE, WitnessView},
    checkpoint::UnverifiedCheckpoint,
    note::{NoteSignature, VerifierKey},
};

use crate::{
    http::{Role, Site, health},
    negatives::Made,
    reader::Published,
    record::{
        RecordError,
        query::{Moment, Which},
    },
};

/// Entries of the home page.
const NEWEST: usize = PAGE / 5;
/// Lists of negatives that are shown, the newest.
const LISTS: usize = 3;
/// A cosignature: a time, and an Ed25519 signature (C2SP tlog-cosignature, "Format").
const COSIGNATURE: usize = 8 + 64;

pub(super) fn view(site: &Site, moment: &Moment<'_>) -> Result<LogView, RecordError> {
    let published = site.reader.published();
    Ok(LogView {
        origin: site.origin.clone(),
        role: match site.role {
            Role::Log { .. } | Role::Stopped => LogRole::Log,
            Role::Mirror { .. } => LogRole::Mirror,
        },
        vkeys: site.vkeys.clone(),
        checkpoint: checkpoint(site, &published),
        recorded: moment.covered().size.get(),
        frozen: site.freeze.now().map(|frozen| frozen.to_string()),
        operator: site.record.as_ref().and_then(crate::record::Record::operator),
        counts: moment.counts()?,
        projects: moment.project_count()?,
        files: moment.file_count()?,
        days: moment.days(site.clock.now())?,
        rebuilders: moment.rebuilders()?.into_iter().map(|listed| listed.row).collect(),
        newest: moment.newest(Which::All, None, NEWEST)?,
        coverage: coverage(site, moment)?,
        mirrors: site.mirrors.views(),
        negatives: site.negatives.newest(LISTS).iter().map(|made| negatives(made)).collect(),
        health: health(site, &published, moment),
    })
}

fn negatives(made: &Made) -> NegativesView {
    let listing = made.note().listing();
    NegativesView { size: listing.head().size.get(), count: listing.count(), note: made.note().to_string() }
}

fn health(site: &Site, published: &Published, moment: &Moment<'_>) -> HealthView {
    let (found, entries) = (health::look(site), published.head.size.get());
    HealthView {
        ready: found.is_ready(),
        reason: found.reason().map(ToOwned::to_owned),
        accepting: matches!(&site.role, Role::Log { sequencer, .. } if sequencer.is_running() && sequencer.has_room())
            && site.freeze.now().is_none(),
        unsealed: entries.saturating_sub(site.reader.sealed().get()),
        unrecorded: entries.saturating_sub(moment.covered().size.get()),
        record_stopped: site.record.as_ref().and_then(|record| record.status().stopped),
    }
}

fn checkpoint(site: &Site, published: &Published) -> CheckpointView {
    let note = UnverifiedCheckpoint::parse(published.note.as_bytes());
    let lines = note.as_ref().map_or(&[][..], |note| note.note().signatures());
    let log: Option<VerifierKey> = site.vkeys.first().and_then(|vkey| vkey.parse().ok());
    let own = |line: &&NoteSignature| log.as_ref().is_some_and(|log| log.made(line));
    let witness = |line: &NoteSignature| {
        let time = (line.blob().len() == COSIGNATURE).then(|| line.blob().first_chunk()).flatten();
        WitnessView { name: line.name().to_string(), time: time.map(|time| u64::from_be_bytes(*time)) }
    };
    CheckpointView {
        note: published.note.clone(),
        size: published.head.size.get(),
        root_hash: published.head.root.to_string(),
        published: published.time.secs(),
        witnesses: lines.iter().filter(|line| !own(line)).map(witness).collect(),
    }
}

fn coverage(site: &Site, moment: &Moment<'_>) -> Result<Option<Coverage>, RecordError> {
    let Some(list) = site.record.as_ref().and_then(crate::record::Record::coverage) else {
        return Ok(None);
    };
    let projects = list.iter().map(|project| moment.covered_project(project)).collect::<Result<Vec<_>, _>>()?;
    let reproduced = projects.iter().filter(|project| project.groups > 0 && !project.accused).count() as u64;
    Ok(Some(Coverage { total: projects.len() as u64, reproduced, projects }))
}
