//! What is watched and who is told: `watch.toml`, or flags in the simple case.
//!
//! ```toml
//! every = "5m"
//!
//! [[log]]
//! vkey = "log.example.org/2026+…"
//! urls = ["https://log.example.org/2026"]
//! witnesses = "witnesses.policy"       # C2SP tlog-policy
//!
//! [watch]
//! projects = ["idna"]
//!
//! [[key]]
//! key = "ed25519:…"
//! statements = ["/var/lib/rebuilder/statements"]
//!
//! [[sink]]
//! name = "chat"
//! kind = "webhook"
//! url = "https://hooks.example.org/attest"
//! secret-file = "webhook.secret"
//! ```
//!
//! Paths are relative to the file's folder. A key that is not known is an error at its line.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use attest_core::{
    artifact::{ArtifactDigest, ArtifactError, ProjectName},
    key::{KeyError, PublicKey},
    note::VerifierKey,
    tlog_policy::{TlogPolicy, TlogPolicyError},
};
use serde::Deserialize;

use super::{
    event::Kind,
    health::Witness,
    interest::{Interest, Repository},
    keys::Own,
};
use crate::files::{self, FileError};

const MAX_FILE: u64 = 1 << 20;
/// A certificate with many user ids and signatures.
const MAX_CERTIFICATE: u64 = 1 << 20;
/// How often logs are looked at, unless it is said.
pub(crate) const EVERY: Span = Span(Duration::from_secs(5 * 60));
/// A log that is idle has its checkpoint cosigned again every ten minutes (docs/witness.md).
pub(crate) const STALL_AFTER: Span = Span(Duration::from_secs(6 * 3_600));
/// The same, for one witness.
pub(crate) const WITNESS_AFTER: Span = Span(Duration::from_secs(3_600));
/// How long a command may take for an event.
const EXEC_LIMIT: Span = Span(Duration::from_secs(60));

/// `30s`, `10m`, `2h`, `7d`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(Duration);

impl Span {
    pub(crate) const fn get(self) -> Duration {
        self.0
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a time from 1s to 90d, such as 30s, 10m, 2h, 7d, found {text:?}");
        let each = |unit: char, each: u64| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(each);
        let seconds =
            [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)].into_iter().find_map(|(unit, secs)| each(unit, secs));
        let seconds = seconds.filter(|seconds| (1..=90 * 86_400).contains(seconds)).ok_or_else(expected)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) every: Span,
    pub(crate) from_start: bool,
    /// Where the memory is; where it is not said, it follows from what is watched.
    pub(crate) state: Option<PathBuf>,
    /// None: those of the policy.
    pub(crate) logs: Vec<Log>,
    pub(crate) interest: Interest,
    /// Locks and wheels whose files are judged by the policy.
    pub(crate) accepted: Vec<PathBuf>,
    pub(crate) keys: Vec<Own>,
    pub(crate) sinks: Vec<SinkSettings>,
    pub(crate) stall_after: Span,
    pub(crate) witness_after: Span,
}

/// A log to follow.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) vkey: VerifierKey,
    pub(crate) urls: Vec<String>,
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) stall_after: Span,
    pub(crate) witness_after: Span,
}

/// Who is told.
#[derive(Clone, Debug)]
pub(crate) struct SinkSettings {
    pub(crate) name: String,
    pub(crate) only: Option<Vec<Kind>>,
    pub(crate) target: TargetSettings,
}

/// How.
#[derive(Clone, Debug)]
pub(crate) enum TargetSettings {
    Exec { command: Vec<String>, limit: Span },
    Webhook { url: String, secret: PathBuf },
    Lines { path: PathBuf },
    Stdout,
    Atom { path: PathBuf, title: String },
}

/// There are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is not as expected", .path.display())]
    Form { path: PathBuf, source: toml::de::Error },
    #[error("{} is no list of witnesses", .path.display())]
    Witnesses { path: PathBuf, source: TlogPolicyError },
    #[error("expected the name of a project, found {found:?}")]
    Project { found: String, source: ArtifactError },
    #[error("expected a sha256 of 64 hex digits, found {found:?}")]
    Digest { found: String },
    #[error("expected a repository as https://HOST/PATH, found {found:?}")]
    Repository { found: String },
    #[error("expected ed25519:BASE64 or a file with an OpenPGP certificate, found {found:?}")]
    Key { found: String, source: KeyError },
    #[error("log {origin} has no URL")]
    NoUrl { origin: String },
    #[error("two sinks are called {name:?}: what each was told is remembered by its name")]
    SameName { name: String },
    #[error("sink {name:?}: `command` is empty")]
    NoCommand { name: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileForm {
    every: Option<Span>,
    #[serde(default)]
    from_start: bool,
    state: Option<PathBuf>,
    stall_after: Option<Span>,
    witness_after: Option<Span>,
    #[serde(default, rename = "log")]
    logs: Vec<LogForm>,
    #[serde(default)]
    watch: WatchForm,
    #[serde(default, rename = "key")]
    keys: Vec<KeyForm>,
    #[serde(default, rename = "sink")]
    sinks: Vec<SinkForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LogForm {
    vkey: String,
    urls: Vec<String>,
    witnesses: Option<PathBuf>,
    stall_after: Option<Span>,
    witness_after: Option<Span>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WatchForm {
    #[serde(default)]
    projects: Vec<String>,
    #[serde(default)]
    digests: Vec<String>,
    #[serde(default)]
    repositories: Vec<String>,
    #[serde(default)]
    accepted: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KeyForm {
    /// `ed25519:BASE64`, or the path of a certificate.
    key: String,
    #[serde(default)]
    statements: Vec<PathBuf>,
    #[serde(default)]
    statement_ids: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum SinkForm {
    Exec { name: String, events: Option<Vec<Kind>>, command: Vec<String>, timeout: Option<Span> },
    Webhook { name: String, events: Option<Vec<Kind>>, url: String, secret_file: PathBuf },
    Jsonl { name: String, events: Option<Vec<Kind>>, path: PathBuf },
    Atom { name: String, events: Option<Vec<Kind>>, path: PathBuf, title: Option<String> },
}

impl Settings {
    /// Nothing is watched, by nobody.
    pub(crate) fn new() -> Self {
        Self {
            every: EVERY,
            from_start: false,
            state: None,
            logs: Vec::new(),
            interest: Interest::default(),
            accepted: Vec::new(),
            keys: Vec::new(),
            sinks: Vec::new(),
            stall_after: STALL_AFTER,
            witness_after: WITNESS_AFTER,
        }
    }

    /// Reads `watch.toml`.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let path = super::sinks::absolute(path);
        let form = |source| SettingsError::Form { path: path.clone(), source };
        let text = files::read(&path, MAX_FILE)?;
        let file: FileForm = toml::from_str(&String::from_utf8_lossy(&text)).map_err(form)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut settings = Self {
            every: file.every.unwrap_or(EVERY),
            from_start: file.from_start,
            state: file.state.map(|state| folder.join(state)),
            stall_after: file.stall_after.unwrap_or(STALL_AFTER),
            witness_after: file.witness_after.unwrap_or(WITNESS_AFTER),
            accepted: file.watch.accepted.iter().map(|path| folder.join(path)).collect(),
            ..Self::new()
        };
        for log in file.logs {
            settings.add_log(log, folder, &path)?;
        }
        file.watch.projects.iter().try_for_each(|name| settings.add_project(name))?;
        file.watch.digests.iter().try_for_each(|digest| settings.add_digest(digest))?;
        file.watch.repositories.iter().try_for_each(|url| settings.add_repository(url))?;
        for key in file.keys {
            let within = |paths: Vec<PathBuf>| paths.iter().map(|path| folder.join(path)).collect();
            let own = Own {
                key: read_key(&key.key, folder)?,
                statements: within(key.statements),
                lists: within(key.statement_ids),
            };
            settings.keys.push(own);
        }
        for sink in file.sinks {
            settings.add_sink(sink.into_settings(folder)?)?;
        }
        Ok(settings)
    }

    fn add_log(&mut self, log: LogForm, folder: &Path, path: &Path) -> Result<(), SettingsError> {
        // As an error of the file: it has a line there.
        let vkey = log.vkey.parse::<VerifierKey>().map_err(|error| SettingsError::Form {
            path: path.to_owned(),
            source: serde::de::Error::custom(format!("log {:?}: {error}", log.vkey)),
        })?;
        if log.urls.is_empty() {
            return Err(SettingsError::NoUrl { origin: vkey.name().as_str().to_owned() });
        }
        let witnesses = log.witnesses.map(|file| read_witnesses(&folder.join(file))).transpose()?;
        self.logs.push(Log {
            vkey,
            urls: log.urls,
            witnesses: witnesses.unwrap_or_default(),
            stall_after: log.stall_after.unwrap_or(self.stall_after),
            witness_after: log.witness_after.unwrap_or(self.witness_after),
        });
        Ok(())
    }

    pub(crate) fn add_project(&mut self, name: &str) -> Result<(), SettingsError> {
        let project =
            ProjectName::new(name).map_err(|source| SettingsError::Project { found: name.to_owned(), source })?;
        self.interest.projects.insert(project);
        Ok(())
    }

    pub(crate) fn add_digest(&mut self, text: &str) -> Result<(), SettingsError> {
        let digest: Result<ArtifactDigest, _> = text.strip_prefix("sha256:").unwrap_or(text).parse();
        self.interest.digests.insert(digest.map_err(|_| SettingsError::Digest { found: text.to_owned() })?);
        Ok(())
    }

    pub(crate) fn add_repository(&mut self, url: &str) -> Result<(), SettingsError> {
        let repository = Repository::parse(url).ok_or_else(|| SettingsError::Repository { found: url.to_owned() })?;
        self.interest.repositories.insert(repository);
        Ok(())
    }

    pub(crate) fn add_sink(&mut self, sink: SinkSettings) -> Result<(), SettingsError> {
        if self.sinks.iter().any(|other| other.name == sink.name) {
            return Err(SettingsError::SameName { name: sink.name });
        }
        self.sinks.push(sink);
        Ok(())
    }
}

impl SinkForm {
    fn into_settings(self, folder: &Path) -> Result<SinkSettings, SettingsError> {
        let (name, only, target) = match self {
            Self::Exec { name, command, .. } if command.is_empty() => return Err(SettingsError::NoCommand { name }),
            Self::Exec { name, events, command, timeout } => {
                (name, events, TargetSettings::Exec { command, limit: timeout.unwrap_or(EXEC_LIMIT) })
            }
            Self::Webhook { name, events, url, secret_file } => {
                (name, events, TargetSettings::Webhook { url, secret: folder.join(secret_file) })
            }
            Self::Jsonl { name, events, path } if path.as_os_str() == "-" => (name, events, TargetSettings::Stdout),
            Self::Jsonl { name, events, path } => (name, events, TargetSettings::Lines { path: folder.join(path) }),
            Self::Atom { name, events, path, title } => {
                let title = title.unwrap_or_else(|| "attest log watch".to_owned());
                (name, events, TargetSettings::Atom { path: folder.join(path), title })
            }
        };
        Ok(SinkSettings { name, only, target })
    }
}

impl TargetSettings {
    /// A program alone, with the usual limit.
    pub(crate) fn program(program: String) -> Self {
        Self::Exec { command: vec![program], limit: EXEC_LIMIT }
    }
}

/// The witnesses of a tlog-policy.
pub(crate) fn read_witnesses(path: &Path) -> Result<Vec<Witness>, SettingsError> {
    let bytes = files::read(path, TlogPolicy::MAX_LEN as u64)?;
    let policy =
        TlogPolicy::parse(&bytes).map_err(|source| SettingsError::Witnesses { path: path.to_owned(), source })?;
    let witness = |witness: &attest_core::tlog_policy::PolicyWitness| Witness {
        name: witness.key().name().as_str().to_owned(),
        key: witness.key().clone(),
        url: witness.url().map(ToString::to_string),
    };
    Ok(policy.witnesses().iter().map(witness).collect())
}

/// A key as it is written, or the certificate in a file.
pub(crate) fn read_key(text: &str, folder: &Path) -> Result<PublicKey, SettingsError> {
    let failed = |source| SettingsError::Key { found: text.to_owned(), source };
    if text.starts_with("ed25519:") {
        return PublicKey::parse(text).map_err(failed);
    }
    let bytes = files::read(&folder.join(text), MAX_CERTIFICATE)?;
    PublicKey::parse(&String::from_utf8_lossy(&bytes)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "log.test/a+61cfac42+AdD/bfTTLpSuEX6fo/Nnkq5dEWO95ySC8jyvoHtvO0Bk";

    fn read(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let witnesses = "witness w1 witness.test/w1+a9978b63+BLO470n/vDZO07Vjxvi6Qehj7iMMwJnnlwTBN5Wo4UFo https://w.test\nquorum w1\n";
        std::fs::write(folder.path().join("witnesses.policy"), witnesses).unwrap();
        std::fs::write(folder.path().join("watch.toml"), text).unwrap();
        Settings::read(&folder.path().join("watch.toml"))
    }

    fn whole() -> String {
        format!(
            "every = \"90s\"\nstall-after = \"1d\"\nfrom-start = true\nstate = \"memory\"\n\
             [[log]]\nvkey = \"{KEY}\"\nurls = [\"https://log.test\"]\nwitnesses = \"witnesses.policy\"\nwitness-after = \"2h\"\n\
             [watch]\nprojects = [\"Some_Project\"]\ndigests = [\"sha256:{}\"]\n\
             repositories = [\"https://github.com/kjd/idna.git\"]\naccepted = [\"uv.lock\"]\n\
             [[sink]]\nname = \"a\"\nkind = \"exec\"\ncommand = [\"notify\", \"--all\"]\nevents = [\"fork\", \"stall\"]\n\
             [[sink]]\nname = \"b\"\nkind = \"webhook\"\nurl = \"https://h.test\"\nsecret-file = \"s\"\n\
             [[sink]]\nname = \"c\"\nkind = \"jsonl\"\npath = \"-\"\n\
             [[sink]]\nname = \"d\"\nkind = \"atom\"\npath = \"feed.xml\"\n",
            "ab".repeat(32)
        )
    }

    #[test]
    fn a_whole_file_is_read_and_paths_are_relative_to_it() {
        let settings = read(&whole()).unwrap();
        assert_eq!(settings.every.get().as_secs(), 90);
        let log = &settings.logs[0];
        assert_eq!((log.stall_after.get().as_secs(), log.witness_after.get().as_secs()), (86_400, 7_200));
        assert_eq!(log.witnesses[0].name, "witness.test/w1");
        assert_eq!(settings.interest.projects.first().unwrap().as_str(), "some-project");
        assert!(settings.state.unwrap().is_absolute() && settings.accepted[0].is_absolute());
        assert_eq!(settings.sinks[0].only, Some(vec![Kind::Fork, Kind::Stall]));
        assert!(matches!(settings.sinks[2].target, TargetSettings::Stdout));
        assert_eq!(settings.sinks.len(), 4);
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_not_left_out() {
        for (from, to) in [
            ("every = \"90s\"", "every = \"soon\""),
            ("every = \"90s\"", "evry = \"90s\""),
            ("projects = [", "project = ["),
            ("Some_Project", "../etc"),
            ("sha256:ab", "sha256:xy"),
            ("https://github.com/kjd/idna.git", "github.com/kjd/idna"),
            ("kind = \"exec\"", "kind = \"shell\""),
            ("command = [\"notify\", \"--all\"]", "command = []"),
            ("[\"fork\", \"stall\"]", "[\"everything\"]"),
            ("name = \"b\"", "name = \"a\""),
            ("secret-file = \"s\"", "secret = \"s\""),
            ("urls = [\"https://log.test\"]", "urls = []"),
            ("log.test/a+61cfac42", "log.test/a+00000000"),
            ("witnesses.policy\"\n", "missing\"\n"),
        ] {
            assert!(whole().contains(from), "{from}");
            assert!(read(&whole().replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn times_have_bounds() {
        for (text, seconds) in [("1s", 1), ("10m", 600), ("2h", 7_200), ("90d", 7_776_000)] {
            assert_eq!(text.parse::<Span>().unwrap().get().as_secs(), seconds);
        }
        for text in ["", "0s", "91d", "1", "-1s", "1.5h", "1w", "99999999999999999999s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
