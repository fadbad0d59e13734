use super::{GroupName, PartyName};
use crate::{artifact::ArtifactError, key::KeyError, note::NoteError};
use std::fmt;

/// What is wrong with a policy file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct PolicyError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// How many characters of that line are meant, at least 1.
    pub width: usize,
    /// The rule that was broken.
    #[source]
    pub kind: Box<PolicyErrorKind>,
}

/// One variant per rule of the policy format (`docs/policy.md`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// Not TOML, an unknown or missing key, or a value of another type: in the TOML reader's words.
    #[error("{}", .0.message())]
    Toml(toml::de::Error),
    /// More than anybody would write.
    #[error("expected a policy of at most {} bytes, found {found}", super::Policy::MAX_LEN)]
    TooLong {
        /// Bytes.
        found: usize,
    },
    /// A file of another format version.
    #[error("expected policy format version 1, found {found}")]
    Version {
        /// As written.
        found: u32,
    },
    /// A threshold that everybody meets.
    #[error("expected {key} to be at least 1, found 0{}", none_hint(.key))]
    ZeroThreshold {
        /// Of the threshold.
        key: &'static str,
    },
    /// A threshold that nobody can meet.
    #[error("{key} is {threshold}, but only {groups} {} can meet it", plural(*.groups, "group", "groups"))]
    Unreachable {
        /// Of the threshold.
        key: &'static str,
        /// As written.
        threshold: u32,
        /// How many independent groups there are.
        groups: u32,
    },
    /// `negatives` and `auditor-threshold` do not belong together.
    #[error(
        "negatives = \"complete\" needs auditor-threshold, the number of auditor groups that must sign the list of negatives"
    )]
    AuditorThresholdMissing,
    /// `auditor-threshold` beside `negatives = "best-effort"` would promise what is not checked.
    #[error("auditor-threshold has no effect with negatives = \"best-effort\": remove it, or ask for \"complete\"")]
    AuditorThresholdUnused,
    /// A list that accepts nothing.
    #[error("{key} is empty: expected at least one of its values")]
    EmptyList {
        /// Of the list.
        key: &'static str,
    },
    /// Not a time with an explicit UTC zone.
    #[error("expected {key} to be a time in UTC such as 2027-06-30T00:00:00Z, found {found}")]
    Time {
        /// Of the time.
        key: &'static str,
        /// As written.
        found: String,
    },
    /// Not a duration.
    #[error("expected {key} to be a whole number with a unit (s, m, h or d) such as \"24h\", found {found:?}")]
    Duration {
        /// Of the duration.
        key: &'static str,
        /// As written.
        found: String,
    },
    /// A difference of clocks that no clock has.
    #[error("expected clock-skew to be at most \"1h\", found {found:?}")]
    ClockSkew {
        /// As written.
        found: String,
    },
    /// An age limit that nobody could check.
    #[error(
        "{key} is {found:?}, but with witness-threshold = \"none\" nobody says how old a checkpoint is: expected \"unchecked\""
    )]
    AgeUnknowable {
        /// Of the limit.
        key: &'static str,
        /// As written.
        found: String,
    },
    /// Witnesses are asked for, but not how old their word may be.
    #[error("{key} may be \"unchecked\" only with witness-threshold = \"none\": expected a duration such as \"24h\"")]
    AgeUnchecked {
        /// Of the limit.
        key: &'static str,
    },
    /// A name or group that cannot be printed safely or is reserved.
    #[error("expected a name of 1 to {} ASCII letters, digits and `-_.:/@+`, found {found:?}", super::MAX_NAME)]
    Name {
        /// As written.
        found: String,
    },
    /// The groups of the user's own keys and of publishers.
    #[error(
        "expected another group: \"self\" and \"publisher:...\" are reserved for keys under [[self]] and [[publisher]]"
    )]
    ReservedGroup,
    /// A certificate that is revoked, of somebody who may vote without bounds.
    #[error(
        "the certificate of {name} is revoked: expected status = \"retired\" or \"compromised\" with the bounds of its votes under `valid`"
    )]
    RevokedKey {
        /// Whose.
        name: PartyName,
    },
    /// Two groups that only differ in case.
    #[error(
        "group {found} is written {first} on line {first_line}: expected one spelling, or another name if they are independent"
    )]
    GroupSpelling {
        /// First spelling.
        first: GroupName,
        /// Where it was first.
        first_line: usize,
        /// Second spelling.
        found: GroupName,
    },
    /// Two parties of one name.
    #[error("{name} is the name of two entries, the first on line {first_line}: expected each name once")]
    DuplicateName {
        /// Used twice.
        name: PartyName,
        /// Where it was first.
        first_line: usize,
    },
    /// Two logs of one origin: a new key needs a new origin (docs/TRUST.md 5.3).
    #[error("{origin} is listed as a log twice, the first on line {first_line}: a new log key needs a new origin")]
    DuplicateLog {
        /// Used twice.
        origin: String,
        /// Where it was first.
        first_line: usize,
    },
    /// A signing key that cannot be read or is refused.
    #[error("key of {name}: {source}")]
    Key {
        /// Whose.
        name: PartyName,
        /// Why.
        source: KeyError,
    },
    /// An OpenPGP key without its certificate.
    #[error("{name} has the OpenPGP key {found}: expected the armored certificate beside it as `certificate`")]
    CertificateMissing {
        /// Whose.
        name: PartyName,
        /// As written.
        found: String,
    },
    /// A certificate beside an Ed25519 key.
    #[error("{name} has an Ed25519 key: expected no `certificate` beside it")]
    CertificateUnused {
        /// Whose.
        name: PartyName,
    },
    /// The certificate is not the one that the fingerprint names.
    #[error("certificate of {name}: expected {expected}, found {found}")]
    Fingerprint {
        /// Whose.
        name: PartyName,
        /// `key` as written.
        expected: String,
        /// Of the certificate.
        found: String,
    },
    /// A verifier key that cannot be read.
    #[error("vkey: {source}")]
    VerifierKey {
        /// Why.
        source: NoteError,
    },
    /// A verifier key whose type does not fit the role.
    #[error("expected the vkey of a {role} to be of type {expected}, found {found}")]
    VerifierKeyType {
        /// log, witness or auditor.
        role: Role,
        /// What the role signs with.
        expected: &'static str,
        /// What the vkey says.
        found: &'static str,
    },
    /// One public key twice, or in two roles (docs/TRUST.md 1.3).
    #[error("{second} has the same public key as {first} on line {first_line}: expected one key in one role")]
    DuplicateKey {
        /// Who has it already.
        first: Holder,
        /// Where.
        first_line: usize,
        /// Who has it too.
        second: Holder,
    },
    /// `valid` names a log that the policy does not list.
    #[error("expected the origin of a [[log]] of this policy, found {found:?}")]
    UnknownLog {
        /// As written.
        found: String,
    },
    /// A retired key without bounds.
    #[error(
        "a retired key votes only below a log index: expected `valid` with a range per log, or `valid = []` for no vote"
    )]
    RetiredWithoutRange,
    /// A range of a retired or compromised key without end.
    #[error("expected `before` in the range of a key that is no longer current")]
    OpenRange,
    /// A range without members.
    #[error("expected from < before, found {from} and {before}")]
    EmptyRange {
        /// First index.
        from: u64,
        /// First index after it.
        before: u64,
    },
    /// The root of a finished log is not canonical base64 of 32 bytes.
    #[error("expected the root as base64 of 32 bytes, found {found:?}")]
    Root {
        /// As written.
        found: String,
    },
    /// A URL that is not plain http(s).
    #[error(
        "expected a URL that starts with https:// or http:// and has no spaces, query or fragment, found {found:?}"
    )]
    Url {
        /// As written.
        found: String,
    },
    /// A package pattern.
    #[error("expected a project name in which `*` stands for any characters, found {found:?}")]
    Pattern {
        /// As written.
        found: String,
    },
    /// A package rule that asks for less than the policy does.
    #[error("a package rule may only raise the threshold: expected more than {policy}, found {found}")]
    ThresholdLowered {
        /// The policy's.
        policy: u32,
        /// The rule's.
        found: u32,
    },
    /// A pinned repository that could be written in two ways (docs/TRUST.md 3.6).
    #[error("expected a canonical repository URL ({rule}), found {found:?}")]
    Repository {
        /// What it lacks.
        rule: &'static str,
        /// As written.
        found: String,
    },
    /// A pinned ref outside branches and tags.
    #[error(
        "expected a ref that starts with refs/tags/ or refs/heads/, `{{version}}` standing for the version and `*` for any characters, found {found:?}"
    )]
    Ref {
        /// As written.
        found: String,
    },
    /// An exemption that exempts by name alone, or by two things (docs/TRUST.md 6.3).
    #[error("an exemption needs either sha256 or index: a name alone could be served by any index")]
    ExemptionScope,
    /// An exemption by digest that never ends.
    #[error("an exemption by sha256 needs `expires`")]
    ExemptionWithoutExpiry,
    /// `name` beside `sha256`.
    #[error("an exemption by sha256 is about one file: expected no `name` beside it")]
    ExemptionName,
    /// A group that a rule requires and that cannot vote.
    #[error("expected a group that can vote, found {found:?}")]
    RequiredGroup {
        /// As written.
        found: String,
    },
    /// `since` after `expires`.
    #[error("expected `since` before `expires`")]
    ExemptionSpan,
    /// Not a line of a ratchet.
    #[error(
        "expected `YYYY-MM-DD SHA256 NAME`, where NAME is the name of a wheel or PROJECT==VERSION, found {found:?}"
    )]
    RatchetEntry {
        /// As written.
        found: String,
    },
    /// A file twice in a ratchet.
    #[error("{name} is in the ratchet already, on line {first_line}: expected each file once, pinned or attested")]
    DuplicateEntry {
        /// Of the file.
        name: String,
        /// Where it was first.
        first_line: usize,
    },
    /// Where an included policy is.
    #[error(
        "expected the URL of a policy that starts with https:// or file:/// and has no spaces, query or escapes, found {found:?}"
    )]
    IncludeUrl {
        /// As written.
        found: String,
    },
    /// One policy included twice.
    #[error("this policy is included on line {first_line} already")]
    DuplicateInclude {
        /// Where it was first.
        first_line: usize,
    },
    /// An exemption or dismissal without a reason.
    #[error("expected a reason, found an empty one")]
    EmptyReason,
    /// A project name.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// What a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Signs statements that vote.
    Rebuilder,
    /// The user's own key.
    Own,
    /// The project's own CI: shown, never counted.
    Publisher,
    /// Signs checkpoints.
    Log,
    /// Cosigns checkpoints.
    Witness,
    /// Signs lists of negatives.
    Auditor,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rebuilder => "rebuilder",
            Self::Own => "self",
            Self::Publisher => "publisher",
            Self::Log => "log",
            Self::Witness => "witness",
            Self::Auditor => "auditor",
        })
    }
}

/// Who holds a key: for errors about keys that appear twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What for.
    pub role: Role,
    /// Name, or a log's origin.
    pub name: String,
    /// Where the role has groups.
    pub group: Option<GroupName>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.role, self.name)
    }
}

fn plural(n: u32, one: &'static str, many: &'static str) -> &'static str {
    if n == 1 { one } else { many }
}

/// People who want no witnesses write 0 first.
fn none_hint(key: &str) -> &'static str {
    if key == "witness-threshold" { " (to do without witnesses, write \"none\")" } else { "" }
}
