//! The policy file (TOML): who is believed, and how many of them are needed. The format with an example: `docs/policy.md`.
//!
//! A [`Policy`] can only be had by [`Policy::parse`], and one that parsed keeps docs/TRUST.md section 1: thresholds are
//! reachable, every public key has one role, unknown keys were refused, and nothing that decides trust was defaulted.
//! What a rule does is decided elsewhere ([`crate::votes`], [`crate::dissent`], [`crate::verify`]); here are only the
//! answers to "what does the file say, and on which line".
mod check;
mod error;
mod file;
mod package;
mod party;
mod ratchet;

pub use self::{
    error::{Holder, PolicyError, PolicyErrorKind, Role},
    package::{Exempted, Exemption, ExemptionScope, PackageRule, Pattern, Repository, Rule},
    party::{Auditor, GroupName, IndexRange, MAX_NAME, Party, PartyName, PolicyLog, Status, Witness},
    ratchet::{NoEntry, Ratchet, RatchetEntry, Release},
};
use crate::{
    artifact::{ArtifactDigest, ProjectName},
    envelope::StatementId,
    statement::{Method, Origin},
    time::Timestamp,
};
use std::time::Duration;

/// A value and the line of the policy file that it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lined<T> {
    /// What the file says.
    pub value: T,
    /// Where, from 1.
    pub line: usize,
}

/// A policy that parsed. It judges one file at a time through [`crate::verify`].
#[derive(Clone, Debug)]
pub struct Policy {
    serial: Lined<u64>,
    expires: Lined<Timestamp>,
    threshold: Lined<u32>,
    accept_origin: Lined<Vec<Origin>>,
    accept_method: Lined<Vec<Method>>,
    negatives: Lined<Negatives>,
    witnessing: Lined<Witnessing>,
    clock_skew: Duration,
    parties: Vec<Party>,
    logs: Vec<PolicyLog>,
    witnesses: Vec<Witness>,
    auditors: Vec<Auditor>,
    packages: Vec<PackageRule>,
    exemptions: Vec<Exemption>,
    dismissals: Vec<Dismissal>,
    ratchet: Option<Ratchet>,
    includes: Vec<Include>,
}

/// Another policy, of an organisation for example, that judges as a layer of its own. Named by its bytes: where they come
/// from is nobody's say in what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    url: String,
    sha256: ArtifactDigest,
    line: usize,
}

impl Include {
    /// `https://...` or `file:///...`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Of the policy file.
    pub fn sha256(&self) -> ArtifactDigest {
        self.sha256
    }

    /// Of the policy that names it.
    pub fn line(&self) -> usize {
        self.line
    }
}

/// How much must be known of dissent before a file passes (docs/TRUST.md 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negatives {
    /// A list of negatives, signed by this many auditor groups, must show that none was withheld.
    Complete {
        /// At least 1.
        auditor_threshold: u32,
    },
    /// Whatever dissent is at hand counts; that some was withheld cannot be excluded.
    BestEffort,
}

/// What makes a checkpoint believable beside the log's own signature, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witnessing {
    /// The policy says in words that it does without: nobody vouches for one history, and the age of a checkpoint is unknown.
    None,
    /// Cosignatures of this many witness groups.
    Quorum {
        /// At least 1.
        groups: u32,
        /// How old a fresh cosignature may be.
        max_age: Duration,
        /// The same where the user said `--offline`. An outage never switches to it (docs/TRUST.md 5.1).
        offline_max_age: Duration,
    },
}

/// A contradiction that the user decided to live with, until a day.
#[derive(Clone, Debug)]
pub struct Dismissal {
    statement: StatementId,
    reason: String,
    expires: Timestamp,
    line: usize,
}

impl Dismissal {
    /// The contradiction.
    pub fn statement(&self) -> StatementId {
        self.statement
    }

    /// In the user's words.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// From then on it blocks again.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Of the policy file.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl Policy {
    /// Largest policy file that is read: hundreds of armored certificates.
    pub const MAX_LEN: usize = 4 << 20;

    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] names line, column, what was expected and what was found.
    pub fn parse(toml: &str) -> Result<Self, PolicyError> {
        check::policy(toml)
    }

    /// Grows with every change of the file: a lower one than was seen before is a rollback (docs/TRUST.md 1.2).
    pub fn serial(&self) -> Lined<u64> {
        self.serial
    }

    /// From then on nothing passes.
    pub fn expires(&self) -> Lined<Timestamp> {
        self.expires
    }

    /// Groups that must agree where no package rule asks for more.
    pub fn threshold(&self) -> Lined<u32> {
        self.threshold
    }

    /// Kinds of source that are accepted where no package rule says so.
    pub fn accept_origin(&self) -> &Lined<Vec<Origin>> {
        &self.accept_origin
    }

    /// Ways to arrive at the bytes that are accepted where no package rule says so.
    pub fn accept_method(&self) -> &Lined<Vec<Method>> {
        &self.accept_method
    }

    /// How much must be known of dissent.
    pub fn negatives(&self) -> Lined<Negatives> {
        self.negatives
    }

    /// What makes a checkpoint believable and fresh.
    pub fn witnessing(&self) -> Lined<Witnessing> {
        self.witnessing
    }

    /// How far a witness's clock may run ahead of ours.
    pub fn clock_skew(&self) -> Duration {
        self.clock_skew
    }

    /// The logs in which votes count, with the URLs where they (or mirrors) can be asked.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The log of an origin.
    pub fn log(&self, origin: &str) -> Option<&PolicyLog> {
        self.logs.iter().find(|log| log.origin() == origin)
    }

    /// Cosigners of checkpoints.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Signers of lists of negatives.
    pub fn auditors(&self) -> &[Auditor] {
        &self.auditors
    }

    /// Everybody whose statements are listened to: rebuilders of any status, the user's own keys, publishers.
    pub fn parties(&self) -> &[Party] {
        &self.parties
    }

    /// The rebuilders, in the order of the file.
    pub fn rebuilders(&self) -> impl Iterator<Item = &Party> {
        self.with_role(Role::Rebuilder)
    }

    /// The user's own keys: they vote from a local folder, without a log.
    pub fn own_keys(&self) -> impl Iterator<Item = &Party> {
        self.with_role(Role::Own)
    }

    /// Projects' own keys: shown, never counted.
    pub fn publishers(&self) -> impl Iterator<Item = &Party> {
        self.with_role(Role::Publisher)
    }

    /// The package rules, in the order of the file.
    pub fn packages(&self) -> &[PackageRule] {
        &self.packages
    }

    /// What is taken although too few attest it.
    pub fn ratchet(&self) -> Option<&Ratchet> {
        self.ratchet.as_ref()
    }

    /// Other policies that judge beside this one.
    pub fn includes(&self) -> &[Include] {
        &self.includes
    }

    /// What applies to a project: the default and all package rules that match, the strictest of each.
    pub fn rule(&self, project: &ProjectName) -> Rule {
        self.base().narrowed_by(self.packages.iter().filter(|package| package.matches(project)))
    }

    /// What applies where no package rule matches.
    pub fn base(&self) -> Rule {
        Rule::base(self.threshold, self.accept_origin.clone(), self.accept_method.clone())
    }

    /// Whether a file is exempt. `url` is where it really comes from: without it no exemption by index applies.
    pub fn exempted(
        &self,
        digest: &ArtifactDigest,
        project: &ProjectName,
        url: Option<&str>,
        now: Timestamp,
    ) -> Exempted<'_> {
        let mut expired = None;
        for exemption in self.exemptions.iter().filter(|e| e.covers(digest, project, url)) {
            if exemption.expires().is_none_or(|end| now < end) {
                return Exempted::Yes(exemption);
            }
            expired = Some(exemption);
        }
        expired.map_or(Exempted::No, Exempted::Expired)
    }

    /// All exemptions, in the order of the file.
    pub fn exemptions(&self) -> &[Exemption] {
        &self.exemptions
    }

    /// The user's decision about a contradiction, expired or not.
    pub fn dismissal(&self, statement: StatementId) -> Option<&Dismissal> {
        // Of several the longest: they are all the user's own.
        self.dismissals
            .iter()
            .filter(|dismissal| dismissal.statement == statement)
            .max_by_key(|dismissal| dismissal.expires)
    }

    /// All dismissals, in the order of the file.
    pub fn dismissals(&self) -> &[Dismissal] {
        &self.dismissals
    }

    fn with_role(&self, role: Role) -> impl Iterator<Item = &Party> {
        self.parties.iter().filter(move |party| party.role() == role)
    }
}
