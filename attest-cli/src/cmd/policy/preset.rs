//! Policies to begin with. What is written is read back by the one policy parser before anybody sees it.

use std::{fmt::Write as _, path::Path};

use attest_core::{key::PublicKey, note::VerifierKey, policy::Policy, time::Timestamp};

use crate::{
    exit::Failure,
    files,
    signer::{Signer, SignerSpec, gpg_certificate},
};

/// A policy that nobody looked at for a year is out of date.
const LIFETIME_SECS: u64 = 365 * 24 * 60 * 60;
/// An armored certificate.
const MAX_CERTIFICATE: u64 = 1024 * 1024;
const QUORUM: u32 = 2;

/// `--preset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Preset {
    /// Your own rebuilds are enough.
    #[value(name = "self")]
    Own,
    /// Independent groups must agree.
    Quorum,
}

/// A policy in the making.
#[derive(Debug)]
pub(super) struct Draft {
    preset: Preset,
    threshold: Option<u32>,
    keys: Vec<Key>,
    logs: Vec<(VerifierKey, Vec<String>)>,
    witnesses: Vec<(String, VerifierKey)>,
}

#[derive(Debug)]
struct Key {
    group: Option<String>,
    fingerprint: String,
    certificate: Option<String>,
}

impl Draft {
    pub(super) fn new(preset: Preset, threshold: Option<u32>) -> Self {
        Self { preset, threshold, keys: Vec::new(), logs: Vec::new(), witnesses: Vec::new() }
    }

    /// `[GROUP=]KEY`
    pub(super) fn key(&mut self, text: &str) -> anyhow::Result<()> {
        let is_bare = text.starts_with("ed25519:") || text.starts_with("gpg:");
        let (group, key) = match text.split_once('=') {
            Some((group, key)) if !is_bare => (Some(group.to_owned()), key),
            _ => (None, text),
        };
        match (self.preset, &group) {
            (Preset::Own, Some(group)) => {
                let message = format!("all your own keys are one group: leave out {group:?}");
                return Err(Failure::usage(message).into());
            }
            (Preset::Quorum, None) => {
                let hint = "for example --key debian=ed25519:BASE64";
                return Err(Failure::usage(format!("expected GROUP=KEY, found {text:?}")).hint(hint).into());
            }
            _ => {}
        }
        let (fingerprint, certificate) = public(key)?;
        self.keys.push(Key { group, fingerprint, certificate });
        Ok(())
    }

    /// The key that `attest key generate` made.
    pub(super) fn own_key_file(&mut self, path: &Path) -> anyhow::Result<()> {
        if !path.exists() {
            let hint = "make one with `attest key generate`, or give one with --key";
            return Err(Failure::usage("you have no signing key yet").hint(hint).into());
        }
        let (fingerprint, certificate) = public(&path.to_string_lossy())?;
        self.keys.push(Key { group: None, fingerprint, certificate });
        Ok(())
    }

    pub(super) fn log(&mut self, vkey: VerifierKey, url: &str) {
        match self.logs.iter_mut().find(|(known, _)| *known == vkey) {
            Some((_, urls)) => urls.push(url.to_owned()),
            None => self.logs.push((vkey, vec![url.to_owned()])),
        }
    }

    /// `GROUP=VKEY`
    pub(super) fn witness(&mut self, text: &str) -> anyhow::Result<()> {
        let (group, vkey) =
            text.split_once('=').ok_or_else(|| Failure::usage(format!("expected GROUP=VKEY, found {text:?}")))?;
        self.witnesses.push((group.to_owned(), vkey.parse()?));
        Ok(())
    }

    /// The policy file.
    pub(super) fn print(&self, now: Timestamp) -> anyhow::Result<String> {
        if self.preset == Preset::Quorum && self.logs.is_empty() {
            let hint = "name one with --log VKEY URL";
            return Err(Failure::usage("the votes of others count only in a log, and none is named").hint(hint).into());
        }
        let text = self.text(now);
        Policy::parse(&text)
            .map_err(|error| Failure::usage(format!("these keys and logs make no policy: {}", error.kind)))?;
        Ok(text)
    }

    fn text(&self, now: Timestamp) -> String {
        let threshold = self.threshold.unwrap_or(match self.preset {
            Preset::Own => 1,
            Preset::Quorum => QUORUM,
        });
        let expires = Timestamp::from_secs(now.secs() + LIFETIME_SECS);
        let mut text = format!(
            "# Who is believed, and how many of them are needed. `attest policy check` explains it.\n\
             version = 1\n\
             # Raise it with every change: attest remembers the highest one, and alarms when an older policy comes back.\n\
             serial = 1\n\
             expires = {expires}\n\
             # Independent groups that must agree on one source.\n\
             threshold = {threshold}\n\
             # An sdist may hold what no commit of the project does: take \"sdist\" out when your rebuilders build from git.\n\
             accept-origin = [\"git\", \"sdist\"]\n\
             # \"exact\": the build gave the very bytes; \"replayed\": after setting times, modes and order of the zip file.\n\
             accept-method = [\"exact\", \"replayed\"]\n\
             # \"complete\" asks for proof that no dissent was withheld, signed by [[auditor]] keys.\n\
             negatives = \"best-effort\"\n"
        );
        text.push_str(&self.witnessing());
        text.push_str("clock-skew = \"5m\"\n");
        self.parties(&mut text);
        for (vkey, urls) in &self.logs {
            let urls: Vec<String> = urls.iter().map(|url| quoted(url)).collect();
            let vkey = quoted(&vkey.to_string());
            append(&mut text, format_args!("\n[[log]]\nvkey = {vkey}\nurls = [{}]\n", urls.join(", ")));
        }
        for (group, vkey) in &self.witnesses {
            let (name, group) = (quoted(vkey.name().as_str()), quoted(group));
            let vkey = quoted(&vkey.to_string());
            append(&mut text, format_args!("\n[[witness]]\nname = {name}\ngroup = {group}\nvkey = {vkey}\n"));
        }
        text
    }

    /// With witnesses, more than half of their groups; without, the file says so in words.
    fn witnessing(&self) -> String {
        let mut groups: Vec<&String> = self.witnesses.iter().map(|(group, _)| group).collect();
        groups.sort();
        groups.dedup();
        if groups.is_empty() {
            return "# Without witnesses nobody vouches that everybody is shown the same log.\n\
                    witness-threshold = \"none\"\n\
                    max-checkpoint-age = \"unchecked\"\n\
                    offline-max-age = \"unchecked\"\n"
                .to_owned();
        }
        format!(
            "# Groups of witnesses that must have cosigned a checkpoint within its age.\n\
             witness-threshold = {}\n\
             max-checkpoint-age = \"24h\"\n\
             offline-max-age = \"30d\"\n",
            groups.len() / 2 + 1
        )
    }

    fn parties(&self, text: &mut String) {
        for (nth, key) in (1..).zip(&self.keys) {
            let fingerprint = quoted(&key.fingerprint);
            match &key.group {
                None => {
                    let name = if nth == 1 { "me".to_owned() } else { format!("me-{nth}") };
                    append(text, format_args!("\n[[self]]\nname = \"{name}\"\nkey = {fingerprint}\n"));
                }
                Some(group) => {
                    let earlier = self.keys[..nth - 1].iter().filter(|other| other.group == key.group).count();
                    let name = if earlier == 0 { group.clone() } else { format!("{group}-{}", earlier + 1) };
                    let (name, group) = (quoted(&name), quoted(group));
                    append(
                        text,
                        format_args!(
                            "\n[[rebuilder]]\nname = {name}\ngroup = {group}\nstatus = \"current\"\nkey = {fingerprint}\n"
                        ),
                    );
                }
            }
            if let Some(certificate) = &key.certificate {
                append(text, format_args!("certificate = \"\"\"\n{}\n\"\"\"\n", certificate.trim()));
            }
        }
    }
}

/// Fingerprint, and the certificate where the key is an OpenPGP one.
fn public(key: &str) -> anyhow::Result<(String, Option<String>)> {
    if key.starts_with("ed25519:") {
        return Ok((PublicKey::parse(key)?.fingerprint(), None));
    }
    if let SignerSpec::Gpg(fingerprint) = key.parse()? {
        let armored = gpg_certificate(&fingerprint)?;
        return Ok((PublicKey::parse(&armored)?.fingerprint(), Some(armored)));
    }
    let path = Path::new(key);
    let bytes = files::read(path, MAX_CERTIFICATE)?;
    let text = String::from_utf8_lossy(&bytes);
    if text.trim_start().starts_with("-----BEGIN PGP") {
        return Ok((PublicKey::parse(&text)?.fingerprint(), Some(text.into_owned())));
    }
    if let Ok(public) = PublicKey::parse(text.trim()) {
        return Ok((public.fingerprint(), None));
    }
    let signer = Signer::open(&SignerSpec::File(path.to_owned()))?;
    Ok((signer.public().fingerprint(), None))
}

/// As a TOML basic string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn append(text: &mut String, more: std::fmt::Arguments<'_>) {
    // A String takes whatever memory holds.
    let _always = text.write_fmt(more);
}
