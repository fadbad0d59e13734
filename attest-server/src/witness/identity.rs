//! `DIR/witness.id`: that this folder is a witness's, and its public key; `DIR/witness.key`: the secret one.
//!
//! ```toml
//! format = 1
//! kind = "witness"
//! vkey = "witness.example.org+a9978b63+BLO470n/..."
//! ```
//!
//! Both are made at the first start, beside their place, and moved there whole. The key is no other party's: a log, a
//! mirror and an auditor have their own (docs/TRUST.md 1.3).

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use attest_core::note::{KeyName, KeyType, SignerKey, VerifierKey};
use serde::Deserialize;

use super::store;
use crate::store::durable;

const ID: &str = "witness.id";
const KEY: &str = "witness.key";
const FORMAT: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    kind: String,
    vkey: String,
}

/// Whether there is a witness in `data`.
pub(super) fn exists(data: &Path) -> bool {
    data.join(ID).exists()
}

/// Makes a witness of that name in `data`, which is missing or an empty folder.
pub(super) fn create(data: &Path, name: Option<&str>) -> anyhow::Result<()> {
    let name = name.with_context(|| {
        format!(
            "{} holds no witness, and --name was not given: expected the name of its cosignatures for ever after, such \
             as witness.example.org",
            data.display()
        )
    })?;
    let name = KeyName::new(name)?;
    ensure!(name.as_str().len() <= store::MAX_NAME, "--name: expected at most {} bytes", store::MAX_NAME);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gave no random bytes for a key")?;
    let key = SignerKey::from_seed(name, KeyType::CosignatureV1, seed);
    let beside = beside(data)?;
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("could not remove {}", beside.display()));
        }
        _ => {}
    }
    fs::create_dir_all(&beside)?;
    durable::write_secret(&beside.join(KEY), format!("{}\n", key.to_secret_string()).as_bytes())?;
    store::create_registry(&beside)?;
    let vkey = toml::Value::String(key.verifier().to_string());
    let id = format!("format = {FORMAT}\nkind = \"witness\"\nvkey = {vkey}\n");
    durable::write_new(&beside.join(ID), id.as_bytes(), 0o644)?;
    durable::sync_dir(&beside)?;
    // If we crash before this, there is no witness, and the next start makes another one.
    fs::rename(&beside, data)
        .with_context(|| format!("{} is not a witness, and not a new or empty folder either", data.display()))?;
    let parent = fs::canonicalize(data)?;
    Ok(parent.parent().map_or(Ok(()), durable::sync_dir)?)
}

/// The witness's key.
pub(super) fn read(data: &Path) -> anyhow::Result<SignerKey> {
    let path = data.join(ID);
    let text = fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let file: File = toml::from_str(&text).with_context(|| format!("{}: not a witness identity", path.display()))?;
    ensure!(
        file.format == FORMAT && file.kind == "witness",
        "{}: expected format {FORMAT} of kind \"witness\", found format {} of kind {:?}",
        path.display(),
        file.format,
        file.kind
    );
    let vkey: VerifierKey = file.vkey.parse().with_context(|| format!("{}: vkey", path.display()))?;
    let path = data.join(KEY);
    let secret = fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let key: SignerKey =
        secret.trim_end_matches('\n').parse().with_context(|| format!("{}: not a key", path.display()))?;
    ensure!(
        *key.verifier() == vkey && vkey.kind() == KeyType::CosignatureV1,
        "{}: expected the secret key of {vkey}, found that of {}",
        path.display(),
        key.verifier()
    );
    Ok(key)
}

fn beside(data: &Path) -> anyhow::Result<PathBuf> {
    let name = data.file_name().context("--data: expected the path of a folder")?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".init");
    Ok(data.with_file_name(hidden))
}
