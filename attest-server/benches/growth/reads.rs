//! Reading at random while nothing is written.

use std::time::{Duration, Instant};

use anyhow::Result;
use attest_core::{
    artifact::ArtifactDigest,
    envelope::Envelope,
    merkle::{LeafIndex, TreeSize},
    statement::Statement,
};
use attest_server::{reader::Reader, sequencer::Sequencer};

use crate::{entries::Rebuilders, quantiles};

const SAMPLES: u64 = 2_000;

/// Proofs, lookups and submissions of what is logged already.
pub(crate) async fn measure(sequencer: &Sequencer, reader: &Reader) -> Result<String> {
    let size = reader.published().head.size;
    let (mut proofs, mut found, mut nothing, mut duplicates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let rebuilders = Rebuilders::new();
    for sample in 0..SAMPLES {
        let index = random(sample, size);
        let asked = Instant::now();
        reader.prove(index, size)?;
        proofs.push(asked.elapsed());
        let again = rebuilders.again(&reader.entry(index)?)?;
        // Another place, so that what was just read is not read again.
        let other = Envelope::parse(&reader.entry(random(sample + SAMPLES, size))?)?;
        found.push(lookup(reader, Statement::parse(other.payload())?.subject().digest, size)?);
        nothing.push(lookup(reader, ArtifactDigest::of(&sample.to_be_bytes()), size)?);
        let asked = Instant::now();
        let ack = sequencer.submit(again).await?;
        duplicates.push(asked.elapsed());
        anyhow::ensure!(ack.duplicate.is_some(), "an entry was logged twice");
    }
    Ok(format!(
        "  proof of a random entry        {}\n  lookup of a file, with proofs  {}\n  lookup of an unknown file      {}\n  \
         duplicate, with its proof      {}\n",
        quantiles(&mut proofs),
        quantiles(&mut found),
        quantiles(&mut nothing),
        quantiles(&mut duplicates)
    ))
}

/// All that a lookup answers about one file.
fn lookup(reader: &Reader, digest: ArtifactDigest, size: TreeSize) -> Result<Duration> {
    let asked = Instant::now();
    for index in reader.lookup(digest, LeafIndex::new(0), size, 100)? {
        reader.entry(index)?;
        reader.prove(index, size)?;
    }
    Ok(asked.elapsed())
}

/// The same places in every run over a log of this size (splitmix64).
fn random(sample: u64, size: TreeSize) -> LeafIndex {
    let mut mixed = (sample + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    LeafIndex::new((mixed ^ (mixed >> 31)) % size.get())
}
