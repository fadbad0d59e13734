//! Reasons in words: one line each, and what a person can do next.
use super::Reason;
use crate::{escape::Escaping, time::Timestamp};
use std::fmt;

impl Reason {
    /// What a person can do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoStatement { .. } => {
                "rebuild it yourself with `attest rebuild NAME==VERSION`, or ask a rebuilder of your policy to"
            }
            Self::BelowThreshold { .. } => {
                "`attest explain NAME` shows each statement and why it counts; `attest rebuild NAME==VERSION` adds yours"
            }
            Self::SourcesDisagree { .. } => "compare the sources; `attest explain` shows who built from which",
            Self::RequiredGroups { .. } => {
                "`attest explain` shows who reproduced it; ask the required group to rebuild it, or change the rule"
            }
            Self::OtherIndex { .. } => {
                "the file is not from where your policy says it must be: look at the indexes of your project"
            }
            Self::LostAttestation { .. } => {
                "find out why before you install it: `attest explain` shows withdrawn statements and keys that no longer vote"
            }
            Self::Regression { .. } => {
                "stay with the attested version, or look at what changed and take it with `attest policy ratchet --accept`"
            }
            Self::ChangedDigest { .. } => "one name is one file: find out which index serves other bytes under it",
            Self::PinExpired { .. } => {
                "see what still lacks votes with `attest policy ratchet`, and decide anew with --expires"
            }
            Self::Contradicted { .. } => {
                "do not install it; `attest explain` shows the statements, `[[dismiss]]` in your policy overrules one"
            }
            Self::UnresolvedContradiction { .. } => "ask another log or mirror for the missing statement",
            Self::IncompleteView { .. } => {
                "try again later, or name mirrors of the log that your policy has as auditors among its `urls`"
            }
            Self::TwoLists { .. } | Self::WrongList { .. } => {
                "keep the signed note as evidence and tell whoever signed it; take the auditor out of your policy"
            }
            Self::LogUnreachable { .. } => {
                "try again later, or list a mirror of the log; before --offline, keep evidence with `attest lock`"
            }
            Self::MalformedCheckpoint { .. } | Self::BadProof { .. } | Self::MalformedEntry { .. } => {
                "the answer is unusable; check the URL, or ask another mirror of the log"
            }
            Self::WitnessQuorum { .. } => "try again when more witnesses have cosigned",
            Self::StaleCheckpoint { .. } => {
                "try again later; without a connection, `--offline` applies the policy's offline limit"
            }
            Self::NotFinal { .. } => "ask a mirror that holds the whole log, or correct `final` in your policy",
            Self::FinalRoot { .. } | Self::Fork { .. } => {
                "keep the signed notes as evidence and tell the log's operator and witnesses; trust nothing from this log"
            }
            Self::PolicyExpired { .. } => "get the current policy, or review yours and set a new `expires`",
            Self::PolicyRollback { .. } => "find out who put the older policy there; use the newest one",
            Self::NotAttestable { .. } => "only wheels can be verified: use a wheel, or exempt the file in your policy",
            Self::DigestMismatch { .. } => "do not install it; get the file again from another source",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Origins, file names and the words of whoever did not answer are in it.
        self.words(&mut Escaping(f))
    }
}

impl Reason {
    fn words(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::NoStatement { need, .. } => {
                write!(f, "nobody has reproduced it: expected {}, found none", Groups(*need))
            }
            Self::BelowThreshold { need, groups, .. } => {
                write!(f, "expected {} that reproduced it, found {}", Groups(*need), Counted(groups))
            }
            Self::SourcesDisagree { need, classes, .. } => {
                write!(f, "expected {} that agree on the source, found", Groups(*need))?;
                for (at, (class, groups)) in classes.iter().enumerate() {
                    let separator = if at == 0 { "" } else { "," };
                    write!(f, "{separator} {} from {class}", Counted(groups))?;
                }
                Ok(())
            }
            Self::RequiredGroups { missing, .. } => {
                write!(f, "the policy requires the word of {}, which did not reproduce it", List(missing))
            }
            Self::OtherIndex { expected, found, .. } => match found {
                Some(found) => write!(f, "expected a file from {expected}, found one from {found}"),
                None => write!(f, "expected a file from {expected}, and nothing says where this one is from"),
            },
            Self::LostAttestation { since, .. } => {
                write!(f, "it lost its attestation: on {} enough groups had reproduced this very file", Day(*since))
            }
            Self::Regression { attested, .. } => {
                write!(f, "version {attested} was attested, and this one is not")
            }
            Self::ChangedDigest { expected, found, .. } => {
                write!(f, "the file of this name had sha256 {expected}, and has {found} now")
            }
            Self::PinExpired { expires, .. } => write!(f, "its pin ran out at {expires}"),
            Self::Contradicted { groups, statements } => {
                write!(f, "proven not to be what its source gives, by {} ({})", List(groups), List(statements))
            }
            Self::UnresolvedContradiction { by, statement, contradicts } => {
                write!(f, "{by} contradicts statement {contradicts} (in {statement}), which nobody showed")
            }
            Self::IncompleteView { origin, why, .. } => {
                write!(f, "no proof that all dissent in log {origin} was shown, which the policy asks for: {why}")
            }
            Self::TwoLists { origin, signer, .. } => {
                write!(f, "{signer} signed two lists of negatives for one size of log {origin}")
            }
            Self::WrongList { origin, signers, index, .. } => write!(
                f,
                "the list of negatives of log {origin} that {} signed is wrong about entry {}",
                List(signers),
                index.get()
            ),
            Self::LogUnreachable { origin, why } => {
                write!(f, "log {origin} gave no evidence: {why}")
            }
            Self::MalformedCheckpoint { origin, error } => match origin {
                Some(origin) => write!(f, "unusable checkpoint in the name of log {origin}: {error}"),
                None => write!(f, "unusable checkpoint: {error}"),
            },
            Self::WitnessQuorum { origin, need, groups, .. } => write!(
                f,
                "checkpoint of log {origin}: expected cosignatures of {need} witness groups, found {}",
                Counted(groups)
            ),
            Self::StaleCheckpoint { origin, as_of, now, .. } if as_of > now => write!(
                f,
                "checkpoint of log {origin} was cosigned at {as_of}, which is in the future: it is {now} here"
            ),
            Self::StaleCheckpoint { origin, as_of, max_age, .. } => write!(
                f,
                "checkpoint of log {origin} was last cosigned by enough witnesses at {as_of}, expected within {} s",
                max_age.as_secs()
            ),
            Self::NotFinal { origin, expected, found, .. } => {
                write!(f, "finished log {origin}: expected its final size {}, found {}", expected.get(), found.get())
            }
            Self::FinalRoot { origin, expected, .. } => write!(
                f,
                "finished log {origin} signed another root for its final size {} than the policy pins",
                expected.size.get()
            ),
            Self::Fork { origin, .. } => write!(f, "log {origin} signed two histories that contradict each other"),
            Self::BadProof { origin, index, error } => {
                write!(f, "entry {} in the answer of log {origin} is not proven: {error}", index.get())
            }
            Self::MalformedEntry { origin, index, error } => {
                write!(f, "entry {} in the answer of log {origin} is no statement: {error}", index.get())
            }
            Self::PolicyExpired { expires, .. } => write!(f, "the policy expired at {expires}"),
            Self::PolicyRollback { serial, seen, .. } => {
                write!(f, "the policy has serial {serial}, older than {seen}, which was used here before")
            }
            Self::NotAttestable { name, error } => write!(f, "{name} cannot be verified: {error}"),
            Self::DigestMismatch { expected, found } => {
                write!(f, "expected sha256 {expected}, found {found}")
            }
        }
    }
}

/// `2026-11-22`
struct Day(Timestamp);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().split('T').next().unwrap_or_default())
    }
}

/// How many groups are wanted, in words.
struct Groups(u32);

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} group{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// `2 (debian, nixos)`
struct Counted<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Counted<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.len())?;
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", List(self.0))
    }
}

struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, item) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}
