//! `attest key generate`, `attest key show`

use std::path::PathBuf;

use attest_core::key::{PublicKey, ed25519::SecretKey};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    files::{self, FileError, Mode},
    run::Run,
    signer::{Signer, SignerSpec, gpg_certificate},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make an Ed25519 key, readable only by you; prints the public half
    Generate {
        /// The new key file [default: ~/.config/attest/signer.key of the account].
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the public half of a key, as policies and logs name it
    Show {
        /// A key file, or gpg:FINGERPRINT.
        #[arg(value_name = "FILE|gpg:FINGERPRINT")]
        signer: SignerSpec,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    fingerprint: &'a str,
    /// What a policy's `key` (Ed25519) or `certificate` (OpenPGP) holds.
    public: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a PathBuf>,
}

const SCHEMA: &str = "attest.key/v1";

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    match &args.what {
        What::Generate { output } => generate(output.as_ref(), run),
        What::Show { signer } => show(signer, run),
    }
}

fn generate(output: Option<&PathBuf>, run: &Run) -> anyhow::Result<Exit> {
    let path = match output {
        Some(path) => path.clone(),
        None => run.places()?.key()?,
    };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::usage(format!("the system gives no random numbers: {error}")))?;
    let secret = SecretKey::from_seed(seed);
    let public = PublicKey::Ed25519(secret.public()).fingerprint();
    let written = files::create(&path, format!("{}\n", secret.to_secret_string()).as_bytes(), Mode::Private);
    if let Err(FileError::Exists { .. }) = written {
        let hint = "a key is never overwritten: name another file with -o, or keep using this one";
        return Err(Failure::usage(format!("{} exists already", path.display())).hint(hint).into());
    }
    written?;
    if run.out.is_json() {
        let document = Document { schema: SCHEMA, fingerprint: &public, public: &public, file: Some(&path) };
        run.out.json(&document)?;
    } else {
        run.out.line(&public)?;
        run.out.note(format_args!("the secret half is in {}: only you can read it; keep a copy", path.display()));
    }
    Ok(Exit::Pass)
}

fn show(signer: &SignerSpec, run: &Run) -> anyhow::Result<Exit> {
    let public = Signer::open(signer)?.public().clone();
    let fingerprint = public.fingerprint();
    let text = match signer {
        SignerSpec::File(_) => fingerprint.clone(),
        SignerSpec::Gpg(key) => gpg_certificate(key)?.trim_end().to_owned(),
    };
    if run.out.is_json() {
        run.out.json(&Document { schema: SCHEMA, fingerprint: &fingerprint, public: &text, file: None })?;
    } else {
        run.out.line(&text)?;
        if text != fingerprint {
            run.out.note(&fingerprint);
        }
    }
    Ok(Exit::Pass)
}
