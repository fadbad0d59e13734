//! What a release is made of and made by: the tarball, the images' and the compose file, the workflow, the wheel's backend.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use attest_core::{
    artifact::ArtifactDigest,
    envelope::Envelope,
    statement::{Method, Predicate, Source, Statement},
};
use attest_tests::{book, command, http, scene::Scene, server::Server, tool};

/// A folder with both programs, as a release build leaves them; scripts, since the real ones have a hundred megabytes here.
fn programs(scene: &Scene) -> Result<PathBuf> {
    for (name, program) in [("attest", scene.programs().cli()), ("attest-server", scene.programs().server())] {
        let script =
            scene.write(&format!("bin/{name}"), format!("#!/bin/sh\nexec '{}' \"$@\"\n", program.display()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    Ok(scene.path("bin"))
}

fn packaged(name: &str) -> PathBuf {
    book::root().join("packaging").join(name)
}

#[test]
fn two_tarballs_of_the_same_programs_are_equal_and_have_what_a_system_needs() -> Result<()> {
    let scene = Scene::new()?;
    let bin = programs(&scene)?;
    for (out, umask) in [("one", "022"), ("two", "077")] {
        let script = format!("umask {umask}; exec '{}' '{}' '{out}'", packaged("tarball").display(), bin.display());
        command::run(scene.plain(Command::new("sh")).args(["-c", &script]))?.expect(0)?;
        let mut check = Command::new("sha256sum");
        command::run(check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(scene.path(out)))?.expect(0)?;
    }
    let only = |folder: &str| -> Result<PathBuf> {
        let mut files = fs::read_dir(scene.path(folder))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files.retain(|path| path.extension().is_some_and(|end| end == "gz"));
        files.pop().context("no tarball")
    };
    ensure!(fs::read(only("one")?)? == fs::read(only("two")?)?, "another umask makes another tarball");
    let listing = command::run(Command::new("tar").arg("-tf").arg(only("one")?))?.expect(0)?.stdout;
    for member in [
        "bin/attest",
        "bin/attest-server",
        "lib/systemd/system/attest-server.service",
        "lib/sysusers.d/attest.conf",
        "lib/tmpfiles.d/attest.conf",
        "share/attest/schemas/reproduced.schema.json",
        "share/bash-completion/completions/attest",
        "share/doc/attest/LICENSE-MIT",
        "share/doc/attest/runbook.md",
        "share/man/man1/attest-doctor.1",
    ] {
        ensure!(listing.lines().any(|line| line.ends_with(&format!("/{member}"))), "no {member} in\n{listing}");
    }
    Ok(())
}

#[test]
fn the_account_and_its_folders_are_made_by_systemd() -> Result<()> {
    if !tool::have(&["systemd-sysusers", "systemd-tmpfiles"]) {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        tool::not_allowed("making another user's folders");
        return Ok(());
    }
    let scene = Scene::new()?;
    fs::create_dir(scene.path("etc"))?;
    let root = format!("--root={}", scene.path("").display());
    command::run(Command::new("systemd-sysusers").arg(&root).arg(packaged("attest.sysusers")))?.expect(0)?;
    let mut tmpfiles = Command::new("systemd-tmpfiles");
    command::run(tmpfiles.arg(&root).arg("--create").arg(packaged("attest.tmpfiles")))?.expect(0)?;
    let made = fs::metadata(scene.path("var/lib/attest"))?;
    ensure!(made.permissions().mode() & 0o777 == 0o700, "others may look into the log's folder");
    ensure!(fs::read_to_string(scene.path("etc/passwd"))?.starts_with("attest:"), "no account");
    Ok(())
}

#[test]
fn what_compose_starts_goes_together() -> Result<()> {
    let scene = Scene::new()?;
    let mut init = scene.plain(Command::new(packaged("compose-init")));
    init.arg("here").env("ATTEST", scene.programs().cli()).env("ATTEST_SERVER", scene.programs().server());
    command::run(&mut init)?.expect(0)?;
    let compose = fs::read_to_string(scene.path("here/compose.yaml"))?;
    let env = fs::read_to_string(scene.path("here/.env"))?;
    let vkey = env.lines().find_map(|line| line.strip_prefix("ATTEST_VKEY=")).context("no vkey in .env")?;
    for (program, line) in commands(&compose, vkey) {
        let path = if program == "attest" { scene.programs().cli() } else { scene.programs().server() };
        // Help is printed only where everything before it is understood.
        let mut asked = Command::new(path);
        command::run(asked.args(line.iter().map(String::as_str)).arg("--help"))?.expect(0).context(program)?;
    }

    let here = |name: &str| scene.path("here").join(name);
    let mut witness = scene.attest_server();
    witness.arg("witness").arg("--data").arg(here("witness")).arg("--logs").arg(here("etc/logs"));
    let witness = Server::spawn(witness.args(["--name", "witness.attest.test", "--listen", "127.0.0.1:0"]))?;
    // The name that a service has in compose's network.
    let policy = fs::read_to_string(here("etc/witnesses"))?;
    fs::write(here("etc/witnesses"), policy.replace("http://witness:8081", witness.url().trim_end_matches('/')))?;
    let mut log = scene.attest_server();
    log.arg("run").arg("--data").arg(here("log")).arg("--rebuilders").arg(here("etc/rebuilders.toml"));
    log.arg("--witness-policy").arg(here("etc/witnesses")).args([
        "--witness-fail",
        "closed",
        "--listen",
        "127.0.0.1:0",
    ]);
    let log = Server::spawn(&mut log)?;
    // The witness of the policy cosigned what the log signed, with the keys that were exchanged.
    let mut ready = http::get(log.url(), "/readyz")?;
    for _ in 0..100 {
        if ready.status == 200 {
            break;
        }
        thread::sleep(Duration::from_millis(100));
        ready = http::get(log.url(), "/readyz")?;
    }
    ready.expect(200)?;
    Ok(())
}

/// The image and the words of each `command:`, with what compose fills in.
fn commands(compose: &str, vkey: &str) -> Vec<(String, Vec<String>)> {
    let mut image = String::new();
    let mut found = Vec::new();
    for line in compose.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("image: ") {
            name.clone_into(&mut image);
        }
        if let Some(words) = line.strip_prefix("command: [").and_then(|rest| rest.strip_suffix(']')) {
            let word = |word: &str| match word.trim_matches('"') {
                "${ATTEST_VKEY:-}" => vkey.to_owned(),
                word => word.to_owned(),
            };
            found.push((image.clone(), words.split(", ").map(word).collect()));
        }
    }
    found
}

#[test]
fn every_action_of_a_workflow_is_pinned_by_commit() -> Result<()> {
    let mut pinned = 0;
    for file in fs::read_dir(book::root().join(".github/workflows"))? {
        let path = file?.path();
        for line in fs::read_to_string(&path)?
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "))
        {
            let (commit, name) = line.split_once('@').and_then(|(_, rest)| rest.split_once(" # v")).unwrap_or_default();
            let good = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()) && !name.is_empty();
            ensure!(good, "{}: expected ACTION@COMMIT # vVERSION, found {line}", path.display());
            pinned += 1;
        }
    }
    ensure!(pinned > 0, "no workflow uses an action");
    Ok(())
}

#[test]
fn the_recipe_of_our_own_wheel_is_the_one_that_this_commit_makes() -> Result<()> {
    if !tool::have(&["python3"]) {
        return Ok(());
    }
    let folder = book::root().join("docs/recipes/attest-wheels");
    if command::run(Command::new("python3").args(["-c", "import tomllib"]))?.code() != Some(0) {
        tool::not_allowed("tomllib, which Python has from 3.11 on");
        return Ok(());
    }
    let made = command::run(Command::new("python3").arg(folder.join("recipe.py")))?.expect(0)?.stdout;
    let found = fs::read_to_string(folder.join("recipe.toml"))?;
    let how = "docs/recipes/attest-wheels/recipe.py > docs/recipes/attest-wheels/recipe.toml";
    ensure!(found == made, "Cargo.lock, build.sh or build.lock changed: run {how}");
    let recipe = attest_core::recipe::Recipe::parse(&found)?;
    ensure!(recipe.knobs_only().is_err(), "a recipe with a script never passes for one of knobs");
    Ok(())
}

#[test]
fn the_statement_of_our_own_wheel_is_of_the_commit_that_the_page_names_and_of_nothing_else() -> Result<()> {
    let folder = book::root().join("docs/recipes/attest-wheels/evidence");
    let bytes = fs::read(folder.join("statement.json"))?;
    let statement = Statement::parse(Envelope::parse(bytes.trim_ascii_end())?.payload())?;
    let Predicate::Reproduced(build) = statement.predicate() else { bail!("expected `reproduced`, found another one") };
    let digest = statement.subject().digest;
    ensure!(build.method == Method::Exact && build.repeat >= 2, "{:?}, {} times", build.method, build.repeat);
    ensure!(fs::read_to_string(folder.join("requirements.txt"))?.contains(&digest.to_string()), "another wheel");

    let page = book::read("docs/getting.md")?;
    let is_commit = |word: &&str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let commit =
        page.split(|c: char| !c.is_ascii_alphanumeric()).find(is_commit).context("the page names no commit")?;
    let git = |script: &str| {
        let script = script.replace("COMMIT", commit);
        command::run(Command::new("bash").args(["-o", "pipefail", "-c", &script]).current_dir(book::root()))
    };
    if !tool::have(&["git", "gzip", "sha256sum"]) || git("git cat-file -e COMMIT^{commit}")?.code() != Some(0) {
        tool::not_allowed("a look at that commit: this is no clone with the history");
        return Ok(());
    }
    let source = git("git archive --format=tar --prefix=attest_wheels-0.1.0/ COMMIT | gzip -9 --no-name | sha256sum")?;
    let [Source::Sdist { digest: found, .. }] = &build.source[..] else { bail!("expected one archive as source") };
    ensure!(source.stdout.starts_with(&found.sha256.to_string()), "{found:?} is no archive of {commit}");
    let recipe = git("git show COMMIT:docs/recipes/attest-wheels/recipe.toml")?.expect(0)?;
    ensure!(
        ArtifactDigest::of(recipe.stdout.as_bytes()) == build.recipe.digest.sha256,
        "another recipe than {commit} has"
    );
    let blob = git("git rev-parse COMMIT:docs/recipes/attest-wheels/recipe.toml")?.expect(0)?;
    let place = format!(
        "swh:1:cnt:{};anchor=swh:1:rev:{commit};path=/docs/recipes/attest-wheels/recipe.toml",
        blob.stdout.trim()
    );
    ensure!(build.recipe.download_location.as_deref() == Some(&place), "{:?}", build.recipe.download_location);
    Ok(())
}

#[test]
fn what_is_python_in_the_wheel_is_read_by_the_oldest_python() -> Result<()> {
    if !tool::have(&["python3"]) {
        return Ok(());
    }
    for file in [
        "attest-cli/build/backend.py",
        "attest-cli/python/attest_wheels/__main__.py",
        "attest-cli/python/attest_wheels/__init__.py",
    ] {
        let path = book::root().join(file);
        let check = "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 8))";
        command::run(Command::new("python3").args(["-c", check]).arg(Path::new(&path)))?.expect(0)?;
    }
    Ok(())
}
