//! What others claim in a log: each wheel that somebody else reproduced is a wheel to rebuild.
//!
//! A checkpoint must continue what was seen before, and the entries must be those that it signs; what they say is believed
//! by nobody here, it is only worth trying.

use attest_core::checkpoint::UnverifiedCheckpoint;
use attest_core::envelope::Envelope;
use attest_core::key::PublicKey;
use attest_core::merkle::{LeafIndex, NodeHash, TreeHead, verify_inclusion};
use attest_core::note::VerifierKey;
use attest_core::recipe::Recipe;
use attest_core::statement::{Build, Origin, Predicate, RecipeKind, Statement};
use attest_core::tile::{self, BundleId, Entry, TILE_WIDTH, TileId};

use super::catalog::is_pure;
use crate::client::{ClientError, Http, LogClient};
use crate::history::{History, HistoryError};
use crate::rebuilder::job::{Release, Wish};

/// Bundles that are read in one look; the rest waits for the next.
const MAX_BUNDLES: u64 = 64;

/// What was found.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) wishes: Vec<Wish>,
    /// First index that was not read.
    pub(super) next: u64,
}

/// Reads on from index `from`.
pub(super) fn claims(
    url: &str,
    vkey: &VerifierKey,
    history: &History,
    from: u64,
    own: &PublicKey,
) -> anyhow::Result<Claims> {
    let log = Http::new().log(url)?;
    let checkpoint = UnverifiedCheckpoint::parse(&log.checkpoint()?)?.verify(vkey)?;
    match history.admit(vkey, &checkpoint, |id| log.tile(id)) {
        // A mirror that is behind has nothing new.
        Ok(_) | Err(HistoryError::Stale { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let head = checkpoint.head();
    let (mut wishes, mut next) = (Vec::new(), from);
    let width = u64::from(TILE_WIDTH);
    let last = head.size.get().min((from / width + MAX_BUNDLES) * width);
    while next < last {
        let index = next / width;
        let end = (index * width + width).min(head.size.get());
        // At most 256, so it fits.
        let bundle = BundleId::new(index, u16::try_from(end - index * width).unwrap_or(TILE_WIDTH))?;
        let entries = log.entries(bundle)?;
        check(&log, head, bundle, &entries)?;
        let new = entries.iter().skip(usize::try_from(next - index * width).unwrap_or(usize::MAX));
        wishes.extend(new.filter_map(|entry| claim(entry, own)));
        next = end;
    }
    Ok(Claims { wishes, next })
}

/// One proof is enough: the path of the first entry leads through the hashes of all others of its bundle.
fn check(log: &LogClient, head: TreeHead, bundle: BundleId, entries: &[Entry]) -> anyhow::Result<()> {
    let leaves: Vec<NodeHash> = entries.iter().map(|entry| NodeHash::from(entry.leaf_hash())).collect();
    let read = |id: TileId| -> Result<Vec<NodeHash>, ReadError> {
        if id == bundle.tile() { Ok(leaves.clone()) } else { Ok(log.tile(id)?) }
    };
    let first = LeafIndex::new(bundle.index() * u64::from(TILE_WIDTH));
    let proof = tile::prove_inclusion(first, head.size, read)?;
    if let Some(entry) = entries.first() {
        verify_inclusion(entry.leaf_hash(), first, head, &proof)?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Tile(#[from] tile::TileError),
}

/// A stranger's statement makes us build with knobs from an sdist of our own index; not run a script, pull an image, or
/// clone from wherever it says.
fn is_replayed(build: &Build) -> bool {
    let knobs = |text: &String| Recipe::parse(text).is_ok_and(|recipe| recipe.knobs_only().is_ok());
    build.origin == Origin::Sdist
        && build.recipe.kind == RecipeKind::Inferred
        && build.recipe.content.as_ref().is_some_and(knobs)
}

/// A wheel that somebody else reproduced. Entries of other kinds, or that do not parse, are no news.
fn claim(entry: &Entry, own: &PublicKey) -> Option<Wish> {
    let envelope = Envelope::parse(entry.as_bytes()).ok()?;
    if envelope.verify(own).is_ok() {
        return None;
    }
    let statement = Statement::parse(envelope.payload()).ok()?;
    let subject = statement.subject();
    let Predicate::Reproduced(build) = statement.predicate() else { return None };
    is_pure(&subject.name).then(|| Wish {
        release: Release { project: subject.name.project.clone(), version: subject.name.version.clone() },
        sha256: Some(subject.digest),
        claim: is_replayed(build).then(|| String::from_utf8_lossy(entry.as_bytes()).into_owned()),
    })
}
