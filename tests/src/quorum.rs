//! The usual cast: a running log, Alice and Bob of one group, Carol of another.

use std::{path::PathBuf, process::Command};

use anyhow::Result;
use attest_core::{envelope::Envelope, note::VerifierKey};

use crate::{
    forge::Forge,
    http::{Connection, block_on},
    policy::Policy,
    scene::{Member, Scene},
    server::Server,
    wheel::Wheel,
};

/// Three rebuilders in two groups, and the log that they may write to.
#[derive(Debug)]
pub struct Quorum {
    /// Where it all is.
    pub scene: Scene,
    /// The log.
    pub log: Server,
    /// Its key.
    pub vkey: VerifierKey,
    /// The list of who may submit.
    pub rebuilders: PathBuf,
    /// Of the university.
    pub alice: Forge,
    /// Of the university too.
    pub bob: Forge,
    /// Of the company.
    pub carol: Forge,
}

impl Quorum {
    /// Starts the log.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn new() -> Result<Self> {
        Self::with_alice(Forge::new()?)
    }

    /// Starts the log, with this key as Alice's.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn with_alice(alice: Forge) -> Result<Self> {
        let (scene, bob, carol) = (Scene::new()?, Forge::new()?, Forge::new()?);
        let vkey = scene.init_log("log", "quorum.example")?;
        let rebuilders = scene.rebuilders("rebuilders.toml", &members(&alice, &bob, &carol))?;
        let log = scene.run_log("log", &rebuilders)?;
        Ok(Self { scene, log, vkey, rebuilders, alice, bob, carol })
    }

    /// Everybody, as policies name them.
    pub fn members(&self) -> [Member; 3] {
        members(&self.alice, &self.bob, &self.carol)
    }

    /// Two groups must agree, in the log at `url`.
    pub fn policy_at(&self, url: &str) -> Policy {
        Policy::quorum(2, &self.vkey, url, &self.members())
    }

    /// Writes `policy.toml`: two groups must agree, in the log itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_policy(&self) -> Result<PathBuf> {
        self.scene.write("policy.toml", self.policy_at(self.log.url()).text()?)
    }

    /// Logs an envelope.
    ///
    /// # Errors
    /// When the log refuses it.
    pub fn submit(&self, envelope: &Envelope) -> Result<u64> {
        let bytes = envelope.to_bytes();
        block_on(async { Ok(Connection::open(self.log.url()).await?.submit(bytes.into()).await?.index) })
    }

    /// Logs "I reproduced it" by each of these.
    ///
    /// # Errors
    /// When the log refuses one.
    pub fn vote(&self, voters: &[&Forge], wheel: &Wheel) -> Result<()> {
        let record = wheel.record_digest();
        voters.iter().try_for_each(|voter| self.submit(&voter.vote_on(wheel.subject(), record)?).map(drop))
    }

    /// `attest verify FILE --policy policy.toml`.
    pub fn verification(&self, file: &str) -> Command {
        let mut verify = self.scene.attest();
        verify.args(["verify", file, "--policy", "policy.toml"]);
        verify
    }
}

fn members(alice: &Forge, bob: &Forge, carol: &Forge) -> [Member; 3] {
    [
        Member::new("alice", "university", &alice.public_key()),
        Member::new("bob", "university", &bob.public_key()),
        Member::new("carol", "company", &carol.public_key()),
    ]
}
