//! Who takes part: three rebuilders in two groups.

use std::path::{Path, PathBuf};

use anyhow::Result;
use attest_tests::{
    command,
    gnupg::Gnupg,
    scene::{Member, Scene},
    tool,
};

use crate::narrator::Narrator;

/// Somebody who rebuilds and signs.
pub(crate) struct Rebuilder {
    pub(crate) member: Member,
    /// For `attest sign --signer`.
    pub(crate) signer: String,
}

/// Everybody, and where Carol's key is.
pub(crate) struct Cast {
    pub(crate) rebuilders: Vec<Rebuilder>,
    pub(crate) gnupg: Option<Gnupg>,
    /// Named by the policy of the first refusal; never rebuilds anything.
    pub(crate) dave: Member,
}

impl Cast {
    /// Makes everybody's key.
    pub(crate) fn hire(narrator: &mut Narrator, scene: &Scene) -> Result<Self> {
        narrator.step("Three rebuilders in two groups");
        narrator.say(
            "Alice and Bob work for the same university, Carol for a company. However many people a group has, it has one vote: \
             they share machines, bosses and mistakes.",
        );
        let alice = key_file(narrator, scene, "alice", "university")?;
        let bob = key_file(narrator, scene, "bob", "university")?;
        let (carol, gnupg) = if tool::find("gpg").is_some() {
            narrator.say("Carol signs with OpenPGP, through her own gpg; her secret key never leaves gpg's agent.");
            let gnupg = Gnupg::new("Carol <carol@example.org>")?;
            let member = Member::new("carol", "company", &gnupg.certificate()?);
            (Rebuilder { member, signer: format!("gpg:{}", gnupg.fingerprint()) }, Some(gnupg))
        } else {
            narrator.say("There is no gpg here, so Carol signs with Ed25519 as well (with gpg she would use OpenPGP).");
            (key_file(narrator, scene, "carol", "company")?, None)
        };
        let dave = made_silently(scene, "dave", "archive")?.member;
        Ok(Self { rebuilders: vec![alice, bob, carol], gnupg, dave })
    }

    /// As a policy names them.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.rebuilders.iter().map(|rebuilder| rebuilder.member.clone()).collect()
    }
}

fn key_file(narrator: &Narrator, scene: &Scene, name: &str, group: &str) -> Result<Rebuilder> {
    let (mut generate, file) = generate(scene, name);
    narrator.quietly(&mut generate, 0)?;
    named(scene, name, group, &file)
}

fn made_silently(scene: &Scene, name: &str, group: &str) -> Result<Rebuilder> {
    let (mut generate, file) = generate(scene, name);
    command::run(&mut generate)?.expect(0)?;
    named(scene, name, group, &file)
}

fn generate(scene: &Scene, name: &str) -> (std::process::Command, PathBuf) {
    let file = PathBuf::from(format!("{name}.key"));
    let mut generate = scene.attest();
    generate.args(["key", "generate", "-o"]).arg(&file);
    (generate, file)
}

fn named(scene: &Scene, name: &str, group: &str, file: &Path) -> Result<Rebuilder> {
    let mut show = scene.attest();
    let shown = command::run(show.args(["key", "show"]).arg(file))?.expect(0)?;
    let member = Member::new(name, group, shown.stdout.trim());
    Ok(Rebuilder { member, signer: file.display().to_string() })
}
