//! One entry of the log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SignedBy;
use crate::{
    artifact::ArtifactDigest,
    envelope::StatementId,
    statement::{Method, Origin, Outcome},
    votes::Lack,
};

/// What an entry comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Bit for bit the same, and a vote by itself: which policies count it is theirs to say (docs/TRUST.md 3).
    Reproduced,
    /// Bit for bit the same, but not built as a vote has to be: [`EntryRow::no_vote`] says what it lacks.
    NoVote,
    /// The same but for a closed list of members.
    Equivalent,
    /// Could not reproduce it: no vote, and never a stop (docs/TRUST.md 4.1).
    Abstained,
    /// Names a statement of a listed rebuilder whose inputs gave it other bytes (docs/TRUST.md 4.2).
    Contradicted,
    /// Names code that is only in the published file (docs/TRUST.md 4.2).
    ForeignCode,
    /// Takes an earlier statement back.
    Withdrawal,
    /// No statement, or signed by nobody on the list of rebuilders.
    Other,
}

impl Standing {
    /// Whether it proves something against the file.
    pub const fn accuses(self) -> bool {
        matches!(self, Self::Contradicted | Self::ForeignCode)
    }
}

/// What a claim lacks by itself to be a vote (docs/TRUST.md 3.3 and 3.5): [`crate::votes::Lack`] without what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoVote {
    /// The network was open, or was while requirements were fetched.
    Network,
    /// It was not built twice.
    Repeat,
    /// The recipe has commands, images or patches of its own: it votes where a policy lists it, and nowhere else.
    CustomRecipe,
    /// The recipe is nowhere to be had.
    HiddenRecipe,
    /// The recipe is said to be knobs only, and its text is not there to show it.
    RecipeNotInline,
    /// The recipe is said to be knobs only, and its text is more.
    RecipeNotKnobs,
    /// The recipe is said to be knobs only, and the build ran in an image.
    RecipeImage,
    /// The build was not as the recipe says.
    RecipeEnvironment,
    /// It does not name one source.
    Sources,
}

impl From<&Lack> for NoVote {
    fn from(lack: &Lack) -> Self {
        match lack {
            Lack::Network { .. } => Self::Network,
            Lack::Repeat { .. } => Self::Repeat,
            Lack::CustomRecipe(_) => Self::CustomRecipe,
            Lack::HiddenRecipe(_) => Self::HiddenRecipe,
            Lack::RecipeNotInline(_) => Self::RecipeNotInline,
            Lack::RecipeNotKnobs(_) => Self::RecipeNotKnobs,
            Lack::RecipeImage(_) => Self::RecipeImage,
            Lack::RecipeEnvironment { .. } => Self::RecipeEnvironment,
            Lack::Sources { .. } => Self::Sources,
        }
    }
}

/// One entry in a list. What the statement says is in its words: nothing of it was checked but the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryRow {
    /// Where in the log it is.
    pub index: u64,
    /// What it comes to.
    pub standing: Standing,
    /// Whose signature it has.
    pub by: SignedBy,
    /// Set for every statement, whoever signed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<About>,
    /// Of a claim that is no vote under any policy that does not name it: why. Whoever signed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub no_vote: Option<NoVote>,
    /// Why it was not reproduced.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
    /// From git or from an sdist.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    /// Whether container metadata was set afterwards.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<Method>,
    /// The git commit that it was built from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub commit: Option<String>,
    /// When it was built, as the statement says; nobody vouches for it. Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stated_time: Option<u64>,
    /// Index of the entry that takes it back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub withdrawn_by: Option<u64>,
}

/// The statement of an entry and its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct About {
    /// SHA-256 of the bytes that were signed.
    pub statement_id: StatementId,
    /// Normalised name.
    pub project: String,
    /// As in the file name.
    pub version: String,
    /// The published file's name.
    pub file: String,
    /// The published file's SHA-256.
    pub sha256: ArtifactDigest,
}

/// One entry, whole, with the path that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryView {
    /// As in lists.
    pub row: EntryRow,
    /// The entry's bytes; where they are no text, in base64 under `entryBase64`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub envelope: Option<String>,
    /// Only of an entry that is no text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entry_base64: Option<String>,
    /// What was signed, as JSON.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub statement: Option<Value>,
    /// RFC 6962 leaf hash, in base64.
    pub leaf_hash: String,
    /// From the leaf to the root.
    pub path: Vec<PathStep>,
    /// Root of the tree, in base64.
    pub root_hash: String,
    /// Entries in that tree.
    pub size: u64,
    /// A finished [C2SP tlog-proof](https://c2sp.org/tlog-proof) over the entry.
    pub proof: String,
}

/// One hash of an inclusion proof, and what it makes with the one below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathStep {
    /// On which side of the running hash it is.
    pub side: Side,
    /// The sibling, in base64.
    pub hash: String,
    /// First leaf below the sibling.
    pub first: u64,
    /// The leaf after the last one below it.
    pub end: u64,
    /// The hash of both, in base64.
    pub parent: String,
}

/// Left or right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Earlier leaves.
    Left,
    /// Later leaves.
    Right,
}
