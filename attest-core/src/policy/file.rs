//! The policy file as it is written: one struct per TOML table, unknown keys refused.
//!
//! Every value keeps its place in the text ([`Spanned`]), so that what [`super::check`] finds can name line and column.
//! What decides trust has no default here: a missing key is an error of the TOML reader.
use crate::{
    artifact::ArtifactDigest,
    envelope::StatementId,
    statement::{Method, Origin},
};
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use toml::{Spanned, value::Datetime};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) version: Spanned<u32>,
    pub(super) serial: Spanned<u64>,
    pub(super) expires: Spanned<Datetime>,
    pub(super) threshold: Spanned<u32>,
    pub(super) accept_origin: Spanned<Vec<OriginWord>>,
    pub(super) accept_method: Spanned<Vec<MethodWord>>,
    pub(super) negatives: Spanned<NegativesWord>,
    pub(super) auditor_threshold: Option<Spanned<u32>>,
    pub(super) witness_threshold: Spanned<WitnessWord>,
    pub(super) max_checkpoint_age: Spanned<String>,
    pub(super) offline_max_age: Spanned<String>,
    pub(super) clock_skew: Spanned<String>,
    pub(super) rebuilder: Option<Vec<Spanned<RebuilderTable>>>,
    #[serde(rename = "self")]
    pub(super) own: Option<Vec<Spanned<KeyTable>>>,
    pub(super) publisher: Option<Vec<Spanned<KeyTable>>>,
    pub(super) log: Option<Vec<Spanned<LogTable>>>,
    pub(super) witness: Option<Vec<Spanned<CosignerTable>>>,
    pub(super) auditor: Option<Vec<Spanned<CosignerTable>>>,
    pub(super) package: Option<Vec<Spanned<PackageTable>>>,
    pub(super) exempt: Option<Vec<Spanned<ExemptTable>>>,
    pub(super) dismiss: Option<Vec<Spanned<DismissTable>>>,
    pub(super) ratchet: Option<RatchetTable>,
    pub(super) include: Option<Vec<Spanned<IncludeTable>>>,
}

/// `[ratchet]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RatchetTable {
    pub(super) expires: Spanned<Datetime>,
    pub(super) pins: Spanned<Vec<Spanned<String>>>,
    pub(super) attested: Spanned<Vec<Spanned<String>>>,
}

/// `[[include]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct IncludeTable {
    pub(super) url: Spanned<String>,
    pub(super) sha256: Spanned<ArtifactDigest>,
}

/// `[[rebuilder]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RebuilderTable {
    pub(super) name: Spanned<String>,
    pub(super) group: Spanned<String>,
    pub(super) key: Spanned<String>,
    pub(super) certificate: Option<Spanned<String>>,
    pub(super) id: Option<Spanned<String>>,
    pub(super) status: Spanned<StatusWord>,
    pub(super) valid: Option<Spanned<Vec<Spanned<RangeTable>>>>,
}

/// `[[self]]`, `[[publisher]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct KeyTable {
    pub(super) name: Spanned<String>,
    pub(super) key: Spanned<String>,
    pub(super) certificate: Option<Spanned<String>>,
}

/// `{ log, from, before }` in `valid`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RangeTable {
    pub(super) log: Spanned<String>,
    pub(super) from: Spanned<u64>,
    pub(super) before: Option<Spanned<u64>>,
}

/// `[[log]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LogTable {
    pub(super) vkey: Spanned<String>,
    pub(super) urls: Spanned<Vec<Spanned<String>>>,
    #[serde(rename = "final")]
    pub(super) last: Option<Spanned<HeadTable>>,
}

/// `{ size, root }` of a finished log
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HeadTable {
    pub(super) size: Spanned<u64>,
    pub(super) root: Spanned<String>,
}

/// `[[witness]]`, `[[auditor]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CosignerTable {
    pub(super) name: Spanned<String>,
    pub(super) group: Spanned<String>,
    pub(super) vkey: Spanned<String>,
}

/// `[[package]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PackageTable {
    pub(super) name: Spanned<String>,
    pub(super) threshold: Option<Spanned<u32>>,
    pub(super) accept_origin: Option<Spanned<Vec<OriginWord>>>,
    pub(super) accept_method: Option<Spanned<Vec<MethodWord>>>,
    pub(super) accept_recipe: Option<Spanned<Vec<ArtifactDigest>>>,
    pub(super) accept_equivalent: Option<Spanned<bool>>,
    pub(super) repository: Option<Spanned<RepositoryTable>>,
    pub(super) require_groups: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) index: Option<Spanned<String>>,
}

/// `{ url, ref }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RepositoryTable {
    pub(super) url: Spanned<String>,
    pub(super) r#ref: Option<Spanned<String>>,
}

/// `[[exempt]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ExemptTable {
    pub(super) sha256: Option<Spanned<ArtifactDigest>>,
    pub(super) index: Option<Spanned<String>>,
    pub(super) name: Option<Spanned<String>>,
    pub(super) reason: Spanned<String>,
    pub(super) since: Option<Spanned<Datetime>>,
    pub(super) expires: Option<Spanned<Datetime>>,
}

/// `[[dismiss]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DismissTable {
    pub(super) statement: Spanned<StatementId>,
    pub(super) reason: Spanned<String>,
    pub(super) expires: Spanned<Datetime>,
}

/// One of a few words, as a string and nothing else: a derived enum would also take `{ word = {} }`, and a policy has one
/// spelling for each thing.
fn word<'de, D: Deserializer<'de>, T: Copy>(deserializer: D, words: &[(&str, T)]) -> Result<T, D::Error> {
    struct Words<'w, T>(&'w [(&'w str, T)]);
    impl<T: Copy> de::Visitor<'_> for Words<'_, T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for (at, (word, _)) in self.0.iter().enumerate() {
                write!(f, "{}{word:?}", if at == 0 { "" } else { " or " })?;
            }
            Ok(())
        }
        fn visit_str<E: de::Error>(self, found: &str) -> Result<T, E> {
            let known = self.0.iter().find(|(word, _)| *word == found);
            known.map(|(_, value)| *value).ok_or_else(|| E::invalid_value(de::Unexpected::Str(found), &self))
        }
    }
    deserializer.deserialize_str(Words(words))
}

#[derive(Clone, Copy, Debug)]
pub(super) enum OriginWord {
    Git,
    Sdist,
}

impl<'de> Deserialize<'de> for OriginWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, &[("git", Self::Git), ("sdist", Self::Sdist)])
    }
}

impl From<OriginWord> for Origin {
    fn from(word: OriginWord) -> Self {
        match word {
            OriginWord::Git => Self::Git,
            OriginWord::Sdist => Self::Sdist,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum MethodWord {
    Exact,
    Replayed,
}

impl<'de> Deserialize<'de> for MethodWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, &[("exact", Self::Exact), ("replayed", Self::Replayed)])
    }
}

impl From<MethodWord> for Method {
    fn from(word: MethodWord) -> Self {
        match word {
            MethodWord::Exact => Self::Exact,
            MethodWord::Replayed => Self::Replayed,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NegativesWord {
    Complete,
    BestEffort,
}

impl<'de> Deserialize<'de> for NegativesWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, &[("complete", Self::Complete), ("best-effort", Self::BestEffort)])
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusWord {
    Current,
    Retired,
    Compromised,
}

impl<'de> Deserialize<'de> for StatusWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(
            deserializer,
            &[("current", Self::Current), ("retired", Self::Retired), ("compromised", Self::Compromised)],
        )
    }
}

/// A number, or the word that nobody writes by mistake: forgetting the key or writing 0 is no way to do without witnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WitnessWord {
    None,
    Groups(u32),
}

impl<'de> Deserialize<'de> for WitnessWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = WitnessWord;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of witness groups or the word \"none\"")
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<WitnessWord, E> {
                u32::try_from(n)
                    .map(WitnessWord::Groups)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(n), &self))
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<WitnessWord, E> {
                u32::try_from(n)
                    .map(WitnessWord::Groups)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<WitnessWord, E> {
                match s {
                    "none" => Ok(WitnessWord::None),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
