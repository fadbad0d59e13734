//! `attest install` through real pip and uv of several versions: what passes is installed, and nothing else ever is.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_tests::{
    clients::{self, Client},
    command::{self, Outcome},
    forge::Forge,
    index::{Fault, Form},
    quorum::Quorum,
    stub::{Reply, Stub},
    wheel::{Index, Offered, Wheel},
};
use serde_json::{Value, json};

/// Those that install.
const CLIENTS: [Client; 4] = [Client::Pip23, Client::Pip26, Client::Uv012, Client::Uv013];

/// A wheel that two groups reproduced, one that only one of them did, one that nobody did, and an index with all.
struct Shop {
    quorum: Quorum,
    good: Wheel,
    index: Index,
}

/// A fresh environment of one client.
struct Buyer<'a> {
    shop: &'a Shop,
    client: Client,
    folder: PathBuf,
    program: PathBuf,
}

impl Shop {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let good = Wheel::new("gated", "1.0", "GOOD = True\n")?;
        let needy = Wheel::requiring("needy", "1.0", "", &["gated"])?;
        let half = Wheel::new("half", "1.0", "")?;
        let unknown = Wheel::new("unknown", "1.0", "")?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &good)?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &needy)?;
        quorum.vote(&[&quorum.alice, &quorum.bob], &half)?;
        quorum.write_policy()?;
        let index = Index::serve(&[(&good).into(), (&needy).into(), (&half).into(), (&unknown).into()])?;
        Ok(Self { quorum, good, index })
    }

    /// Has every client that can be had try something, each in a fresh environment.
    fn each(&self, trial: impl Fn(&Buyer<'_>) -> Result<()>) -> Result<()> {
        self.with(&CLIENTS, trial)
    }

    /// Only the newest pip and uv, where nothing in it changed between versions.
    fn newest(&self, trial: impl Fn(&Buyer<'_>) -> Result<()>) -> Result<()> {
        self.with(&[Client::Pip26, Client::Uv013], trial)
    }

    fn with(&self, clients: &[Client], trial: impl Fn(&Buyer<'_>) -> Result<()>) -> Result<()> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        for client in clients.iter().copied() {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let folder = self.quorum.scene.path(&format!("env{count}"));
            let (Some(program), Some(_)) = (clients::get(client)?, clients::environment(client, &folder)?) else {
                continue;
            };
            let buyer = Buyer { shop: self, client, folder, program };
            trial(&buyer).with_context(|| format!("with {} {}", client.program(), client.version()))?;
        }
        Ok(())
    }
}

impl Buyer<'_> {
    fn is_uv(&self) -> bool {
        self.client.program() == "uv"
    }

    /// `attest install` for this client, with nothing of the machine's own configuration.
    fn command(&self, arguments: &[&str]) -> Command {
        let scene = &self.shop.quorum.scene;
        let mut install = scene.attest();
        install.args(["install", "--policy", "policy.toml", "--installer", self.client.program(), "--python"]);
        install.arg(self.folder.join("bin/python")).args(arguments);
        self.prepare(&mut install, &self.shop.index.url());
        install
    }

    fn prepare(&self, command: &mut Command, index: &str) {
        for (name, _) in env::vars_os() {
            if ["PIP_", "UV_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
                command.env_remove(name);
            }
        }
        let own = self.program.parent().unwrap_or(Path::new(""));
        command.env("PATH", with_first(own)).env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_CACHE_DIR", "1");
        command.env("UV_CACHE_DIR", self.shop.quorum.scene.path("uv-cache")).env("UV_PYTHON_DOWNLOADS", "never");
        command.env("PIP_INDEX_URL", index).env("UV_DEFAULT_INDEX", index).env("NO_PROXY", "127.0.0.1");
    }

    fn install(&self, arguments: &[&str]) -> Result<Outcome> {
        command::run(&mut self.command(arguments))
    }

    /// The client itself, without us.
    fn alone(&self, arguments: &[&str]) -> Result<Outcome> {
        let python = self.folder.join("bin/python");
        let mut alone = if self.is_uv() {
            let mut uv = Command::new(&self.program);
            uv.args(["pip", "install", "--python"]).arg(python);
            uv
        } else {
            let mut pip = Command::new(python);
            pip.args(["-m", "pip", "install"]);
            pip
        };
        self.prepare(alone.args(arguments), &self.shop.index.url());
        command::run(&mut alone)
    }

    fn has(&self, module: &str) -> Result<bool> {
        Ok(clients::site_packages(&self.folder)?.join(format!("{module}.py")).exists())
    }

    /// Not a thing was installed, whatever the exit code says.
    fn has_nothing(&self) -> Result<()> {
        for module in ["gated", "needy", "half", "unknown"] {
            ensure!(!self.has(module)?, "{module} was installed");
        }
        Ok(())
    }

    fn refused(&self, outcome: &Outcome) -> Result<()> {
        ensure!(outcome.code() != Some(0), "accepted: {}", outcome.text());
        self.has_nothing()
    }
}

fn with_first(folder: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = [folder.to_owned()].into_iter().chain(env::split_paths(&path));
    env::join_paths(all).unwrap_or(path)
}

#[test]
fn what_passes_is_installed_with_what_it_requires_and_its_digest_is_said() -> Result<()> {
    let shop = Shop::new()?;
    shop.each(|buyer| {
        let dry = buyer.install(&["needy", "--dry-run", "--output-format", "json"])?.expect(0)?;
        let document: Value = serde_json::from_str(&dry.stdout)?;
        ensure!(document["installation"]["exit"].is_null() && document["summary"]["passed"] == 2, "{document}");
        buyer.has_nothing()?;
        let digest = format!("installed gated==1.0 sha256:{}", shop.good.digest());
        buyer.install(&["needy"])?.expect(0)?.expect_words("2 files checked: 2 ok")?.expect_words(&digest)?;
        ensure!(buyer.has("gated")? && buyer.has("needy")?, "both are there");
        Ok(())
    })
}

#[test]
fn one_file_that_does_not_pass_stops_all_of_them() -> Result<()> {
    let shop = Shop::new()?;
    let contradicted = Wheel::new("contradicted", "1.0", "")?;
    shop.quorum.vote(&[&shop.quorum.alice, &shop.quorum.carol], &contradicted)?;
    let vote = shop.quorum.alice.vote_on(contradicted.subject(), contradicted.record_digest())?;
    let dissent = shop.quorum.bob.contradiction(
        contradicted.subject(),
        Forge::build_of(&contradicted.subject().name),
        vote.statement_id(),
    )?;
    shop.quorum.submit(&dissent)?;
    shop.index.add(&contradicted);
    shop.each(|buyer| {
        for (other, words) in
            [("half", "found 1 (university)"), ("unknown", "found none"), ("contradicted", "contradict")]
        {
            let outcome = buyer.install(&["gated", other])?.expect(1)?.expect_words("nothing was installed")?;
            buyer.refused(&outcome.expect_words(words)?)?;
        }
        Ok(())
    })
}

#[test]
fn an_index_that_lies_tampers_or_redirects_gets_nothing_installed() -> Result<()> {
    let shop = Shop::new()?;
    let evil = Wheel::new("gated", "1.0", "GOOD = False\n")?;
    let elsewhere = Index::serve(&[(&evil).into()])?;
    let led = format!("{}files/{}", elsewhere.url().trim_end_matches("simple/"), evil.name());
    let hash = |digest: ArtifactDigest| json!({ "hashes": { "sha256": digest.to_string() } });
    let faults = [
        Fault::Tampered(evil.bytes().to_vec()),
        Fault::Says(hash(evil.digest())),
        Fault::Says(json!({ "hashes": {} })),
        Fault::Redirect(led),
        Fault::Status(403),
    ];
    shop.each(|buyer| {
        for fault in &faults {
            shop.index.break_it(shop.good.name(), fault.clone());
            let mut install = buyer.command(&["gated", "--no-cache"]);
            let outcome = command::run(&mut install)?;
            // Without hashes on the page, an installer asks the file itself what it is: that can only be the good one.
            if outcome.code() == Some(0) {
                ensure!(matches!(fault, Fault::Says(_)), "{fault:?}: {}", outcome.text());
                let module = fs::read_to_string(clients::site_packages(&buyer.folder)?.join("gated.py"))?;
                ensure!(module.contains("True"), "{fault:?} got another file installed");
                fs::remove_file(clients::site_packages(&buyer.folder)?.join("gated.py"))?;
                fs::remove_dir_all(clients::site_packages(&buyer.folder)?.join("gated-1.0.dist-info"))?;
                continue;
            }
            buyer.refused(&outcome).with_context(|| format!("{fault:?}"))?;
        }
        shop.index.mend(shop.good.name());
        Ok(())
    })
}

#[test]
fn an_index_that_changes_its_answer_between_the_question_and_the_installation_gets_nothing_installed() -> Result<()> {
    let shop = Shop::new()?;
    let evil = Wheel::new("gated", "1.0", "GOOD = False\n")?;
    shop.each(|buyer| {
        let (good, evil) = (shop.good.clone(), evil.clone());
        let asked = AtomicUsize::new(0);
        // The first page is honest; from the second on, another file has the name and its own, right hash.
        let index = Stub::serve(move |request| {
            let wheel = if request.path.contains("evil") { &evil } else { &good };
            if !request.path.starts_with("/simple/") {
                return Reply::ok("application/octet-stream", wheel.bytes());
            }
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            let (wheel, folder) = if first { (&good, "good") } else { (&evil, "evil") };
            let (name, digest) = (wheel.name(), wheel.digest());
            Reply::ok("text/html", format!("<a href=\"/{folder}/{name}#sha256={digest}\">{name}</a>"))
        })?;
        let mut install = buyer.command(&["gated", "--no-cache"]);
        let url = format!("{}simple/", index.url());
        let outcome = command::run(install.env("PIP_INDEX_URL", &url).env("UV_DEFAULT_INDEX", &url))?;
        buyer.refused(&outcome)
    })
}

#[test]
fn of_a_file_that_is_listed_twice_only_the_verified_bytes_are_ever_installed() -> Result<()> {
    let shop = Shop::new()?;
    let evil = Wheel::new("gated", "1.0", "GOOD = False\n")?;
    shop.each(|buyer| {
        for good_first in [true, false] {
            let (good, evil) = (shop.good.clone(), evil.clone());
            let index = Stub::serve(move |request| {
                if !request.path.starts_with("/simple/") {
                    let wheel = if request.path.contains("evil") { &evil } else { &good };
                    return Reply::ok("application/octet-stream", wheel.bytes());
                }
                let line = |folder: &str, wheel: &Wheel| {
                    format!("<a href=\"/{folder}/{0}#sha256={1}\">{0}</a>", wheel.name(), wheel.digest())
                };
                let (good, evil) = (line("good", &good), line("evil", &evil));
                Reply::ok("text/html", if good_first { good + &evil } else { evil + &good })
            })?;
            let mut install = buyer.command(&["gated", "--no-cache", "--force-reinstall"]);
            let url = format!("{}simple/", index.url());
            let outcome = command::run(install.env("PIP_INDEX_URL", &url).env("UV_DEFAULT_INDEX", &url))?;
            let module = clients::site_packages(&buyer.folder)?.join("gated.py");
            let is_good = fs::read_to_string(module).map(|text| text.contains("True")).ok();
            ensure!(is_good != Some(false), "good first: {good_first}: {}", outcome.text());
            ensure!(outcome.code() != Some(0) || is_good == Some(true), "{}", outcome.text());
        }
        Ok(())
    })
}

#[test]
fn what_is_there_already_stays_only_where_it_is_shown_to_be_the_verified_file() -> Result<()> {
    let shop = Shop::new()?;
    let evil = Wheel::new("gated", "1.0", "GOOD = False\n")?;
    let path = shop.quorum.scene.write(&format!("other/{}", evil.name()), evil.bytes())?.display().to_string();
    shop.each(|buyer| {
        buyer.alone(&["--no-deps", &path])?.expect(0)?;
        buyer.install(&["gated"])?.expect(1)?.expect_words("from files that nobody checked: gated==1.0")?;
        buyer.install(&["gated", "--force-reinstall"])?.expect(0)?;
        let module = clients::site_packages(&buyer.folder)?.join("gated.py");
        ensure!(fs::read_to_string(&module)?.contains("True"), "the verified file is in its place");
        // Now it is what was verified, and nothing has to be done.
        let again = buyer.install(&["needy"])?.expect(0)?;
        again.expect_words("gated==1.0 is there already")?.expect_words("installed needy==1.0")?;
        // uv may have linked it to its cache.
        fs::remove_file(&module)?;
        fs::write(&module, "GOOD = True \n")?;
        buyer.install(&["gated"])?.expect(1)?.expect_words("nobody checked")?;
        Ok(())
    })
}

#[test]
fn a_source_distribution_is_never_built() -> Result<()> {
    let shop = Shop::new()?;
    let mark = shop.quorum.scene.path("built");
    let sdist = Offered::sdist("source", "1.0", &mark)?;
    let file = shop.index.url().replace("simple/", &format!("files/{}", sdist.name()));
    shop.index.add(sdist);
    shop.quorum.scene.write("project/setup.py", "open('built', 'w')")?;
    shop.newest(|buyer| {
        for arguments in [&["source"][..], &[file.as_str()], &["./project"], &["-e", "./project"]] {
            let outcome = buyer.install(arguments)?;
            buyer.refused(&outcome)?;
            ensure!(
                !mark.exists() && !shop.quorum.scene.path("project/built").exists(),
                "{arguments:?} built something"
            );
        }
        Ok(())
    })
}

#[test]
fn hashes_in_the_users_own_requirements_are_kept_to() -> Result<()> {
    let shop = Shop::new()?;
    let scene = &shop.quorum.scene;
    let other = ArtifactDigest::of(b"another file");
    scene.write("mixed.txt", format!("{} --hash=sha512:{}\n", shop.good.requirement().trim_end(), "ab".repeat(64)))?;
    scene.write("other.txt", format!("gated==1.0 --hash=sha256:{other}\n"))?;
    scene.write("good.txt", shop.good.requirement())?;
    // With the index in the file, as many projects have it.
    scene.write("index.txt", format!("--index-url {}\ngated\n", shop.index.url()))?;
    shop.newest(|buyer| {
        let outcome = buyer.install(&["-r", "mixed.txt"])?.expect(1)?.expect_words("sha512")?;
        buyer.refused(&outcome)?;
        buyer.refused(&buyer.install(&["-r", "other.txt"])?)?;
        buyer.install(&["-r", "good.txt"])?.expect(0)?;
        let mut install = buyer.command(&["-r", "index.txt", "--force-reinstall"]);
        command::run(install.env_remove("PIP_INDEX_URL").env_remove("UV_DEFAULT_INDEX"))?.expect(0)?;
        Ok(())
    })
}

#[test]
fn a_newer_version_of_the_same_name_on_another_index_is_no_way_in() -> Result<()> {
    let shop = Shop::new()?;
    let confused = Wheel::new("gated", "9.9", "GOOD = False\n")?;
    let public = Index::serve(&[(&confused).into()])?;
    shop.newest(|buyer| {
        let outcome = buyer.install(&["gated", "--extra-index-url", &public.url()])?.expect(1)?;
        buyer.refused(&outcome.expect_words("gated-9.9")?)?;
        let mut install = buyer.command(&["gated"]);
        let url = public.url().replace("http://", "http://ann:s3cret@");
        let outcome = command::run(install.env("PIP_EXTRA_INDEX_URL", &url).env("UV_EXTRA_INDEX_URL", &url))?;
        let outcome = outcome.expect(1)?.expect_words(&format!("files may come from {}", public.url()))?;
        ensure!(!outcome.text().contains("s3cret"), "credentials are shown: {}", outcome.text());
        buyer.refused(&outcome)
    })
}

#[test]
fn a_yanked_file_that_is_pinned_is_installed_and_said_to_be_yanked() -> Result<()> {
    let shop = Shop::new()?;
    shop.index.break_it(shop.good.name(), Fault::Says(json!({ "yanked": "it was a mistake" })));
    shop.each(|buyer| {
        buyer.install(&["gated==1.0", "--no-cache"])?.expect(0)?.expect_words("yanked")?;
        Ok(())
    })
}

#[test]
fn of_several_wheels_that_fit_only_accepted_ones_may_be_taken() -> Result<()> {
    let shop = Shop::new()?;
    let preferred = Wheel::tagged("gated", "1.0", "1-py3-none-any", "GOOD = False\n", &[])?;
    shop.index.add(&preferred);
    shop.each(|buyer| {
        let outcome = buyer.install(&["gated"])?.expect(0)?;
        outcome.expect_words("gated-1.0-1-py3-none-any.whl fits here and is not accepted")?;
        let module = fs::read_to_string(clients::site_packages(&buyer.folder)?.join("gated.py"))?;
        ensure!(module.contains("True"), "the accepted one is there");
        Ok(())
    })
}

#[test]
fn an_older_version_that_would_pass_is_named_and_never_taken_instead() -> Result<()> {
    let shop = Shop::new()?;
    shop.index.add(&Wheel::new("gated", "2.0", "GOOD = False\n")?);
    shop.newest(|buyer| {
        let outcome =
            buyer.install(&["gated"])?.expect(1)?.expect_words("1 other version of gated would pass: 1.0;")?;
        buyer.refused(&outcome)?;
        buyer.install(&["gated==1.0"])?.expect(0)?;
        Ok(())
    })
}

#[test]
fn a_wheel_with_an_alarm_is_not_gone_around() -> Result<()> {
    let shop = Shop::new()?;
    let quorum = &shop.quorum;
    let preferred = Wheel::tagged("gated", "1.0", "1-py3-none-any", "GOOD = False\n", &[])?;
    quorum.vote(&[&quorum.alice, &quorum.carol], &preferred)?;
    let vote = quorum.carol.vote_on(preferred.subject(), preferred.record_digest())?;
    for who in [&quorum.bob, &quorum.carol] {
        let build = Forge::build_of(&preferred.subject().name);
        quorum.submit(&who.contradiction(preferred.subject(), build, vote.statement_id())?)?;
    }
    shop.index.add(&preferred);
    shop.newest(|buyer| buyer.refused(&buyer.install(&["gated"])?.expect(4)?))
}

#[test]
fn an_index_that_is_down_is_undecided_and_one_that_has_nothing_is_not() -> Result<()> {
    let shop = Shop::new()?;
    shop.newest(|buyer| {
        buyer.install(&["no-such-project"])?.expect(2)?;
        let mut down = buyer.command(&["gated"]);
        // Nobody listens there.
        buyer.prepare(&mut down, "http://127.0.0.1:9/simple/");
        down.env("UV_HTTP_RETRIES", "0").env("PIP_RETRIES", "0");
        buyer
            .refused(&command::run(&mut down)?.expect(3)?.expect_words("expected an answer of the index at 127.0.0.1")?)
    })
}

#[test]
fn wheels_and_urls_of_wheels_are_judged_by_their_bytes() -> Result<()> {
    let shop = Shop::new()?;
    let scene = &shop.quorum.scene;
    let evil = Wheel::new("gated", "1.0", "GOOD = False\n")?;
    let evil = scene.write(&format!("evil/{}", evil.name()), evil.bytes())?.display().to_string();
    scene.write(&format!("good/{}", shop.good.name()), shop.good.bytes())?;
    let local = format!("./good/{}", shop.good.name());
    let url = shop.index.url().replace("simple/", &format!("files/{}", shop.good.name()));
    shop.index.set_form(Form::Html);
    shop.newest(|buyer| {
        buyer.refused(&buyer.install(&[&evil])?.expect(1)?)?;
        buyer.install(&[&local])?.expect(0)?;
        buyer.install(&[&format!("gated @ {url}"), "--force-reinstall"])?.expect(0)?;
        ensure!(buyer.has("gated")?, "it is there");
        Ok(())
    })
}

#[test]
fn folders_and_prefixes_are_filled_and_options_that_nobody_has_are_refused() -> Result<()> {
    let shop = Shop::new()?;
    shop.newest(|buyer| {
        let name = |kind: &str| format!("{kind}-{}", buyer.client.version());
        let (target, prefix) = (name("target"), name("prefix"));
        buyer.install(&["gated", "--target", &target])?.expect(0)?;
        ensure!(shop.quorum.scene.path(&target).join("gated.py").exists(), "in the folder");
        // What is there and shown to be right stays; what is not is never passed over.
        buyer.install(&["gated", "--target", &target])?.expect(0)?.expect_words("is there already")?;
        fs::remove_file(shop.quorum.scene.path(&target).join("gated.py"))?;
        shop.quorum.scene.write(&format!("{target}/gated.py"), "GOOD = False\n")?;
        buyer.install(&["gated", "--target", &target])?.expect(1)?.expect_words("nobody checked")?;
        buyer.install(&["gated", "--target", &target, "--force-reinstall"])?.expect(0)?;
        let module = fs::read_to_string(shop.quorum.scene.path(&target).join("gated.py"))?;
        ensure!(module.contains("True"), "replaced");
        // A module that no installation is known of: pip leaves it, uv does not.
        let strange = name("strange");
        shop.quorum.scene.write(&format!("{strange}/gated.py"), "GOOD = False\n")?;
        let outcome = buyer.install(&["gated", "--target", &strange])?;
        if buyer.is_uv() {
            outcome.expect(0)?;
            ensure!(
                fs::read_to_string(shop.quorum.scene.path(&strange).join("gated.py"))?.contains("True"),
                "replaced"
            );
        } else {
            outcome.expect(1)?.expect_words("not whole there: gated==1.0")?;
        }
        buyer.install(&["gated", "--prefix", &prefix])?.expect(0)?;
        let inside = clients::site_packages(&shop.quorum.scene.path(&prefix))?;
        ensure!(inside.join("gated.py").exists(), "in the prefix");
        buyer.has_nothing()?;
        buyer.install(&["gated", "--no-binary", ":all:"])?.expect(2)?.expect_words("--no-binary")?;
        let foreign = if buyer.is_uv() { ["--user", "x"] } else { ["--index-strategy", "unsafe-best-match"] };
        buyer.install(&["gated", foreign[0], foreign[1]])?.expect(2)?.expect_words(foreign[0])?;
        buyer.has_nothing()
    })
}

#[test]
fn credentials_of_an_internal_index_are_found_where_the_installers_find_them() -> Result<()> {
    let shop = Shop::new()?;
    let scene = &shop.quorum.scene;
    shop.index.require("ann", "s3cret");
    scene.write("home/.netrc", "machine 127.0.0.1 login ann password s3cret\n")?;
    // Both ways in which installers ask one: the older for a password alone, the newer for JSON.
    let keyring = "#!/bin/sh\ncase $1 in\nget) echo s3cret ;;\n--mode*) echo '{\"username\": \"ann\", \"password\": \"s3cret\"}' ;;\nesac\n";
    let keyring = scene.write("keys/keyring", keyring)?;
    let mut chmod = Command::new("chmod");
    command::run(chmod.arg("+x").arg(&keyring))?.expect(0)?;
    let named = shop.index.url().replace("http://", "http://ann@");
    let whole = shop.index.url().replace("http://", "http://ann:s3cret@");
    shop.each(|buyer| {
        buyer.refused(&buyer.install(&["gated"])?)?;
        let quiet = |outcome: Outcome| {
            ensure!(!outcome.text().contains("s3cret"), "the password is shown: {}", outcome.text());
            outcome.expect(0)
        };
        let mut by_netrc = buyer.command(&["gated", "--no-cache", "-v"]);
        quiet(command::run(by_netrc.env("HOME", scene.path("home")).env("NETRC", scene.path("home/.netrc")))?)?;
        let mut by_url = buyer.command(&["gated", "--no-cache", "-v", "--force-reinstall"]);
        quiet(command::run(by_url.env("PIP_INDEX_URL", &whole).env("UV_DEFAULT_INDEX", &whole))?)?;
        let mut by_keyring =
            buyer.command(&["gated", "--no-cache", "--keyring-provider", "subprocess", "--force-reinstall"]);
        let path = env::join_paths(
            [scene.path("keys")]
                .into_iter()
                .chain(env::split_paths(&with_first(buyer.program.parent().context("bin")?))),
        )?;
        by_keyring.env("PATH", path).env("PIP_INDEX_URL", &named).env("UV_DEFAULT_INDEX", &named);
        quiet(command::run(&mut by_keyring)?)?;
        Ok(())
    })
}

#[test]
fn an_environment_that_uv_made_is_installed_into_by_uv() -> Result<()> {
    let shop = Shop::new()?;
    shop.newest(|buyer| {
        let mut install = shop.quorum.scene.attest();
        install.args(["install", "--policy", "policy.toml", "-v", "--python"]).arg(buyer.folder.join("bin/python"));
        buyer.prepare(install.arg("gated"), &shop.index.url());
        let words = if buyer.is_uv() { "has no pip: uv" } else { "pip installs into" };
        command::run(&mut install)?.expect(0)?.expect_words(words)?;
        ensure!(buyer.has("gated")?, "it is there");
        Ok(())
    })
}

/// `[[packages]]` of PEP 751 for a wheel of the index.
fn locked(shop: &Shop, wheel: &Wheel, digest: &ArtifactDigest) -> String {
    let (name, url) = (wheel.name(), shop.index.url());
    let project = name.split('-').next().unwrap_or_default();
    format!(
        "[[packages]]\nname = \"{project}\"\nversion = \"1.0\"\n[[packages.wheels]]\nname = \"{name}\"\n\
         url = \"{url}{name}\"\nhashes = {{ sha256 = \"{digest}\" }}\n"
    )
}

#[test]
fn a_pylock_is_installed_as_it_says_and_only_where_all_of_it_passes() -> Result<()> {
    let shop = Shop::new()?;
    let head = "lock-version = \"1.0\"\ncreated-by = \"a test\"\n";
    let (half, windows) =
        (Wheel::new("half", "1.0", "")?, Wheel::tagged("gated", "1.0", "cp311-cp311-win32", "", &[])?);
    let good = locked(&shop, &shop.good, &shop.good.digest());
    let elsewhere = format!(
        "[[packages.wheels]]\nname = \"{}\"\nurl = \"https://files.example/{0}\"\nhashes = {{ sha256 = \"{}\" }}\n",
        windows.name(),
        windows.digest()
    );
    shop.quorum.scene.write("pylock.toml", format!("{head}{good}{elsewhere}"))?;
    let only_elsewhere = format!("{head}[[packages]]\nname = \"gated\"\nversion = \"1.0\"\n{elsewhere}");
    shop.quorum.scene.write("pylock.windows.toml", only_elsewhere)?;
    shop.quorum.scene.write("pylock.half.toml", format!("{head}{good}{}", locked(&shop, &half, &half.digest())))?;
    let wrong = locked(&shop, &shop.good, &half.digest());
    shop.quorum.scene.write("pylock.wrong.toml", format!("{head}{wrong}"))?;
    shop.newest(|buyer| {
        buyer.refused(&buyer.install(&["-r", "pylock.half.toml"])?.expect(1)?.expect_words("1 ok, 1 refused")?)?;
        buyer.refused(&buyer.install(&["-r", "pylock.wrong.toml"])?.expect(1)?)?;
        buyer.refused(&buyer.install(&["-r", "pylock.toml", "needy"])?.expect(2)?.expect_words("nothing beside")?)?;
        buyer.refused(&buyer.install(&["-r", "pylock.windows.toml"])?.expect(1)?.expect_words("no file of gated")?)?;
        buyer.install(&["-r", "pylock.toml"])?.expect(0)?.expect_words("installed gated==1.0")?;
        ensure!(buyer.has("gated")?, "not installed");
        Ok(())
    })
}

#[test]
fn offline_no_installer_asks_an_index() -> Result<()> {
    let shop = Shop::new()?;
    shop.newest(|buyer| {
        shop.index.forget();
        buyer.refused(&buyer.install(&["gated", "--offline"])?)?;
        ensure!(shop.index.requests().is_empty(), "asked: {:?}", shop.index.requests());
        // What is at hand will do: the log's answer of before with a folder of wheels, or with uv's cache.
        let path = shop.quorum.scene.write(&format!("at-hand/{}", shop.good.name()), shop.good.bytes())?;
        let folder = path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let at_hand = if buyer.is_uv() { ["--force-reinstall"].to_vec() } else { ["--find-links", &folder].to_vec() };
        let before = if buyer.is_uv() { [].to_vec() } else { ["--dry-run"].to_vec() };
        buyer.install(&[&["gated"], &before[..]].concat())?.expect(0)?;
        shop.index.forget();
        buyer.install(&[&["gated", "--offline"], &at_hand[..]].concat())?.expect(0)?;
        ensure!(shop.index.requests().is_empty() && buyer.has("gated")?, "asked: {:?}", shop.index.requests());
        Ok(())
    })
}
