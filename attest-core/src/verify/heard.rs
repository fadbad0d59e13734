//! What was said: statements with who signed them and where they are proven to be. Nothing is filtered here.
use super::{
    Evidence, LoggedEntry, Memory, Place, Reason, Workers,
    opened::{Opened, fork},
};
use crate::{
    artifact::ArtifactDigest,
    checkpoint::LogCheckpoint,
    envelope::{Envelope, EnvelopeError, Signature, StatementId, VerifiedStatement},
    key::PublicKey,
    merkle::{LeafHash, LeafIndex, ProofError, verify_inclusion},
    policy::{Party, Policy},
    statement::Statement,
};
use std::collections::{HashMap, hash_map};

/// A statement by one signer, with every place where it was found.
#[derive(Debug)]
pub(crate) struct Heard<'p> {
    id: StatementId,
    said: Said<'p>,
    seen: Vec<Seen>,
}

#[derive(Debug)]
enum Said<'p> {
    /// By a key of the policy: the statement was parsed from the bytes that were verified.
    By(&'p Party, Box<VerifiedStatement>),
    /// By nobody known. What it says is bound by its id all the same, and a contradiction may name it.
    ByStranger(Box<Statement>),
}

impl<'p> Heard<'p> {
    pub(crate) fn id(&self) -> StatementId {
        self.id
    }

    /// Parsed from the bytes that the id binds.
    pub(crate) fn statement(&self) -> &Statement {
        match &self.said {
            Said::By(_, verified) => verified.statement(),
            Said::ByStranger(statement) => statement,
        }
    }

    /// Whose key's signature holds; `None` for nobody in the policy.
    pub(crate) fn by(&self) -> Option<&'p Party> {
        match &self.said {
            Said::By(party, _) => Some(party),
            Said::ByStranger(_) => None,
        }
    }

    /// At least one.
    pub(crate) fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Where to send people: a proven place rather than another.
    pub(crate) fn best_place(&self) -> Place {
        self.seen
            .iter()
            .min_by_key(|seen| match seen.standing {
                Standing::Included => 0,
                Standing::Pending => 1,
                Standing::NotIncluded(_) | Standing::Unproven => 2,
                Standing::Unlogged => 3,
            })
            .map_or(Place::Unlogged, |seen| seen.place.clone())
    }
}

/// A place, and what is proven about it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) place: Place,
    pub(crate) standing: Standing,
}

/// What is proven about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is in a log of the policy, under a checkpoint that is cosigned and fresh.
    Included,
    /// It is in a log of the policy, under a checkpoint that is stale or lacks cosignatures.
    Pending,
    /// The proof does not hold.
    NotIncluded(ProofError),
    /// There is nothing to prove it against: a log that the policy does not list, or a checkpoint that is not the log's.
    Unproven,
    /// It comes from a folder or file.
    Unlogged,
}

/// Bytes that are no statement.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Where they were found.
    pub place: Place,
    /// What is wrong with them.
    pub error: EnvelopeError,
    /// Whether a log of the policy served them.
    pub(super) in_policy: bool,
}

/// Everything that was heard, by digest and by id.
#[derive(Debug)]
pub(super) struct Hearing<'p> {
    pub(super) heard: Vec<Heard<'p>>,
    pub(super) unreadable: Vec<Unreadable>,
    /// Of logs that signed two different entries for one index.
    pub(super) forks: Vec<Reason>,
    by_digest: HashMap<ArtifactDigest, Vec<usize>>,
    by_id: HashMap<StatementId, usize>,
}

impl<'p> Hearing<'p> {
    pub(super) fn new(
        policy: &'p Policy,
        evidence: &Evidence,
        opened: &[Opened],
        workers: Workers,
        memory: &Memory,
    ) -> Self {
        let mut hearing = Self {
            heard: Vec::new(),
            unreadable: Vec::new(),
            forks: Vec::new(),
            by_digest: HashMap::new(),
            by_id: HashMap::new(),
        };
        let views = evidence.logs.iter().zip(opened);
        let logged =
            views.flat_map(|(view, opened)| view.entries.iter().map(move |entry| Found::Logged(entry, opened)));
        let found: Vec<Found<'_>> =
            logged.chain(evidence.unlogged.iter().map(|bytes| Found::Unlogged(bytes))).collect();
        let proofs = workers.map(&found, || (), |(), found| found.prove());
        // The same bytes from several places are checked once.
        let mut places: HashMap<LeafHash, usize> = HashMap::new();
        let mut envelopes: Vec<(LeafHash, &[u8])> = Vec::new();
        for (found, proof) in found.iter().zip(&proofs) {
            places.entry(proof.leaf).or_insert_with(|| {
                envelopes.push((proof.leaf, found.envelope()));
                envelopes.len() - 1
            });
        }
        let read = workers.map(
            &envelopes,
            || Signers::new(policy, memory),
            |signers, (leaf, bytes)| read(*leaf, bytes, signers),
        );
        // From here on in the order in which it was fetched.
        let mut merged = HashMap::new();
        let filed: Vec<Result<usize, EnvelopeError>> =
            read.into_iter().map(|read| read.map(|read| hearing.file(read, &mut merged))).collect();
        let mut leaves = HashMap::new();
        for (found, proof) in found.into_iter().zip(proofs) {
            let envelope = places.get(&proof.leaf).and_then(|at| filed.get(*at));
            let seen = hearing.seen(found, proof, &mut leaves);
            match envelope {
                Some(Ok(index)) => {
                    if let Some(heard) = hearing.heard.get_mut(*index) {
                        heard.seen.push(seen);
                    }
                }
                Some(Err(error)) => {
                    let in_policy = matches!(found, Found::Logged(_, opened) if opened.standing.in_policy);
                    hearing.unreadable.push(Unreadable { place: seen.place, error: error.clone(), in_policy });
                }
                None => unreachable!("every envelope has a place"),
            }
        }
        hearing
    }

    /// Adds what an envelope says, once; returns where. Other bytes of the same statement by the same signer are the same
    /// statement (docs/TRUST.md 2.5).
    fn file(&mut self, read: Read<'p>, merged: &mut HashMap<(StatementId, Option<usize>), usize>) -> usize {
        let Read { id, signer, said } = read;
        if let Some(index) = merged.get(&(id, signer)) {
            return *index;
        }
        let index = self.heard.len();
        let heard = Heard { id, said, seen: Vec::new() };
        merged.insert((id, signer), index);
        match self.by_id.entry(id) {
            hash_map::Entry::Vacant(new) => {
                new.insert(index);
            }
            // Strangers may sign what a party signed: they must not stand in front of it (docs/TRUST.md 4.2).
            hash_map::Entry::Occupied(mut known) if heard.by().is_some() => {
                known.insert(index);
            }
            hash_map::Entry::Occupied(_) => {}
        }
        self.by_digest.entry(heard.statement().subject().digest).or_default().push(index);
        self.heard.push(heard);
        index
    }

    /// A place, with what its proof is worth.
    fn seen<'a>(&mut self, found: Found<'a>, proof: Proof, leaves: &mut Leaves<'a>) -> Seen {
        let Found::Logged(entry, opened) = found else {
            return Seen { place: Place::Unlogged, standing: Standing::Unlogged };
        };
        let standing = match (&opened.signed, proof.included) {
            (Some(_), Some(Err(error))) => Standing::NotIncluded(error),
            (Some(checkpoint), Some(Ok(()))) => {
                let position = (checkpoint.checkpoint().origin.as_str(), entry.index);
                let (first, under) = *leaves.entry(position).or_insert((proof.leaf, checkpoint));
                if first != proof.leaf {
                    self.forks.push(fork(under, checkpoint));
                }
                if opened.counts { Standing::Included } else { Standing::Pending }
            }
            _ => Standing::Unproven,
        };
        let proven = matches!(standing, Standing::Included | Standing::Pending);
        let place = Place::Logged {
            origin: opened.standing.origin.clone().unwrap_or_default(),
            index: entry.index,
            size: opened.standing.size.filter(|_| proven),
            witnessed_at: opened.standing.witnessed_at.filter(|_| proven),
        };
        Seen { place, standing }
    }

    /// Everything said about a digest, in the order in which it was fetched.
    pub(super) fn about(&self, digest: &ArtifactDigest) -> Vec<&Heard<'p>> {
        let indexes = self.by_digest.get(digest).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| self.heard.get(*index)).collect()
    }

    /// A statement by its id, from a party of the policy where one signed it.
    pub(super) fn named(&self, id: StatementId) -> Option<&Heard<'p>> {
        self.by_id.get(&id).and_then(|index| self.heard.get(*index))
    }
}

/// Where a log's leaf was first proven, to see when a second checkpoint proves another one there.
type Leaves<'a> = HashMap<(&'a str, LeafIndex), (LeafHash, &'a LogCheckpoint)>;

/// An envelope, and where it was found.
#[derive(Clone, Copy)]
enum Found<'e> {
    Logged(&'e LoggedEntry, &'e Opened),
    Unlogged(&'e [u8]),
}

/// What needs nothing but the entry and its checkpoint.
struct Proof {
    leaf: LeafHash,
    /// `None` where there is nothing to prove it against.
    included: Option<Result<(), ProofError>>,
}

impl<'e> Found<'e> {
    fn envelope(self) -> &'e [u8] {
        match self {
            Self::Logged(entry, _) => &entry.envelope,
            Self::Unlogged(bytes) => bytes,
        }
    }

    fn prove(self) -> Proof {
        let leaf = LeafHash::of(self.envelope());
        let included = match self {
            Self::Logged(entry, Opened { signed: Some(checkpoint), .. }) => {
                Some(verify_inclusion(leaf, entry.index, checkpoint.head(), &entry.path))
            }
            _ => None,
        };
        Proof { leaf, included }
    }
}

/// What an envelope says, and which party of the policy signed it.
struct Read<'p> {
    id: StatementId,
    signer: Option<usize>,
    said: Said<'p>,
}

fn read<'p>(leaf: LeafHash, bytes: &[u8], signers: &mut Signers<'p, '_>) -> Result<Read<'p>, EnvelopeError> {
    let envelope = Envelope::parse(bytes)?;
    if let Some((signer, party, verified)) = signers.identify(leaf, &envelope)? {
        return Ok(Read { id: verified.id(), signer: Some(signer), said: Said::By(party, Box::new(verified)) });
    }
    let statement = Statement::parse(envelope.payload())?;
    Ok(Read { id: envelope.statement_id(), signer: None, said: Said::ByStranger(Box::new(statement)) })
}

/// Finds who signed an envelope by trying the policy's keys: an envelope names no key (docs/TRUST.md 2.1).
struct Signers<'p, 'm> {
    parties: &'p [Party],
    memory: &'m Memory,
    /// Who signed the last statement with this rebuilder id: only decides who is tried first.
    last: HashMap<Vec<u8>, usize>,
}

impl<'p, 'm> Signers<'p, 'm> {
    fn new(policy: &'p Policy, memory: &'m Memory) -> Self {
        Self { parties: policy.parties(), memory, last: HashMap::new() }
    }

    fn identify(
        &mut self,
        leaf: LeafHash,
        envelope: &Envelope,
    ) -> Result<Option<(usize, &'p Party, VerifiedStatement)>, EnvelopeError> {
        let hint = rebuilder_hint(envelope.payload());
        let likely = hint.and_then(|hint| self.last.get(hint).copied());
        let others = (0..self.parties.len()).filter(|index| Some(*index) != likely);
        for index in likely.into_iter().chain(others) {
            let Some(party) = self.parties.get(index).filter(|party| fits(envelope.signature(), party.key())) else {
                continue;
            };
            if let Some(verified) = self.memory.verify(leaf, envelope, party.key())? {
                if let Some(hint) = hint {
                    self.last.insert(hint.to_vec(), index);
                }
                return Ok(Some((index, party, verified)));
            }
        }
        Ok(None)
    }
}

fn fits(signature: &Signature, key: &PublicKey) -> bool {
    matches!(
        (signature, key),
        (Signature::Ed25519(_), PublicKey::Ed25519(_)) | (Signature::OpenPgp(_), PublicKey::OpenPgp(_))
    )
}

/// The bytes after `"rebuilder":{"id":"` in a payload that is not verified yet.
fn rebuilder_hint(payload: &[u8]) -> Option<&[u8]> {
    const BEFORE: &[u8] = br#""rebuilder":{"id":""#;
    let start = payload.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    let rest = payload.get(start..)?;
    rest.get(..rest.iter().position(|byte| *byte == b'"')?)
}
