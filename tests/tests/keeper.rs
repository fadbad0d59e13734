//! Keeping a log: is all of it there, can it be copied, saved, brought back and closed.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use attest_core::{api::FoundNegatives, negatives::ShardId, note::VerifierKey, statement::Statement};
use attest_tests::{
    command::{self, Outcome},
    forge::Forge,
    http::{self, block_on},
    load::{self, Kind, Plan},
    replica::Replica,
    scene::{Member, Scene},
    server::Server,
    stub::{Reply, Stub},
    tool,
};
use serde_json::Value;

/// A log in `data` whose server is not running, unless a test starts it.
struct Kept {
    scene: Scene,
    vkey: VerifierKey,
    rebuilders: PathBuf,
    forge: Arc<Forge>,
    signed: u64,
}

impl Kept {
    /// Two full bundles and the beginning of a third, which is still in the database.
    const SIZE: usize = 700;

    fn new(entries: usize) -> Result<Self> {
        let scene = Scene::new()?;
        let vkey = scene.init_log("log", "example.com/kept")?;
        let forge = Arc::new(Forge::new()?);
        let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("alice", "a", &forge.public_key())])?;
        let mut kept = Self { scene, vkey, rebuilders, forge, signed: 0 };
        let log = kept.run()?;
        kept.grow(&log, entries)?;
        log.stop()?;
        Ok(kept)
    }

    fn run(&self) -> Result<Server> {
        self.scene.run_log("log", &self.rebuilders)
    }

    /// Submits new statements.
    fn grow(&mut self, log: &Server, entries: usize) -> Result<()> {
        self.signed += 1;
        let envelopes = load::sign(&self.forge, Kind::Vote, &format!("kept{}", self.signed), entries)?;
        let plan = Plan { clients: 32, rate: None, duration: Duration::from_secs(120) };
        let report = block_on(load::run(log.url(), &self.vkey, envelopes, plan))?;
        ensure!(report.submitted() == entries, "only {} of {entries} were logged", report.submitted());
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.scene.path("log")
    }

    fn server(&self, arguments: &[&str]) -> Command {
        let mut server = self.scene.attest_server();
        server.args(arguments);
        server
    }

    fn fsck(&self, data: &str) -> Result<Outcome> {
        command::run(&mut self.server(&["fsck", "--data", data]))
    }

    fn fsck_url(&self, url: &str) -> Result<Outcome> {
        command::run(&mut self.server(&["fsck", "--url", url, "--vkey", &self.vkey.to_string()]))
    }

    /// A copy of the log's folder.
    fn copy(&self, name: &str) -> Result<PathBuf> {
        let to = self.scene.path(name);
        copy(&self.data(), &to)?;
        Ok(to)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        let to = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            copy(&item.path(), &to)?;
        } else {
            fs::copy(item.path(), to)?;
        }
    }
    Ok(())
}

/// Every file below a folder with its bytes, by relative path.
fn contents(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    fn walk(base: &Path, folder: &Path, all: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
        for item in fs::read_dir(folder)? {
            let path = item?.path();
            if path.is_dir() {
                walk(base, &path, all)?;
            } else {
                all.push((path.strip_prefix(base)?.to_owned(), fs::read(&path)?));
            }
        }
        Ok(())
    }
    let mut all = Vec::new();
    walk(folder, folder, &mut all)?;
    all.sort();
    Ok(all)
}

fn flip(path: &Path, at: u64) -> Result<()> {
    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).with_context(|| format!("{} has no byte {at}", path.display()))?;
    file.write_all_at(&[byte[0] ^ 0x40], at)?;
    Ok(())
}

/// What the server at `url` answers.
fn relay(url: &str, path: &str) -> Reply {
    let Ok(answer) = http::get(url, path) else { return Reply::status(502) };
    let encoding = answer.headers.get("content-encoding").and_then(|value| value.to_str().ok());
    Reply::ok("application/octet-stream", answer.body.to_vec()).encoded(encoding).with_status(answer.status.as_u16())
}

#[test]
fn a_whole_log_passes_and_is_not_changed_by_the_check() -> Result<()> {
    let kept = Kept::new(Kept::SIZE)?;
    let before = contents(&kept.data().join("db"))?;
    kept.fsck("log")?.expect(0)?.expect_words("every hash and signature holds")?;
    ensure!(contents(&kept.data().join("db"))? == before, "the database was written to");

    let rebuilders = kept.rebuilders.display().to_string();
    let mut json = kept.server(&["fsck", "--data", "log", "--output-format", "json", "--rebuilders", &rebuilders]);
    let json: Value = serde_json::from_str(&command::run(&mut json)?.expect(0)?.stdout)?;
    ensure!(json["ok"] == true && json["size"] == 700 && json["bundles"] == 3, "{json}");
    ensure!(json["statements"] == 700 && json["byListed"] == 700 && json["byOthers"] == 0, "{json}");
    ensure!(json["faultCount"] == 0 && json["notes"] == Value::Array(Vec::new()), "{json}");
    Ok(())
}

#[test]
fn a_log_without_entries_passes() -> Result<()> {
    let kept = Kept::new(0)?;
    kept.fsck("log")?.expect(0)?;
    kept.scene.init_log("never-run", "example.com/new")?;
    kept.fsck("never-run")?.expect(0)?.expect_words("no checkpoint was published yet")?;
    let log = kept.run()?;
    kept.fsck_url(log.url())?.expect(0)?;
    Ok(())
}

#[test]
fn one_flipped_bit_in_any_kind_of_file_is_found_and_the_file_is_named() -> Result<()> {
    let kept = Kept::new(Kept::SIZE)?;
    let cases = [
        ("log.id", 40, "log.id"),
        ("log.key", 30, "log.key"),
        ("tile/0/000", 0, "tile/0/000: expected hash 0"),
        ("tile/0/001", 8191, "tile/0/001: expected hash 255"),
        ("tile/entries/000", 700, "tile/entries/000"),
        ("tile/entries/001", 2_000, "tile/entries/001"),
    ];
    for (number, (file, at, named)) in cases.into_iter().enumerate() {
        let name = format!("damaged-{number}");
        flip(&kept.copy(&name)?.join(file), at)?;
        kept.fsck(&name)?.expect(4)?.expect_words(&format!("fault: {named}"))?;
    }
    Ok(())
}

#[test]
fn no_flipped_bit_in_index_mark_or_database_makes_another_log_pass() -> Result<()> {
    let kept = Kept::new(Kept::SIZE)?;
    let index: Vec<_> = fs::read_dir(kept.data().join("index"))?.collect::<Result<_, _>>()?;
    ensure!(!index.is_empty(), "there is no index");
    for (number, file) in index.iter().enumerate() {
        // Header, first block, summary.
        for at in [20, 4_100, file.metadata()?.len() - 6] {
            let name = format!("index-{number}-{at}");
            flip(&kept.copy(&name)?.join("index").join(file.file_name()), at)?;
            kept.fsck(&name)?.expect(4)?.expect_words("fault: index")?;
        }
    }
    // Of the two slots one is the older: damaged, it looks like a torn write, which is no fault.
    let newer = fs::read(kept.data().join("highwater"))?;
    let newer = if newer[8..16] > newer[4_104..4_112] { 0 } else { 4_096 };
    flip(&kept.copy("mark")?.join("highwater"), newer + 30)?;
    kept.fsck("mark")?.expect(4)?.expect_words("fault: highwater")?;

    let length = fs::metadata(kept.data().join("db/db"))?.len();
    for part in 0..20 {
        let name = format!("database-{part}");
        flip(&kept.copy(&name)?.join("db/db"), length / 20 * part + 3)?;
        let outcome = kept.fsck(&name)?;
        let same = outcome.code() == Some(0) && outcome.stdout.contains("700 entries");
        ensure!(same || outcome.code() == Some(4), "byte {} of {length}: {outcome:?}", length / 20 * part + 3);
    }
    Ok(())
}

#[test]
fn what_is_lost_cut_or_older_than_the_rest_is_found() -> Result<()> {
    let mut kept = Kept::new(Kept::SIZE)?;
    let older = kept.copy("older")?;
    let log = kept.run()?;
    kept.grow(&log, 10)?;
    log.stop()?;

    let of_both = kept.copy("an-older-database")?;
    fs::remove_dir_all(of_both.join("db"))?;
    copy(&older.join("db"), &of_both.join("db"))?;
    kept.fsck("an-older-database")?.expect(4)?.expect_words("fault: highwater: expected at most the 700 entries")?;

    let mark = kept.copy("an-older-mark")?;
    fs::copy(older.join("highwater"), mark.join("highwater"))?;
    kept.fsck("an-older-mark")?.expect(4)?.expect_words("fault: highwater: expected the published size 710")?;

    fs::write(kept.copy("an-emptied-database")?.join("db/db"), "")?;
    kept.fsck("an-emptied-database")?.expect(4)?.expect_words("fault: db: ")?;

    fs::remove_file(kept.copy("a-lost-bundle")?.join("tile/entries/001"))?;
    kept.fsck("a-lost-bundle")?
        .expect(4)?
        .expect_words("tile/entries/001: expected 256 entries, found nothing there")?;

    fs::remove_file(kept.copy("a-lost-tile")?.join("tile/0/001"))?;
    kept.fsck("a-lost-tile")?.expect(4)?.expect_words("tile/0/001: expected 256 hashes, found nothing there")?;

    let cut = kept.copy("a-cut-tile")?.join("tile/0/001");
    fs::write(&cut, &fs::read(&cut)?[..8_000])?;
    kept.fsck("a-cut-tile")?.expect(4)?.expect_words("fault: tile/0/001: ")?;

    let swapped = kept.copy("swapped-bundles")?.join("tile/entries");
    fs::rename(swapped.join("000"), swapped.join("spare"))?;
    fs::rename(swapped.join("001"), swapped.join("000"))?;
    fs::rename(swapped.join("spare"), swapped.join("001"))?;
    let outcome = kept.fsck("swapped-bundles")?.expect(4)?;
    outcome.expect_words("fault: tile/entries/000")?.expect_words("fault: tile/entries/001")?;

    let ahead = kept.copy("a-tile-ahead")?.join("tile/0");
    fs::copy(ahead.join("000"), ahead.join("002"))?;
    kept.fsck("a-tile-ahead")?.expect(4)?.expect_words("fault: tile/0/002: expected nothing")?;
    Ok(())
}

#[test]
fn what_crashes_leave_behind_is_noted_and_no_fault() -> Result<()> {
    let kept = Kept::new(Kept::SIZE)?;
    let data = kept.data();
    fs::write(data.join("tile/0/002.tmp"), "half")?;
    fs::write(data.join("stray"), "who knows")?;
    fs::remove_dir_all(data.join("index"))?;
    let outcome = kept.fsck("log")?.expect(0)?.expect_words("note: tile/0/002.tmp")?;
    outcome.expect_words("note: stray")?.expect_words("note: there is no index")?;
    Ok(())
}

#[test]
fn a_folder_in_use_or_without_a_log_is_not_judged() -> Result<()> {
    let kept = Kept::new(10)?;
    kept.fsck("nowhere")?.expect(2)?.expect_words("holds no log")?;
    command::run(&mut kept.server(&["fsck"]))?.expect(2)?;
    command::run(&mut kept.server(&["fsck", "--url", "http://127.0.0.1:9/"]))?.expect(2)?.expect_words("--vkey")?;
    let log = kept.run()?;
    kept.fsck("log")?.expect(2)?.expect_words("fsck --url")?;
    kept.fsck_url(log.url())?.expect(0)?;
    Ok(())
}

#[test]
fn a_mirror_is_checked_as_a_log_is() -> Result<()> {
    let kept = Kept::new(Kept::SIZE)?;
    let log = kept.run()?;
    let mut mirror = kept.scene.mirror_command("mirror", log.url(), &kept.vkey);
    command::run(mirror.arg("--once"))?.expect(0)?;
    kept.fsck("mirror")?.expect(0)?.expect_words("700 entries")?;
    flip(&kept.scene.path("mirror/tile/entries/001"), 900)?;
    kept.fsck("mirror")?.expect(4)?.expect_words("fault: tile/entries/001")?;
    Ok(())
}

#[test]
fn a_url_that_serves_something_else_is_found_and_one_that_serves_nothing_is_undecided() -> Result<()> {
    let kept = Kept::new(Kept::SIZE)?;
    kept.fsck_url("http://127.0.0.1:9/")?.expect(3)?;
    let other = kept.scene.init_log("other", "example.com/kept")?;
    let log = kept.run()?;
    command::run(&mut kept.server(&["fsck", "--url", log.url(), "--vkey", &other.to_string()]))?
        .expect(4)?
        .expect_words("fault: checkpoint: expected a checkpoint signed by")?;

    let url = log.url().to_owned();
    for (path, replaced, code, words) in [
        ("/tile/0/001", Reply::ok("application/octet-stream", vec![7; 8192]), 4, "fault: tile/0/001: expected hash 0"),
        ("/tile/0/002.p/188", Reply::ok("application/octet-stream", vec![7; 188 * 32]), 4, "fault: tile/0/002.p/188"),
        ("/tile/1/000.p/2", Reply::ok("application/octet-stream", vec![7; 64]), 4, "fault: tile/1/000.p/2"),
        ("/tile/entries/001", Reply::ok("application/octet-stream", "x"), 4, "fault: tile/entries/001"),
        ("/tile/entries/000", Reply::status(404), 4, "fault: tile/entries/000"),
        ("/tile/entries/000", Reply::status(403), 3, "tile/entries/000"),
    ] {
        let upstream = url.clone();
        let stub = Stub::serve(
            move |request| {
                if request.path == path { replaced.clone() } else { relay(&upstream, &request.path) }
            },
        )?;
        let outcome = kept.fsck_url(&stub.url())?;
        outcome.expect(code)?.expect_words(words).with_context(|| path)?;
    }
    Ok(())
}

/// A static server of somebody else, killed when dropped.
struct Static {
    child: std::process::Child,
    url: String,
}

impl Drop for Static {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Static {
    /// Python's own, which knows nothing of tlog-tiles.
    fn python(root: &Path) -> Result<Self> {
        use std::io::BufRead as _;
        let mut python = Command::new("python3");
        python.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1", "0"]);
        python.current_dir(root).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let mut child = python.spawn().context("cannot start python3")?;
        let mut line = String::new();
        let out = child.stdout.take().context("no output")?;
        let mut served = Self { child, url: String::new() };
        std::io::BufReader::new(out).read_line(&mut line)?;
        let port = line.split(' ').skip_while(|word| *word != "port").nth(1);
        served.url = format!("http://127.0.0.1:{}/", port.with_context(|| format!("no port in {line:?}"))?);
        Ok(served)
    }

    /// nginx with the block of docs/export.md; without the part for gzip where the copy is plain.
    fn nginx(scene: &Scene, root: &Path, gzip: bool) -> Result<Self> {
        let docs = include_str!("../../docs/export.md");
        let block = docs.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next());
        let mut block = block.context("no nginx block in docs/export.md")?.to_owned();
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        block = block.replace("listen 80;", &format!("listen 127.0.0.1:{port};"));
        block = block.replace("/srv/attest", &root.display().to_string());
        if !gzip {
            block = block.replace("        add_header Content-Encoding gzip;\n", "");
        }
        let folder = scene.path("nginx");
        fs::create_dir_all(&folder)?;
        let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {}/{what};\n", folder.display()))
            .concat();
        let text = format!(
            "user root;\ndaemon off;\npid {0}/pid;\nerror_log {0}/error.log;\nevents {{}}\nhttp {{\naccess_log \
             off;\n{scratch}{block}}}\n",
            folder.display()
        );
        let config = scene.write("nginx/nginx.conf", text)?;
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(&folder).arg("-c").arg(&config).stderr(std::process::Stdio::null());
        let served = Self { child: nginx.spawn()?, url: format!("http://127.0.0.1:{port}/") };
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(served);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("nginx did not listen: {}", fs::read_to_string(folder.join("error.log")).unwrap_or_default())
    }
}

impl Kept {
    fn export_from(&self, url: &str, to: &str) -> Result<Outcome> {
        command::run(&mut self.server(&["export", "--url", url, "--vkey", &self.vkey.to_string(), "--to", to]))
    }

    /// Verifies a folder through a static server, by `fsck` and by the tests' own computation.
    fn check_served(&self, served: &Static, size: u64) -> Result<()> {
        self.fsck_url(&served.url)?.expect(0)?.expect_words(&format!("{size} entries"))?;
        let replica = block_on(Replica::read(&served.url, &self.vkey))?;
        ensure!(replica.head().size.get() == size, "{:?}", replica.head());
        Ok(())
    }
}

#[test]
fn an_exported_folder_is_a_log_for_every_client_behind_any_static_server() -> Result<()> {
    let mut kept = Kept::new(Kept::SIZE)?;
    command::run(&mut kept.server(&["export", "--data", "log", "--to", "copy"]))?.expect(0)?;
    let copy = kept.scene.path("copy");
    let served = Static::python(&copy)?;
    kept.check_served(&served, 700)?;

    let before = contents(&copy)?;
    let log = kept.run()?;
    kept.export_from(log.url(), "copy")?.expect(0)?.expect_words("0 of them new")?;
    ensure!(contents(&copy)? == before, "an export of nothing new changed something");

    // Within the partial bundle: the partial files of the size before stay, for clients that hold its checkpoint.
    kept.grow(&log, 20)?;
    kept.export_from(log.url(), "copy")?.expect(0)?.expect_words("20 of them new")?;
    kept.check_served(&served, 720)?;
    for partial in ["tile/0/002.p/188", "tile/0/002.p/208", "tile/entries/002.p/188", "tile/1/000.p/2"] {
        ensure!(copy.join(partial).exists(), "{partial} is gone");
    }
    // Beyond it: the full ones are there, and the partial ones may go.
    kept.grow(&log, 100)?;
    kept.export_from(log.url(), "copy")?.expect(0)?.expect_words("100 of them new")?;
    kept.check_served(&served, 820)?;
    ensure!(copy.join("tile/entries/002").exists() && copy.join("tile/0/002").exists());
    ensure!(!copy.join("tile/entries/002.p").exists() && !copy.join("tile/0/002.p").exists());
    ensure!(copy.join("tile/1/000.p/3").exists() && copy.join("tile/1/000.p/2").exists());
    for (path, bytes) in &before {
        let follows = path.starts_with("checkpoint") || path.starts_with("api");
        let changes = follows || path.to_string_lossy().contains("002.p");
        ensure!(changes || fs::read(copy.join(path))? == *bytes, "{} was changed", path.display());
    }
    Ok(())
}

#[test]
fn nginx_serves_both_forms_with_the_configuration_of_the_manual() -> Result<()> {
    let kept = Kept::new(Kept::SIZE)?;
    for form in ["plain", "gzip"] {
        command::run(&mut kept.server(&["export", "--data", "log", "--to", form, "--bundles", form]))?.expect(0)?;
    }
    let other = kept.server(&["export", "--data", "log", "--to", "plain", "--bundles", "gzip"]).output()?;
    ensure!(other.status.code() == Some(2), "the form of a copy was changed: {other:?}");
    if !tool::have(&["nginx"]) {
        return Ok(());
    }
    for form in ["plain", "gzip"] {
        let root = kept.scene.path(form);
        let served = Static::nginx(&kept.scene, &root, form == "gzip")?;
        kept.check_served(&served, 700)?;
        let bundle = http::get(&served.url, "/tile/entries/000")?.expect(200)?;
        ensure!(bundle.headers.contains_key("content-encoding") == (form == "gzip"), "{bundle:?}");
        ensure!(bundle.headers["cache-control"].to_str()?.contains("immutable"));
        let checkpoint = http::get(&served.url, "/checkpoint")?.expect(200)?;
        ensure!(checkpoint.headers["content-type"] == "text/plain; charset=utf-8", "{checkpoint:?}");
        http::get(&served.url, "/.attest-export")?.expect(404)?;
    }
    Ok(())
}

#[test]
fn a_killed_export_leaves_what_was_there_and_the_next_one_finishes_it() -> Result<()> {
    let mut kept = Kept::new(300)?;
    command::run(&mut kept.server(&["export", "--data", "log", "--to", "copy"]))?.expect(0)?;
    let log = kept.run()?;
    kept.grow(&log, 2_000)?;
    let copy = kept.scene.path("copy");
    let served = Static::python(&copy)?;
    let mut finished = false;
    for files in 1.. {
        let mut export = kept.server(&["export", "--url", log.url(), "--vkey", &kept.vkey.to_string(), "--to", "copy"]);
        let mut child = export.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn()?;
        let seen = contents(&copy)?.len();
        while contents(&copy).map_or(0, |found| found.len()) < seen + files && child.try_wait()?.is_none() {}
        child.kill()?;
        finished = child.wait()?.success();
        let size = if finished { 2_300 } else { 300 };
        let now = fs::read_to_string(copy.join("checkpoint"))?;
        // Killed after the checkpoint and before its own end, it is whole as well.
        let size = if now.lines().nth(1) == Some("2300") { 2_300 } else { size };
        kept.check_served(&served, size)?;
        if size == 2_300 {
            break;
        }
    }
    if !finished {
        kept.export_from(log.url(), "copy")?.expect(0)?;
    }
    kept.check_served(&served, 2_300)?;
    Ok(())
}

#[test]
fn what_is_not_what_was_signed_is_not_exported() -> Result<()> {
    let mut kept = Kept::new(300)?;
    let log = kept.run()?;
    kept.export_from(log.url(), "copy")?.expect(0)?;
    kept.grow(&log, 300)?;
    let copy = kept.scene.path("copy");
    let served = Static::python(&copy)?;
    let url = log.url().to_owned();
    let lying = Stub::serve(move |request| {
        let mut reply = relay(&url, &request.path);
        if request.path.starts_with("/tile/entries/001") {
            // Whole, well-formed, and another log's.
            reply = relay(&url, &request.path.replace("/001", "/000"));
        }
        reply
    })?;
    kept.export_from(&lying.url(), "copy")?.expect(3)?.expect_words("undecided")?;
    kept.check_served(&served, 300)?;
    kept.export_from("http://127.0.0.1:9/", "copy")?.expect(3)?;
    kept.export_from(log.url(), "copy")?.expect(0)?;
    kept.check_served(&served, 600)?;

    // An older state of the log is behind the copy: an outage, not a reason to go back.
    let stale = relay(log.url(), "/checkpoint");
    let older = Stub::serve(move |_| stale.clone())?;
    kept.grow(&log, 1)?;
    kept.export_from(log.url(), "copy")?.expect(0)?;
    kept.export_from(&older.url(), "copy")?.expect(3)?.expect_words("601")?;
    kept.check_served(&served, 601)?;

    flip(&copy.join("tile/0/002.p/89"), 77)?;
    kept.grow(&log, 1)?;
    kept.export_from(log.url(), "copy")?.expect(2)?.expect_words("the copy is damaged")?;
    Ok(())
}

#[test]
fn nothing_of_somebody_else_is_written_over() -> Result<()> {
    let kept = Kept::new(10)?;
    kept.scene.write("full/precious.txt", "precious")?;
    kept.scene.init_log("other", "example.com/other")?;
    let log = kept.run()?;
    let backup = ["backup", "--data", "log", "--url", log.url(), "--to"];
    for (command, words) in [
        (vec!["export", "--url", log.url(), "--vkey", &kept.vkey.to_string(), "--to", "full"], "found precious.txt"),
        ([&backup[..], &["full"]].concat(), "found precious.txt"),
        ([&backup[..], &["other"]].concat(), "another log"),
    ] {
        command::run(&mut kept.server(&command))?.expect(2)?.expect_words(words)?;
    }
    command::run(&mut kept.server(&[&backup[..], &["saved"]].concat()))?.expect(0)?;
    for (data, words) in [("full", "found precious.txt"), ("other", "holds a log already")] {
        let restore = ["restore", "--from", "saved", "--data", data];
        command::run(&mut kept.server(&restore))?.expect(2)?.expect_words(words)?;
    }
    ensure!(fs::read_to_string(kept.scene.path("full/precious.txt"))? == "precious");
    Ok(())
}

impl Kept {
    fn saved(&self, url: &str, to: &str) -> Result<Outcome> {
        command::run(&mut self.server(&["backup", "--data", "log", "--url", url, "--to", to]))
    }

    /// A statement that was never submitted.
    fn statement(&self, n: u64) -> Result<Vec<u8>> {
        Ok(self.forge.reproduced("fresh", n)?.to_bytes())
    }

    fn submit(&self, url: &str, n: u64) -> Result<http::Answer> {
        http::post(url, "/api/v1/statements", http::ENVELOPE, self.statement(n)?)
    }
}

#[test]
fn a_frozen_log_serves_and_says_why_it_takes_nothing() -> Result<()> {
    let kept = Kept::new(10)?;
    let log = kept.run()?;
    kept.submit(log.url(), 1)?.expect(201)?;
    let freeze = ["freeze", "--data", "log", "--reason", "full", "--next", "https://log2.example/"];
    command::run(&mut kept.server(&["freeze", "--data", "log"]))?.expect(2)?.expect_words("--reason")?;
    command::run(&mut kept.server(&freeze))?.expect(0)?;
    let mut refused = kept.submit(log.url(), 2)?;
    for _ in 0..100 {
        if refused.status == 403 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        refused = kept.submit(log.url(), 2)?;
    }
    let checkpoint = http::get(log.url(), "/checkpoint")?.expect(200)?.body;
    let check = |url: &str, refused: http::Answer| -> Result<()> {
        let problem: Value = refused.expect(403)?.json()?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains("example.com/kept accepts nothing more") && detail.contains("full"), "{problem}");
        ensure!(problem["hint"] == "submit to https://log2.example/", "{problem}");
        let ready: Value = http::get(url, "/readyz")?.expect(200)?.json()?;
        ensure!(ready["status"] == "frozen" && ready["reason"].as_str().is_some_and(|why| why.contains("full")));
        ensure!(String::from_utf8_lossy(&http::get(url, "/")?.expect(200)?.body).contains("accepts nothing more"));
        kept.fsck_url(url)?.expect(0)?;
        Ok(())
    };
    check(log.url(), refused)?;
    log.stop()?;

    let mark = fs::read(kept.data().join("highwater"))?;
    let log = kept.run()?;
    check(log.url(), kept.submit(log.url(), 2)?)?;
    ensure!(http::get(log.url(), "/checkpoint")?.body == checkpoint, "another checkpoint is served");
    ensure!(fs::read(kept.data().join("highwater"))? == mark, "something was signed");
    ensure!(log.stop()?.success());
    kept.fsck("log")?.expect(0)?.expect_words("note: frozen")?;

    command::run(&mut kept.server(&["freeze", "--data", "log", "--off"]))?.expect(0)?;
    let log = kept.run()?;
    kept.submit(log.url(), 3)?.expect(201)?;
    Ok(())
}

#[test]
fn a_backup_of_a_running_log_comes_back_frozen_and_opens_when_nobody_has_seen_more() -> Result<()> {
    let mut kept = Kept::new(Kept::SIZE)?;
    let log = kept.run()?;
    kept.saved(log.url(), "saved")?.expect(0)?.expect_words("700 of them new")?;
    kept.grow(&log, 200)?;
    kept.saved(log.url(), "saved")?.expect(0)?.expect_words("200 of them new, with its secret key")?;
    log.stop()?;
    let newest = kept.scene.write("newest", fs::read(kept.scene.path("saved/log/checkpoint"))?)?;

    command::run(&mut kept.server(&["restore", "--from", "saved", "--data", "back"]))?.expect(0)?;
    kept.fsck("back")?.expect(0)?.expect_words("900 entries")?.expect_words("note: frozen")?;
    let back = kept.scene.run_log("back", &kept.rebuilders)?;
    kept.submit(back.url(), 1)?.expect(403)?;
    let replica = block_on(Replica::read(back.url(), &kept.vkey))?;
    ensure!(replica.head().size.get() == 900);
    let off = ["freeze", "--data", "back", "--off"];
    let seen = newest.display().to_string();
    command::run(&mut kept.server(&[&off[..], &["--seen", &seen]].concat()))?.expect(2)?.expect_words("in use")?;
    back.stop()?;

    command::run(&mut kept.server(&off))?.expect(2)?.expect_words("--witness")?;
    command::run(&mut kept.server(&["freeze", "--data", "back", "--reason", "mine now"]))?.expect(0)?;
    command::run(&mut kept.server(&off))?.expect(2)?.expect_words("--witness")?;
    let down = [&off[..], &["--seen", &seen, "--seen", "http://127.0.0.1:9/"]].concat();
    command::run(&mut kept.server(&down))?.expect(3)?;
    command::run(&mut kept.server(&[&off[..], &["--seen", &seen]].concat()))?.expect(0)?;
    let back = kept.scene.run_log("back", &kept.rebuilders)?;
    kept.submit(back.url(), 1)?.expect(201)?;
    back.stop()?;
    kept.fsck("back")?.expect(0)?.expect_words("901 entries")?;
    Ok(())
}

#[test]
fn a_restored_log_that_is_behind_what_was_seen_stays_frozen_until_it_has_it_all() -> Result<()> {
    let mut kept = Kept::new(Kept::SIZE)?;
    let log = kept.run()?;
    kept.saved(log.url(), "saved")?.expect(0)?;
    kept.grow(&log, 100)?;
    let mut mirror = kept.scene.mirror_command("mirror", log.url(), &kept.vkey);
    command::run(mirror.arg("--once"))?.expect(0)?;
    // The server is lost; the mirror lives.
    log.kill()?;
    let mirror = kept.scene.run_mirror("mirror", "http://127.0.0.1:9/", &kept.vkey)?;

    command::run(&mut kept.server(&["restore", "--from", "saved", "--data", "behind"]))?.expect(0)?;
    let off = ["freeze", "--data", "behind", "--off", "--seen", mirror.url()];
    command::run(&mut kept.server(&off))?.expect(4)?.expect_words("800 entries")?;
    ensure!(kept.scene.path("behind/frozen").exists());
    let behind = kept.scene.run_log("behind", &kept.rebuilders)?;
    kept.submit(behind.url(), 1)?.expect(403)?;
    behind.stop()?;

    let whole = ["restore", "--from", "saved", "--entries-from", mirror.url(), "--data", "whole"];
    command::run(&mut kept.server(&whole))?.expect(0)?.expect_words("800 entries")?;
    let off = ["freeze", "--data", "whole", "--off", "--seen", mirror.url()];
    command::run(&mut kept.server(&off))?.expect(0)?;
    let whole = kept.scene.run_log("whole", &kept.rebuilders)?;
    kept.submit(whole.url(), 1)?.expect(201)?;
    whole.stop()?;
    kept.fsck("whole")?.expect(0)?.expect_words("801 entries")?;
    Ok(())
}

#[test]
fn a_backup_that_was_tampered_with_or_cut_short_does_not_come_back() -> Result<()> {
    let kept = Kept::new(Kept::SIZE)?;
    command::run(&mut kept.server(&["backup", "--data", "log", "--to", "saved"]))?.expect(0)?;
    let restore = |from: &str| -> Result<Outcome> {
        let to = format!("{from}-back");
        let outcome = command::run(&mut kept.server(&["restore", "--from", from, "--data", &to]))?;
        ensure!(outcome.code() == Some(0) || !kept.scene.path(&to).join("log.id").exists(), "half a log was made");
        Ok(outcome)
    };
    let damaged = |name: &str| -> Result<PathBuf> {
        copy(&kept.scene.path("saved"), &kept.scene.path(name))?;
        Ok(kept.scene.path(name))
    };
    flip(&damaged("bundle")?.join("log/tile/entries/000"), 999)?;
    restore("bundle")?.expect(3)?.expect_words("tile/entries/000")?;
    let other = damaged("swapped")?.join("log/tile/entries");
    fs::copy(other.join("000"), other.join("001"))?;
    restore("swapped")?.expect(3)?.expect_words("was signed")?;
    fs::remove_file(damaged("lost")?.join("log/tile/entries/002.p/188"))?;
    restore("lost")?.expect(3)?.expect_words("002.p/188")?;
    flip(&damaged("note")?.join("log/checkpoint"), 20)?;
    restore("note")?.expect(2)?;
    fs::remove_file(damaged("no-id")?.join("log.id"))?;
    restore("no-id")?.expect(2)?.expect_words("no backup")?;
    fs::remove_file(damaged("no-checkpoint")?.join("log/checkpoint"))?;
    restore("no-checkpoint")?.expect(2)?.expect_words("no checkpoint")?;

    // What one of them left is no log to anybody.
    kept.fsck("swapped-back")?.expect(2)?;
    let run = command::run(&mut kept.scene.log_command("swapped-back", &kept.rebuilders))?;
    run.expect(2)?.expect_words("holds no log")?;
    restore("saved")?.expect(0)?;
    Ok(())
}

#[test]
fn a_full_disk_leaves_the_copy_as_it_was() -> Result<()> {
    let mut kept = Kept::new(300)?;
    let small = kept.scene.path("small");
    fs::create_dir(&small)?;
    let mounted = tool::find("mount").is_some()
        && Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&small).output()?.status.success();
    if !mounted {
        tool::not_allowed("mounting a small file system");
        return Ok(());
    }
    let mut fill = || -> Result<()> {
        let log = kept.run()?;
        kept.export_from(log.url(), "small/copy")?.expect(0)?;
        kept.grow(&log, 1_500)?;
        kept.export_from(log.url(), "small/copy")?.expect(2)?.expect_words("cannot be written")?;
        kept.saved(log.url(), "small/saved")?.expect(2)?;
        ensure!(!small.join("saved/log.id").exists(), "half a backup looks whole");
        let served = Static::python(&small.join("copy"))?;
        kept.check_served(&served, 300)
    };
    let filled = fill();
    Command::new("umount").arg("-l").arg(&small).status()?;
    filled
}

#[test]
fn ctrl_c_ends_a_check_at_once_and_leaves_nothing_behind() -> Result<()> {
    let kept = Kept::new(300)?;
    let scratch = kept.scene.path("scratch");
    fs::create_dir(&scratch)?;
    // A server that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", silent.local_addr()?);
    let vkey = kept.vkey.to_string();
    for arguments in [
        vec!["fsck", "--url", &url, "--vkey", &vkey],
        vec!["export", "--url", &url, "--vkey", &vkey, "--to", "copy"],
        vec!["backup", "--data", "log", "--url", &url, "--to", "saved"],
    ] {
        let mut command = kept.server(&arguments);
        let mut child = command.env("TMPDIR", &scratch).stderr(std::process::Stdio::piped()).spawn()?;
        let (connection, _) = silent.accept()?;
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).context("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        ensure!(child.wait()?.code() == Some(2), "{arguments:?}");
        drop(connection);
    }
    ensure!(fs::read_dir(&scratch)?.next().is_none(), "something was left in the temporary folder");
    ensure!(!kept.scene.path("saved/log.id").exists());
    Ok(())
}

/// docs/negatives.md: what a client needs of a static server to know that nothing was withheld.
#[test]
fn a_copy_has_the_list_of_negatives_that_its_log_signed() -> Result<()> {
    let kept = Kept::new(3)?;
    let log = kept.run()?;
    let wheel = kept.forge.reproduced("listed", 1)?;
    let subject = Statement::parse(wheel.payload())?.subject().clone();
    let build = Forge::build_of(&subject.name);
    let dissent = kept.forge.contradiction(subject.clone(), build, wheel.statement_id())?;
    for envelope in [wheel, dissent] {
        http::post(log.url(), "/api/v1/statements", http::ENVELOPE, envelope.to_bytes())?.expect(201)?;
    }
    for _ in 0..300 {
        if http::get(log.url(), "/api/v1/negatives")?.json::<FoundNegatives>().is_ok_and(|found| of_size(&found, 5)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let check = |copy: &str| -> Result<()> {
        let read = |path: &str| fs::read(kept.scene.path(copy).join(path)).with_context(|| format!("{copy}: {path}"));
        let found: FoundNegatives = serde_json::from_slice(&read("api/v1/negatives")?)?;
        let mut opened = found.into_edition().context("no edition")?.open()?;
        ensure!(opened.note().is_signed_by(&kept.vkey)? && opened.note().listing().head().size.get() == 5);
        let shard = ShardId::of(&subject.digest);
        opened.add(shard, &read(&format!("negatives/{}", opened.table().get(shard)))?)?;
        ensure!(opened.about(&subject.digest).is_some_and(|records| records.len() == 1), "{copy} lists something else");
        Ok(())
    };
    kept.export_from(log.url(), "copy")?.expect(0)?.expect_words("with its list of negatives")?;
    check("copy")?;
    ensure!(log.stop()?.success());
    let export = ["export", "--data", "log", "--to", "still"];
    command::run(&mut kept.server(&export))?.expect(0)?.expect_words("with its list of negatives")?;
    check("still")
}

fn of_size(found: &FoundNegatives, size: u64) -> bool {
    let edition = found.clone().into_edition().and_then(|edition| edition.open().ok());
    edition.is_some_and(|opened| opened.note().listing().head().size.get() == size)
}

#[test]
fn a_mirror_that_was_lost_comes_back_as_the_auditor_that_policies_name() -> Result<()> {
    let kept = Kept::new(3)?;
    let log = kept.run()?;
    let vkey = kept.vkey.to_string();
    let once = |data: &str| {
        let flags = ["mirror", "--data", data, "--upstream", log.url(), "--vkey", &vkey, "--once"];
        command::run(&mut kept.server(&flags))?.expect(0)
    };
    once("mirror")?;
    let key = |data: &str| fs::read_to_string(kept.scene.path(data).join("auditor.key"));
    let before = key("mirror")?;
    command::run(&mut kept.server(&["backup", "--data", "mirror", "--to", "saved"]))?.expect(0)?;
    ensure!(!kept.scene.path("saved/log.key").exists(), "the cosigner must not come back without what it remembers");
    fs::remove_dir_all(kept.scene.path("mirror"))?;
    let restore = ["restore", "--from", "saved", "--data", "again"];
    command::run(&mut kept.server(&restore))?.expect(0)?.expect_words("auditor")?;
    ensure!(key("again")? == before, "another auditor");
    once("again")?;
    ensure!(key("again")? == before, "another auditor");
    command::run(&mut kept.server(&restore))?.expect(2)?.expect_words("holds a log already")?;
    Ok(())
}
