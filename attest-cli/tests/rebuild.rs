//! `attest rebuild` as a user runs it: a real wheel from the index, and projects that misbehave.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};

#[path = "rebuild/git.rs"]
mod git;

const BACKEND: &str = include_str!("rebuild/backend.py");
const PYPROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";
const WHEEL: &str = "demo-1.0-py3-none-any.whl";

/// A project with an in-tree backend, its sdist, and the wheel that an honest build of it would give.
struct Project {
    folder: tempfile::TempDir,
    mark: String,
}

impl Project {
    fn new(mischief: &str, port: u16, paths: &[&Path]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mark = format!("attest-test-{}", folder.path().file_name().unwrap().to_string_lossy());
        let backend = BACKEND
            .replace("@MISCHIEF@", mischief)
            .replace("@PORT@", &port.to_string())
            .replace("@PATHS@", &format!("{paths:?}"))
            .replace("@MARK@", &mark);
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, text) in [("pyproject.toml", PYPROJECT), ("backend.py", &backend)] {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1_700_000_000);
            tar.append_data(&mut header, format!("demo-1.0/{name}"), text.as_bytes()).unwrap();
        }
        fs::write(folder.path().join("demo-1.0.tar.gz"), tar.into_inner().unwrap().finish().unwrap()).unwrap();
        let script = folder.path().join("backend.py");
        fs::write(&script, backend).unwrap();
        assert!(Command::new("python3").arg(script).arg(folder.path()).status().unwrap().success());
        Self { folder, mark }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything local: no index, a temporary folder of its own.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
        fs::create_dir_all(self.path("tmp")).unwrap();
        command
            .arg("rebuild")
            .arg(self.path(WHEEL))
            .arg("--source")
            .arg(self.path("demo-1.0.tar.gz"))
            .arg("--output-dir")
            .arg(self.path("results"))
            .args(arguments)
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("TMPDIR", self.path("tmp"))
            .env("PIP_NO_INDEX", "1");
        command
    }

    fn rebuild(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn record(&self) -> serde_json::Value {
        let path = self.path("results").join(WHEEL.trim_end_matches(".whl")).join("build.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// Processes of the build that still run, seen from outside.
    fn left(&self) -> usize {
        let runs = |entry: &fs::DirEntry| {
            fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&self.mark))
        };
        fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(runs).count()
    }

    fn wait_until(&self, running: bool) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            if (self.left() > 0) == running {
                return true;
            }
            thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Says why a test does nothing; in CI that is a failure.
fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "expected to run in CI: {reason}");
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// The ways to keep a build in that work on this machine.
fn isolations() -> Vec<&'static str> {
    let works = |command: &str| {
        let mut words = command.split(' ');
        let mut command = Command::new(words.next().unwrap());
        let status = command.args(words).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let bubblewrap = works("bwrap --unshare-all --ro-bind / / true").then_some("bubblewrap");
    let unshare = works("unshare --user --map-root-user --net --mount --pid --fork true").then_some("unshare");
    bubblewrap.into_iter().chain(unshare).collect()
}

#[test]
fn a_hook_that_reaches_for_network_home_cache_or_the_published_wheel_finds_nothing() {
    if isolations().is_empty() {
        return skip("neither bwrap nor user namespaces work here");
    }
    for isolation in isolations() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let secrets = tempfile::tempdir().unwrap();
        let token = secrets.path().join("token");
        fs::write(&token, "secret").unwrap();
        let port = listener.local_addr().unwrap().port();
        let home = std::env::home_dir().unwrap().join(".cache");
        let project = Project::new("escape", port, &[&token, secrets.path(), &home, Path::new("/etc/shadow")]);
        let output = project.rebuild(&["--isolation", isolation]);
        assert_eq!(output.status.code(), Some(0), "{isolation}: {}", text(&output));
        assert!(listener.accept().is_err(), "{isolation}: the hook connected to the host");
        let record = project.record();
        assert_eq!(record["verdict"], "EXACT");
        assert_eq!(record["environment"]["network"], "NONE");
        assert_eq!(record["repeat"], 2);
    }
}

#[test]
fn without_isolation_the_same_hook_reaches_the_host_and_the_result_says_open() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let project = Project::new("reach", listener.local_addr().unwrap().port(), &[]);
    let output = project.rebuild(&["--isolation", "none"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let record = project.record();
    assert_eq!(record["environment"]["network"], "OPEN");
    assert!(text(&output).contains("this result does not vote"), "{}", text(&output));
}

#[test]
fn a_published_wheel_with_one_byte_changed_is_different_and_its_member_named() {
    let project = Project::new("none", 1, &[]);
    let mut bytes = fs::read(project.path(WHEEL)).unwrap();
    let at = bytes.windows(7).position(|window| window == b"reached").unwrap();
    bytes[at] = b'p';
    fs::write(project.path(WHEEL), bytes).unwrap();
    let output = project.rebuild(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("demo/core.py: other content"), "{}", text(&output));
    assert_eq!(project.record()["differences"][0]["path"], "demo/core.py");
}

/// Publishes a wheel whose code the source does not have.
const CHANGED: &str = "
import sys, zipfile
old = zipfile.ZipFile(sys.argv[1]); members = [(info, old.read(info)) for info in old.infolist()]; old.close()
with zipfile.ZipFile(sys.argv[1], 'w') as new:
    for info, data in members:
        new.writestr(info, data.replace(b'reached', b'published'))
";

#[test]
fn what_diffoscope_says_is_kept_by_its_digest_and_decides_nothing() {
    let found = Path::new("/usr/bin/diffoscope").exists();
    assert!(found || std::env::var_os("CI").is_none(), "CI needs diffoscope");
    if !found {
        println!("skipped: diffoscope is not installed");
        return;
    }
    let project = Project::new("none", 1, &[]);
    let status = Command::new("python3").args(["-c", CHANGED]).arg(project.path(WHEEL)).status().unwrap();
    assert!(status.success());
    let output = project.rebuild(&["--diffoscope"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let folder = project.path("results").join(WHEEL.trim_end_matches(".whl"));
    let said = fs::read_to_string(folder.join("diffoscope.txt")).unwrap();
    assert!(said.contains("demo/core.py") && said.contains("-published = []"), "{said}");
    let record = project.record();
    let files = record["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["name"] == "diffoscope.txt"), "{record}");
}

/// Publishes the honest wheel as another machine would have: later, with other modes, in another order.
const ELSEWHERE: &str = "
import sys, zipfile
old = zipfile.ZipFile(sys.argv[1]); members = [(info, old.read(info)) for info in old.infolist()]; old.close()
with zipfile.ZipFile(sys.argv[1], 'w') as new:
    for at, (info, data) in enumerate(members[1:] + members[:1]):
        info.date_time, info.external_attr, info.create_system = (2024, 2, 25, 23, 18, at * 2), 0o100664 << 16, 0
        new.writestr(info, data)
";

#[test]
fn a_wheel_that_differs_in_zip_metadata_alone_is_replayed_and_its_recipe_says_how() {
    let project = Project::new("none", 1, &[]);
    let emitted = fs::read(project.path(WHEEL)).unwrap();
    let change = Command::new("python3").args(["-c", ELSEWHERE]).arg(project.path(WHEEL)).status().unwrap();
    let published = fs::read(project.path(WHEEL)).unwrap();
    assert!(change.success() && published != emitted);
    let output = project.rebuild(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("REPLAYED demo-1.0"), "{}", text(&output));
    let record = project.record();
    assert_eq!(record["rebuilt"]["sha256"], record["subject"]["sha256"]);
    assert_ne!(record["emitted"], record["subject"]["sha256"]);
    let results = project.path("results").join(WHEEL.trim_end_matches(".whl"));
    assert_eq!(fs::read(results.join(WHEEL)).unwrap(), published);
    let recipe = fs::read_to_string(results.join("recipe.toml")).unwrap();
    assert!(recipe.contains("[container]\nmembers = 4\norder = \"1-3 0\"\n"), "{recipe}");
}

#[test]
fn a_random_id_in_an_sbom_is_equivalent_and_no_reproduction() {
    let project = Project::new("sbom", 1, &[]);
    let output = project.rebuild(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let record = project.record();
    assert_eq!(record["verdict"], "EQUIVALENT");
    assert_eq!(record["equivalent"][0]["path"], "demo-1.0.dist-info/sboms/demo.cdx.json");
}

#[test]
fn two_builds_that_disagree_are_nondeterministic_and_not_called_different() {
    let project = Project::new("clock", 1, &[]);
    let output = project.rebuild(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(project.record()["verdict"], "NONDETERMINISTIC");
}

#[test]
fn a_build_that_writes_how_many_cpus_it_has_is_nondeterministic() {
    if thread::available_parallelism().unwrap().get() < 2 {
        return skip("this machine has one CPU");
    }
    let project = Project::new("cpus", 1, &[]);
    let output = project.rebuild(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(project.record()["verdict"], "NONDETERMINISTIC");
}

#[test]
fn a_build_that_hangs_is_ended_with_everything_it_started() {
    for isolation in [&[][..], &["--isolation", "none"]] {
        let project = Project::new("hang", 1, &[]);
        let output = project.rebuild(&[&["--timeout", "3"], isolation].concat());
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert!(text(&output).contains("within 3 s"), "{}", text(&output));
        assert!(project.wait_until(false), "processes left with {isolation:?}");
    }
}

#[test]
fn a_link_in_place_of_the_wheel_is_not_followed() {
    let project = Project::new("link", 1, &[]);
    let output = project.rebuild(&[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("regular file"), "{}", text(&output));
}

#[test]
fn a_link_in_place_of_the_output_folder_does_not_lead_to_the_published_wheel() {
    for mischief in ["lure", "lure further"] {
        let bait = tempfile::tempdir().unwrap();
        let project = Project::new(mischief, 1, &[bait.path()]);
        fs::create_dir(bait.path().join("wheels")).unwrap();
        fs::copy(project.path(WHEEL), bait.path().join("wheels").join(WHEEL)).unwrap();
        fs::write(bait.path().join("requires.json"), "[]").unwrap();
        let output = project.rebuild(&[]);
        assert_eq!(output.status.code(), Some(3), "{mischief}: {}", text(&output));
        assert!(text(&output).contains("leave a folder"), "{mischief}: {}", text(&output));
    }
}

#[test]
fn a_build_that_fills_the_disk_is_stopped_at_the_limit() {
    let project = Project::new("fill", 1, &[]);
    let output = project.rebuild(&["--disk", "64"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert_eq!(fs::read_dir(project.path("tmp")).unwrap().count(), 0);
}

#[test]
fn a_build_that_hides_what_it_writes_behind_too_long_paths_is_ended() {
    let project = Project::new("hide", 1, &[]);
    let output = project.rebuild(&[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("does not open"), "{}", text(&output));
    assert_eq!(fs::read_dir(project.path("tmp")).unwrap().count(), 0);
}

#[test]
fn an_interrupt_ends_the_build_and_leaves_no_files() {
    let project = Project::new("hang", 1, &[]);
    let mut child = start(&project, &[]);
    signal("INT", &child);
    assert_ne!(child.wait().unwrap().code(), Some(0));
    assert!(project.wait_until(false), "processes left");
    assert_eq!(fs::read_dir(project.path("tmp")).unwrap().count(), 0, "temporary files left");
    let left: Vec<_> = fs::read_dir(project.path("results")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["journal.jsonl"], "half a result left");
}

#[test]
fn being_killed_ends_the_build_too() {
    if isolations().is_empty() {
        return skip("neither bwrap nor user namespaces work here");
    }
    for isolation in isolations() {
        let project = Project::new("hang", 1, &[]);
        let mut child = start(&project, &["--isolation", isolation]);
        signal("KILL", &child);
        child.wait().unwrap();
        assert!(project.wait_until(false), "{isolation}: processes left");
    }
}

/// Starts a rebuild and waits until the project's code runs.
fn start(project: &Project, arguments: &[&str]) -> Child {
    let child = project.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(project.wait_until(true), "the build did not start");
    child
}

fn signal(name: &str, child: &Child) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn what_is_no_target_is_a_usage_error() {
    for target in ["requests>=2", "x.tar.gz", "==1", "ftp://host/a-1-py3-none-any.whl", "https://host/a.tar.gz"] {
        let output = Command::new(env!("CARGO_BIN_EXE_attest")).args(["rebuild", target]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{target}: {}", text(&output));
    }
}

#[test]
fn a_real_wheel_is_rebuilt_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let index = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "-q", "-d"])
        .arg(folder.path())
        .arg("idna==3.20")
        .output();
    match index {
        Ok(output) if output.status.success() => {}
        _ => return skip("pip cannot reach an index with idna 3.20"),
    }
    let output = Command::new(env!("CARGO_BIN_EXE_attest"))
        .args(["rebuild", "idna==3.20", "--output-dir"])
        .arg(folder.path().join("results"))
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("EXACT idna-3.20-py3-none-any.whl sha256:ab7ae712"), "{}", text(&output));
    let results = folder.path().join("results/idna-3.20-py3-none-any");
    let published = fs::read(folder.path().join("idna-3.20-py3-none-any.whl")).unwrap();
    assert_eq!(fs::read(results.join("idna-3.20-py3-none-any.whl")).unwrap(), published);
    let lock = fs::read_to_string(results.join("build.lock")).unwrap();
    assert!(lock.starts_with("flit-core==4.1.0 --hash=sha256:"), "{lock}");
}
