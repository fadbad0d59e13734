//! `attest rebuilder init`, `card`, `token`

use std::fs;

use attest_core::artifact::ArtifactDigest;
use attest_core::key::{PublicKey, ed25519::SecretKey};
use attest_core::note::VerifierKey;

use super::Data;
use crate::exit::{Exit, Failure};
use crate::files::{self, FileError, Mode};
use crate::rebuilder::card::{Card, CardError, Introduction, MAX_CARD};
use crate::rebuilder::coordinator::staff::new_token;
use crate::rebuilder::folder::Folder;
use crate::rebuilder::settings::{Abstentions, Log, Settings};
use crate::rebuilder::wire::is_plain;
use crate::run::Run;
use crate::signer::{Signer, SignerSpec, gpg_certificate};

/// Made in the data folder unless another signer is named.
const KEY: &str = "signer.key";

#[derive(Debug, clap::Args)]
pub(super) struct Init {
    #[command(flatten)]
    data: Data,
    /// Name, as policies and logs will list it
    #[arg(long)]
    name: String,
    /// The organisation whose vote it is; policies decide whether they count it so
    #[arg(long)]
    group: String,
    /// Mail address or URL of a person
    #[arg(long)]
    contact: String,
    /// Where the status page and results will be served
    #[arg(long)]
    url: Option<String>,
    /// Who signs [default: a new key in the data folder]
    #[arg(long, value_name = "FILE|gpg:FINGERPRINT")]
    signer: Option<SignerSpec>,
    /// What becomes of "could not reproduce it"
    #[arg(long, value_enum, default_value = "keep")]
    abstentions: Abstentions,
    /// Where statements go: a log's URL and its verifier key. May be given more than once
    #[arg(long, num_args = 2, value_names = ["URL", "VKEY"])]
    log: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CardArgs {
    #[command(flatten)]
    data: Data,
    /// What the file of `attest-server --rebuilders` takes
    #[arg(long, conflicts_with = "for_policy")]
    for_log: bool,
    /// What a policy takes; `attest policy add-rebuilder` does it for you
    #[arg(long)]
    for_policy: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Token {
    #[command(flatten)]
    data: Data,
    /// Name of the worker
    name: String,
}

/// The settings are written last: without them a folder is no rebuilder, and `init` can be run again.
pub(super) fn init(args: &Init, run: &Run) -> anyhow::Result<Exit> {
    let folder = args.data.folder();
    fs::create_dir_all(folder.path())?;
    let _lock = folder.lock()?;
    if folder.settings().exists() {
        let message = format!("{} is a rebuilder already", folder.path().display());
        return Err(Failure::usage(message).hint("a key is never replaced: name another folder").into());
    }
    let mut logs = Vec::new();
    for pair in args.log.chunks_exact(2) {
        let vkey: VerifierKey = pair[1].parse()?;
        logs.push(Log { url: pair[0].clone(), vkey });
    }
    let spec = match &args.signer {
        Some(SignerSpec::File(path)) => SignerSpec::File(std::path::absolute(path)?),
        Some(gpg) => gpg.clone(),
        None => make_key(&folder)?,
    };
    let signer = Signer::open(&spec)?;
    let key = match &spec {
        SignerSpec::File(_) => signer.public().fingerprint(),
        SignerSpec::Gpg(fingerprint) => gpg_certificate(fingerprint)?,
    };
    let introduction = Introduction::new(&args.name, &args.group, &args.contact, args.url.as_deref(), &key)?;
    let card = Card::sign(introduction, &signer)?;
    files::replace(&folder.card(), card.to_text().as_bytes(), Mode::Shared)?;
    let in_settings = if args.signer.is_none() { SignerSpec::File(KEY.into()) } else { spec };
    let settings = Settings::new(&in_settings, args.abstentions, logs);
    files::create(&folder.settings(), settings.to_text()?.as_bytes(), Mode::Shared)?;
    if run.out.is_json() {
        let document = serde_json::json!({
            "schema": "attest.rebuilder-init/v1",
            "card": folder.card(),
            "settings": folder.settings(),
            "fingerprint": signer.public().fingerprint(),
        });
        run.out.json(&document)?;
    } else {
        run.out.line(folder.card().display())?;
        run.out.note(format_args!("this rebuilder signs with {}", signer.public().fingerprint()));
    }
    let data = folder.path().display();
    run.out.hint(format_args!(
        "logs list it by `attest rebuilder card --data {data} --for-log`, policies by `attest policy add-rebuilder {}`",
        folder.card().display()
    ));
    Ok(Exit::Pass)
}

/// A key that an interrupted `init` made is used.
fn make_key(folder: &Folder) -> anyhow::Result<SignerSpec> {
    let path = folder.path().join(KEY);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::usage(format!("the system gives no random numbers: {error}")))?;
    let secret = format!("{}\n", SecretKey::from_seed(seed).to_secret_string());
    match files::create(&path, secret.as_bytes(), Mode::Private) {
        Ok(()) | Err(FileError::Exists { .. }) => Ok(SignerSpec::File(path)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn card(args: &CardArgs, run: &Run) -> anyhow::Result<Exit> {
    let card = read(&args.data.folder())?;
    let text = match (args.for_log, args.for_policy) {
        (true, _) => card.for_log(),
        (_, true) => card.for_policy(None),
        _ => card.to_text(),
    };
    run.out.line(text.trim_end())?;
    Ok(Exit::Pass)
}

/// The rebuilder's own card, which still has to be of the key that its settings name.
pub(super) fn read(folder: &Folder) -> Result<Card, CardError> {
    let bytes = files::read(&folder.card(), MAX_CARD).map_err(|error| CardError::Signer(error.into()))?;
    Card::parse(&bytes)
}

/// The coordinator keeps only the digest.
pub(super) fn token(args: &Token, run: &Run) -> anyhow::Result<Exit> {
    let folder = args.data.folder();
    Settings::read(&folder.settings())?;
    if !is_plain(&args.name) || args.name.starts_with(crate::rebuilder::queue::OWN) {
        return Err(Failure::usage(format!(
            "expected letters, digits, dots or dashes as a name, found {:?}",
            args.name
        ))
        .into());
    }
    let token = new_token()?;
    let digest = format!("{}\n", ArtifactDigest::of(token.as_bytes()));
    match files::create(&folder.workers().join(&args.name), digest.as_bytes(), Mode::Private) {
        Err(FileError::Exists { path }) => {
            let hint = format!("remove {} to take its token away", path.display());
            return Err(Failure::usage(format!("there is a worker {} already", args.name)).hint(hint).into());
        }
        written => written?,
    }
    if run.out.is_json() {
        run.out
            .json(&serde_json::json!({ "schema": "attest.rebuilder-token/v1", "name": args.name, "token": token }))?;
    } else {
        run.out.line(token)?;
        run.out.note("it is not kept here: put it into a file that only the worker can read (--token-file)");
    }
    Ok(Exit::Pass)
}

/// Who signs, held to the card.
pub(super) fn signer(folder: &Folder, settings: &Settings, card: &Card) -> anyhow::Result<Signer> {
    let signer = Signer::open(&settings.signer(folder.path())?)?;
    if same_key(signer.public(), card.introduction().key()) {
        return Ok(signer);
    }
    let message = format!(
        "expected the key of card.json ({}), found that rebuilder.toml names {}",
        card.introduction().key().fingerprint(),
        signer.public().fingerprint()
    );
    Err(Failure::usage(message).hint("a new key is a new rebuilder: `attest rebuilder init` in another folder").into())
}

/// A certificate may have been renewed meanwhile.
fn same_key(one: &PublicKey, other: &PublicKey) -> bool {
    one.fingerprint() == other.fingerprint()
}
