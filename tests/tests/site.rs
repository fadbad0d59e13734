//! Pages of entries as a careful reader uses them, feeds and badges as other programs read them, and the site as files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, Signature, pae},
    key::openpgp,
    merkle::LeafHash,
    note::VerifierKey,
    proof::TlogProof,
    statement::{Predicate, Statement, Subject, Withdrawal},
};
use attest_tests::{
    command::{self, Outcome},
    forge::Forge,
    gnupg::Gnupg,
    http::{self, Connection, block_on},
    scene::{Member, Scene},
    server::Server,
    tool,
};

/// Longest wait for the record to have what was logged.
const PATIENCE: Duration = Duration::from_secs(30);

/// A log with statements by a key of gpg's and by Ed25519 keys, of whom one has a hostile name.
struct World {
    scene: Scene,
    vkey: VerifierKey,
    rebuilders: PathBuf,
    gnupg: Gnupg,
    alice: Forge,
    mallory: Forge,
}

impl World {
    fn new() -> Result<Self> {
        let (scene, gnupg) = (Scene::new()?, Gnupg::new("carol <carol@example.org>")?);
        let (alice, mallory) = (Forge::new()?, Forge::new()?);
        let vkey = scene.init_log("log", "log.example.org/site")?;
        let rebuilders = scene.rebuilders(
            "rebuilders.toml",
            &[
                Member::new("alice", "a", &alice.public_key()),
                Member::new("carol", "c", &gnupg.certificate()?),
                Member::new("<script>alert(1)</script>\\u202E\\u0007 &amp;", "m", &mallory.public_key()),
            ],
        )?;
        Ok(Self { scene, vkey, rebuilders, gnupg, alice, mallory })
    }

    /// Alice and Carol reproduce a file, Mallory contradicts Alice, and Alice takes another statement back.
    fn fill(&self, log: &Server) -> Result<()> {
        let vote = self.alice.reproduced("sited", 1)?;
        let subject = subject("sited-1-py3-none-any.whl")?;
        let other = self.alice.reproduced("sited", 2)?;
        let withdrawal =
            Withdrawal { statement_id: other.statement_id(), reason: "</script><script>alert(1)</script>".to_owned() };
        let withdrawal = Statement::new(subject_of(&other)?, Predicate::Withdrawn(withdrawal))?;
        let build = Forge::build_of(&subject.name);
        for envelope in [
            self.by_gpg(Forge::new()?.reproduced("sited", 1)?.payload())?,
            vote.clone(),
            self.mallory.contradiction(subject, build, vote.statement_id())?,
            other,
            self.alice.sign(&withdrawal)?,
        ] {
            block_on(async { Connection::open(log.url()).await?.submit(envelope.to_bytes().into()).await })?;
        }
        for index in 0..5 {
            Self::page(log, &format!("/entry/{index}/"))?;
        }
        Ok(())
    }

    fn by_gpg(&self, payload: &[u8]) -> Result<Envelope> {
        let signed = self.scene.write("to-sign", pae(payload))?;
        let signature = self.scene.path("to-sign.sig");
        let user = format!("{}!", self.gnupg.fingerprint());
        let mut gpg = self.gnupg.gpg();
        gpg.args(["--no-options", "--yes", "--digest-algo", "SHA512", "--local-user", &user, "--detach-sign"]);
        command::run(gpg.arg("--output").arg(&signature).arg(&signed))?.expect(0)?;
        Ok(Envelope::new(payload.to_vec(), Signature::OpenPgp(openpgp::packet(&fs::read(signature)?)?))?)
    }

    /// A page, as soon as the record has it.
    fn page(log: &Server, path: &str) -> Result<String> {
        let asked = Instant::now();
        loop {
            let answer = http::get(log.url(), path)?;
            if answer.status == 200 {
                return Ok(String::from_utf8(answer.body.to_vec())?);
            }
            ensure!(asked.elapsed() < PATIENCE, "{path}: still {} {:?}", answer.status, answer.body);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Downloads into a folder of the scene.
    fn download(&self, log: &Server, folder: &str, paths: &[&str]) -> Result<()> {
        for path in paths {
            let name = path.rsplit('/').next().unwrap_or_default();
            self.scene.write(&format!("{folder}/{name}"), http::get(log.url(), path)?.expect(200)?.body)?;
        }
        Ok(())
    }

    fn shell(&self, folder: &str, commands: &str) -> Result<Outcome> {
        let mut shell = Command::new("sh");
        // No keyring but the one that the commands make.
        command::run(shell.args(["-e", "-c", commands]).current_dir(self.scene.path(folder)).env_remove("GNUPGHOME"))
    }

    fn export(&self, to: &Path) -> Command {
        let mut export = self.scene.attest_server();
        export.arg("export").arg("--data").arg(self.scene.path("log"));
        export.arg("--rebuilders").arg(&self.rebuilders).arg("--site").arg(to);
        export
    }
}

fn subject(file: &str) -> Result<Subject> {
    let name = WheelName::parse(file)?;
    Ok(Subject { digest: ArtifactDigest::of(name.as_str().as_bytes()), name })
}

fn subject_of(envelope: &Envelope) -> Result<Subject> {
    Ok(Statement::parse(envelope.payload())?.subject().clone())
}

/// The commands in the part of a page with this id.
fn commands(page: &str, id: &str) -> Result<Vec<String>> {
    let part = page.split(&format!("<div id=\"{id}\">")).nth(1).and_then(|rest| rest.split("</div>").next());
    let part = part.with_context(|| format!("no {id} on the page"))?;
    let found = part.split("<code>").skip(1).filter_map(|rest| rest.split("</code>").next());
    Ok(found.map(unescaped).collect())
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
    text.replace("&#38;", "&")
}

#[test]
fn the_commands_on_an_entry_s_page_check_it_with_gpg_openssl_and_nothing_of_ours() -> Result<()> {
    if !tool::have(&["gpg", "openssl", "sha256sum"]) {
        return Ok(());
    }
    let world = World::new()?;
    let log = world.scene.run_log("log", &world.rebuilders)?;
    world.fill(&log)?;
    for (index, good) in [(0, "Good signature"), (1, "Signature Verified Successfully")] {
        let page = World::page(&log, &format!("/entry/{index}/"))?;
        let folder = format!("check{index}");
        let path = |name: &str| format!("/entry/{index}/{name}");
        world.download(
            &log,
            &folder,
            &[&path("pae"), &path("signature.sig"), &path("envelope.json"), &path("entry.tlog-proof")],
        )?;
        let signer = page.split("/rebuilder/").nth(1).and_then(|rest| rest.split('/').next()).context("no signer")?;
        if index == 0 {
            world.download(&log, &folder, &[&format!("/rebuilder/{signer}/certificate.asc")])?;
        }
        let by_hand = commands(&page, "check-signature")?.join("\n");
        let outcome = world.shell(&folder, &by_hand)?.expect(0)?.expect_words(good)?;
        if index == 0 {
            let printed: String = outcome.text().split_whitespace().collect();
            ensure!(printed.contains(world.gnupg.fingerprint()), "another key: {}", outcome.text());
            ensure!(page.contains(world.gnupg.fingerprint()), "the page does not say which key it must be");
        }

        let envelope = Envelope::parse(&fs::read(world.scene.path(&folder).join("envelope.json"))?)?;
        let proof = TlogProof::parse(&fs::read(world.scene.path(&folder).join("entry.tlog-proof"))?)?;
        proof.verify(LeafHash::of(&envelope.to_bytes()), &world.vkey)?;
        let hashes = commands(&page, "check-hashes")?;
        ensure!(hashes.len() == 2, "expected two commands, found {hashes:?}");
        for (command, expected) in
            hashes.iter().zip([envelope.statement_id().to_string(), LeafHash::of(&envelope.to_bytes()).to_string()])
        {
            ensure!(page.contains(&expected), "the page does not have {expected}");
            world.shell(&folder, command)?.expect(0)?.expect_words(&expected)?;
        }

        // They are no ceremony: one bit more or less, and they fail.
        let file = world.scene.path(&folder).join("pae");
        let mut changed = fs::read(&file)?;
        if let Some(byte) = changed.last_mut() {
            *byte ^= 1;
        }
        fs::write(&file, changed)?;
        let again = by_hand.lines().filter(|line| !line.starts_with("mkdir")).collect::<Vec<_>>().join("\n");
        ensure!(world.shell(&folder, &again)?.code() != Some(0), "a changed statement passed");
    }
    log.stop()?;
    Ok(())
}

#[test]
fn statements_that_have_to_do_with_each_other_link_both_ways_and_nothing_hostile_gets_out() -> Result<()> {
    if !tool::have(&["gpg", "python3"]) {
        return Ok(());
    }
    let world = World::new()?;
    let log = world.scene.run_log("log", &world.rebuilders)?;
    world.fill(&log)?;
    for (index, words) in [
        (1, "is contradicted by <a href=\"../2/\">"),
        (2, "contradicts <a href=\"../1/\">"),
        (3, "took it back: <a href=\"../4/\">"),
        (4, "takes back <a href=\"../3/\">"),
    ] {
        let page = World::page(&log, &format!("/entry/{index}/"))?;
        ensure!(page.contains(words), "entry {index} does not say {words:?}: {page}");
    }
    let paths = [
        "/entry/2/",
        "/entry/4/",
        "/rebuilders/",
        "/feed.atom",
        "/disagreements/feed.atom",
        "/project/sited/feed.atom",
        "/project/sited/badge.svg",
        "/project/sited/1/badge.svg",
        "/project/never-heard-of/badge.svg",
    ];
    for path in paths {
        let answer = http::get(log.url(), path)?.expect(200)?;
        let text = String::from_utf8(answer.body.to_vec())?;
        ensure!(!text.contains("<script"), "{path}: {text}");
        ensure!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{path}: {text:?}");
        ensure!(answer.headers.contains_key("etag"), "{path} has no tag");
        if !path.ends_with('/') {
            // An XML parser of others.
            let file = world.scene.write("parsed.xml", &text)?;
            let parse = "import sys, xml.dom.minidom as m; print(m.parse(sys.argv[1]).documentElement.tagName)";
            command::run(Command::new("python3").args(["-c", parse]).arg(file))?.expect(0)?;
        }
    }
    for (path, words) in [
        ("/project/sited/1/badge.svg", "contradicted"),
        ("/project/sited/2/badge.svg", "not rebuilt"),
        ("/project/never-heard-of/badge.svg", "not rebuilt"),
    ] {
        let badge = http::get(log.url(), path)?.expect(200)?.body;
        ensure!(String::from_utf8_lossy(&badge).contains(words), "{path}: {badge:?}");
    }
    log.stop()?;
    Ok(())
}

/// Every file below a folder, from it.
fn files(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder)?.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}

/// Follows every link of every page as a browser would on `file:`; how many there are.
fn follow_links(site: &Path) -> Result<usize> {
    let mut followed = 0;
    for file in files(site)?.iter().filter(|file| file.ends_with("index.html")) {
        let page = fs::read_to_string(site.join(file))?;
        ensure!(page.trim_end().ends_with("</html>"), "{file} is half a page");
        let links = ["href=\"", "src=\"", "action=\""].iter().flat_map(|name| page.split(name).skip(1));
        for link in links.filter_map(|rest| rest.split('"').next()).map(unescaped) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.starts_with("https://") {
                continue;
            }
            ensure!(!path.starts_with('/') && !path.contains("://"), "{file}: {link} is not relative");
            let mut target = site.join(file).parent().context("no folder")?.join(path);
            if target.is_dir() {
                target.push("index.html");
            }
            ensure!(target.is_file(), "{file} has a link to {link}, and there is nothing");
            followed += 1;
        }
    }
    Ok(followed)
}

#[test]
fn the_site_as_files_has_every_page_every_link_leads_somewhere_and_documents_are_as_served() -> Result<()> {
    if !tool::have(&["gpg"]) {
        return Ok(());
    }
    let world = World::new()?;
    let log = world.scene.run_log("log", &world.rebuilders)?;
    world.fill(&log)?;
    let served = [
        "feed.atom",
        "disagreements/feed.atom",
        "project/sited/badge.svg",
        "entry/0/pae",
        "entry/0/signature.sig",
        "entry/0/envelope.json",
        "entry/0/entry.tlog-proof",
    ];
    let answers = served.map(|path| http::get(log.url(), &format!("/{path}")).and_then(|answer| answer.expect(200)));
    log.stop()?;

    let site = world.scene.path("site");
    command::run(&mut world.export(&site))?.expect(0)?.expect_words("of a log of 5 entries")?;
    let all = files(&site)?;
    for page in [
        "index.html",
        "project/sited/index.html",
        "entry/0/index.html",
        "rebuilders/index.html",
        "disagreements/index.html",
    ] {
        ensure!(all.contains(page), "no {page} among {all:?}");
    }
    ensure!(
        (0..5).all(|index| all.contains(&format!("entry/{index}/index.html"))),
        "not every entry is there: {all:?}"
    );
    ensure!(follow_links(&site)? > 100, "hardly a link on any page");
    for (path, answer) in served.iter().zip(answers) {
        ensure!(fs::read(site.join(path))? == answer?.body.to_vec(), "{path} is not as it was served");
    }

    // The same again writes nothing, and takes away what is no part of it any more.
    fs::write(site.join("entry/left-behind"), "old")?;
    command::run(&mut world.export(&site))?.expect(0)?.expect_words("0 of them new, 1 deleted")?;
    ensure!(files(&site)? == all, "another export has other files");

    // Nobody's folder is taken over, the log's own least of all.
    for folder in ["log/site", ""] {
        command::run(&mut world.export(&world.scene.path(folder)))?.expect(2)?;
    }
    // The log goes on as if nothing had been.
    world.scene.run_log("log", &world.rebuilders)?.stop()?;
    world.scene.fsck("log")
}

#[test]
fn an_export_that_is_killed_leaves_no_half_page_and_the_next_one_completes_it() -> Result<()> {
    if !tool::have(&["gpg"]) {
        return Ok(());
    }
    let world = World::new()?;
    let log = world.scene.run_log("log", &world.rebuilders)?;
    world.fill(&log)?;
    log.stop()?;
    let whole = world.scene.path("whole");
    command::run(&mut world.export(&whole))?.expect(0)?;
    let expected = files(&whole)?;

    let site = world.scene.path("site");
    for least in [1, 5, 20] {
        let mut export = world.export(&site).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let started = Instant::now();
        while !site.is_dir() || files(&site)?.len() < least {
            if export.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                break;
            }
        }
        let _ = export.kill();
        export.wait()?;
        for file in files(&site)?.iter().filter(|file| !file.starts_with(".attest")) {
            if fs::read(site.join(file))? != fs::read(whole.join(file))? {
                bail!("{file} is not what it should be");
            }
        }
    }
    command::run(&mut world.export(&site))?.expect(0)?;
    ensure!(files(&site)? == expected, "the site is not complete");
    Ok(())
}
