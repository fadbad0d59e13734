//! Real installers through the proxy: what each ends with, says, and has installed.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use attest_tests::{
    clients::{self, Client},
    command::{self, Outcome},
    forge::Forge,
    index::{Fault, Form, Index, Metadata},
    keyring::{self, Keyring},
    quorum::Quorum,
    server::Server,
    wheel::{Offered, Wheel},
};
use serde_json::json;

/// An index of what passes and of every way not to, a client, and an environment for it.
struct Play {
    quorum: Quorum,
    index: Index,
    client: Client,
    program: PathBuf,
    python: PathBuf,
}

/// How a client ended, and what the environment has then.
struct End {
    outcome: Outcome,
    version: Option<String>,
}

impl Play {
    fn new(client: Client) -> Result<Option<Self>> {
        let Some(program) = clients::get(client)? else { return Ok(None) };
        let quorum = Quorum::new()?;
        let Some(python) = clients::environment(client, &quorum.scene.path("venv"))? else { return Ok(None) };
        quorum.write_policy()?;
        Ok(Some(Self { index: Index::serve(&[])?, quorum, client, program, python }))
    }

    /// Offers a wheel that passes.
    fn passing(&self, wheel: &Wheel) -> Result<()> {
        self.quorum.vote(&[&self.quorum.alice, &self.quorum.carol], wheel)?;
        self.index.add(wheel);
        Ok(())
    }

    fn proxy(&self) -> Result<Server> {
        let mut proxy = self.quorum.scene.attest();
        proxy.args(["proxy", "--policy", "policy.toml", "--listen", "127.0.0.1:0", "--python", "/nonexistent"]);
        Server::spawn(proxy.args(["--index", &format!("main={}", self.index.url())]))
    }

    /// Installs through a proxy that serves, again where it is there already.
    fn install(&self, proxy: &Server, project: &str, requirement: &str) -> Result<End> {
        let mut install = self.quorum.scene.plain(Command::new(&self.python));
        let url = format!("{}simple/", proxy.url());
        if self.client.program() == "pip" {
            install.args(["-m", "pip", "install", "--force-reinstall", "--disable-pip-version-check", requirement]);
        } else {
            install = self.quorum.scene.plain(Command::new(&self.program));
            install.args(["pip", "install", "--reinstall", "--python"]).arg(&self.python).arg(requirement);
        }
        install.env("PIP_INDEX_URL", &url).env("PIP_CONFIG_FILE", "/dev/null").env_remove("PIP_FIND_LINKS");
        install
            .env("UV_DEFAULT_INDEX", &url)
            .env("UV_NO_CONFIG", "1")
            .env("UV_CACHE_DIR", self.quorum.scene.path("uv"));
        let outcome = command::run(&mut install)?;
        Ok(End { outcome, version: self.version(project)? })
    }

    fn version(&self, project: &str) -> Result<Option<String>> {
        version(&self.python, project)
    }

    fn refusal(&self) -> i32 {
        if self.client.program() == "pip" { 1 } else { 2 }
    }
}

/// Which version of a project an environment has.
fn version(python: &Path, project: &str) -> Result<Option<String>> {
    let folder = clients::site_packages(python.parent().and_then(Path::parent).context("bin/python")?)?;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(version) =
            name.strip_prefix(&format!("{project}-")).and_then(|rest| rest.strip_suffix(".dist-info"))
        {
            return Ok(Some(version.to_owned()));
        }
    }
    Ok(None)
}

/// Bob got something else from what Carol says that she built from.
fn contradict(play: &Play, wheel: &Wheel) -> Result<()> {
    let quorum = &play.quorum;
    let vote = quorum.carol.vote(wheel.subject())?;
    quorum.submit(&quorum.bob.contradiction(
        wheel.subject(),
        Forge::build_of(&wheel.subject().name),
        vote.statement_id(),
    )?)?;
    Ok(())
}

/// Everything that can come of a file, one after another, so that the environment and the client's cache are those of
/// somebody who goes on working.
fn every_end(client: Client) -> Result<()> {
    let Some(play) = Play::new(client)? else { return Ok(()) };
    let scene = &play.quorum.scene;
    let wheel = |project: &str, version: &str| Wheel::new(project, version, "");
    let mark = scene.path("mark");

    let good = Wheel::requiring("good", "1.0", "", &["leaf>=1"])?;
    let (leaf, tampered, fickle) = (wheel("leaf", "1.0")?, wheel("tampered", "1.0")?, wheel("fickle", "1.0")?);
    let (moving, mixed, wrong) = (wheel("moving", "1.0")?, wheel("mixed", "1.0")?, wheel("wrong", "1.0")?);
    for passing in [&good, &leaf, &tampered, &fickle, &moving, &mixed, &wrong] {
        play.passing(passing)?;
    }
    let (below, newest, source) = (wheel("below", "1.0")?, wheel("moving", "2.0")?, wheel("source", "1.0")?);
    play.quorum.vote(&[&play.quorum.alice], &below)?;
    for blocked in [&below, &newest, &source] {
        play.index.add(blocked);
    }
    play.index.add(Offered::sdist("source", "1.0", &mark)?);
    let contradicted = wheel("contradicted", "1.0")?;
    play.passing(&contradicted)?;
    contradict(&play, &contradicted)?;
    let mut bytes = tampered.bytes().to_vec();
    *bytes.last_mut().context("bytes")? ^= 1;
    play.index.break_it(tampered.name(), Fault::Tampered(bytes));
    let both = json!({ "sha256": mixed.digest().to_string(), "sha512": "ab".repeat(64) });
    play.index.break_it(mixed.name(), Fault::Says(json!({ "hashes": both })));
    let other = Wheel::new("wrong", "1.0", "OTHER = True\n")?;
    play.index.break_it(wrong.name(), Fault::Says(json!({ "hashes": { "sha256": other.digest().to_string() } })));

    let proxy = play.proxy()?;
    let install = |project: &str| play.install(&proxy, project, project);
    // All good, with what it needs.
    let end = install("good")?;
    end.outcome.expect(0)?;
    ensure!(end.version.as_deref() == Some("1.0") && play.version("leaf")?.is_some(), "good and leaf");
    // One below the threshold, one contradicted, one that the index calls another file: as if they were not there.
    for project in ["below", "contradicted", "wrong"] {
        let end = install(project)?;
        end.outcome.expect(1)?;
        ensure!(end.version.is_none() && proxy.log().contains(&format!("hidden: {project} 1.0")), "{}", proxy.log());
    }
    // Other bytes from the file host: the reason reaches the terminal.
    let end = install("tampered")?;
    end.outcome.expect(play.refusal())?.expect_words("Blocked by attest policy: its bytes have sha256")?;
    ensure!(end.version.is_none(), "nothing of it");
    // The newest is hidden, and said.
    let end = install("moving")?;
    end.outcome.expect(0)?;
    ensure!(end.version.as_deref() == Some("1.0"), "the one that passes");
    ensure!(proxy.log().contains("hidden: moving 2.0") && proxy.log().contains("1.0 is the newest"), "{}", proxy.log());
    let pinned = play.install(&proxy, "moving", "moving==2.0")?;
    pinned.outcome.expect(1)?;
    // The wheel is blocked and the sdist is left: nothing is built.
    let end = install("source")?;
    end.outcome.expect(1)?;
    ensure!(end.version.is_none() && !mark.exists(), "its code has run");
    // A second hash of another kind is not handed on.
    install("mixed")?.outcome.expect(0)?;

    // Installed once, blocked since: no cache brings it back.
    let end = install("fickle")?;
    ensure!(end.outcome.expect(0).is_ok() && end.version.is_some(), "it passed");
    contradict(&play, &fickle)?;
    drop(proxy);
    play.index.set_form(Form::Html);
    play.index.set_metadata(Metadata::Hashed);
    let proxy = play.proxy()?;
    play.install(&proxy, "fickle", "fickle")?.outcome.expect(1)?;
    play.install(&proxy, "fickle", "fickle==1.0")?.outcome.expect(1)?;
    // HTML alone, and metadata beside the files.
    play.install(&proxy, "good", "good")?.outcome.expect(0)?;
    Ok(())
}

#[test]
fn pip_23_ends_as_it_should() -> Result<()> {
    every_end(Client::Pip23)
}

#[test]
fn pip_26_ends_as_it_should() -> Result<()> {
    every_end(Client::Pip26)
}

#[test]
fn uv_0_12_ends_as_it_should() -> Result<()> {
    every_end(Client::Uv012)
}

#[test]
fn uv_0_13_ends_as_it_should() -> Result<()> {
    every_end(Client::Uv013)
}

#[test]
fn poetry_locks_and_installs_through_the_proxy_and_not_what_is_blocked() -> Result<()> {
    let Some(play) = Play::new(Client::Poetry)? else { return Ok(()) };
    let (good, below) = (Wheel::new("good", "1.0", "")?, Wheel::new("below", "1.0", "")?);
    play.passing(&good)?;
    play.index.add(&below);
    play.index.set_metadata(Metadata::Hashed);
    let proxy = play.proxy()?;
    let poetry = |project: &str, arguments: &[&str]| -> Result<Outcome> {
        let text = format!(
            "[project]\nname = \"mine\"\nversion = \"0.1\"\nrequires-python = \">=3.8\"\ndependencies = [\"{project}\"]\n\
             [tool.poetry]\npackage-mode = false\n\
             [[tool.poetry.source]]\nname = \"attest\"\nurl = \"{}simple/\"\npriority = \"primary\"\n",
            proxy.url()
        );
        play.quorum.scene.write(&format!("{project}/pyproject.toml"), text)?;
        let mut poetry = play.quorum.scene.plain(Command::new(&play.program));
        poetry.args(arguments).current_dir(play.quorum.scene.path(project));
        poetry
            .env("POETRY_CACHE_DIR", play.quorum.scene.path("poetry"))
            .env("POETRY_CONFIG_DIR", play.quorum.scene.path("config"));
        poetry
            .env("VIRTUAL_ENV", play.quorum.scene.path("venv"))
            .env("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring");
        command::run(&mut poetry)
    };
    poetry("good", &["lock", "--no-interaction"])?.expect(0)?;
    poetry("good", &["install", "--no-interaction"])?.expect(0)?;
    ensure!(play.version("good")?.is_some(), "installed");
    poetry("below", &["lock", "--no-interaction"])?.expect(1)?.expect_words("below")?;
    ensure!(proxy.log().contains("hidden: below 1.0"), "{}", proxy.log());
    Ok(())
}

#[test]
fn what_is_installed_around_the_proxy_is_exit_3() -> Result<()> {
    let Some(play) = Play::new(Client::Pip26)? else { return Ok(()) };
    let (good, sneaked) = (Wheel::new("good", "1.0", "")?, Wheel::new("sneaked", "1.0", "")?);
    let local = Wheel::new("local", "1.0+cpu.1", "")?;
    play.passing(&good)?;
    play.passing(&local)?;
    play.index.add(&sneaked);
    let around = |command: &[&str]| -> Result<Outcome> {
        let mut proxy = play.quorum.scene.attest();
        proxy.args(["proxy", "--policy", "policy.toml", "--python", "/nonexistent"]);
        proxy.args(["--index", &format!("main={}", play.index.url()), "--"]).args(command);
        proxy.env("VIRTUAL_ENV", play.quorum.scene.path("venv")).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        command::run(&mut proxy)
    };
    let python = play.python.display().to_string();
    around(&[&python, "-m", "pip", "install", "good"])?.expect(0)?.expect_words("1 project asked for, 1 download")?;
    ensure!(play.version("good")?.is_some(), "installed");
    // pip writes the plus sign of a local version in another way than the page.
    around(&[&python, "-m", "pip", "install", "local==1.0+cpu.1"])?.expect(0)?;
    // Nothing to install: nobody was asked, so what is there is looked at.
    let again = around(&[&python, "-m", "pip", "install", "good"])?.expect(0)?.expect_words("nothing was installed")?;
    again.expect_words("there already, and verified by its files: good 1.0")?;
    around(&[&python, "-m", "pip", "install", "sneaked"])?.expect(1)?.expect_words("hidden: sneaked 1.0")?;
    let past = format!("{python} -m pip install --index-url {} sneaked", play.index.url());
    around(&["sh", "-c", &past])?.expect(3)?.expect_words("never asked the proxy: sneaked 1.0")?;
    // The same version from elsewhere, although the proxy shows it and even served it.
    let evil = Wheel::new("good", "1.0", "GOOD = False\n")?;
    let path = play.quorum.scene.write(&format!("evil/{}", evil.name()), evil.bytes())?;
    let folder = path.parent().unwrap_or(Path::new("")).display().to_string();
    let past = format!(
        "{python} -m pip download -d asked good && {python} -m pip install --force-reinstall {}",
        path.display()
    );
    around(&["sh", "-c", &past])?.expect(3)?.expect_words("never asked the proxy: good 1.0")?;
    let one_word = format!("-f{folder}");
    for past in [
        &["-mpip", "install", "-q", &one_word, "good"][..],
        &["-m", "pip", "--log", "log", "install", "--extra-index=http://127.0.0.1:9/", "good"],
        &["-m", "pip", "install", "--isolated", "good"],
    ] {
        around(&[&[&*python], past].concat())?.expect(2)?.expect_words("a second source of files")?;
    }
    // What is not understood may name a source.
    let strange = play.quorum.scene.write("strange.txt", "--some-option x\ngood\n")?.display().to_string();
    around(&[&python, "-m", "pip", "install", "-r", &strange])?.expect(2)?.expect_words("--some-option")?;
    Ok(())
}

/// pip and uv skip what is there in the right version, whatever its files are, and ask nobody.
#[test]
fn what_was_there_already_and_is_not_what_was_verified_is_exit_3() -> Result<()> {
    for client in [Client::Pip26, Client::Uv013] {
        let Some(play) = Play::new(client)? else { return Ok(()) };
        let (good, unseen) = (Wheel::new("good", "1.0", "GOOD = True\n")?, Wheel::new("unseen", "1.0", "")?);
        let needy = Wheel::requiring("needy", "1.0", "", &["good>=1", "absent; extra == 'more'"])?;
        [&good, &needy].into_iter().try_for_each(|wheel| play.passing(wheel))?;
        let program = play.program.display().to_string();
        let python = play.python.display().to_string();
        let install: &[&str] = if client.program() == "pip" {
            &[&python, "-m", "pip", "install"]
        } else {
            &[&program, "pip", "install", "--python", &python]
        };
        let by = |words: &[&str]| -> Result<Outcome> {
            let mut proxy = play.quorum.scene.attest();
            proxy.args(["proxy", "--policy", "policy.toml", "--python", "/nonexistent"]);
            proxy.args(["--index", &format!("main={}", play.index.url()), "--"]).args(install).args(words);
            proxy.env("VIRTUAL_ENV", play.quorum.scene.path("venv")).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
            proxy.env("UV_CACHE_DIR", play.quorum.scene.path("uv")).env("UV_LINK_MODE", "copy");
            command::run(&mut proxy)
        };
        // As an installer leaves it that took it from some index.
        let site = clients::site_packages(&play.quorum.scene.path("venv"))?;
        let alone =
            |wheel: &Wheel| -> Result<()> { Ok(zip::ZipArchive::new(Cursor::new(wheel.bytes()))?.extract(&site)?) };
        alone(&Wheel::new("good", "1.0", "GOOD = False\n")?)?;
        // What nobody named or requires is not looked at.
        alone(&unseen)?;
        let wrong =
            "not shown to be what was verified: good 1.0 (what lies here is not what the accepted file installs)";
        by(&["good==1.0"])?.expect(3)?.expect_words(wrong)?;
        // Nor does it get by as what something else requires, or by a file of requirements.
        by(&["needy"])?.expect(3)?.expect_words(wrong)?;
        let file = play.quorum.scene.write("wanted.txt", "good==1.0\n")?.display().to_string();
        by(&["-r", &file])?.expect(3)?.expect_words(wrong)?;
        let again = if client.program() == "pip" { "--force-reinstall" } else { "--reinstall" };
        by(&[again, "needy"])?.expect(0)?;
        by(&["needy"])?.expect(0)?.expect_words("verified by its files: good 1.0, needy 1.0")?;
        // A file that was changed is told from one that never was the right one.
        std::fs::write(site.join("good.py"), "GOOD = None\n")?;
        by(&["needy"])?.expect(3)?.expect_words("good 1.0 (its files are not what its RECORD says)")?;
        by(&[again, "needy"])?.expect(0)?;
        // What two groups contradict is an alarm, also where the installer had nothing to ask about it.
        let vote = play.quorum.carol.vote_on(good.subject(), good.record_digest())?;
        for who in [&play.quorum.bob, &play.quorum.carol] {
            let build = Forge::build_of(&good.subject().name);
            play.quorum.submit(&who.contradiction(good.subject(), build, vote.statement_id())?)?;
        }
        by(&["good==1.0"])?.expect(4)?.expect_words("good 1.0: its files are contradicted by two groups")?;
    }
    Ok(())
}

/// The keyring's program, as both installers ask it; the proxy asks for itself.
#[test]
fn an_index_that_wants_a_password_is_asked_with_the_one_in_the_keyring() -> Result<()> {
    for client in [Client::Pip23, Client::Pip26, Client::Uv012, Client::Uv013] {
        let Some(play) = Play::new(client)? else { continue };
        let good = Wheel::new("good", "1.0", "GOOD = True\n")?;
        play.passing(&good)?;
        play.index.require(keyring::USER, keyring::SECRET);
        let keyring = Keyring::new(&play.quorum.scene, &play.index.url())?;
        let (program, python) = (play.program.display().to_string(), play.python.display().to_string());
        let install: &[&str] = if client.program() == "pip" {
            &[&python, "-m", "pip", "install"]
        } else {
            &[&program, "pip", "install", "--python", &python]
        };
        let by = |words: &[&str]| -> Result<Outcome> {
            let mut proxy = play.quorum.scene.attest();
            proxy.args(["-v", "proxy", "--policy", "policy.toml", "--python", "/nonexistent"]);
            proxy.args(["--index", &format!("main={}", play.index.url()), "--"]).args(install).args(words);
            proxy.env("VIRTUAL_ENV", play.quorum.scene.path("venv")).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
            proxy.env("PATH", keyring.path(None)?).env("UV_CACHE_DIR", play.quorum.scene.path("uv"));
            command::run(&mut proxy)
        };
        let without = by(&["good"])?;
        ensure!(without.code() != Some(0) && keyring.asked().is_empty(), "{}", without.text());
        let outcome = by(&["--keyring-provider", "subprocess", "good"])?.expect(0)?;
        ensure!(!outcome.text().contains(keyring::SECRET), "{}", outcome.text());
        ensure!(keyring.asked().len() == 1 && play.version("good")?.as_deref() == Some("1.0"));
    }
    Ok(())
}

#[test]
fn a_lock_is_verified_before_uv_installs_what_it_says() -> Result<()> {
    let Some(play) = Play::new(Client::Uv013)? else { return Ok(()) };
    let (good, below) = (Wheel::new("good", "1.0", "")?, Wheel::new("below", "1.0", "")?);
    play.passing(&good)?;
    play.index.add(&below);
    let scene = &play.quorum.scene;
    let policy = scene.path("policy.toml");
    let prepare = |command: &mut Command| {
        command.current_dir(scene.path("project")).env("UV_CACHE_DIR", scene.path("uv")).env("UV_PYTHON", &play.python);
        command.env("UV_NO_CONFIG", "1").env("UV_DEFAULT_INDEX", play.index.url()).env_remove("UV_INDEX");
    };
    let lock = |project: &str| -> Result<()> {
        let text = format!(
            "[project]\nname = \"mine\"\nversion = \"0.1\"\nrequires-python = \">=3.8\"\ndependencies = [\"{project}\"]\n"
        );
        scene.write("project/pyproject.toml", text)?;
        let mut uv = scene.plain(Command::new(&play.program));
        prepare(uv.arg("lock"));
        command::run(&mut uv)?.expect(0).map(drop)
    };
    let sync = |more: &[&str]| -> Result<Outcome> {
        let mut sync = scene.attest();
        sync.args(["proxy", "--python", "/nonexistent", "--index", &format!("main={}", play.index.url()), "--policy"]);
        prepare(sync.arg(&policy).arg("--").arg(&play.program).arg("sync").args(more));
        command::run(&mut sync)
    };
    let python = scene.path("project/.venv/bin/python");
    lock("good")?;
    for elsewhere in [&["--project", "."][..], &["--python", "3.9"], &["--default-index", "http://127.0.0.1:9/"]] {
        sync(elsewhere)?.expect(2)?;
    }
    let before = std::fs::read(scene.path("project/uv.lock"))?;
    sync(&[])?.expect(0)?;
    ensure!(version(&python, "good")?.is_some(), "installed");
    ensure!(std::fs::read(scene.path("project/uv.lock"))? == before, "no address of a proxy is in the lock");
    lock("below")?;
    sync(&[])?.expect(1)?.expect_words("the command was not started")?;
    ensure!(version(&python, "below")?.is_none() && version(&python, "good")?.is_some(), "as before");
    Ok(())
}
