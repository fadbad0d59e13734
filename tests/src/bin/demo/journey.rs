//! From source to installation: what is supposed to happen.

use std::{fs, path::PathBuf, process::Command, thread, time::Instant};

use anyhow::{Context, Result, anyhow, ensure};
use attest_core::{envelope::Envelope, key::PublicKey, note::VerifierKey, statement::Statement};
use attest_tests::{command, http, policy::Policy, scene::Scene, server::Server};

use crate::{PROJECT, VERSION, cast::Cast, narrator::Narrator};

/// Everything that runs and everything that was made.
pub(crate) struct Journey<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) cast: &'a Cast,
    pub(crate) vkey: VerifierKey,
    pub(crate) log: Server,
    mirror: Option<Server>,
    rebuilders: PathBuf,
}

impl<'a> Journey<'a> {
    /// Starts the log and its mirror.
    pub(crate) fn begin(narrator: &mut Narrator, scene: &'a Scene, cast: &'a Cast) -> Result<Self> {
        narrator.step("A log and a mirror of it");
        narrator.say(
            "The log keeps every statement for ever, in a Merkle tree: nothing can be taken out or changed afterwards without \
             it showing. The mirror copies it, checks every hash and cosigns what it saw.",
        );
        let rebuilders = scene.rebuilders("rebuilders.toml", &cast.members())?;
        let mut init = scene.attest_server();
        init.args(["init", "--data", "log", "--origin", "log.example"]);
        let vkey: VerifierKey = narrator.run(&mut init, 0)?.stdout.trim().parse()?;
        // For the last refusal: a copy of the empty log, with its key.
        let mut copy = Command::new("cp");
        command::run(copy.args(["-r", "log", "log-twin"]).current_dir(scene.path("")))?.expect(0)?;

        let mut run = scene.attest_server();
        run.args(["run", "--data", "log", "--listen", "127.0.0.1:0", "--rebuilders", "rebuilders.toml"]);
        narrator.show(&run);
        let log = Server::spawn(&mut run)?;
        let mut follow = scene.attest_server();
        follow.args(["mirror", "--data", "mirror", "--upstream", log.url(), "--vkey", &vkey.to_string()]);
        follow.args(["--listen", "127.0.0.1:0", "--poll-interval", "1"]);
        narrator.show(&follow);
        let mirror = Server::spawn(&mut follow)?;
        narrator.say(&format!("The log answers on {}, the mirror on {}.", log.url(), mirror.url()));
        Ok(Self { scene, cast, vkey, log, mirror: Some(mirror), rebuilders })
    }

    /// Each rebuilder rebuilds, at the same time and each from nothing but the sdist.
    pub(crate) fn rebuild(&mut self, narrator: &mut Narrator) -> Result<()> {
        narrator.step(&format!("Everybody rebuilds {PROJECT} {VERSION} from its source"));
        narrator.say(
            "Each of them fetches the published wheel and its source, works out how it was built, builds it twice \
             without network, and compares: is it the published file, bit for bit? (All three at once, so this takes a while.)",
        );
        let started = Instant::now();
        let rebuilds: Vec<_> = self
            .cast
            .rebuilders
            .iter()
            .map(|rebuilder| {
                let mut rebuild = self.scene.attest();
                rebuild.args(["rebuild", &format!("{PROJECT}=={VERSION}"), "--output-dir", &rebuilder.member.name]);
                // Nothing is shared: three people have three machines.
                let cache = self.scene.path(&format!("cache-of-{}", rebuilder.member.name));
                rebuild.env("XDG_CACHE_HOME", cache);
                narrator.show(&rebuild);
                thread::spawn(move || command::run(&mut rebuild))
            })
            .collect();
        for (rebuild, rebuilder) in rebuilds.into_iter().zip(&self.cast.rebuilders) {
            let outcome = rebuild.join().map_err(|_| anyhow!("a rebuild panicked"))??;
            let outcome = outcome.expect(0).with_context(|| format!("{}'s rebuild", rebuilder.member.name))?;
            let verdict = outcome.stdout.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            println!("      {}: {}", rebuilder.member.name, verdict.trim());
        }
        narrator.say(&format!("All three rebuilt it bit for bit, in {:.0} s.", started.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Each signs what came of it and submits that to the log.
    pub(crate) fn sign_and_submit(&mut self, narrator: &mut Narrator) -> Result<()> {
        narrator.step("Everybody signs what they found and submits it to the log");
        narrator.say(
            "A statement says: this file, this digest, rebuilt from this source, in this environment. The log answers with a \
             proof that the statement is in it, and `attest submit` checks that proof before it says so.",
        );
        for rebuilder in &self.cast.rebuilders {
            let name = &rebuilder.member.name;
            let mut sign = self.scene.attest();
            sign.args(["sign", &result(name), "--signer", &rebuilder.signer, "-o", &statement(name)]);
            if let Some(gnupg) = &self.cast.gnupg {
                sign.env("GNUPGHOME", gnupg.home());
            }
            narrator.quietly(&mut sign, 0)?;
            let mut submit = self.scene.attest();
            submit.args(["submit", &statement(name), "--log", self.log.url(), "--vkey", &self.vkey.to_string()]);
            narrator.run(&mut submit, 0)?;
            ensure!(self.scene.path(&format!("{}.tlog-proof", statement(name))).exists(), "no proof was kept");
        }
        Ok(())
    }

    /// A user who never heard of any of them checks the file, once through the log and once through the mirror.
    pub(crate) fn verify(&mut self, narrator: &mut Narrator) -> Result<()> {
        narrator.step("A user verifies the wheel, through the log and through the mirror");
        narrator.say(
            "The policy is the user's own file: whom to believe, and how many groups must agree. This one wants two groups. \
             Servers only hand out evidence; the decision is made here.",
        );
        self.policy("policy.toml", self.log.url(), &[])?;
        self.policy("policy-mirror.toml", self.mirror()?.url(), &[])?;
        let mut check = self.scene.attest();
        narrator.run(check.args(["policy", "check", "policy.toml"]), 0)?;
        narrator.run(&mut self.verification("policy.toml"), 0)?;

        self.wait_for_the_mirror()?;
        narrator.say("The same through the mirror: it cannot make anything up, so it needs no trust of its own.");
        narrator.run(&mut self.verification("policy-mirror.toml"), 0)?;
        Ok(())
    }

    /// Through the gate into a fresh environment.
    pub(crate) fn install(&mut self, narrator: &mut Narrator) -> Result<()> {
        narrator.step("The user installs it, through the gate, into a fresh virtual environment");
        narrator.say(
            "attest lets pip say what it would install, verifies every file of that, and then lets pip install exactly those \
             digests and nothing else.",
        );
        let mut venv = Command::new("python3");
        narrator.quietly(venv.args(["-m", "venv", "venv"]).current_dir(self.scene.path("")), 0)?;
        let mut install = self.scene.attest();
        install.args([
            "install",
            "--policy",
            "policy.toml",
            "--python",
            "venv/bin/python",
            &format!("{PROJECT}=={VERSION}"),
        ]);
        narrator.run(&mut install, 0)?;
        let mut import = Command::new(self.scene.path("venv/bin/python"));
        import.args(["-c", &format!("import {PROJECT}; print('imported', {PROJECT}.__version__)")]);
        narrator.run(&mut import, 0)?.expect_words(VERSION)?;
        Ok(())
    }

    /// Writes a policy that wants two groups; `without` is left out, Dave's group is named instead.
    pub(crate) fn policy(&self, name: &str, url: &str, without: &[&str]) -> Result<()> {
        let mut members = self.cast.members();
        members.retain(|member| !without.contains(&member.name.as_str()));
        if !without.is_empty() {
            members.push(self.cast.dave.clone());
        }
        self.scene.write(name, Policy::quorum(2, &self.vkey, url, &members).text()?)?;
        Ok(())
    }

    /// `attest verify` of the wheel that was downloaded.
    pub(crate) fn verification(&self, policy: &str) -> Command {
        let mut verify = self.scene.attest();
        verify.args(["verify", &format!("downloads/{}", wheel()), "--policy", policy]);
        verify
    }

    /// Runs the log's twin.
    pub(crate) fn run_twin(&self) -> Result<Server> {
        self.scene.run_log("log-twin", &self.rebuilders)
    }

    /// What somebody signed.
    pub(crate) fn statement(&self, name: &str) -> Result<(Envelope, Statement)> {
        let envelope = Envelope::parse(&fs::read(self.scene.path(&statement(name)))?)?;
        let rebuilder = self.cast.rebuilders.iter().find(|rebuilder| rebuilder.member.name == name);
        let key = PublicKey::parse(&rebuilder.context("no such rebuilder")?.member.key)?;
        let statement = envelope.verify(&key)?.statement().clone();
        Ok((envelope, statement))
    }

    fn mirror(&self) -> Result<&Server> {
        self.mirror.as_ref().context("the mirror was stopped")
    }

    /// Ends the mirror in good order; its folder stays.
    pub(crate) fn stop_the_mirror(&mut self) -> Result<()> {
        let status = self.mirror.take().context("the mirror was stopped")?.stop()?;
        ensure!(status.success(), "the mirror ended with {status}");
        Ok(())
    }

    /// The mirror looks at the log once a second.
    pub(crate) fn wait_for_the_mirror(&self) -> Result<()> {
        let size = |server: &Server| -> Result<String> {
            let note = http::get(server.url(), "/checkpoint")?;
            Ok(String::from_utf8_lossy(&note.body).lines().nth(1).unwrap_or_default().to_owned())
        };
        let wanted = size(&self.log)?;
        for _ in 0..200 {
            if size(self.mirror()?)? == wanted {
                return Ok(());
            }
            thread::sleep(std::time::Duration::from_millis(100));
        }
        Err(anyhow!("the mirror does not follow the log"))
    }
}

/// File name of the wheel.
pub(crate) fn wheel() -> String {
    format!("{PROJECT}-{VERSION}-py3-none-any.whl")
}

/// Folder that somebody's rebuild left.
fn result(name: &str) -> String {
    format!("{name}/{PROJECT}-{VERSION}-py3-none-any")
}

/// File that somebody's signed statement is in.
pub(crate) fn statement(name: &str) -> String {
    format!("{name}.json")
}
