//! The file of a kept answer.

use std::collections::BTreeSet;

use attest_core::{
    artifact::ArtifactDigest,
    merkle::{LeafIndex, NodeHash},
    negatives::Edition,
    note::VerifierKey,
    time::Timestamp,
    verify::{LogView, LoggedEntry},
};

use crate::fields::{Reader, Writer};

/// Another form is another line: what an older or newer attest wrote is asked for again.
const HEADER: &str = "attest evidence 1\n";

/// What a log said about some files.
#[derive(Clone, Debug)]
pub(in crate::evidence) struct Kept {
    /// When the question was sent.
    pub(in crate::evidence) asked_at: Timestamp,
    pub(in crate::evidence) log: VerifierKey,
    /// Who answered.
    pub(in crate::evidence) url: String,
    /// What the question was about.
    pub(in crate::evidence) digests: BTreeSet<ArtifactDigest>,
    pub(in crate::evidence) views: Vec<LogView>,
    pub(in crate::evidence) lists: Vec<Edition>,
}

impl Kept {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new(HEADER);
        out.number(self.asked_at.secs());
        out.bytes(self.log.to_string().as_bytes());
        out.bytes(self.url.as_bytes());
        out.each(&self.digests, |out, digest| out.hash(digest.as_bytes()));
        out.each(&self.views, |out, view| {
            out.bytes(&view.checkpoint);
            out.each(&view.entries, |out, entry| {
                out.number(entry.index.get());
                out.each(&entry.path, |out, hash| out.hash(hash.as_bytes()));
                out.bytes(&entry.envelope);
            });
        });
        out.each(&self.lists, |out, list| {
            out.bytes(&list.note);
            out.bytes(&list.table);
            out.each(&list.shards, |out, (id, shard)| {
                out.bytes(id.to_string().as_bytes());
                out.bytes(shard);
            });
            out.each(&list.checkpoints, |out, note| out.bytes(note));
        });
        out.finish()
    }

    /// `None` for anything but what was written.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader::open(HEADER, bytes)?;
        let kept = Self {
            asked_at: Timestamp::from_secs(rest.number()?),
            log: rest.text()?.parse().ok()?,
            url: rest.text()?.to_owned(),
            digests: rest.each(|rest| rest.hash().map(ArtifactDigest::from_bytes))?.into_iter().collect(),
            views: rest
                .each(|rest| Some(LogView { checkpoint: rest.bytes()?.to_vec(), entries: rest.each(entry)? }))?,
            lists: rest.each(|rest| {
                Some(Edition {
                    note: rest.bytes()?.to_vec(),
                    table: rest.bytes()?.to_vec(),
                    shards: rest.each(|rest| Some((rest.text()?.parse().ok()?, rest.bytes()?.to_vec())))?,
                    checkpoints: rest.each(|rest| Some(rest.bytes()?.to_vec()))?,
                })
            })?,
        };
        rest.is_empty().then_some(kept)
    }
}

fn entry(rest: &mut Reader<'_>) -> Option<LoggedEntry> {
    Some(LoggedEntry {
        index: LeafIndex::new(rest.number()?),
        path: rest.each(|rest| rest.hash().map(NodeHash::from_bytes))?,
        envelope: rest.bytes()?.to_vec(),
    })
}
