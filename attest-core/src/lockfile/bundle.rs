//! Evidence about some files, in one canonical JSON document.
//!
//! ```text
//! {"logs":[{"checkpoint":"NOTE","entries":[{"index":0,"payload":"STATEMENT","signature":"BASE64","path":["HASH"]}]}],
//!  "negatives":[{"note":"NOTE","table":"BASE64","shards":[["00","BASE64"]],"checkpoints":["NOTE"]}],
//!  "unlogged":[{"payload":"STATEMENT","signature":"BASE64"}]}
//! ```
//!
//! An envelope is kept as its payload and its signature, since base64 would hide from a compressor what statements have
//! in common; it has one canonical form, so nothing is lost. Inclusion paths are plain: what they share, the compressor
//! finds. Nothing here is verified: [`crate::verify`] judges it as it judges a log's answer.
use crate::{
    artifact::ArtifactDigest,
    checkpoint::{CheckpointError, UnverifiedCheckpoint},
    envelope::{Envelope, EnvelopeError},
    ijson,
    merkle::{LeafIndex, NodeHash, TreeHead},
    negatives::{Edition, EditionError, ShardId},
    statement::Statement,
    verify::{Evidence, LogView, LoggedEntry, Workers},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt,
};

/// Most hashes on the way from an entry to the root of any tree.
const MAX_PATH: usize = 64;

/// What logs, auditors and folders say about some files, well-formed and in order, without doubles.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    views: Vec<View>,
    negatives: Vec<Edition>,
    unlogged: Vec<Kept>,
}

/// One checkpoint of a log, and entries that are said to be in its tree.
#[derive(Clone, Debug)]
struct View {
    origin: String,
    head: TreeHead,
    note: String,
    entries: BTreeMap<LeafIndex, (Kept, Vec<NodeHash>)>,
}

/// An envelope around a statement.
#[derive(Clone, Debug)]
struct Kept {
    envelope: Envelope,
    subject: ArtifactDigest,
}

impl Kept {
    fn of(envelope: Envelope) -> Result<Self, BundleError> {
        let subject = Statement::parse(envelope.payload()).map_err(EnvelopeError::from)?.subject().digest;
        Ok(Self { envelope, subject })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        Envelope::parse(bytes).ok().and_then(|envelope| Self::of(envelope).ok())
    }
}

impl View {
    fn of(note: &str) -> Result<Self, BundleError> {
        let checkpoint = UnverifiedCheckpoint::parse(note.as_bytes())?;
        let claim = checkpoint.claim();
        if !super::text::is_plain(&claim.origin) {
            return Err(BundleError::Origin { found: crate::artifact::excerpt(&claim.origin) });
        }
        Ok(Self { origin: claim.origin.clone(), head: claim.head, note: note.to_owned(), entries: BTreeMap::new() })
    }

    fn key(&self) -> (&str, u64, [u8; 32], &str) {
        (&self.origin, self.head.size.get(), *self.head.root.as_bytes(), &self.note)
    }
}

impl Bundle {
    /// What concerns these files, of everything that was fetched: all that was said about them, and of every log the
    /// newest checkpoint. What is malformed is left out.
    pub fn select(evidence: &Evidence, digests: &BTreeSet<ArtifactDigest>) -> Self {
        let mut views: BTreeMap<(String, u64, [u8; 32]), View> = BTreeMap::new();
        for shown in &evidence.logs {
            let Some(mut view) = std::str::from_utf8(&shown.checkpoint).ok().and_then(|note| View::of(note).ok())
            else {
                continue;
            };
            let known = shown.entries.iter().filter(|entry| entry.path.len() <= MAX_PATH);
            let kept =
                known.filter_map(|entry| Some((entry.index, (Kept::parse(&entry.envelope)?, entry.path.clone()))));
            view.entries.extend(kept.filter(|(_, (kept, _))| digests.contains(&kept.subject)));
            let (origin, size, root, _) = view.key();
            let same = views.entry((origin.to_owned(), size, root));
            same.and_modify(|known| known.merge(&view)).or_insert(view);
        }
        without_doubles(&mut views);
        let newest: BTreeMap<String, u64> = views.keys().map(|(origin, size, _)| (origin.clone(), *size)).collect();
        let needed = |view: &View| !view.entries.is_empty() || newest.get(&view.origin) == Some(&view.head.size.get());
        let views: Vec<View> = views.into_values().filter(needed).collect();
        let about = |bytes: &Vec<u8>| Kept::parse(bytes).filter(|kept| digests.contains(&kept.subject));
        let unlogged = evidence.unlogged.iter().filter_map(about).collect();
        let negatives = evidence.negatives.iter().filter_map(|edition| select_edition(edition, digests)).collect();
        Self { views, negatives, unlogged }.in_order()
    }

    /// One order for the same evidence, however it came.
    fn in_order(mut self) -> Self {
        self.views.sort_by(|a, b| a.key().cmp(&b.key()));
        self.views.dedup_by(|a, b| a.note == b.note);
        for edition in &mut self.negatives {
            edition.shards.sort();
            edition.shards.dedup();
            edition.checkpoints.sort();
            edition.checkpoints.dedup();
        }
        let key = |edition: &Edition| (edition.note.clone(), edition.shards.len(), edition.checkpoints.clone());
        self.negatives.sort_by_key(key);
        self.negatives.dedup();
        let key = |kept: &Kept| (kept.subject, kept.envelope.to_bytes());
        self.unlogged.sort_by_cached_key(key);
        self.unlogged.dedup_by(|a, b| a.envelope == b.envelope);
        self
    }

    /// Reads what [`Bundle::to_bytes`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`BundleError`] says what is malformed; that it is all well-formed says nothing about what it proves.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        Self::parse_with(bytes, Workers::ONE)
    }

    /// As [`Bundle::parse`], sooner: statements are read on several threads.
    ///
    /// # Errors
    /// As [`Bundle::parse`], the same whoever worked.
    pub fn parse_with(bytes: &[u8], workers: Workers) -> Result<Self, BundleError> {
        let wire: Wire<'_> =
            serde_json::from_slice(bytes).map_err(|error| BundleError::Json { message: error.to_string() })?;
        let views = wire.logs.iter().map(|view| view.read(workers)).collect::<Result<_, _>>()?;
        let negatives = wire.negatives.into_iter().map(EditionWire::read).collect::<Result<_, _>>()?;
        let unlogged = wire.unlogged.iter().map(SignedWire::read).collect::<Result<_, _>>()?;
        let bundle = Self { views, negatives, unlogged }.in_order();
        if ijson::is_printed_as(&bundle.wire(), bytes) { Ok(bundle) } else { Err(BundleError::NotAsPrinted) }
    }

    /// The document.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings, numbers and lists: there is nothing in it that JSON could not hold.
        serde_json::to_vec(&self.wire()).unwrap_or_default()
    }

    fn wire(&self) -> Wire<'_> {
        Wire {
            logs: self.views.iter().map(ViewWire::of).collect(),
            negatives: self.negatives.iter().map(EditionWire::of).collect(),
            unlogged: self.unlogged.iter().map(SignedWire::of).collect(),
        }
    }

    /// For [`crate::verify`]: nothing in it is trusted.
    pub fn evidence(&self) -> Evidence {
        let entry = |(index, (kept, path)): (&LeafIndex, &(Kept, Vec<NodeHash>))| LoggedEntry {
            index: *index,
            envelope: kept.envelope.to_bytes(),
            path: path.clone(),
        };
        let view = |view: &View| LogView {
            checkpoint: view.note.clone().into_bytes(),
            entries: view.entries.iter().map(entry).collect(),
        };
        Evidence {
            logs: self.views.iter().map(view).collect(),
            unlogged: self.unlogged.iter().map(|kept| kept.envelope.to_bytes()).collect(),
            unreachable: Vec::new(),
            forks: Vec::new(),
            negatives: self.negatives.clone(),
            replicas: Vec::new(),
        }
    }

    /// The checkpoints: origin, size and root of each.
    pub fn heads(&self) -> impl Iterator<Item = (&str, TreeHead)> {
        self.views.iter().map(|view| (view.origin.as_str(), view.head))
    }

    /// Where the statements about each file are said to be.
    pub fn places(&self) -> BTreeMap<ArtifactDigest, BTreeSet<(&str, LeafIndex)>> {
        let mut places: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for view in &self.views {
            for (index, (kept, _)) in &view.entries {
                places.entry(kept.subject).or_default().insert((view.origin.as_str(), *index));
            }
        }
        places
    }

    /// The files that statements are about.
    pub fn subjects(&self) -> impl Iterator<Item = ArtifactDigest> {
        let logged = self.views.iter().flat_map(|view| view.entries.values()).map(|(kept, _)| kept.subject);
        logged.chain(self.unlogged.iter().map(|kept| kept.subject))
    }
}

impl View {
    /// Another answer under the same tree head; of two notes about it, the one with more cosignatures.
    fn merge(&mut self, other: &Self) {
        let key = |view: &Self| (view.note.lines().count(), view.note.clone());
        if key(other) > key(self) {
            self.note.clone_from(&other.note);
        }
        let entries = other.entries.iter().map(|(index, entry)| (*index, entry.clone()));
        self.entries.extend(entries);
    }
}

/// What a newer checkpoint of the same log proves as well is proven once: evidence that is kept and added to does not grow
/// by what it has.
fn without_doubles(views: &mut BTreeMap<(String, u64, [u8; 32]), View>) {
    let mut proven: BTreeMap<(String, LeafIndex), Envelope> = BTreeMap::new();
    for view in views.values_mut().rev() {
        let origin = &view.origin;
        view.entries.retain(|index, (kept, _)| match proven.entry((origin.clone(), *index)) {
            Entry::Vacant(new) => {
                new.insert(kept.envelope.clone());
                true
            }
            // Two entries for one index are a fork: both are kept.
            Entry::Occupied(known) => *known.get() != kept.envelope,
        });
    }
}

/// The list with the shards that these files are in; nothing where its parts do not belong together.
fn select_edition(edition: &Edition, digests: &BTreeSet<ArtifactDigest>) -> Option<Edition> {
    edition.open().ok()?;
    std::str::from_utf8(&edition.note).ok()?;
    let needed: BTreeSet<ShardId> = digests.iter().map(ShardId::of).collect();
    let shards = edition.shards.iter().filter(|(shard, _)| needed.contains(shard)).cloned().collect();
    let well_formed = |note: &&Vec<u8>| UnverifiedCheckpoint::parse(note).is_ok();
    let checkpoints = edition.checkpoints.iter().filter(well_formed).cloned().collect();
    Some(Edition { note: edition.note.clone(), table: edition.table.clone(), shards, checkpoints })
}

/// What is wrong with a document of evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not the JSON that is expected.
    #[error("expected a document of evidence: {message}")]
    Json {
        /// In the words of the JSON reader.
        message: String,
    },
    /// A checkpoint is none.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A log whose name could not be printed as it is.
    #[error("expected the origin of a log in plain ASCII, found {found:?}")]
    Origin {
        /// The text, cut short.
        found: String,
    },
    /// A statement or its signature is none.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Longer than any tree is high.
    #[error("expected an inclusion path of at most {MAX_PATH} hashes, found {found}")]
    Path {
        /// Hashes found.
        found: usize,
    },
    /// The parts of a list of negatives do not belong together.
    #[error(transparent)]
    Negatives(#[from] EditionError),
    /// Another order, doubles, or another spelling than this module's.
    #[error("this is not how attest writes it")]
    NotAsPrinted,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    logs: Vec<ViewWire<'a>>,
    negatives: Vec<EditionWire>,
    unlogged: Vec<SignedWire<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewWire<'a> {
    checkpoint: String,
    entries: Vec<EntryWire<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryWire<'a> {
    index: u64,
    payload: Cow<'a, str>,
    signature: Base64,
    path: Vec<Hash>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedWire<'a> {
    payload: Cow<'a, str>,
    signature: Base64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditionWire {
    note: String,
    table: Base64,
    #[serde(deserialize_with = "shards")]
    shards: Vec<(Shard, Base64)>,
    checkpoints: Vec<CheckpointText>,
}

impl<'a> ViewWire<'a> {
    fn of(view: &'a View) -> Self {
        let entry = |(index, (kept, path)): (&LeafIndex, &'a (Kept, Vec<NodeHash>))| {
            let SignedWire { payload, signature } = SignedWire::of(kept);
            EntryWire { index: index.get(), payload, signature, path: path.iter().copied().map(Hash).collect() }
        };
        Self { checkpoint: view.note.clone(), entries: view.entries.iter().map(entry).collect() }
    }

    fn read(&self, workers: Workers) -> Result<View, BundleError> {
        let mut view = View::of(&self.checkpoint)?;
        for entry in workers.map(&self.entries, || (), |(), entry| entry.read()) {
            let (index, kept, path) = entry?;
            view.entries.insert(index, (kept, path));
        }
        Ok(view)
    }
}

impl EntryWire<'_> {
    fn read(&self) -> Result<(LeafIndex, Kept, Vec<NodeHash>), BundleError> {
        if self.path.len() > MAX_PATH {
            return Err(BundleError::Path { found: self.path.len() });
        }
        let path = self.path.iter().map(|hash| hash.0).collect();
        Ok((LeafIndex::new(self.index), kept(&self.payload, &self.signature)?, path))
    }
}

impl<'a> SignedWire<'a> {
    fn of(kept: &'a Kept) -> Self {
        // A statement is I-JSON, so it is UTF-8.
        let payload = String::from_utf8_lossy(kept.envelope.payload());
        Self { payload, signature: Base64(kept.envelope.signature_bytes().to_vec()) }
    }

    fn read(&self) -> Result<Kept, BundleError> {
        kept(&self.payload, &self.signature)
    }
}

fn kept(payload: &str, signature: &Base64) -> Result<Kept, BundleError> {
    Kept::of(Envelope::from_parts(payload.as_bytes().to_vec(), signature.0.clone())?)
}

impl EditionWire {
    fn of(edition: &Edition) -> Self {
        let text = |note: &Vec<u8>| String::from_utf8_lossy(note).into_owned();
        let shard = |(id, bytes): &(ShardId, Vec<u8>)| (Shard(*id), Base64(bytes.clone()));
        Self {
            note: text(&edition.note),
            table: Base64(edition.table.clone()),
            shards: edition.shards.iter().map(shard).collect(),
            checkpoints: edition.checkpoints.iter().map(|note| CheckpointText(text(note))).collect(),
        }
    }

    fn read(self) -> Result<Edition, BundleError> {
        let edition = Edition {
            note: self.note.into_bytes(),
            table: self.table.0,
            shards: self.shards.into_iter().map(|(shard, bytes)| (shard.0, bytes.0)).collect(),
            checkpoints: self.checkpoints.into_iter().map(|note| note.0.into_bytes()).collect(),
        };
        edition.open()?;
        Ok(edition)
    }
}

/// Bytes, read at once so that a document of many short texts takes no more memory than it has bytes.
struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(|_| D::Error::custom("expected base64"))
    }
}

/// A note that is a checkpoint.
#[derive(Serialize)]
struct CheckpointText(String);

impl<'de> Deserialize<'de> for CheckpointText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match UnverifiedCheckpoint::parse(text.as_bytes()) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(D::Error::custom(error)),
        }
    }
}

struct Hash(NodeHash);

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom("expected a hash in base64"))
    }
}

/// No more than there are: each takes more memory than the few bytes that say it is empty.
fn shards<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Shard, Base64)>, D::Error> {
    struct Shards;
    impl<'de> Visitor<'de> for Shards {
        type Value = Vec<(Shard, Base64)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of shards")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let (mut shards, most) = (Vec::new(), ShardId::all().count());
            while let Some(shard) = list.next_element()? {
                if shards.len() == most {
                    return Err(A::Error::custom(format_args!("expected at most {most} shards")));
                }
                shards.push(shard);
            }
            Ok(shards)
        }
    }
    deserializer.deserialize_seq(Shards)
}

struct Shard(ShardId);

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Shard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom("expected the two digits of a shard"))
    }
}
