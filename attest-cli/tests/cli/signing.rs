//! Keys, signatures and withdrawals, with key files and with the user's own gpg.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::Envelope,
    key::PublicKey,
    statement::{Predicate, Statement},
};
use serde_json::json;

use crate::world::{Done, WHEEL, World, has, public, run, statement};

/// A result folder as `attest rebuild` leaves it.
fn result(world: &World, network: &str) -> &'static str {
    result_by(world, network, "INFERRED", include_str!("recipe.toml"))
}

fn result_by(world: &World, network: &str, kind: &str, recipe: &str) -> &'static str {
    let published = world.digest();
    let mut files = vec![];
    for (name, text) in
        [("recipe.toml", recipe), ("build.lock", ""), ("build.log", "building\n"), ("report.json", "{}")]
    {
        world.write(&format!("result/{name}"), text);
        files.push(json!({ "name": name, "sha256": ArtifactDigest::of(text.as_bytes()) }));
    }
    world.write(&format!("result/{WHEEL}"), "the published bytes");
    let tool = |version: &str| json!({ "version": version });
    let record = json!({
        "schema": "https://w3id.org/attest/build-record/v1",
        "attest": "0.1.0",
        "subject": { "name": WHEEL, "sha256": published },
        "verdict": "EXACT",
        "rebuilt": { "name": WHEEL, "sha256": published },
        "origin": "SDIST",
        "source": [{ "name": "demo-1.0.tar.gz", "digest": { "sha256": "a".repeat(64) }, "fromCommit": "UNVERIFIED" }],
        "recipeKind": kind,
        "environment": {
            "platform": "linux/x86_64",
            "variables": { "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "TZ": "UTC" }, "umask": "0022", "buildPath": "/build/src", "clock": "REAL",
            "network": network, "python": tool("3.11.7"), "zlib": tool("1.2.13"),
        },
        "resolvedDependencies": [{ "uri": "pkg:pypi/setuptools@82.0.1", "digest": { "sha256": "c".repeat(64) } }],
        "recordDigest": "b".repeat(64),
        "rebuiltAt": "2026-11-20T10:00:00Z",
        "repeat": 2,
        "differencesTotal": 0,
        "differences": [],
        "files": files,
    });
    world.write("result/build.json", record.to_string());
    "result"
}

#[test]
fn a_new_key_is_the_owner_s_alone_and_is_never_overwritten() {
    let world = World::new();
    let done = world.attest(&["key", "generate", "-o", "key"]);
    done.is(0, "ed25519:");
    assert_eq!(fs::metadata(world.path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(world.attest(&["key", "show", "key"]).out, done.out);
    let before = fs::read(world.path("key")).unwrap();
    world.attest(&["key", "generate", "-o", "key"]).is(2, "exists already");
    assert_eq!(fs::read(world.path("key")).unwrap(), before);
    assert!(!done.out.contains("secret") && !done.err.contains("attest-secret"), "{done:?}");
}

#[test]
fn a_signed_result_verifies_and_counts_for_self() {
    let world = World::new();
    let key = world.key_file(1);
    let result = result(&world, "NONE");
    let done = world.attest(&["sign", result, "--signer", key.to_str().unwrap()]);
    done.is(0, "data/statements/demo-1.0-py3-none-any.whl.");
    let policy = world.own("p.toml", 1, 1);
    world.attest(&["verify", WHEEL, "--policy", policy.to_str().unwrap()]).is(0, "1 of 1 (self)");
    let envelope = Envelope::parse(&fs::read(world.path(done.out.trim())).unwrap()).unwrap();
    let verified = envelope.verify(&PublicKey::parse(&public(1)).unwrap()).unwrap();
    assert!(matches!(verified.statement().predicate(), Predicate::Reproduced(_)));
    // A statement is not overwritten where the user named a file.
    let named = ["sign", result, "--signer", key.to_str().unwrap(), "-o", "s.json"];
    world.attest(&named).is(0, "s.json");
    world.attest(&named).is(2, "exists already");
}

#[test]
fn a_build_with_a_network_is_signed_with_a_warning_and_never_votes() {
    let world = World::new();
    let key = world.key_file(1);
    let result = result(&world, "OPEN");
    world.attest(&["sign", result, "--signer", key.to_str().unwrap()]).is(0, "never a vote");
    let policy = world.own("p.toml", 1, 1);
    world.attest(&["verify", WHEEL, "--policy", policy.to_str().unwrap()]).is(1, "refused");
}

#[test]
fn a_statement_that_is_named_counts_like_ones_own_and_only_for_keys_that_the_policy_lists() {
    let world = World::new();
    let policy = world.own("p.toml", 1, 1);
    let judged = |command: &str, statements: &[&str]| {
        let named = statements.iter().flat_map(|file| ["--statement", file]);
        let arguments: Vec<&str> =
            [command, WHEEL, "--policy", policy.to_str().unwrap()].into_iter().chain(named).collect();
        world.attest(&arguments)
    };
    world.write("mine.json", statement(1, WHEEL, &world.digest()));
    world.write("strange.json", statement(2, WHEEL, &world.digest()));
    world.write("other.json", statement(1, WHEEL, &ArtifactDigest::of(b"another file")));
    world.write("none.json", "{}");
    judged("verify", &[]).is(1, "refused");
    judged("verify", &["strange.json"]).is(1, "refused");
    judged("verify", &["other.json"]).is(1, "refused");
    judged("verify", &["strange.json", "mine.json"]).is(0, "1 of 1 (self)");
    judged("explain", &["mine.json"]).is(0, "1 of 1 groups agree");
    // It was named, so it is not left out in silence.
    judged("verify", &["mine.json", "none.json"]).is(2, "none.json is no envelope");
    judged("explain", &["nowhere.json"]).is(2, "nowhere.json");
    // Nothing of it is kept.
    judged("verify", &[]).is(1, "refused");
}

#[test]
fn a_recipe_that_a_statement_does_not_hold_counts_where_it_says_where_it_is() {
    let world = World::new();
    let key = world.key_file(1);
    let (recipe, digest) = (include_str!("recipe.toml"), "d".repeat(64));
    let script = format!("[custom]\nbuild-sh = \"{digest}\"\nbuild-lock = \"{digest}\"\n");
    let recipe = format!("{recipe}\n{script}# {}\n", "packages ".repeat(2_000));
    let result = result_by(&world, "NONE", "CUSTOM", &recipe);
    let policy = fs::read_to_string(world.own("p.toml", 1, 1)).unwrap();
    let digest = ArtifactDigest::of(recipe.as_bytes());
    let listed = format!("{policy}\n[[package]]\nname = \"demo\"\naccept-recipe = [\"{digest}\"]\n");
    world.write("listed.toml", listed);
    let sign = |to: &str, more: &[&str]| {
        let arguments = ["sign", result, "--signer", key.to_str().unwrap(), "-o", to];
        world.attest(&[&arguments[..], more].concat())
    };
    let verify =
        |policy: &str, statement: &str| world.attest(&["verify", WHEEL, "--policy", policy, "--statement", statement]);
    sign("hidden.json", &[]).is(0, "never a vote");
    verify("listed.toml", "hidden.json").is(1, "refused");
    let place = ["--recipe-url", "swh:1:cnt:5d41402abc4b2a76b9719d911017c592aaf4c61d"];
    let done = sign("told.json", &place);
    done.is(0, "told.json");
    assert!(!done.err.contains("never a vote"), "{done:?}");
    verify("listed.toml", "told.json").is(0, "1 of 1 (self)");
    verify("p.toml", "told.json").is(1, "refused");
    sign("no.json", &["--recipe-url", "not a URI"]).is(2, "absolute URI");
    sign("no.json", &[&place[..], &["--results-url", "https://results.example"]].concat()).is(2, "--results-url");
}

#[test]
fn a_tampered_result_or_a_bare_wheel_is_not_signed() {
    let world = World::new();
    let key = world.key_file(1);
    let result = result(&world, "NONE");
    world.write(&format!("result/{WHEEL}"), "other bytes");
    let sign = |what: &str| world.attest(&["sign", what, "--signer", key.to_str().unwrap(), "-o", "s.json"]);
    assert_eq!(sign(result).code, 2);
    assert_eq!(sign(WHEEL).code, 2);
    assert!(!world.path("s.json").exists());
    world.attest(&["sign", result, "--signer", "gpg:0123456789ABCDEF"]).is(2, "fingerprint of 40 hex digits");
}

#[test]
fn a_withdrawal_names_the_statement_and_is_final() {
    let world = World::new();
    let key = world.key_file(1);
    let key = key.to_str().unwrap();
    world.write("s.json", statement(1, WHEEL, &world.digest()));
    let withdraw = |what: &str, reason: &str, to: &str| {
        world.attest(&["withdraw", what, "--signer", key, "--reason", reason, "-o", to])
    };
    withdraw("s.json", " ", "w.json").is(2, "--reason is empty");
    withdraw("s.json", "built on a broken machine", "w.json").is(0, "withdrawn");
    let envelope = Envelope::parse(&fs::read(world.path("w.json")).unwrap()).unwrap();
    let statement = Statement::parse(envelope.payload()).unwrap();
    assert_eq!(statement.subject().name.as_str(), WheelName::parse(WHEEL).unwrap().as_str());
    withdraw("w.json", "changed my mind", "x.json").is(2, "final");
    // Where the withdrawal is, the vote is gone.
    world.keep_own(1);
    let policy = world.own("p.toml", 1, 1);
    fs::copy(world.path("w.json"), world.path("data/statements/w.json")).unwrap();
    world.attest(&["verify", WHEEL, "--policy", policy.to_str().unwrap()]).is(1, "refused");
    world.attest(&["explain", WHEEL, "--policy", policy.to_str().unwrap()]).is(1, "withdrawn");
}

#[test]
fn what_is_no_envelope_is_not_submitted_or_withdrawn() {
    let world = World::new();
    let good = String::from_utf8(statement(1, WHEEL, &world.digest())).unwrap();
    let twice = good.replace("}]}", "},{\"sig\":\"AAAA\"}]}");
    let other_type = good.replace("vnd.in-toto+json", "json");
    let keyid = good.replace("{\"sig\"", "{\"keyid\":\"x\",\"sig\"");
    let oversized = format!("{good}{}", " ".repeat(70_000));
    let spaced = good.replace(",\"payloadType\"", ", \"payloadType\"");
    for text in [&good[..good.len() / 2], &twice, &other_type, &keyid, &oversized, &spaced, "{}", ""] {
        world.write("s.json", text);
        let done = world.attest(&[
            "submit",
            "s.json",
            "--log",
            "http://127.0.0.1:1",
            "--vkey",
            &crate::fake_log::FakeLog::vkey(),
        ]);
        assert_eq!(done.code, 2, "{text:.80}: {done:?}");
    }
}

/// gpg with a home of its own; its agent ends with it.
struct Gpg {
    home: tempfile::TempDir,
    fingerprint: String,
}

impl Gpg {
    fn new() -> Self {
        let home =
            tempfile::Builder::new().prefix("gpg").permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
        let mut gpg = Self { home, fingerprint: String::new() };
        let user =
            ["--passphrase", "", "--quick-generate-key", "Rebuilder <r@example.org>", "ed25519", "sign", "never"];
        assert!(gpg.command().args(user).status().unwrap().success());
        let listed = gpg.command().args(["--with-colons", "--list-keys"]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().clone_into(&mut gpg.fingerprint);
        gpg
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet"]).env("GNUPGHOME", self.home.path());
        command
    }

    fn attest(&self, world: &World, arguments: &[&str]) -> Done {
        run(world.command().args(arguments).env("GNUPGHOME", self.home.path()))
    }

    fn home(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ended = Command::new("gpgconf").args(["--kill", "gpg-agent"]).env("GNUPGHOME", self.home.path()).status();
    }
}

#[test]
fn gpg_signs_through_its_agent_and_verifies_what_was_written() {
    if !has("gpg", "--version") {
        return;
    }
    let (world, gpg) = (World::new(), Gpg::new());
    // Options that would make signatures which no statement may carry.
    fs::write(gpg.home("gpg.conf"), "sig-notation a@example.org=b\ndefault-sig-expire 1d\ntextmode\narmor\n").unwrap();
    let result = result(&world, "NONE");
    let signer = format!("gpg:{}", gpg.fingerprint);
    gpg.attest(&world, &["sign", result, "--signer", &signer, "-o", "s.json"]).is(0, "s.json");
    let envelope = Envelope::parse(&fs::read(world.path("s.json")).unwrap()).unwrap();

    // With nothing but gpg: the payload as DSSE puts it, and the packet as it is.
    world.write("pae", envelope.pae());
    let attest_core::envelope::Signature::OpenPgp(packet) = envelope.signature() else {
        panic!("no OpenPGP signature")
    };
    world.write("pae.sig", packet);
    let verified = gpg.command().arg("--verify").args([world.path("pae.sig"), world.path("pae")]).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");

    let shown = gpg.attest(&world, &["key", "show", &signer]);
    shown.is(0, "BEGIN PGP PUBLIC KEY BLOCK");
    envelope.verify(&PublicKey::parse(&shown.out).unwrap()).unwrap();
    gpg.attest(&world, &["policy", "init", "--preset", "self", "--key", &signer, "-o", "p.toml"]).is(0, "p.toml");
    gpg.attest(&world, &["sign", result, "--signer", &signer]).is(0, "data/statements");
    world.attest(&["verify", WHEEL, "--policy", "p.toml"]).is(0, "1 of 1 (self)");
    gpg.attest(&world, &["sign", result, "--signer", &format!("gpg:{}", "0".repeat(40))]).is(2, "gpg has no key");
}
