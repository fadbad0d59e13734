//! Collects the lists of negatives of a log: what the log and each of its mirrors signed about the files asked for. Nothing
//! here is believed: [`attest_core::verify`] judges it (docs/TRUST.md 4.4).
//!
//! One request to each address, beside the lookup. Auditors sign what they have seen, which is not the same moment
//! everywhere: where the sizes differ, those who are ahead are asked for the sizes of the others.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use attest_core::{
    api::NegativesQuery,
    artifact::ArtifactDigest,
    merkle::{LeafIndex, TreeSize},
    negatives::{Edition, Opened, ShardId},
};

use crate::{
    client::{Http, LogClient},
    evidence::Source,
    output::{Output, causes},
};

/// Sizes that are tried to find one that several auditors signed.
const MAX_SIZES: usize = 4;
/// Shards that are fetched one by one for a list, in bytes: six of the largest, or all of a log with four million negatives
/// for a hundred files. Nobody's signature was looked at yet, so anybody may have named them.
const MAX_FETCHED: usize = 64 << 20;
/// After this, nothing more is asked for: what is here is judged.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lists of one log, from all of its addresses.
pub(crate) fn lists(http: &Http, source: &Source, digests: &[ArtifactDigest], out: &Output) -> Vec<Edition> {
    let shards: BTreeSet<ShardId> = digests.iter().map(ShardId::of).collect();
    let newest = NegativesQuery { shards: shards.into_iter().collect(), size: None };
    let until = Instant::now() + PATIENCE;
    let found = ask_all(http, &source.urls, &newest, (digests, until), out);
    let sizes: BTreeSet<TreeSize> = found.iter().map(|(_, _, size)| *size).collect();
    let mut editions: Vec<Edition> = Vec::new();
    if sizes.len() > 1 {
        for size in sizes.into_iter().rev().skip(1).take(MAX_SIZES).take_while(|_| Instant::now() < until) {
            let ahead = found.iter().filter(|(_, _, newest)| *newest > size).map(|(url, ..)| url.clone());
            let query = NegativesQuery { size: Some(size), ..newest.clone() };
            let older = ask_all(http, &ahead.collect::<Vec<_>>(), &query, (digests, until), out);
            editions.extend(older.into_iter().map(|(_, edition, _)| edition));
        }
    }
    editions.extend(found.into_iter().map(|(_, edition, _)| edition));
    editions
}

/// One list from each address that has one, at once.
fn ask_all(
    http: &Http,
    urls: &[String],
    query: &NegativesQuery,
    (digests, until): (&[ArtifactDigest], Instant),
    out: &Output,
) -> Vec<(String, Edition, TreeSize)> {
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = urls.iter().map(|url| scope.spawn(|| ask(http, url, query, (digests, until)))).collect();
        asking.into_iter().map(|thread| thread.join().ok()).collect()
    });
    let mut found = Vec::new();
    for (url, answer) in urls.iter().zip(answers) {
        match answer {
            Some(Ok((edition, size))) => found.push((url.clone(), edition, size)),
            Some(Err(why)) => out.detail(format_args!("{url}: no list of negatives: {why}")),
            None => {}
        }
    }
    found
}

fn ask(
    http: &Http,
    url: &str,
    query: &NegativesQuery,
    (digests, until): (&[ArtifactDigest], Instant),
) -> Result<(Edition, TreeSize), String> {
    let client = http.log(url).map_err(|error| causes(&error))?;
    let mut edition = client.negatives(query).map_err(|error| causes(&error))?;
    let opened = edition.open().map_err(|error| error.to_string())?;
    complete(&client, &mut edition, &opened, (digests, until));
    Ok((edition, opened.note().listing().head().size))
}

/// Fetches the shards that did not fit into the answer, or that a server of files does not put there.
fn complete(
    client: &LogClient,
    edition: &mut Edition,
    opened: &Opened,
    (digests, until): (&[ArtifactDigest], Instant),
) {
    let mut left = MAX_FETCHED;
    for shard in opened.missing(digests) {
        let bytes = client.shard(opened.table().get(shard)).ok().filter(|bytes| bytes.len() <= left);
        // What is missing makes the view incomplete, which says so.
        let Some(bytes) = bytes.filter(|_| Instant::now() < until) else { return };
        left -= bytes.len();
        edition.shards.push((shard, bytes));
    }
}

/// Entries that the lists name and that were not handed over: by file, from which index on to ask.
pub(crate) fn owed(
    origin: &str,
    editions: &[Edition],
    digests: &[ArtifactDigest],
    handed: &BTreeSet<LeafIndex>,
) -> Vec<(ArtifactDigest, LeafIndex)> {
    let opened: Vec<Opened> = editions
        .iter()
        .filter_map(|edition| edition.open().ok())
        .filter(|opened| opened.note().listing().origin() == origin)
        .collect();
    let first = |digest: &ArtifactDigest| {
        let records = opened.iter().filter_map(|opened| opened.about(digest)).flatten();
        records.map(|record| record.index).filter(|index| !handed.contains(index)).min()
    };
    digests.iter().filter_map(|digest| Some((*digest, first(digest)?))).collect()
}
