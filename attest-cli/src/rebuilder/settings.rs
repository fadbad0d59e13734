//! `rebuilder.toml`: how a rebuilder works. `attest rebuilder init` writes it with every value in it; a person edits it.

use std::path::{Path, PathBuf};

use attest_core::note::VerifierKey;
use serde::{Deserialize, Serialize};

use super::job::Priority;
use crate::files;
use crate::signer::SignerSpec;

/// Largest settings file: hundreds of feeds.
const MAX_FILE: u64 = 1 << 20;
/// Nobody's server is asked more often than this.
const MIN_MINUTES: u64 = 1;

/// The whole file. Nothing in it has a default: what a rebuilder does stands there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// A key file in the data folder, or `gpg:FINGERPRINT`.
    signer: String,
    /// What becomes of "could not reproduce it".
    pub(crate) abstentions: Abstentions,
    /// How much.
    pub(crate) limits: Limits,
    /// Where statements go.
    #[serde(default, rename = "log", skip_serializing_if = "Vec::is_empty")]
    pub(crate) logs: Vec<Log>,
    /// Where jobs come from.
    #[serde(default, rename = "feed", skip_serializing_if = "Vec::is_empty")]
    pub(crate) feeds: Vec<Feed>,
}

/// `abstentions`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Abstentions {
    /// They stay here.
    Keep,
    /// They are signed and submitted like `reproduced`.
    Publish,
}

/// `[limits]`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Limits {
    /// How often a job is tried that fails or whose worker is lost.
    pub(crate) attempts: u32,
    /// Seconds before the second try; four times as many before each further one, at most a day.
    pub(crate) retry_seconds: u64,
    /// Seconds without a sign of life after which a worker is lost.
    pub(crate) lease_seconds: u64,
    /// Builds that begin within 24 hours.
    pub(crate) per_day: u64,
    /// The same for one project.
    pub(crate) per_project_per_day: u64,
    /// Megabytes that stay free: below, no work is given out.
    pub(crate) free_disk_mb: u64,
}

/// `[[log]]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// Where it is.
    pub(crate) url: String,
    /// Its verifier key.
    #[serde(with = "vkey")]
    pub(crate) vkey: VerifierKey,
}

/// `[[feed]]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Feed {
    /// What is read.
    pub(crate) source: FeedSource,
    /// How long between two looks.
    pub(crate) every_minutes: u64,
    /// Of the jobs that come from it.
    pub(crate) priority: Priority,
}

/// `source`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "there is a handful of them")]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum FeedSource {
    /// An index's RSS of newest releases.
    Releases {
        /// Where.
        url: String,
    },
    /// What changed on the index that pip is configured with, where it numbers its changes: the newest release of each
    /// project.
    Changes,
    /// A list of project names, most used first: the newest release of each.
    Top {
        /// A file, or where.
        from: String,
        /// How many of them.
        first: usize,
    },
    /// What others claim in a log.
    Log {
        /// Where.
        url: String,
        /// Its verifier key.
        #[serde(with = "vkey")]
        vkey: VerifierKey,
    },
}

mod vkey {
    use attest_core::note::VerifierKey;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(key: &VerifierKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(key)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VerifierKey, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{} is no rebuilder's data folder", .folder.display())]
    None { folder: PathBuf, source: files::FileError },
    #[error("{} is not as expected", .path.display())]
    Form { path: PathBuf, source: toml::de::Error },
    #[error("{}: expected {key} of at least {least}, found {found}", .path.display())]
    TooSmall { path: PathBuf, key: &'static str, least: u64, found: u64 },
}

impl Settings {
    /// What `init` writes.
    pub(crate) fn new(signer: &SignerSpec, abstentions: Abstentions, logs: Vec<Log>) -> Self {
        let signer = match signer {
            SignerSpec::File(path) => path.display().to_string(),
            SignerSpec::Gpg(fingerprint) => format!("gpg:{fingerprint}"),
        };
        let limits = Limits {
            attempts: 5,
            retry_seconds: 300,
            lease_seconds: 120,
            per_day: 2000,
            per_project_per_day: 20,
            free_disk_mb: 2048,
        };
        Self { signer, abstentions, limits, logs, feeds: Vec::new() }
    }

    /// Reads and checks the file.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let folder = path.parent().unwrap_or(path).to_owned();
        let bytes = files::read(path, MAX_FILE).map_err(|source| SettingsError::None { folder, source })?;
        let settings: Self = toml::from_str(&String::from_utf8_lossy(&bytes))
            .map_err(|source| SettingsError::Form { path: path.to_owned(), source })?;
        let limits = &settings.limits;
        // A limit of nothing is no way to say "do not": it would look like a rebuilder that hangs.
        let least = [
            ("limits.attempts", 1, u64::from(limits.attempts)),
            ("limits.retry-seconds", 1, limits.retry_seconds),
            ("limits.lease-seconds", 10, limits.lease_seconds),
            ("limits.per-day", 1, limits.per_day),
            ("limits.per-project-per-day", 1, limits.per_project_per_day),
        ];
        let polite = settings.feeds.iter().map(|feed| ("feed.every-minutes", MIN_MINUTES, feed.every_minutes));
        match least.into_iter().chain(polite).find(|(_, least, found)| found < least) {
            Some((key, least, found)) => Err(SettingsError::TooSmall { path: path.to_owned(), key, least, found }),
            None => Ok(settings),
        }
    }

    /// The file's text.
    pub(crate) fn to_text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!(
            "# How this rebuilder works; read when it starts. docs/rebuilder.md explains it.\n{}",
            toml::to_string(self)?
        ))
    }

    /// Who signs; a key file is looked for in the data folder.
    pub(crate) fn signer(&self, folder: &Path) -> Result<SignerSpec, crate::signer::SignerError> {
        Ok(match self.signer.parse()? {
            SignerSpec::File(path) => SignerSpec::File(folder.join(path)),
            gpg @ SignerSpec::Gpg(_) => gpg,
        })
    }
}

impl Limits {
    /// Seconds before a job is tried again that failed this often.
    pub(crate) fn delay(&self, failures: u32) -> u64 {
        const DAY: u64 = 24 * 60 * 60;
        let factor = 4u64.saturating_pow(failures.saturating_sub(1));
        self.retry_seconds.saturating_mul(factor).min(DAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rebuilder.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read(&path)
    }

    fn text() -> String {
        Settings::new(&SignerSpec::File("signer.key".into()), Abstentions::Keep, Vec::new()).to_text().unwrap()
    }

    #[test]
    fn what_init_writes_reads_back_and_feeds_can_be_added() {
        let feeds = "\n[[feed]]\nsource = { kind = \"releases\", url = \"https://index.example/rss\" }\nevery-minutes = 10\npriority = 2\n\
                     \n[[feed]]\nsource = { kind = \"top\", from = \"names.txt\", first = 100 }\nevery-minutes = 1440\npriority = -1\n\
                     \n[[feed]]\nsource = { kind = \"changes\" }\nevery-minutes = 60\npriority = 0\n";
        let settings = written(&(text() + feeds)).unwrap();
        assert_eq!(settings.feeds.len(), 3);
        assert_eq!(settings.feeds[1].source, FeedSource::Top { from: "names.txt".to_owned(), first: 100 });
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (from, to) in [
            ("abstentions = \"keep\"", ""),
            ("abstentions = \"keep\"", "abstentions = \"lose\""),
            ("attempts = 5", "attempts = 5\nforever = true"),
        ] {
            assert!(matches!(written(&text().replace(from, to)), Err(SettingsError::Form { .. })), "{to}");
        }
        let refused = written(&text().replace("per-day = 2000", "per-day = 0"));
        assert!(matches!(refused, Err(SettingsError::TooSmall { key: "limits.per-day", .. })));
    }

    #[test]
    fn delays_grow_up_to_a_day() {
        let limits = written(&text()).unwrap().limits;
        let delays: Vec<u64> = (1..=6).map(|failures| limits.delay(failures)).collect();
        assert_eq!(delays, [300, 1200, 4800, 19200, 76800, 86400]);
        assert_eq!(limits.delay(u32::MAX), 86400);
    }
}
