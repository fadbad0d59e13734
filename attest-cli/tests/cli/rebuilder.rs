//! `attest rebuilder` as it is run: a coordinator, its workers, a log, an index; killed, lied to, out of room.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use attest_core::{
    artifact::ArtifactDigest,
    envelope::Envelope,
    statement::{Predicate, Statement},
};
use flate2::{Compression, write::GzEncoder};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::{
    fake_log::FakeLog,
    world::{Done, World, has, run, statement, text},
};

const BACKEND: &str = include_str!("rebuilder/backend.py");
const PYPROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";
const LIMIT: Duration = Duration::from_secs(300);

type Files = BTreeMap<String, Vec<u8>>;

/// A rebuilder in a world of its own.
struct Scene {
    world: World,
    log: FakeLog,
    index: String,
}

impl Scene {
    /// Projects by name; `evil` ones were published with a module that their source does not have.
    fn new(projects: &[(&str, &str)], seconds: f32) -> Self {
        let world = World::new();
        let mut files = Files::new();
        for (name, manner) in projects {
            publish(&world, name, manner, seconds, &mut files);
        }
        let scene = Self { index: serve(files), log: FakeLog::start(Vec::new()), world };
        let vkey = FakeLog::vkey();
        let made = scene.attest(&[
            "rebuilder",
            "init",
            "--data",
            "reb",
            "--name",
            "alice",
            "--group",
            "university",
            "--contact",
            "alice@example.org",
            "--url",
            "https://alice.example",
            "--log",
            &scene.log.url,
            &vkey,
        ]);
        made.is(0, "card.json");
        scene.set("retry-seconds = 300", "retry-seconds = 1");
        scene.set("attempts = 5", "attempts = 100");
        scene.set("free-disk-mb = 2048", "free-disk-mb = 1");
        scene
    }

    fn set(&self, from: &str, to: &str) {
        let path = self.world.path("reb/rebuilder.toml");
        let settings = fs::read_to_string(&path).unwrap();
        assert!(settings.contains(from), "{settings}");
        fs::write(path, settings.replace(from, to)).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = self.world.command();
        command.env("PIP_INDEX_URL", &self.index).env("XDG_CACHE_HOME", self.world.path("cache"));
        command
    }

    fn attest(&self, arguments: &[&str]) -> Done {
        run(self.command().args(arguments))
    }

    fn add(&self, releases: &[&str]) {
        self.attest(&[&["rebuilder", "add", "--data", "reb"], releases].concat()).is(0, "asked for");
    }

    fn status(&self) -> Value {
        self.attest(&["rebuilder", "status", "--data", "reb", "--output-format", "json"]).json()
    }

    #[track_caller]
    fn wait(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        let start = Instant::now();
        loop {
            let status = self.status();
            if holds(&status) {
                return;
            }
            let jobs = || self.attest(&["rebuilder", "list", "--data", "reb"]).out;
            assert!(start.elapsed() < LIMIT, "{what}: {status} {}", jobs());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Subjects and kinds of what the log has.
    fn logged(&self) -> Vec<(String, &'static str)> {
        let entries = self.log.copied();
        let kind = |entry: &Vec<u8>| {
            let statement = Statement::parse(Envelope::parse(entry).unwrap().payload()).unwrap();
            let kind = match statement.predicate() {
                Predicate::Reproduced(_) => "reproduced",
                _ => "other",
            };
            (statement.subject().name.as_str().to_owned(), kind)
        };
        let mut logged: Vec<_> = entries.iter().map(kind).collect();
        logged.sort();
        logged
    }
}

/// The wheel and the sdist of a project.
fn publish(world: &World, name: &str, manner: &str, seconds: f32, files: &mut Files) {
    let backend = BACKEND.replace("@NAME@", name).replace("@SECONDS@", &seconds.to_string());
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in [("pyproject.toml", PYPROJECT), ("backend.py", &backend)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        tar.append_data(&mut header, format!("{name}-1.0/{path}"), text.as_bytes()).unwrap();
    }
    files.insert(format!("{name}-1.0.tar.gz"), tar.into_inner().unwrap().finish().unwrap());
    let script = world.write(&format!("publish/{name}/backend.py"), backend);
    let folder = script.parent().unwrap();
    assert!(Command::new("python3").arg(&script).arg(folder).arg(manner).status().unwrap().success());
    let wheel = format!("{name}-1.0-py3-none-any.whl");
    files.insert(wheel.clone(), fs::read(folder.join(wheel)).unwrap());
}

/// An index (PEP 691) with these files.
fn serve(files: Files) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/simple", listener.local_addr().unwrap());
    let (files, looks) = (Arc::new(files), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (files, looks) = (Arc::clone(&files), Arc::clone(&looks));
            thread::spawn(move || answer(stream, &files, &looks));
        }
    });
    url
}

/// Every project, numbered as it changed last: whenever somebody looks, the first one has changed.
fn projects(files: &Files, look: u64) -> Value {
    let sdists = files.keys().filter_map(|name| name.strip_suffix("-1.0.tar.gz"));
    let project = |(at, name): (usize, &str)| {
        let serial = if at == 0 { 100 + look } else { 50 };
        json!({ "name": name, "_last-serial": serial })
    };
    json!({ "meta": { "api-version": "1.1" }, "projects": sdists.enumerate().map(project).collect::<Vec<_>>() })
}

fn answer(mut stream: TcpStream, files: &Files, looks: &AtomicU64) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, body) = if let Some(name) = path.strip_prefix("/files/") {
        files.get(name).map_or((404, Vec::new()), |bytes| (200, bytes.clone()))
    } else if path == "/simple/" {
        (200, projects(files, looks.fetch_add(1, Ordering::Relaxed)).to_string().into_bytes())
    } else {
        let project = path.trim_start_matches("/simple/").trim_end_matches('/');
        let listed: Vec<Value> = files
            .iter()
            .filter(|(name, _)| name.starts_with(&format!("{project}-")))
            .map(|(name, bytes)| {
                let hashes = json!({ "sha256": ArtifactDigest::of(bytes).to_string() });
                json!({ "filename": name, "url": format!("/files/{name}"), "hashes": hashes,
                            "upload-time": "2026-01-01T00:00:00Z" })
            })
            .collect();
        let page = json!({ "meta": { "api-version": "1.1" }, "name": project, "files": listed });
        (if listed.is_empty() { 404 } else { 200 }, page.to_string().into_bytes())
    };
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/vnd.pypi.simple.v1+json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    // A client that hangs up has its reasons.
    let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// A running coordinator. Killed when dropped.
struct Coordinator {
    child: Child,
    url: String,
}

impl Coordinator {
    fn start(scene: &Scene, workers: u8) -> Self {
        Self::listening(scene, workers, "127.0.0.1:0")
    }

    fn listening(scene: &Scene, workers: u8, address: &str) -> Self {
        let mut child = scene
            .command()
            .args(["rebuilder", "run", "--data", "reb", "--workers", &workers.to_string(), "--listen", address])
            .stdout(Stdio::piped())
            .stderr(fs::File::options().create(true).append(true).open(scene.world.path("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = || fs::read_to_string(scene.world.path("stderr")).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}: {}", said()));
        Self { child, url: url.trim_end_matches('/').to_owned() }
    }

    /// Killed once `done` is.
    fn start_and(scene: &Scene, done: impl FnOnce()) {
        let _killed = Self::start(scene, 0);
        done();
    }

    fn get(&self, path: &str) -> (u16, String) {
        let answer = client().get(format!("{}{path}", self.url)).send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    }

    /// Its workers, by process id.
    fn workers(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
        tasks
            .map(children)
            .flat_map(|ids| ids.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
            .collect()
    }

    fn terminate(mut self) {
        signal("TERM", self.child.id());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // Neither fails for one that has ended.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn signal(name: &str, id: u32) {
    // One that has ended meanwhile needs none.
    let _ended = Command::new("kill").args(["-s", name, &id.to_string()]).stderr(Stdio::null()).status();
}

fn client() -> Client {
    // An error means that one is installed already: the same one.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

/// Numbers that look random and are the same in every run.
fn random(state: &mut u64, limit: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % limit
}

fn can_isolate() -> bool {
    has("bwrap", "--version") || has("unshare", "--version")
}

#[test]
fn killed_at_ten_random_moments_every_job_has_one_result_and_one_statement() {
    if !can_isolate() {
        return;
    }
    let names = ["pa", "pb", "pc", "pd", "pe", "pf"];
    let scene = Scene::new(&names.map(|name| (name, "honest")), 0.2);
    scene.add(&names.map(|name| format!("{name}==1.0")).each_ref().map(String::as_str));
    let mut state = 0x9E37_79B9_7F4A_7C15;
    let mut coordinator = Coordinator::start(&scene, 2);
    for kill in 0..10 {
        thread::sleep(Duration::from_millis(200 + random(&mut state, 6000)));
        if kill % 3 == 2 {
            // A worker, in the middle of whatever it does.
            if let Some(id) = coordinator.workers().first() {
                signal("KILL", *id);
            }
        } else {
            drop(coordinator);
            coordinator = Coordinator::start(&scene, 2);
        }
    }
    scene.wait("all are logged", |status| status["logged"] == names.len());
    coordinator.terminate();
    let status = scene.status();
    assert_eq!([&status["done"], &status["waiting"], &status["running"], &status["failed"]], [6, 0, 0, 0]);
    let expected: Vec<_> = names.iter().map(|name| (format!("{name}-1.0-py3-none-any.whl"), "reproduced")).collect();
    assert_eq!(scene.logged(), expected);
    assert_eq!(scene.world.listing("reb/results").len(), names.len());
    assert_eq!(scene.world.listing("reb/incoming"), Vec::<String>::new());
    let statements = scene.world.listing("reb/statements");
    let of = |ending: &str| statements.iter().filter(|name| name.ends_with(ending)).count();
    assert_eq!((of(".json"), of(".tlog-proof")), (names.len(), names.len()), "{statements:?}");
}

#[test]
fn what_is_reproduced_goes_out_by_itself_and_an_accusation_waits_for_a_person() {
    if !can_isolate() {
        return;
    }
    let scene = Scene::new(&[("good", "honest"), ("bad", "evil")], 0.0);
    scene.add(&["good==1.0", "bad==1.0", "good==1.0"]);
    let coordinator = Coordinator::start(&scene, 1);
    // A second one is refused, and a command reaches the first.
    scene.attest(&["rebuilder", "run", "--data", "reb"]).is(2, "another process works in");
    scene.wait("both are done", |status| status["done"] == 2 && status["logged"] == 1);
    assert_eq!(scene.status()["toReview"], 1);
    assert_eq!(scene.logged(), [("good-1.0-py3-none-any.whl".to_owned(), "reproduced")]);

    let waiting = scene.attest(&["rebuilder", "review", "--data", "reb", "--output-format", "json"]).json();
    let job = waiting["waiting"][0]["job"].to_string();
    let build = waiting["waiting"][0]["answer"]["build"].as_str().unwrap().to_owned();
    let (_, page) = coordinator.get("/");
    assert!(page.contains("good-1.0") && !page.contains("bad-1.0") && !page.contains("<script"), "{page}");
    assert_eq!(coordinator.get(&format!("/sha256/{build}")).0, 404, "not before a person has said so");
    scene.attest(&["rebuilder", "review", "--data", "reb", "show", &job]).is(0, "bad/evil.py");
    scene.attest(&["rebuilder", "review", "--data", "reb", "approve", &job, "--reason", "looked"]).is(0, "approved");
    scene.wait("it is logged", |status| status["logged"] == 2);
    assert_eq!(scene.logged()[0], ("bad-1.0-py3-none-any.whl".to_owned(), "other"));

    let (status, record) = coordinator.get(&format!("/sha256/{build}"));
    assert_eq!((status, ArtifactDigest::of(record.as_bytes()).to_string()), (200, build));
    let (_, metrics) = coordinator.get("/metrics");
    assert!(metrics.contains("attest_rebuilder_jobs{phase=\"done\"} 2\n"), "{metrics}");
    assert_eq!(coordinator.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(coordinator.get("/card.json").1, fs::read_to_string(scene.world.path("reb/card.json")).unwrap());
    coordinator.terminate();
}

/// A worker that says what a test wants.
struct Hostile<'a> {
    coordinator: &'a Coordinator,
    token: String,
}

impl Hostile<'_> {
    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = client().post(format!("{}{path}", self.coordinator.url)).bearer_auth(&self.token);
        let answer = request.json(body).send().unwrap();
        (answer.status().as_u16(), answer.json().unwrap_or(Value::Null))
    }

    fn put(&self, given: &str, name: &str, bytes: Vec<u8>) -> u16 {
        let url = format!("{}/v1/jobs/{given}/files/{name}", self.coordinator.url);
        client().put(url).bearer_auth(&self.token).body(bytes).send().unwrap().status().as_u16()
    }

    /// A file of which half comes in, for as long as the stream lives.
    fn half(&self, given: &str, name: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.coordinator.url.trim_start_matches("http://")).unwrap();
        let head = format!(
            "PUT /v1/jobs/{given}/files/{name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-length: 100\r\n\r\nhalf",
            self.token
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    fn wait_for(&self, status: u16, ask: impl Fn() -> u16) {
        let start = Instant::now();
        while ask() != status {
            assert!(start.elapsed() < LIMIT, "{} never says {status}", self.coordinator.url);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The next job, once it may be tried again.
    fn take(&self) -> (String, String) {
        let start = Instant::now();
        loop {
            let (status, task) = self.post("/v1/take", &Value::Null);
            if status == 200 {
                let given = format!("{}-{}", task["given"]["job"], task["given"]["attempt"]);
                return (given, task["wish"]["release"].as_str().unwrap().to_owned());
            }
            assert!(start.elapsed() < LIMIT, "no work: {status}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn deliver(&self, given: &str, files: &Files) -> u16 {
        for (name, bytes) in files {
            let status = self.put(given, name, bytes.clone());
            if status != 204 {
                return status;
            }
        }
        let build = ArtifactDigest::of(&files["build.json"]).to_string();
        self.post(&format!("/v1/jobs/{given}/answer"), &json!({ "build": build })).0
    }
}

fn result(folder: PathBuf) -> Files {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn with_record(files: &Files, change: impl FnOnce(&mut Value)) -> Files {
    let mut files = files.clone();
    let mut record = serde_json::from_slice(&files["build.json"]).unwrap();
    change(&mut record);
    files.insert("build.json".to_owned(), serde_json::to_vec(&record).unwrap());
    files
}

#[test]
fn a_worker_that_lies_about_its_result_gets_nothing_signed() {
    if !can_isolate() {
        return;
    }
    let scene = Scene::new(&[("good", "honest"), ("bad", "evil")], 0.0);
    for name in ["good==1.0", "bad==1.0"] {
        scene.attest(&["rebuild", name, "--output-dir", "mine"]);
    }
    let good = result(scene.world.path("mine/good-1.0-py3-none-any"));
    let bad = result(scene.world.path("mine/bad-1.0-py3-none-any"));
    scene.add(&["good==1.0"]);
    let token = scene.attest(&["rebuilder", "token", "--data", "reb", "host"]).out.trim().to_owned();
    let coordinator = Coordinator::start(&scene, 0);
    let nobody = Hostile { coordinator: &coordinator, token: "0".repeat(64) };
    assert_eq!(nobody.post("/v1/take", &Value::Null).0, 401);
    let worker = Hostile { coordinator: &coordinator, token };

    let (given, _) = worker.take();
    assert_eq!(worker.put("99-1", "build.json", Vec::new()), 409, "a job that was never given out");
    assert_eq!(worker.put("1-77", "build.json", Vec::new()), 409, "an attempt that was never made");
    for name in ["..%2f..%2fescaped", ".hidden", "a%00b"] {
        assert_eq!(worker.put(&given, name, Vec::new()), 400, "{name}");
    }
    assert_eq!(worker.put("..%2f..", "build.json", Vec::new()), 400);
    let flood = (0..70).map(|number| worker.put(&given, &format!("f{number}"), Vec::new())).max();
    assert_eq!(flood, Some(413));

    let forged = with_record(&bad, |record| record["verdict"] = json!("EXACT"));
    let mut changed = good.clone();
    changed.insert("build.lock".to_owned(), b"other".to_vec());
    let mut more = good.clone();
    more.insert("surprise".to_owned(), Vec::new());
    let open = with_record(&good, |record| record["environment"]["network"] = json!("OPEN"));
    let outside = with_record(&good, |record| record["files"][0]["name"] = json!("../../../etc/passwd"));
    for (what, files) in [
        ("the verdict is not what the digests say", &forged),
        ("the result of another job", &bad),
        ("a file that does not have its digest", &changed),
        ("a file that the record does not name", &more),
        ("a build with a network", &open),
        ("a record that names files elsewhere", &outside),
    ] {
        let (given, release) = worker.take();
        assert_eq!(release, "good==1.0");
        let _back = worker.post(&format!("/v1/jobs/{given}/end"), &json!({ "given_back": true, "why": "" }));
        let (given, _) = worker.take();
        assert_eq!(worker.deliver(&given, files), 422, "{what}");
        // It would be tried again by itself, but later each time.
        scene.attest(&["rebuilder", "retry", "--data", "reb", "1"]).is(0, "");
    }
    assert_eq!(scene.status()["done"], 0);

    let (given, _) = worker.take();
    // One that sends a file by halves cannot have another taken, or looked at, meanwhile.
    let half = worker.half(&given, "build.json");
    worker.wait_for(503, || worker.put(&given, "build.lock", Vec::new()));
    assert_eq!(worker.post(&format!("/v1/jobs/{given}/answer"), &json!({ "build": "0".repeat(64) })).0, 503);
    drop(half);
    worker.wait_for(204, || worker.put(&given, "build.lock", Vec::new()));
    assert_eq!(worker.deliver(&given, &good), 204);
    assert_eq!(worker.deliver(&given, &good), 409, "the first answer counts");
    scene.wait("it is logged", |status| status["logged"] == 1);
    assert_eq!(scene.logged(), [("good-1.0-py3-none-any.whl".to_owned(), "reproduced")]);
    fs::remove_file(scene.world.path("reb/workers/host")).unwrap();
    assert_eq!(worker.post("/v1/take", &Value::Null).0, 401, "a token that was taken away");
    // A stranger who never ends a request does not keep the coordinator from ending.
    let mut stranger = TcpStream::connect(coordinator.url.trim_start_matches("http://")).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").unwrap();
    assert_eq!(coordinator.get("/healthz").0, 200);
    coordinator.terminate();
    drop(stranger);
}

#[test]
fn a_worker_on_another_host_goes_on_while_its_coordinator_is_killed_and_nothing_is_built_twice() {
    if !can_isolate() {
        return;
    }
    let scene = Scene::new(&[("good", "honest")], 1.5);
    scene.add(&["good==1.0"]);
    let token = scene.attest(&["rebuilder", "token", "--data", "reb", "host"]).out;
    scene.world.write("token", token);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let coordinator = Coordinator::listening(&scene, 0, &address);
    let mut worker = scene.command();
    worker.args(["rebuilder", "worker", "--token-file", "token", "--coordinator", &format!("http://{address}")]);
    let mut worker = worker.stderr(Stdio::null()).spawn().unwrap();
    scene.wait("it is given out", |status| status["running"] == 1);
    // In the middle of its build, or when it hands over: both must do.
    thread::sleep(Duration::from_secs(2));
    drop(coordinator);
    let coordinator = Coordinator::listening(&scene, 0, &address);
    scene.wait("it is logged", |status| status["logged"] == 1);
    signal("TERM", worker.id());
    assert_eq!(worker.wait().unwrap().code(), Some(0));
    let jobs = scene.attest(&["rebuilder", "list", "--data", "reb", "--output-format", "json"]).json();
    assert_eq!(jobs["jobs"][0]["attempts"].as_object().unwrap().len(), 1, "{jobs}");
    coordinator.terminate();
}

#[test]
fn what_others_claim_in_a_log_is_asked_for_once_and_a_log_that_lies_gives_no_work() {
    let scene = Scene::new(&[], 0.0);
    let claimed = |name: &str| {
        let name = format!("{name}-1.0-py3-none-any.whl");
        statement(7, &name, &ArtifactDigest::of(name.as_bytes()))
    };
    scene.log.append(claimed("first"));
    let settings = scene.world.path("reb/rebuilder.toml");
    let feed = format!(
        "\n[[feed]]\nsource = {{ kind = \"log\", url = \"{}\", vkey = \"{}\" }}\nevery-minutes = 1\npriority = 3\n",
        scene.log.url,
        FakeLog::vkey()
    );
    fs::write(&settings, fs::read_to_string(&settings).unwrap() + &feed).unwrap();
    Coordinator::start_and(&scene, || scene.wait("the first", |status| status["waiting"] == 1));
    scene.log.append(claimed("second"));
    scene.log.behave(crate::fake_log::Conduct::Forked);
    Coordinator::start_and(&scene, || {
        let said = || fs::read_to_string(scene.world.path("stderr")).unwrap();
        let start = Instant::now();
        while !said().contains("a feed cannot be read") {
            assert!(start.elapsed() < LIMIT, "{}", said());
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(scene.status()["waiting"], 1);
    scene.log.behave(crate::fake_log::Conduct::Honest);
    Coordinator::start_and(&scene, || scene.wait("the second", |status| status["waiting"] == 2));
    let jobs = scene.attest(&["rebuilder", "list", "--data", "reb"]).out;
    assert!(jobs.contains("first==1.0") && jobs.contains("second==1.0"), "{jobs}");
}

#[test]
fn what_changed_on_the_index_since_the_last_look_is_asked_for_and_its_whole_past_is_not() {
    let scene = Scene::new(&[("pa", "honest"), ("pb", "honest"), ("pc", "honest")], 0.0);
    let settings = scene.world.path("reb/rebuilder.toml");
    let feed = "\n[[feed]]\nsource = { kind = \"changes\" }\nevery-minutes = 60\npriority = 0\n";
    fs::write(&settings, fs::read_to_string(&settings).unwrap() + feed).unwrap();
    // A look that asks for nothing is seen by how far the feed was read.
    let journal = || fs::read_to_string(scene.world.path("reb/queue/journal")).unwrap_or_default();
    Coordinator::start_and(&scene, || scene.wait("the first look", |_| journal().contains(" pa:100 ")));
    assert_eq!(scene.status()["waiting"], 0);
    Coordinator::start_and(&scene, || scene.wait("the second look", |status| status["waiting"] == 1));
    let jobs = scene.attest(&["rebuilder", "list", "--data", "reb"]).out;
    assert!(jobs.contains("pa==1.0") && !jobs.contains("pb==1.0"), "{jobs}");
}

#[test]
fn without_room_no_work_is_given_out_and_a_log_that_is_down_loses_nothing() {
    if !can_isolate() {
        return;
    }
    let scene = Scene::new(&[("good", "honest")], 0.0);
    scene.add(&["good==1.0"]);
    scene.set("free-disk-mb = 1\n", "free-disk-mb = 1000000000000\n");
    let token = scene.attest(&["rebuilder", "token", "--data", "reb", "host"]).out.trim().to_owned();
    let coordinator = Coordinator::start(&scene, 0);
    assert_eq!(Hostile { coordinator: &coordinator, token }.post("/v1/take", &Value::Null).0, 204);
    assert_eq!(coordinator.get("/healthz").0, 503);
    coordinator.terminate();

    scene.set("free-disk-mb = 1000000000000\n", "free-disk-mb = 1\n");
    scene.log.behave(crate::fake_log::Conduct::Overloaded);
    let coordinator = Coordinator::start(&scene, 1);
    scene.wait("it waits for the log", |status| status["toLog"] == 1);
    drop(coordinator);
    scene.log.behave(crate::fake_log::Conduct::Honest);
    let coordinator = Coordinator::start(&scene, 1);
    scene.wait("it is logged", |status| status["logged"] == 1);
    assert_eq!(scene.logged().len(), 1);
    coordinator.terminate();
}

#[test]
fn a_card_is_imported_into_a_policy_once_and_after_a_persons_word() {
    let scene = Scene::new(&[], 0.0);
    let policy = scene.world.quorum(1, &[1], &FakeLog::vkey(), &[&scene.log.url]);
    let before = fs::read_to_string(&policy).unwrap();
    let add = ["policy", "add-rebuilder", "reb/card.json", "--to", text(&policy)];
    scene.attest(&add).is(2, "nobody is there to be asked");
    assert_eq!(fs::read_to_string(&policy).unwrap(), before);
    scene.attest(&[&add[..], &["--yes"]].concat()).is(0, "serial 2");
    let after = fs::read_to_string(&policy).unwrap();
    let start = before.replace("serial = 1", "serial = 2");
    assert!(after.starts_with(&start) && after.contains("id = \"https://alice.example\""), "{after}");
    scene.attest(&["policy", "check", text(&policy)]).is(0, "alice votes for university");
    scene.attest(&[&add[..], &["--yes"]].concat()).is(2, "makes no policy");
    let card = fs::read_to_string(scene.world.path("reb/card.json")).unwrap();
    let forged = scene.world.write("forged.json", card.replace("university", "company"));
    scene.attest(&["policy", "add-rebuilder", text(&forged), "--to", text(&policy), "--yes"]).is(2, "does not show");
    scene.attest(&["rebuilder", "card", "--data", "reb", "--for-log"]).is(0, "url = \"https://alice.example\"\n");
    scene
        .attest(&["rebuilder", "init", "--data", "reb", "--name", "a", "--group", "b", "--contact", "c"])
        .is(2, "is a rebuilder already");
}

#[test]
fn jobs_are_listed_retried_removed_and_read_from_lists() {
    let scene = Scene::new(&[("pa", "honest"), ("pb", "honest")], 0.0);
    let names = scene.world.write("names", "pa\npb # second\nmissing\n");
    scene.attest(&["rebuilder", "add", "--data", "reb", "--top", text(&names)]).is(0, "2 wheels asked for");
    let wheel = fs::read(scene.world.path("publish/pb/pb-1.0-py3-none-any.whl")).unwrap();
    let lock = format!("pb==1.0 --hash=sha256:{}\n", ArtifactDigest::of(&wheel));
    let lock = scene.world.write("lock.txt", lock);
    // Known already, by its digest.
    scene.attest(&["rebuilder", "add", "--data", "reb", "-r", text(&lock)]).is(0, "1 wheel asked for");
    scene.attest(&["rebuilder", "list", "--data", "reb", "--phase", "waiting"]).is(0, "pb==1.0");
    assert_eq!(scene.status()["waiting"], 2);
    scene.attest(&["rebuilder", "retry", "--data", "reb", "1"]).is(0, "");
    scene.attest(&["rebuilder", "remove", "--data", "reb", "1", "7"]).is(2, "found 7");
    scene.attest(&["rebuilder", "remove", "--data", "reb", "1"]).is(0, "");
    assert_eq!(scene.status()["waiting"], 1);
    scene.attest(&["rebuilder", "add", "--data", "elsewhere", "a==1"]).is(2, "no rebuilder's data folder");
}
