//! Statements and GnuPG: what gpg signed verifies here, and what is in the log verifies with gpg and nothing of ours.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use attest_core::{
    envelope::{Envelope, Signature, pae},
    key::{PublicKey, openpgp},
};
use attest_tests::{
    command,
    forge::Forge,
    gnupg::Gnupg,
    http::{Connection, block_on},
    readme,
    replica::Replica,
    scene::{Member, Scene},
    tool,
};
use hyper::body::Bytes;

/// Signs a statement's bytes with plain gpg, the way `attest sign` does it.
fn sign(gnupg: &Gnupg, scene: &Scene, payload: Vec<u8>) -> Result<Envelope> {
    let signed = scene.write("to-sign", pae(&payload))?;
    let signature = scene.path("to-sign.sig");
    let user = format!("{}!", gnupg.fingerprint());
    let mut gpg = gnupg.gpg();
    gpg.args(["--no-options", "--yes", "--digest-algo", "SHA512", "--local-user", &user, "--detach-sign"]);
    command::run(gpg.arg("--output").arg(&signature).arg(&signed))?.expect(0)?;
    Ok(Envelope::new(payload, Signature::OpenPgp(openpgp::packet(&fs::read(signature)?)?))?)
}

#[test]
fn a_signature_made_by_gpg_verifies_in_attest_and_a_changed_statement_does_not() -> Result<()> {
    if !tool::have(&["gpg"]) {
        return Ok(());
    }
    let (scene, gnupg) = (Scene::new()?, Gnupg::new("carol <carol@example.org>")?);
    let key = PublicKey::parse(&gnupg.certificate()?)?;
    let payload = Forge::new()?.reproduced("bygpg", 1)?.payload().to_vec();
    let envelope = sign(&gnupg, &scene, payload.clone())?;
    ensure!(
        envelope.verify(&key)?.id() == envelope.statement_id(),
        "the statement that was verified is the one in the envelope"
    );

    let mut changed = payload;
    let last = changed.len() - 2;
    changed[last] ^= 1;
    let forged = Envelope::new(changed, envelope.signature().clone())?;
    ensure!(forged.verify(&key).is_err(), "a signature over other bytes must not verify");
    Ok(())
}

#[test]
fn gpg_verifies_a_logged_statement_by_the_readme_s_own_commands() -> Result<()> {
    if !tool::have(&["gpg", "python3"]) {
        return Ok(());
    }
    let (scene, gnupg) = (Scene::new()?, Gnupg::new("carol <carol@example.org>")?);
    let log = scene.init_log("log", "gpg.example")?;
    let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("carol", "c", &gnupg.certificate()?)])?;
    let server = scene.run_log("log", &rebuilders)?;
    let envelope = sign(&gnupg, &scene, Forge::new()?.reproduced("bygpg", 1)?.payload().to_vec())?;
    let replica = block_on(async {
        Connection::open(server.url()).await?.submit(Bytes::from(envelope.to_bytes())).await?;
        Replica::read(server.url(), &log).await
    })?;
    scene.write("statement.json", replica.entries().first().context("an empty log")?.as_bytes())?;

    let mut by_hand = Command::new("sh");
    by_hand
        .args(["-e", "-c", &readme::commands("Check a statement with nothing but gpg")?])
        .current_dir(scene.path(""))
        .env("GNUPGHOME", gnupg.home());
    command::run(&mut by_hand)?.expect(0)?.expect_words("Good signature")?;

    let mut signed = fs::read(scene.path("signed"))?;
    if let Some(byte) = signed.last_mut() {
        *byte ^= 1;
    }
    scene.write("signed", signed)?;
    let mut again = gnupg.gpg();
    again.args(["--verify", "signed.sig", "signed"]).current_dir(scene.path(""));
    command::run(&mut again)?.expect(1)?;
    Ok(())
}
