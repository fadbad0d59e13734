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

use super::{Problem, Site, request};
use crate::reader::{ReadError, Reader};

/// [`MAX_LOOKUP`] digests of 64 digits, with quotes, comma, and room for spaces.
const MAX_BODY: usize = 128 * 1024;
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
        Some(query) => parse_from(&query).ok_or(Problem::Query { found: query })?,
    };
    answer(&site, vec![digest], from).await
}

/// `from=N`, N without sign or leading zeros: one spelling for each page.
fn parse_from(query: &str) -> Option<LeafIndex> {
    let text = query.strip_prefix("from=")?;
    let index: u64 = text.parse().ok()?;
    (index.to_string() == text).then_some(LeafIndex::new(index))
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
        let mut more_from = None;
        for index in indexes {
            let fits = entries.len() < MAX_ENTRIES;
            let Some(entry) = self.entry(index, fits)? else {
                more_from = Some(index.get());
                break;
            };
            entries.push(entry);
        }
        Ok(FoundArtifact { sha256, entries, more_from })
    }

    /// The entry with its proof, or nothing when it belongs on the next page.
    fn entry(&mut self, index: LeafIndex, fits: bool) -> Result<Option<FoundEntry>, ReadError> {
        if !fits || (self.started && self.budget == 0) {
            return Ok(None);
        }
        let bytes = self.reader.entry(index)?;
        if self.started && bytes.len() > self.budget {
            self.budget = 0;
            return Ok(None);
        }
        self.started = true;
        self.budget = self.budget.saturating_sub(bytes.len());
        let proof = self.reader.prove(index, self.size)?;
        Ok(Some(FoundEntry {
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
