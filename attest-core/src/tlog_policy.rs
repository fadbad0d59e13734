//! Which logs and which witnesses: [C2SP tlog-policy](https://c2sp.org/tlog-policy).
//!
//! In scope: the file, and whether a set of witnesses meets its quorum. Out of scope: who rebuilds and how many of them
//! must agree; that is [`policy`](crate::policy), another file.
//!
//! ```
//! use attest_core::tlog_policy::TlogPolicy;
//!
//! let text = "\
//! log log.test/a+61cfac42+AdD/bfTTLpSuEX6fo/Nnkq5dEWO95ySC8jyvoHtvO0Bk https://log.test/a
//!
//! witness w1 witness.test/w1+a9978b63+BLO470n/vDZO07Vjxvi6Qehj7iMMwJnnlwTBN5Wo4UFo https://witness.test
//! witness w2 witness.test/w2+b1bbcbae+BD0ZFVDELScoZIGaA0HY/greith7B2dewZiVjG2+T53N
//! #both have to
//! group both all w1 w2
//! quorum both
//! ";
//! let policy = TlogPolicy::parse(text.as_bytes())?;
//! let [w1, w2] = policy.witnesses() else { unreachable!() };
//! assert!(!policy.is_met(|key| key == w1.key()));
//! assert!(policy.is_met(|key| key == w1.key() || key == w2.key()));
//! # Ok::<(), attest_core::tlog_policy::TlogPolicyError>(())
//! ```
//!
//! A comment is a line of its own; `#` elsewhere is part of a word. Two keys are the same when their public halves are,
//! whatever their names (docs/TRUST.md 1.3). ML-DSA-44 keys (type 0x06) are refused: this program cannot verify them, and
//! a quorum that silently left them out would be another quorum.

mod parse;

use std::fmt;

use crate::merkle::DecimalError;
use crate::note::{KeyType, NoteError, VerifierKey};

/// A parsed policy. Display prints its lines without comments, in an order that parses to the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogPolicy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A `log` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    key: VerifierKey,
    url: Option<Word>,
}

/// A `witness` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    name: Word,
    key: VerifierKey,
    url: Option<Word>,
}

/// A `group` line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: Word,
    threshold: usize,
    members: Vec<Member>,
}

/// What a name stands for, by its place among the lines of its kind. A group's members are defined before it, so there is
/// no circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// The `quorum` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    None,
    Of(Member),
}

/// A name or a URL: "opaque octets", not empty, without white space. Display shows what is not UTF-8 as U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word(Vec<u8>);

impl Word {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl PolicyLog {
    /// Its key, whose name is its origin.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Where it is.
    pub fn url(&self) -> Option<&Word> {
        self.url.as_ref()
    }
}

impl PolicyWitness {
    /// Its name in this file.
    pub fn name(&self) -> &Word {
        &self.name
    }

    /// Its key.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Its submission prefix.
    pub fn url(&self) -> Option<&Word> {
        self.url.as_ref()
    }
}

impl TlogPolicy {
    /// Bytes of the largest file that is read.
    pub const MAX_LEN: usize = 256 * 1024;
    /// Most lines of each kind. "It is strongly recommended that an implementation supports at least up to 32"; this many
    /// cosignatures fit a note of [`Note::MAX_SIGNATURES`](crate::note::Note::MAX_SIGNATURES) lines.
    pub const MAX_LINES: usize = 64;

    /// Parses a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogPolicyError> {
        parse::parse(bytes)
    }

    /// The logs, any one of which is enough.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, whether they take part in the quorum or not.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether any cosignature is asked for: false for `quorum none`.
    pub fn has_quorum(&self) -> bool {
        self.quorum != Quorum::None
    }

    /// Whether the witnesses for which `cosigned` is true meet the quorum. Only for what was verified.
    pub fn is_met(&self, cosigned: impl Fn(&VerifierKey) -> bool) -> bool {
        let Quorum::Of(quorum) = self.quorum else {
            return true;
        };
        let witnesses: Vec<bool> = self.witnesses.iter().map(|witness| cosigned(&witness.key)).collect();
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let has = |member: &Member, groups: &[bool]| match *member {
            Member::Witness(i) => witnesses.get(i).copied().unwrap_or(false),
            Member::Group(i) => groups.get(i).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| has(member, &groups)).count();
            groups.push(count >= group.threshold);
        }
        has(&quorum, &groups)
    }

    /// The policy as a file, byte for byte what its words were.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line = |words: &[&[u8]]| {
            out.extend(words.join(&b' '));
            out.push(b'\n');
        };
        let name = |member: &Member| match *member {
            Member::Witness(i) => self.witnesses[i].name.as_bytes(),
            Member::Group(i) => self.groups[i].name.as_bytes(),
        };
        for PolicyLog { key, url } in &self.logs {
            let key = key.to_string();
            line(&[&[b"log".as_slice(), key.as_bytes()], url_of(url.as_ref()).as_slice()].concat());
        }
        for PolicyWitness { name, key, url } in &self.witnesses {
            let key = key.to_string();
            let words = [b"witness".as_slice(), name.as_bytes(), key.as_bytes()];
            line(&[words.as_slice(), url_of(url.as_ref()).as_slice()].concat());
        }
        for Group { name: own, threshold, members } in &self.groups {
            let threshold = threshold.to_string();
            let words = [b"group".as_slice(), own.as_bytes(), threshold.as_bytes()];
            let members: Vec<&[u8]> = members.iter().map(name).collect();
            line(&[words.as_slice(), &members].concat());
        }
        match &self.quorum {
            Quorum::None => line(&[b"quorum", b"none"]),
            Quorum::Of(member) => line(&[b"quorum", name(member)]),
        }
        out
    }
}

fn url_of(url: Option<&Word>) -> Vec<&[u8]> {
    url.into_iter().map(Word::as_bytes).collect()
}

/// What is wrong with a policy file, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {rule}")]
pub struct TlogPolicyError {
    /// Line number, from 1.
    pub line: usize,
    /// The rule that it breaks.
    pub rule: TlogPolicyRule,
}

/// A rule of tlog-policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogPolicyRule {
    /// A control character other than tab and newline.
    #[error("expected no control character but tab and newline, found {found:#04x}")]
    Control {
        /// The byte.
        found: u8,
    },
    /// A name that was given before.
    #[error("expected a new name, found {found} again")]
    DefinedTwice {
        /// The name.
        found: Word,
    },
    /// A public key that was given before, under whatever name.
    #[error("expected every public key once, found that of {found} a second time")]
    DuplicateKey {
        /// The key.
        found: Box<VerifierKey>,
    },
    /// Not a key.
    #[error(transparent)]
    Key(#[from] NoteError),
    /// A key whose type is for something else.
    #[error("expected a key of type {expected:?}, found {found}")]
    KeyType {
        /// What this line is for.
        expected: KeyType,
        /// The key.
        found: Box<VerifierKey>,
    },
    /// A first word that is none of the four.
    #[error("expected a line that begins with log, witness, group or quorum, found {found}")]
    Keyword {
        /// The word.
        found: Word,
    },
    /// Larger than [`TlogPolicy::MAX_LEN`].
    #[error("expected at most {max} bytes, found {found}", max = TlogPolicy::MAX_LEN)]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// A name that is already a member of a group.
    #[error("expected every name to be a member once, found {found} a second time")]
    MemberTwice {
        /// The name.
        found: Word,
    },
    /// `none` where a party is named.
    #[error("expected a name, found `none`, which only a quorum can be")]
    NameNone,
    /// The last line does not end.
    #[error("expected every line to end in a newline")]
    NoFinalNewline,
    /// No `quorum` line in the whole file.
    #[error("expected a line `quorum <name>`, found none in the file")]
    NoQuorum,
    /// A second `quorum` line.
    #[error("expected one line `quorum <name>`, found a second one")]
    SecondQuorum,
    /// A threshold that is no number.
    #[error("threshold: {0}")]
    Threshold(#[source] DecimalError),
    /// A threshold of 0 or beyond the members.
    #[error("expected a threshold from 1 to the number of members, {members}, found {found}")]
    ThresholdRange {
        /// As given.
        found: u64,
        /// Members of the group.
        members: usize,
    },
    /// Too many lines of one kind.
    #[error("expected at most {max} lines of a kind, found more", max = TlogPolicy::MAX_LINES)]
    TooMany,
    /// A name that no line above defines.
    #[error("expected a name that a line above defines, found {found}")]
    Undefined {
        /// The name.
        found: Word,
    },
    /// Fewer or more words than the line takes.
    #[error("expected `{expected}`")]
    Words {
        /// The form of the line.
        expected: &'static str,
    },
}

#[cfg(test)]
mod tests;
