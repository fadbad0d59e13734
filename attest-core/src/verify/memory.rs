//! Signatures that were checked already in this run: several policies judge the same evidence, mostly by the same keys.
use crate::{
    envelope::{Envelope, EnvelopeError, VerifiedStatement},
    key::PublicKey,
    merkle::LeafHash,
    policy::Policy,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// What came of checking signatures, for [`Session`](super::Session)s of several policies under the same evidence.
///
/// It holds results of this very process and is never written anywhere: what is not in it is checked. A result is that of
/// one key, whichever other keys a policy has, so no policy sees an envelope by another one's eyes.
#[derive(Debug)]
pub struct Memory {
    /// The keys that more than one policy has: only their results are worth keeping.
    keys: Vec<PublicKey>,
    checked: Mutex<HashMap<(usize, LeafHash), Option<VerifiedStatement>>>,
}

impl Memory {
    /// For the policies of a run.
    pub fn new<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Self {
        let (mut seen, mut keys): (Vec<&PublicKey>, Vec<PublicKey>) = (Vec::new(), Vec::new());
        for policy in policies {
            // A policy has a key once (docs/TRUST.md 1.3), so whoever was seen is another policy's.
            for party in policy.parties() {
                let key = party.key();
                if !seen.contains(&key) {
                    seen.push(key);
                } else if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
        }
        Self { keys, checked: Mutex::new(HashMap::new()) }
    }

    /// Keeps nothing.
    pub fn none() -> Self {
        Self::new([])
    }

    /// The statement, where this key signed the envelope with this leaf hash.
    pub(super) fn verify(
        &self,
        leaf: LeafHash,
        envelope: &Envelope,
        key: &PublicKey,
    ) -> Result<Option<VerifiedStatement>, EnvelopeError> {
        let check = || match envelope.verify(key) {
            Ok(verified) => Ok(Some(verified)),
            // Not this key's.
            Err(EnvelopeError::Key(_)) => Ok(None),
            Err(error) => Err(error),
        };
        let Some(at) = self.keys.iter().position(|known| known == key) else { return check() };
        let checked = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = checked().get(&(at, leaf)) {
            return Ok(known.clone());
        }
        let verified = check()?;
        checked().insert((at, leaf), verified.clone());
        Ok(verified)
    }
}
