//! A mirror as auditor: it makes the list of the entries that it verified and stores, compares it with the log's, and signs
//! its own.
//!
//! The log's editions say which sizes to sign, so that several auditors sign the same note; nothing else of them is taken
//! on trust. Where the log has none, or none for a while, the mirror signs the sizes that it serves. An edition is made only
//! for the size of a checkpoint that the log signed, and never for a smaller one than before.
//!
//! The key, `DIR/auditor.key`, is its own: a signature of a list is no cosignature of a checkpoint, and a policy has every
//! key in one role (docs/TRUST.md 1.3).

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use attest_core::{
    api::FoundNegatives,
    merkle::{RootHash, TreeHead},
    negatives::{Edition, Listing, Opened, ShardId},
    note::{KeyName, KeyType, SignerKey, VerifierKey},
    tile::root_from_tiles,
};

use super::{Editions, ListError, Made, checkpoint_of, evidence::WrongList, list::List};
use crate::{clock::Clock, fetch::Upstream, reader::ReadError, store::durable};

/// How long the log may show no new edition before the mirror signs a size of its own choice.
const PATIENCE: Duration = Duration::from_secs(600);

/// A mirror's auditor.
#[derive(Debug)]
pub struct Auditor {
    shared: Arc<Shared>,
    upstream: Upstream,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Shared {
    data: PathBuf,
    log: VerifierKey,
    key: SignerKey,
    editions: Arc<Editions>,
    clock: Clock,
    url: String,
    /// What was found wrong last: finding it again costs nothing.
    wrong: Mutex<Option<WrongList>>,
}

/// What a look came to.
#[derive(Debug)]
pub enum Audited {
    /// Nothing to sign.
    Nothing,
    /// A new edition.
    Signed {
        /// About this tree.
        head: TreeHead,
    },
    /// The log signed a list that is not that of its entries. Its own edition was made all the same.
    Wrong {
        /// What is wrong.
        list: Box<WrongList>,
        /// Where the evidence is.
        evidence: io::Result<PathBuf>,
    },
}

impl Auditor {
    /// For the mirror in `data` of `log`, whose key is made the first time.
    pub fn open(
        data: &Path,
        log: VerifierKey,
        cosigner: &VerifierKey,
        editions: Arc<Editions>,
        (upstream, clock): (Upstream, Clock),
    ) -> anyhow::Result<Self> {
        let key = key(data, cosigner)?;
        let url = upstream.url().to_owned();
        let shared = Shared { data: data.to_owned(), log, key, editions, clock, url, wrong: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), upstream, last: None })
    }

    /// The key of its signatures.
    pub fn verifier(&self) -> &VerifierKey {
        self.shared.key.verifier()
    }

    /// Looks at the log's newest edition, and signs the same or a better one.
    pub async fn round(&mut self) -> Result<Audited, ListError> {
        let theirs = match self.upstream.negatives().await {
            Ok(bytes) => bytes.and_then(|bytes| self.shared.read(&bytes)),
            Err(error) => {
                tracing::debug!(%error, "the log's list of negatives could not be fetched");
                None
            }
        };
        let waited = self.last.is_none_or(|last| last.elapsed() >= PATIENCE);
        let shared = Arc::clone(&self.shared);
        let audited = tokio::task::spawn_blocking(move || shared.audit(theirs, waited)).await;
        let audited = audited.unwrap_or(Err(ListError::Interrupted))?;
        if !matches!(audited, Audited::Nothing) {
            self.last = Some(Instant::now());
        }
        Ok(audited)
    }
}

/// The log's newest edition: its note is signed by the log, and the parts belong together.
struct Theirs {
    opened: Opened,
    checkpoint: Option<String>,
}

impl Shared {
    fn read(&self, bytes: &[u8]) -> Option<Theirs> {
        let edition: Edition = serde_json::from_slice::<FoundNegatives>(bytes).ok()?.into_edition()?;
        let opened = edition.open().ok()?;
        let listing = opened.note().listing();
        let signed = listing.origin() == self.log.name().as_str() && opened.note().is_signed_by(&self.log).ok()?;
        let checkpoint = checkpoint_of(&edition.checkpoints, listing.head(), &self.log);
        signed.then_some(Theirs { opened, checkpoint })
    }

    fn audit(&self, theirs: Option<Theirs>, waited: bool) -> Result<Audited, ListError> {
        let published = self.editions.reader.published();
        if published.note.is_empty() {
            return Ok(Audited::Nothing);
        }
        let signed = self.editions.find(None).map(|made| made.note.listing().head().size);
        // What the log shows ahead of what is verified here waits for the next round.
        let theirs = theirs.filter(|theirs| theirs.opened.note().listing().head().size <= published.head.size);
        let head = match &theirs {
            Some(theirs) => {
                let size = theirs.opened.note().listing().head().size;
                TreeHead { size, root: self.root(size)? }
            }
            None => published.head,
        };
        if let Some(theirs) = &theirs
            && let Some(wrong) = self.judge(theirs, head)?
        {
            let evidence = wrong.keep(&self.data, &self.log, &self.url, self.clock.now());
            self.editions.set_alarm(Some(wrong.to_string()));
            if signed.is_none_or(|signed| signed < head.size) {
                self.sign(head, None)?;
            }
            return Ok(Audited::Wrong { list: Box::new(wrong), evidence });
        }
        let head = match (&theirs, signed) {
            (None, _) if !waited => return Ok(Audited::Nothing),
            (Some(_), Some(signed)) if head.size <= signed && waited => published.head,
            _ => head,
        };
        if signed.is_some_and(|signed| head.size <= signed) {
            return Ok(Audited::Nothing);
        }
        self.sign(head, theirs.filter(|theirs| theirs.opened.note().listing().head() == head))?;
        self.editions.set_alarm(None);
        Ok(Audited::Signed { head })
    }

    fn root(&self, size: attest_core::merkle::TreeSize) -> Result<RootHash, ReadError> {
        let tree = self.editions.reader.tree();
        root_from_tiles(size, |tile| tree.hashes(tile))
    }

    fn list(&self, head: TreeHead) -> Result<(List, Listing), ListError> {
        let list = match self.editions.find(Some(head.size)) {
            Some(made) => made.list.clone(),
            None => self.editions.lister.list(head.size)?,
        };
        let listing = list.listing(self.log.name(), head)?;
        Ok((list, listing))
    }

    /// Whether the log's list is not that of its entries. Before anybody is accused, the entries themselves are read: the
    /// records here are derived, and could be what is damaged.
    fn judge(&self, theirs: &Theirs, head: TreeHead) -> Result<Option<WrongList>, ListError> {
        // The log's line alone: whoever stands between could add others for ever, and each would be a new finding.
        let Some(signed) = theirs.opened.note().clone().signed_by_only(&[&self.log])? else { return Ok(None) };
        let (list, ours) = self.list(head)?;
        if *signed.listing() == ours {
            return Ok(None);
        }
        let mut known = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.signed == signed) {
            return Ok(Some(known.clone()));
        }
        let recounted = self.editions.lister.recount(head.size)?;
        let expected = recounted.listing(self.log.name(), head)?;
        let other = |shard: &ShardId| list.table().get(*shard) != recounted.table().get(*shard);
        if let Some(shard) = ShardId::all().find(other) {
            return Err(ListError::Records { shard });
        }
        let differ = |shard: &ShardId| theirs.opened.table().get(*shard) != recounted.table().get(*shard);
        let shards = ShardId::all().filter(differ).collect();
        *known = Some(WrongList { signed, expected, shards });
        Ok(known.clone())
    }

    /// Signs the list of a tree; beside the log's own line, where that is about the same list.
    fn sign(&self, head: TreeHead, theirs: Option<Theirs>) -> Result<(), ListError> {
        let (list, listing) = self.list(head)?;
        let published = self.editions.reader.published();
        let own = (published.head == head).then(|| published.note.clone());
        let (beside, checkpoint) = match theirs {
            Some(theirs) => (theirs.opened.note().clone().signed_by_only(&[&self.log])?, theirs.checkpoint.or(own)),
            None => (None, own),
        };
        let note = match beside.filter(|note| *note.listing() == listing) {
            Some(note) => note.countersigned(&self.key)?,
            None => listing.sign(&self.key)?,
        };
        self.editions.keep(Made { note, list, checkpoint });
        Ok(())
    }
}

/// Name of the file with the secret key in a mirror's folder.
pub(crate) const KEY: &str = "auditor.key";

/// The secret key in `DIR/auditor.key`; the first time, makes it.
fn key(data: &Path, cosigner: &VerifierKey) -> anyhow::Result<SignerKey> {
    let path = data.join(KEY);
    let read = |path: &Path| -> anyhow::Result<Option<SignerKey>> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(SignerKey::from_str(text.trim_end_matches('\n')).context("not a secret key")?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    if let Some(key) = read(&path).with_context(|| format!("{} cannot be used", path.display()))? {
        anyhow::ensure!(
            key.verifier().kind() == KeyType::Ed25519 && key.verifier().public() != cosigner.public(),
            "{}: expected an Ed25519 key (type 0x01) of its own, found {}",
            path.display(),
            key.verifier()
        );
        return Ok(key);
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow::anyhow!("the system gave no random bytes for a key: {error}"))?;
    let name = KeyName::new(&format!("{}/auditor", cosigner.name()))?;
    let key = SignerKey::from_seed(name, KeyType::Ed25519, seed);
    // Beside its place first: if we crash in here, the next start makes another, and nobody has seen this one.
    let beside = data.join("auditor.key.new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    durable::write_secret(&beside, format!("{}\n", key.to_secret_string()).as_bytes())?;
    fs::rename(&beside, &path)?;
    durable::sync_dir(data)?;
    tracing::info!(auditor = %key.verifier(), "new key; it signs this mirror's lists of negatives");
    Ok(key)
}
