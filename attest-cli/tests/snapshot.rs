//! `attest snapshot` as a maintainer runs it: before and after the tests, and the lock of the build tools.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

#[path = "schema/document.rs"]
mod document;

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        fs::create_dir(project.path("dist")).unwrap();
        fs::write(project.path("dist/demo.whl"), "demo").unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn attest(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
        command.arg("snapshot").args(arguments).current_dir(self.0.path());
        // An index of our own: a folder with files.
        command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", self.path("index"));
        command.env("XDG_CACHE_HOME", self.path("cache")).env("CFLAGS", "-O2").env("SECRET_TOKEN", "hunter2");
        command.output().unwrap()
    }

    /// A wheel without anything in it that pip and uv take.
    fn publish(&self, name: &str, version: &str) {
        let script = "import sys, zipfile\n\
            folder, name, version = sys.argv[1:]\n\
            info = name + '-' + version + '.dist-info/'\n\
            wheel = zipfile.ZipFile(folder + '/' + name + '-' + version + '-py3-none-any.whl', 'w')\n\
            wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: ' + name + '\\nVersion: ' + version + '\\n')\n\
            wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
            wheel.writestr(info + 'RECORD', '')\n\
            wheel.writestr('unique', __import__('uuid').uuid4().hex)\n\
            wheel.close()\n";
        fs::create_dir_all(self.path("index")).unwrap();
        let mut python = Command::new("python3");
        assert!(python.args(["-c", script]).arg(self.path("index")).args([name, version]).status().unwrap().success());
    }

    fn requires(&self, line: &str) {
        fs::write(self.path("pyproject.toml"), format!("[build-system]\nrequires = ['{line}']\n")).unwrap();
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_file_that_the_tests_changed_removed_or_added_is_exit_1_and_named() {
    let project = Project::new();
    let taken = project.attest(&["dist", "-o", "snapshot.json"]);
    assert_eq!(code(&taken), 0, "{}", text(&taken));
    let snapshot = fs::read_to_string(project.path("snapshot.json")).unwrap();
    assert!(snapshot.contains("\"CFLAGS\": \"-O2\"") && !snapshot.contains("hunter2"));
    let verify = |expected: i32, said: &str| {
        let output = project.attest(&["--verify", "snapshot.json"]);
        assert!(code(&output) == expected && text(&output).contains(said), "{}", text(&output));
    };
    verify(0, "SAME 1 file");
    fs::write(project.path("dist/demo.whl"), "evil").unwrap();
    verify(1, "CHANGED dist/demo.whl sha256:");
    fs::write(project.path("dist/demo.whl"), "demo").unwrap();
    fs::write(project.path("dist/more.whl"), "").unwrap();
    verify(1, "ADDED dist/more.whl");
    let document = |verdict: &str| {
        let document =
            document::of(&project.attest(&["--verify", "snapshot.json", "--output-format", "json"]), "snapshot-verify");
        assert_eq!(document["verdict"], verdict);
        document
    };
    assert_eq!(document("DIFFERENT")["files"][0]["change"], "ADDED");
    fs::write(project.path("dist/demo.whl"), "evil").unwrap();
    assert_eq!(document("DIFFERENT")["files"].as_array().unwrap().len(), 2);
    fs::remove_dir_all(project.path("dist")).unwrap();
    verify(1, "REMOVED dist/demo.whl");
    assert_eq!(document("DIFFERENT")["files"][0]["change"], "REMOVED");
    fs::create_dir(project.path("dist")).unwrap();
    fs::write(project.path("dist/demo.whl"), "demo").unwrap();
    // Taken where these were not set.
    let snapshot = snapshot.replace("-O2", "-O3");
    fs::write(project.path("snapshot.json"), snapshot).unwrap();
    assert!(document("SAME")["around"].to_string().contains("-O3"));
}

#[test]
fn a_snapshot_in_a_folder_that_it_lists_is_no_change_of_it() {
    let project = Project::new();
    // The second time over the first one.
    for arguments in [&["dist", "-o", "dist/snapshot.json"][..], &["dist", "-o", "./dist/snapshot.json"]] {
        assert_eq!(code(&project.attest(arguments)), 0);
        let output = project.attest(&["--verify", "dist/snapshot.json"]);
        assert!(code(&output) == 0 && text(&output).contains("SAME 1 file"), "{}", text(&output));
    }
    // As `attest snapshot dist > dist/snapshot.json` does: the file is there before anything is listed.
    fs::write(project.path("dist/snapshot.json"), "").unwrap();
    let printed = project.attest(&["dist"]);
    fs::write(project.path("dist/snapshot.json"), printed.stdout).unwrap();
    let output = project.attest(&["--verify", "dist/snapshot.json"]);
    assert!(code(&output) == 0, "{}", text(&output));
    fs::write(project.path("dist/more"), "").unwrap();
    assert_eq!(code(&project.attest(&["--verify", "dist/snapshot.json"])), 1);
}

#[test]
fn what_lies_in_the_working_directory_is_not_run_when_pip_is_asked() {
    let project = Project::new();
    project.requires("nowhere-demo");
    for name in ["json.py", "platform.py", "pip.py"] {
        fs::write(project.path(name), "open('ran', 'w')\n").unwrap();
    }
    let output = project.attest(&["--lock"]);
    assert!(code(&output) != 0 && text(&output).contains("nowhere-demo"), "{}", text(&output));
    assert!(!project.path("ran").exists());
}

#[test]
fn what_is_no_snapshot_and_what_cannot_be_listed_is_exit_2() {
    let project = Project::new();
    fs::write(project.path("snapshot.json"), "{}").unwrap();
    for arguments in [&["--verify", "snapshot.json"][..], &["--verify", "none.json"], &["nowhere"], &[]] {
        let output = project.attest(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", text(&output));
    }
    for image in ["python:3.11", "python@sha256:00", "@sha256:"] {
        assert_eq!(code(&project.attest(&["--lock", "--image", image])), 2, "{image}");
    }
}

#[test]
fn a_lock_holds_until_pyproject_or_the_index_says_otherwise() {
    let project = Project::new();
    project.publish("backend_demo", "1.0");
    project.publish("tool_demo", "2.0");
    project.requires("backend-demo>=1");
    let image = format!("example.org/image@sha256:{}", "4".repeat(64));
    let made = project.attest(&["--lock", "--with", "tool-demo", "--image", &image]);
    assert_eq!(code(&made), 0, "{}", text(&made));
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    for part in ["backend-demo==1.0", "tool-demo==2.0", "--hash=sha256:", "# requires: backend-demo>=1", &image] {
        assert!(lock.contains(part), "{part}: {lock}");
    }
    let again = ["--lock", "--with", "tool-demo", "--image", &image, "-o", "again.lock", "--output-format", "json"];
    let again = document::of(&project.attest(&again), "build-lock");
    assert_eq!(again["locked"].as_array().unwrap().len(), 2);
    assert_eq!(fs::read_to_string(project.path("again.lock")).unwrap(), lock);
    // It is what pip installs from.
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--require-hashes", "--no-index", "--find-links"]);
    pip.arg(project.path("index")).arg("-r").arg(project.path("build.lock")).arg("-d").arg(project.path("got"));
    assert!(pip.status().unwrap().success());
    let check = || project.attest(&["--lock", "--check", "build.lock"]);
    assert_eq!(code(&check()), 0, "{}", text(&check()));
    let answer = || {
        let checked = project.attest(&["--lock", "--check", "build.lock", "--output-format", "json"]);
        document::of(&checked, "build-lock-check")["verdict"].clone()
    };
    assert_eq!(answer(), "SAME");

    // A newer release changes nothing: that is what a lock is for. Another requirement does.
    project.publish("backend_demo", "1.1");
    assert_eq!(code(&check()), 0, "{}", text(&check()));
    project.requires("backend-demo>=1.1");
    assert!(code(&check()) == 1 && text(&check()).contains("do not satisfy"), "{}", text(&check()));
    assert_eq!(answer(), "DIFFERENT");
    project.requires("newcomer-demo");
    assert_eq!(code(&check()), 3, "{}", text(&check()));
    project.publish("newcomer_demo", "1.0");
    assert!(code(&check()) == 1 && text(&check()).contains("newcomer-demo 1.0 is needed"), "{}", text(&check()));

    // The same name and version, other bytes: what was locked is gone.
    project.requires("backend-demo>=1");
    let wheel = project.path("index/backend_demo-1.0-py3-none-any.whl");
    let bytes = fs::read(&wheel).unwrap();
    project.publish("backend_demo", "1.0");
    assert_ne!(fs::read(&wheel).unwrap(), bytes);
    assert!(code(&check()) == 1 && text(&check()).contains("no file on the index has"), "{}", text(&check()));
    fs::write(&wheel, bytes).unwrap();
    assert_eq!(code(&check()), 0, "{}", text(&check()));

    let cut = lock.replace("--hash=sha256:", "--hash=sha256:0");
    fs::write(project.path("build.lock"), cut).unwrap();
    assert_eq!(code(&check()), 2, "a hash of another length is no lock: {}", text(&check()));
}
