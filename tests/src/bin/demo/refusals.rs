//! What must not be installed, and is not.

use std::fs;

use anyhow::{Context, Result, bail};
use attest_core::{key::ed25519::SecretKey, statement::Predicate};
use attest_tests::{forge::Forge, http};

use crate::{
    journey::{Journey, statement, wheel},
    narrator::Narrator,
};

/// All four, each with the exit code that says what kind of "no" it is.
pub(crate) fn all(narrator: &mut Narrator, journey: &mut Journey<'_>) -> Result<()> {
    one_group_short(narrator, journey)?;
    one_byte_changed(narrator, journey)?;
    contradicted(narrator, journey)?;
    forked(narrator, journey)
}

fn one_group_short(narrator: &mut Narrator, journey: &Journey<'_>) -> Result<()> {
    narrator.step("First refusal: one group short");
    narrator.say(
        "Another user does not believe Carol but Dave, who has not rebuilt this wheel. Alice and Bob agree, but they are \
         one group: one vote, and two are wanted.",
    );
    journey.policy("policy-dave.toml", journey.log.url(), &["carol"])?;
    narrator.run(&mut journey.verification("policy-dave.toml"), 1)?;
    Ok(())
}

fn one_byte_changed(narrator: &mut Narrator, journey: &Journey<'_>) -> Result<()> {
    narrator.step("Second refusal: a wheel with one byte changed");
    narrator
        .say("The same name, the same size, and one bit in the middle is another one. Nobody ever rebuilt that file.");
    let mut bytes = fs::read(journey.scene.path("downloads").join(wheel()))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let changed = format!("changed/{}", wheel());
    journey.scene.write(&changed, bytes)?;
    let mut verify = journey.scene.attest();
    narrator.run(verify.args(["verify", &changed, "--policy", "policy.toml"]), 1)?;
    Ok(())
}

fn contradicted(narrator: &mut Narrator, journey: &Journey<'_>) -> Result<()> {
    narrator.step("Third refusal: a contradiction");
    narrator.say(
        "\"I could not rebuild it\" is mostly innocent and blocks nothing. \"From the very inputs that Carol names I got another \
         file\" is a proven contradiction: one of the two is wrong, and until somebody knows which, nobody installs it. Bob \
         signs one (the demo writes it for him, since his rebuild did agree) and submits it.",
    );
    let (carols, said) = journey.statement("carol")?;
    let Predicate::Reproduced(build) = said.predicate().clone() else {
        bail!("Carol's statement is no vote");
    };
    let secret = fs::read_to_string(journey.scene.path("bob.key"))?;
    let bob = Forge::with_key(SecretKey::parse(secret.trim_end())?);
    let contradiction = bob.contradiction(said.subject().clone(), build, carols.statement_id())?;
    journey.scene.write(&statement("contradiction"), contradiction.to_bytes())?;
    let mut submit = journey.scene.attest();
    submit.args([
        "submit",
        &statement("contradiction"),
        "--log",
        journey.log.url(),
        "--vkey",
        &journey.vkey.to_string(),
    ]);
    narrator.run(&mut submit, 0)?;
    narrator.run(&mut journey.verification("policy.toml"), 1)?;
    Ok(())
}

fn forked(narrator: &mut Narrator, journey: &mut Journey<'_>) -> Result<()> {
    narrator.step("Fourth refusal: a log that shows a fork");
    narrator.say(
        "The log's operator would like to hide Bob's contradiction, and shows this user another log: same name, same key, \
         the same statements, but not that one. Both histories are signed, and attest remembers the first.",
    );
    journey.wait_for_the_mirror()?;
    let twin = journey.run_twin()?;
    http::block_on(async {
        let mut connection = http::Connection::open(twin.url()).await?;
        for name in ["carol", "alice", "bob"] {
            let envelope = fs::read(journey.scene.path(&statement(name)))?;
            connection.submit(envelope.into()).await?;
        }
        // As many entries as the real log, so that it does not just look outdated.
        let secret = fs::read_to_string(journey.scene.path("alice.key"))?;
        let filler = Forge::with_key(SecretKey::parse(secret.trim_end())?).reproduced("filler", 1)?;
        connection.submit(filler.to_bytes().into()).await.context("filling up the twin")
    })?;
    journey.policy("policy-fork.toml", twin.url(), &[])?;
    narrator.run(&mut journey.verification("policy-fork.toml"), 4)?;

    narrator.say("The mirror is not taken in either: it keeps both signed histories as evidence, and stops.");
    journey.stop_the_mirror()?;
    let mut follow = journey.scene.attest_server();
    follow.args(["mirror", "--data", "mirror", "--upstream", twin.url()]);
    follow.args(["--vkey", &journey.vkey.to_string(), "--once"]);
    narrator.run(&mut follow, 4)?;
    Ok(())
}
