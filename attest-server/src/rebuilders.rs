//! The rebuilders file: who may submit to this log.
//!
//! ```toml
//! # Who runs the log and lists rebuilders: shown to those who are not on the list.
//! [operator]
//! name = "Example Log Operators"
//! contact = "https://log.example.org/join"
//!
//! [[rebuilder]]
//! name = "alice"
//! url = "https://rebuilder.example.org"
//! contact = "alice@example.org"
//! key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
//!
//! [[rebuilder]]
//! name = "bob"
//! url = "https://bob.example"
//! contact = "bob@bob.example"
//! certificate = "bob.asc"            # a file beside this one, or the armored text itself
//! ```
//!
//! A rebuilder may have a quota of new entries, in place of the one that the configuration gives to all:
//!
//! ```toml
//! quota = { per-minute = 600, burst = 5000, per-day = 100000 }     # `quota = {}`: no limit
//! ```
//!
//! Who has several keys, or runs several rebuilders, is one group: in the public record ([`crate::record`]) a file has one
//! column for each. Without one, a rebuilder is a group of its own, by its name:
//!
//! ```toml
//! group = "example.org"
//! ```
//!
//! Being listed lets a rebuilder write to the log. Whether its statements count is for each user's policy to say.

pub mod live;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use attest_core::{
    artifact::ArtifactDigest,
    key::{KeyError, PublicKey, RawKey},
};
use serde::Deserialize;

use crate::quota::rebuilder::{Meter, Quota};

const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The list, with every public key in it once.
#[derive(Clone, Debug)]
pub struct Rebuilders {
    operator: Option<Operator>,
    list: Vec<Rebuilder>,
    /// Files that it was put together from, beside its own.
    certificates: Vec<PathBuf>,
}

/// One key that may submit, and whose it is.
#[derive(Clone, Debug)]
pub struct Rebuilder {
    name: String,
    group: Option<String>,
    url: String,
    contact: String,
    key: PublicKey,
    /// The key's text, where it is an OpenPGP certificate.
    certificate: Option<String>,
    /// In place of the configuration's.
    quota: Option<Quota>,
    /// What it used of its quota.
    meter: Arc<Meter>,
}

/// Who decides about the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    name: String,
    contact: String,
}

/// Why a rebuilders file is refused.
#[derive(Debug, thiserror::Error)]
pub enum RebuildersError {
    /// The file, or a certificate that it names, could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML of the expected form.
    #[error("not a rebuilders file")]
    Syntax(#[from] toml::de::Error),
    /// Neither or both of `key` and `certificate`.
    #[error("rebuilder {name:?}: expected exactly one of `key` and `certificate`, found {found}")]
    KeyCount {
        /// As in the file.
        name: String,
        /// How many there were.
        found: usize,
    },
    /// The key is not one.
    #[error("rebuilder {name:?}: unusable key")]
    Key {
        /// As in the file.
        name: String,
        /// Why.
        source: KeyError,
    },
    /// Two entries hold the same key material, however it is wrapped.
    #[error("rebuilders {first:?} and {second:?} have the same public key ({fingerprint}): a key has one owner")]
    SharedKey {
        /// The earlier entry.
        first: String,
        /// The later entry.
        second: String,
        /// The later entry's key.
        fingerprint: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    operator: Option<Operator>,
    rebuilder: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    group: Option<String>,
    url: String,
    contact: String,
    key: Option<String>,
    certificate: Option<String>,
    quota: Option<Quota>,
}

impl Rebuilders {
    /// Reads the file at `path` and the certificates it names.
    pub fn read(path: &Path) -> Result<Self, RebuildersError> {
        let text = read(path)?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Parses the file's text; certificates given as paths are looked up in `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, RebuildersError> {
        let file: File = toml::from_str(text)?;
        let mut owners: BTreeMap<RawKey, String> = BTreeMap::new();
        let mut list = Vec::with_capacity(file.rebuilder.len());
        let mut certificates = Vec::new();
        for entry in file.rebuilder {
            certificates.extend(entry.certificate_file(folder));
            let rebuilder = entry.check(folder)?;
            // docs/TRUST.md 1.3: the same key material twice is an error, whatever it is wrapped in.
            for raw in rebuilder.key.raw_keys() {
                if let Some(first) = owners.insert(raw, rebuilder.name.clone()) {
                    return Err(RebuildersError::SharedKey {
                        first,
                        second: rebuilder.name,
                        fingerprint: rebuilder.key.fingerprint(),
                    });
                }
            }
            list.push(rebuilder);
        }
        Ok(Self { operator: file.operator, list, certificates })
    }

    /// A list without anybody.
    pub(crate) const fn nobody() -> Self {
        Self { operator: None, list: Vec::new(), certificates: Vec::new() }
    }

    /// With what the rebuilders used of their quotas under an older list; who is given another quota begins anew.
    fn with_meters_of(mut self, older: &Self) -> Self {
        for rebuilder in &mut self.list {
            // A certificate may have got another subkey.
            let keys = rebuilder.key.raw_keys();
            let same = |one: &&Rebuilder| {
                one.quota == rebuilder.quota && one.key.raw_keys().iter().any(|key| keys.contains(key))
            };
            if let Some(same) = older.list.iter().find(same) {
                rebuilder.meter = Arc::clone(&same.meter);
            }
        }
        self
    }

    /// Who decides about the list, where the file says so.
    pub fn operator(&self) -> Option<&Operator> {
        self.operator.as_ref()
    }

    /// In the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Rebuilder> {
        self.list.iter()
    }
}

impl Rebuilder {
    /// As the file calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who it belongs to: its own name, where the file says nothing.
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.name)
    }

    /// 16 hexadecimal digits that name its key in URLs: the beginning of the SHA-256 of the fingerprint.
    pub fn id(&self) -> String {
        ArtifactDigest::of(self.key.fingerprint().as_bytes()).to_string()[..16].to_owned()
    }

    /// The armored text of its certificate, where it signs with OpenPGP.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// What its statements give as `rebuilder.id`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Mail address or URL.
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// What it signs with.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.contact)
    }
}

impl Entry {
    /// The file that `certificate` names, unless it is the certificate itself.
    fn certificate_file(&self, folder: &Path) -> Option<PathBuf> {
        let certificate = self.certificate.as_ref()?;
        (!certificate.trim_start().starts_with(ARMOR)).then(|| folder.join(certificate))
    }

    fn check(self, folder: &Path) -> Result<Rebuilder, RebuildersError> {
        let file = self.certificate_file(folder);
        let (text, armored) = match (self.key, self.certificate) {
            (Some(key), None) => (key, false),
            (None, Some(armored)) => (file.map_or(Ok(armored), |path| read(&path))?, true),
            (key, certificate) => {
                return Err(RebuildersError::KeyCount {
                    name: self.name,
                    found: usize::from(key.is_some()) + usize::from(certificate.is_some()),
                });
            }
        };
        match PublicKey::parse(&text) {
            Ok(key) => Ok(Rebuilder {
                name: self.name,
                group: self.group,
                url: self.url,
                contact: self.contact,
                key,
                certificate: armored.then_some(text),
                quota: self.quota,
                meter: Arc::default(),
            }),
            Err(source) => Err(RebuildersError::Key { name: self.name, source }),
        }
    }
}

fn read(path: &Path) -> Result<String, RebuildersError> {
    std::fs::read_to_string(path).map_err(|source| RebuildersError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn entry(name: &str, key: &str) -> String {
        format!("[[rebuilder]]\nname = '{name}'\nurl = 'https://{name}.example'\ncontact = 'x'\n{key}\n")
    }

    #[test]
    fn what_is_not_exactly_a_rebuilders_file_is_refused() {
        let key = format!("key = '{KEY}'");
        let cases = [
            ("an empty file", String::new()),
            ("an unknown key", entry("a", &format!("{key}\ntrusted = true"))),
            ("an unknown table", format!("{}[policy]\n", entry("a", &key))),
            ("a quota of nothing", entry("a", &format!("{key}\nquota = {{ per-day = 0 }}"))),
            ("an unknown part of a quota", entry("a", &format!("{key}\nquota = {{ per-hour = 1 }}"))),
            ("no contact", format!("[[rebuilder]]\nname = 'a'\nurl = 'u'\n{key}\n")),
        ];
        for (what, text) in cases {
            let error = Rebuilders::parse(&text, Path::new("")).unwrap_err();
            assert!(matches!(error, RebuildersError::Syntax(_)), "{what}: {error}");
        }
    }

    #[test]
    fn a_rebuilder_has_exactly_one_of_key_and_certificate() {
        for (lines, expected) in [("", 0), (&*format!("key = '{KEY}'\ncertificate = 'b.asc'"), 2)] {
            let error = Rebuilders::parse(&entry("a", lines), Path::new("")).unwrap_err();
            assert!(matches!(error, RebuildersError::KeyCount { found, .. } if found == expected), "{error}");
        }
    }

    #[test]
    fn one_key_under_two_names_is_refused() {
        let key = format!("key = '{KEY}'");
        let text = entry("a", &key) + &entry("b", &key);
        let error = Rebuilders::parse(&text, Path::new("")).unwrap_err();
        assert!(
            matches!(&error, RebuildersError::SharedKey { first, second, .. } if first == "a" && second == "b"),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_is_none_names_its_rebuilder() {
        for key in ["ed25519:AAAA", "rsa:AAAA", ""] {
            let error = Rebuilders::parse(&entry("a", &format!("key = '{key}'")), Path::new("")).unwrap_err();
            assert!(matches!(&error, RebuildersError::Key { name, .. } if name == "a"), "{error}");
        }
    }

    #[test]
    fn a_certificate_file_is_looked_up_beside_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let text = entry("a", "certificate = 'keys/a.asc'");
        let error = Rebuilders::parse(&text, folder.path()).unwrap_err();
        assert!(
            matches!(&error, RebuildersError::Read { path, .. } if *path == folder.path().join("keys/a.asc")),
            "{error}"
        );
    }

    #[test]
    fn a_list_keeps_its_order_and_its_operator() {
        let operator = "[operator]\nname = 'Example'\ncontact = 'https://log.example/join'\n";
        let text = format!("{operator}{}", entry("a", &format!("key = '{KEY}'")));
        let list = Rebuilders::parse(&text, Path::new("")).unwrap();
        assert_eq!(list.iter().map(Rebuilder::name).collect::<Vec<_>>(), ["a"]);
        assert_eq!(list.operator().unwrap().to_string(), "Example (https://log.example/join)");
    }
}
