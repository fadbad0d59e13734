//! `POST /api/v1/lookup` and `GET /api/v1/artifacts/{sha256}`: everything logged about a file, under one checkpoint.
//!
//! The published checkpoint is taken once per request. Only entries below its size are given, with proofs at its size, so
//! that an answer is one consistent view whatever is appended meanwhile.

use std::sync::Arc;

use attest_core::{
    api::{Found, FoundArtifact, FoundEntry, Lookup, MAX_LOOKUP},
    artifact::ArtifactDigest,
    ijson,
    merkle::{LeafIndex, TreeSize},
};
use axum::{
    Json,
    extract::{RawQuery, Request, State},
    http::{HeaderName, Uri, header},
};

use super::{
    Problem, Site,
    endpoints::{
        excerpt,
        form::{self, Form},
    },
    request,
};
use crate::{
    reader::{ReadError, Reader},
    store::index::Keys,
};

/// [`MAX_LOOKUP`] digests of 64 digits, with quotes, comma, and room for spaces.
pub(super) const MAX_BODY: usize = 128 * 1024;
/// Entries about one digest in one answer.
const MAX_ENTRIES: usize = 100;
/// Envelope bytes in one answer, counted before the entry that would pass it; the first entry is always given.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

type Answer = ([(HeaderName, &'static str); 2], Json<Found>);

/// Many digests at once.
pub(super) async fn lookup(State(site): State<Arc<Site>>, request: Request) -> Result<Answer, Problem> {
    let (head, body) = request.into_parts();
    let bytes = request::body(&head.headers, body, "application/json", MAX_BODY).await?;
    let Lookup { digests } = ijson::from_slice(&bytes).map_err(Problem::Json)?;
    if digests.len() > MAX_LOOKUP {
        return Err(Problem::TooManyDigests { limit: MAX_LOOKUP, found: digests.len() });
    }
    answer(&site, digests, LeafIndex::new(0)).await
}

/// One digest, from an index on.
pub(super) async fn artifact(
    State(site): State<Arc<Site>>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Answer, Problem> {
    // From the path as it was sent: what axum takes out of it is percent-decoded.
    let digest = uri.path().rsplit('/').next().unwrap_or_default();
    let digest = digest.parse().map_err(Problem::Digest)?;
    let from = match query {
        None => LeafIndex::new(0),
        Some(query) => parse_from(&query).ok_or_else(|| Problem::Parameter {
            name: "from",
            expected: Form::Index.expected(),
            found: excerpt(&query),
        })?,
    };
    answer(&site, vec![digest], from).await
}

/// `from=N`.
fn parse_from(query: &str) -> Option<LeafIndex> {
    query.strip_prefix("from=").and_then(form::index)
}

async fn answer(site: &Site, digests: Vec<ArtifactDigest>, from: LeafIndex) -> Result<Answer, Problem> {
    let reader = site.reader.clone();
    let found = tokio::task::spawn_blocking(move || find(&reader, &digests, from))
        .await
        .map_err(|_| Problem::Interrupted)??;
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    Ok((headers, Json(found)))
}

fn find(reader: &Reader, digests: &[ArtifactDigest], from: LeafIndex) -> Result<Found, ReadError> {
    let published = reader.published();
    let mut page = Page { reader, size: published.head.size, budget: MAX_ANSWER, started: false };
    let artifacts = digests.iter().map(|digest| page.artifact(*digest, from));
    Ok(Found { artifacts: artifacts.collect::<Result<_, _>>()?, checkpoint: published.note.clone() })
}

/// What became of an entry that the index found.
enum Taken {
    Entry(FoundEntry),
    OtherFile,
    NextPage,
}

/// One answer while it is put together.
struct Page<'a> {
    reader: &'a Reader,
    size: TreeSize,
    budget: usize,
    started: bool,
}

impl Page<'_> {
    fn artifact(&mut self, sha256: ArtifactDigest, from: LeafIndex) -> Result<FoundArtifact, ReadError> {
        let indexes = self.reader.lookup(sha256, from, self.size, MAX_ENTRIES + 1)?;
        let mut entries = Vec::with_capacity(indexes.len().min(MAX_ENTRIES));
        // As many hints as were asked for: there may be more behind them, also where all of these are of other files. Two
        // digests with one fingerprint are cheap to make for whoever makes the file, and must not hide what is said of it.
        let mut more_from = indexes.get(MAX_ENTRIES).map(|last| last.get() + 1);
        for index in indexes {
            let fits = entries.len() < MAX_ENTRIES;
            match self.entry(sha256, index, fits)? {
                Taken::Entry(entry) => entries.push(entry),
                Taken::OtherFile => {}
                Taken::NextPage => {
                    more_from = Some(index.get());
                    break;
                }
            }
        }
        Ok(FoundArtifact { sha256, entries, more_from })
    }

    /// The entry with its proof, where it is about that file and has room.
    fn entry(&mut self, sha256: ArtifactDigest, index: LeafIndex, fits: bool) -> Result<Taken, ReadError> {
        if !fits || (self.started && self.budget == 0) {
            return Ok(Taken::NextPage);
        }
        let bytes = self.reader.entry(index)?;
        // What the index finds is a hint.
        if Keys::of_entry(&bytes).subject.is_none_or(|(digest, _)| digest != sha256) {
            return Ok(Taken::OtherFile);
        }
        if self.started && bytes.len() > self.budget {
            self.budget = 0;
            return Ok(Taken::NextPage);
        }
        self.started = true;
        self.budget = self.budget.saturating_sub(bytes.len());
        let proof = self.reader.prove(index, self.size)?;
        Ok(Taken::Entry(FoundEntry {
            index: index.get(),
            // Indexed entries are envelopes that parsed, and those are ASCII.
            envelope: String::from_utf8_lossy(&bytes).into_owned(),
            proof: proof.iter().map(ToString::to_string).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{self, TestLog, options, submission},
        sequencer::Sequencer,
        store::index::Index,
    };

    #[tokio::test]
    async fn hints_that_lead_to_other_files_hide_no_entry_behind_them() {
        let log = TestLog::new();
        let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
        let submitted = (0..256).map(|number| {
            let sequencer = sequencer.clone();
            async move { sequencer.submit(submission(number, 1)).await.unwrap() }
        });
        // One after the other: entry N is about file N / 2.
        for submitted in submitted {
            submitted.await;
        }
        sequencer.shutdown().await;
        drop(reader);

        // The index as it is where the digests of the first 220 files have the fingerprint of the one of entry 240.
        let sought = fixtures::artifact(&submission(240, 1));
        let keys: Vec<Keys> = (0..256)
            .map(|number| {
                let mut keys = Keys::of_entry(submission(number, 1).entry().as_bytes());
                if let Some((digest, _)) = keys.subject.as_mut().filter(|_| number < 220) {
                    *digest = sought;
                }
                keys
            })
            .collect();
        std::fs::remove_dir_all(log.data().join("index")).unwrap();
        let index = Index::open(&log.data()).unwrap();
        index.add(LeafIndex::new(0), &keys).unwrap();
        drop(index);

        let (sequencer, reader) = Sequencer::open(&log.data(), options()).unwrap();
        let (mut from, mut found) = (Some(0), Vec::new());
        while let Some(next) = from {
            let answer = find(&reader, &[sought], LeafIndex::new(next)).unwrap().artifacts.remove(0);
            found.extend(answer.entries.iter().map(|entry| entry.index));
            assert!(answer.more_from.is_none_or(|more| more > next));
            from = answer.more_from;
        }
        assert_eq!(found, [240, 241]);
        sequencer.shutdown().await;
    }

    #[test]
    fn a_page_has_one_spelling() {
        assert_eq!(parse_from("from=0"), Some(LeafIndex::new(0)));
        assert_eq!(parse_from("from=17"), Some(LeafIndex::new(17)));
        for query in
            ["", "from", "from=", "from=01", "from=+1", "from=-1", "from=1&x=2", "From=1", "from=99999999999999999999"]
        {
            assert_eq!(parse_from(query), None, "{query}");
        }
    }
}
