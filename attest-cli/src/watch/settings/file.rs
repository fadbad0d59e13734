//! `watch.toml`: what is watched and who is told.
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

use std::path::{Path, PathBuf};

use attest_core::{key::PublicKey, note::VerifierKey, tlog_policy::TlogPolicy};
use serde::Deserialize;

use super::{
    EVERY, EXEC_LIMIT, Log, STALL_AFTER, Settings, SettingsError, SinkSettings, Span, TargetSettings, WITNESS_AFTER,
};
use crate::{
    files,
    watch::{event::Kind, health::Witness, keys::Own, sinks},
};

const MAX_FILE: u64 = 1 << 20;
/// A certificate with many user ids and signatures.
const MAX_CERTIFICATE: u64 = 1 << 20;

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
    /// Reads `watch.toml`.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let path = sinks::absolute(path);
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
}
