//! What a log promised to those who submitted, and whether it still keeps it after whatever was done to it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result, ensure};
use attest_core::{
    api::{self, Submitted},
    checkpoint::UnverifiedCheckpoint,
    merkle::TreeHead,
    note::VerifierKey,
    proof::TlogProof,
};
use hyper::body::Bytes;
use tokio::task::JoinSet;

use crate::{
    forge::Forge,
    http::{Connection, ENVELOPE},
    load,
    replica::Replica,
};

/// One acknowledged statement.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Its index.
    pub index: u64,
    /// What was sent.
    pub envelope: Bytes,
    /// The checkpoint of the proof.
    pub head: TreeHead,
}

impl Promise {
    /// An acknowledgement is one only with a proof that holds.
    ///
    /// # Errors
    /// When it does not.
    pub fn of(submitted: &Submitted, envelope: Bytes, log: &VerifierKey) -> Result<Self> {
        load::check(submitted, &envelope, log)?;
        let proof = TlogProof::parse(submitted.proof.as_bytes())?;
        let note = proof.checkpoint.note().to_string();
        let head = UnverifiedCheckpoint::parse(note.as_bytes())?.verify(log)?.head();
        Ok(Self { index: submitted.index, envelope, head })
    }
}

/// Everything that one log promised.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Acknowledged.
    pub promises: Vec<Promise>,
    /// Sent, but not answered: it may be in the log or not.
    pub unanswered: Vec<Bytes>,
    /// Every checkpoint that anybody was shown.
    pub seen: Vec<TreeHead>,
}

impl Ledger {
    /// Every promise is kept, and every checkpoint that anybody ever saw is of this history.
    ///
    /// # Errors
    /// When not.
    pub fn check(&self, replica: &Replica) -> Result<()> {
        for promise in &self.promises {
            let entry = replica
                .entries()
                .get(usize::try_from(promise.index)?)
                .with_context(|| format!("entry {} was acknowledged and is gone", promise.index))?;
            ensure!(entry.as_bytes() == promise.envelope, "entry {} is another one now", promise.index);
        }
        replica.check_history(&self.seen)
    }

    /// Reads the whole log and checks it, remembers the checkpoint, and submits again what was not answered (as a careful
    /// client does) and the newest statement that was (as an impatient one does).
    ///
    /// # Errors
    /// When a hash does not re-derive, a promise is broken, or a duplicate becomes a second entry.
    pub async fn audit(&mut self, url: &str, log: &VerifierKey) -> Result<Replica> {
        let replica = Replica::read(url, log).await?;
        self.check(&replica)?;
        self.seen.push(replica.head());
        let mut connection = Connection::open(url).await?;
        if let Some(promise) = self.promises.last() {
            let again = connection.submit(promise.envelope.clone()).await?;
            ensure!(again.index == promise.index, "a duplicate of entry {} got index {}", promise.index, again.index);
        }
        for envelope in std::mem::take(&mut self.unanswered) {
            let submitted = connection.submit(envelope.clone()).await?;
            self.promises.push(Promise::of(&submitted, envelope, log)?);
        }
        Ok(replica)
    }

    /// Takes over what the clients have to tell once their connections are broken or their work is done.
    ///
    /// # Errors
    /// When a client was told something that does not hold.
    pub async fn collect(&mut self, mut load: Load) -> Result<()> {
        while let Some(account) = load.clients.join_next().await {
            let account = account??;
            self.seen.extend(account.promises.iter().map(|promise| promise.head));
            self.promises.extend(account.promises);
            self.unanswered.extend(account.unanswered);
        }
        Ok(())
    }
}

/// Clients that submit, one statement after the other each.
#[derive(Debug)]
pub struct Load {
    clients: JoinSet<Result<Ledger>>,
}

/// Who submits, and what.
#[derive(Clone, Debug)]
pub struct Submitters {
    /// Signs.
    pub forge: Arc<Forge>,
    /// Number of the next statement; shared, so that no two are the same.
    pub next: Arc<AtomicU64>,
    /// The first statement that is not sent any more.
    pub end: u64,
    /// How many at once.
    pub clients: usize,
}

impl Submitters {
    /// Without an end.
    pub fn endless(forge: Arc<Forge>, clients: usize) -> Self {
        Self { forge, next: Arc::default(), end: u64::MAX, clients }
    }

    /// Lets them loose on the log at `url`. They run while the runtime does.
    pub fn start(&self, url: &str, log: &VerifierKey) -> Load {
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            clients.spawn(client(self.clone(), url.to_owned(), log.clone()));
        }
        Load { clients }
    }
}

/// Submits one statement after another until the connection breaks or the last one is sent.
async fn client(submitters: Submitters, url: String, log: VerifierKey) -> Result<Ledger> {
    let mut account = Ledger::default();
    let mut connection = Connection::open(&url).await?;
    loop {
        let number = submitters.next.fetch_add(1, Ordering::Relaxed);
        if number >= submitters.end {
            return Ok(account);
        }
        let envelope = Bytes::from(submitters.forge.reproduced("promised", number)?.to_bytes());
        let Ok(answer) = connection.post(api::STATEMENTS, ENVELOPE, envelope.clone()).await else {
            account.unanswered.push(envelope);
            return Ok(account);
        };
        account.promises.push(Promise::of(&answer.expect(201)?.json()?, envelope, &log)?);
    }
}
