//! `attest check` as a maintainer runs it, on projects that misbehave.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

const BUILD: &str = include_str!("check/build.py");
const WHEEL: &str = "dist/demo-1.0-py3-none-any.whl";

/// A project folder without git, and a place for everything that a run may leave.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(project.path("data")).unwrap();
        fs::create_dir(project.0.path().join("tmp")).unwrap();
        for name in ["a", "b", "c", "d", "e", "f"] {
            fs::write(project.path("data").join(name), name).unwrap();
        }
        fs::write(project.path("build.py"), BUILD).unwrap();
        fs::write(project.path("core.c"), "int answer(void) { return 42; }\n").unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("project").join(name)
    }

    fn tmp(&self) -> PathBuf {
        self.0.path().join("tmp")
    }

    fn attest(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
        command.arg("check").arg(self.path("")).args(arguments).env("TMPDIR", self.tmp()).env("PIP_NO_INDEX", "1");
        command.env("XDG_CACHE_HOME", self.0.path().join("cache")).env_remove("SOURCE_DATE_EPOCH");
        command.env_remove("PYTHONHASHSEED");
        command
    }

    fn run(&self, options: &[&str], command: &[&str]) -> Answer {
        let arguments: Vec<_> = [&["--output-format", "json"], options, &["--"], command].concat();
        Answer::of(&self.attest(&arguments).output().unwrap())
    }

    fn build(&self, mischief: &str) -> Answer {
        self.run(&[], &["python3", "build.py", mischief])
    }

    /// Through the project's own hook.
    fn hook(&self, mischief: &str) -> Answer {
        self.hook_with(&[], mischief)
    }

    fn hook_with(&self, arguments: &[&str], mischief: &str) -> Answer {
        let system = "[build-system]\nrequires = []\nbuild-backend = 'build'\nbackend-path = ['.']\n";
        fs::write(self.path("pyproject.toml"), system).unwrap();
        fs::write(self.path("mischief"), mischief).unwrap();
        Answer::of(&self.attest(&["--output-format", "json"]).args(arguments).output().unwrap())
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path("")).args(["-c", "user.name=demo", "-c", "user.email=demo@example.org"]);
        assert!(git.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    }

    fn leaves_nothing(&self) {
        assert_eq!(fs::read_dir(self.tmp()).unwrap().count(), 0);
    }
}

struct Answer {
    code: Option<i32>,
    json: serde_json::Value,
    said: String,
}

impl Answer {
    fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let answer = Self { code: output.status.code(), json, said };
        // Whatever a test is about; what could not be built is told as every other error.
        if matches!(answer.code, Some(0 | 1)) {
            answer.fits_its_schema();
        }
        answer
    }

    fn fits_its_schema(&self) {
        static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
            let schema = serde_json::from_str(include_str!("../../schemas/check.schema.json")).unwrap();
            jsonschema::validator_for(&schema).unwrap()
        });
        assert_eq!(SCHEMA.validate(&self.json).map_err(|error| error.to_string()), Ok(()), "{}", self.json);
    }

    fn texts(&self, list: &str, field: &str) -> Vec<String> {
        let list = self.json[list].as_array().unwrap_or_else(|| panic!("{}", self.json));
        list.iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
    }

    /// Exit 1, this cause alone, and a fix that says this.
    fn blames(&self, cause: &str, fix: &str) {
        assert_eq!(self.code, Some(1), "{} {}", self.json, self.said);
        let causes = self.texts("differences", "cause");
        assert!(!causes.is_empty() && causes.iter().all(|found| found == cause), "{cause}: {}", self.json);
        assert!(self.texts("fixes", "do").iter().any(|text| text.contains(fix)), "{fix}: {}", self.json["fixes"]);
    }

    fn passes(&self) {
        assert_eq!(self.code, Some(0), "{} {}", self.json, self.said);
        assert_eq!(self.json["verdict"], "SAME");
    }

    fn error(&self) -> String {
        format!(
            "{} {}",
            self.json["error"].as_str().unwrap_or_default(),
            self.json["hint"].as_str().unwrap_or_default()
        )
    }
}

#[test]
fn an_honest_project_passes_and_what_was_not_varied_is_said() {
    let project = Project::new();
    let answer = project.build("honest");
    answer.passes();
    assert_eq!(answer.texts("files", "path"), [WHEEL]);
    let not = answer.texts("notVaried", "name");
    assert!(["date", "machine", "tools", "account", "variables"].iter().all(|name| not.iter().any(|one| one == name)));
    assert!(answer.texts("varied", "name").len() >= 6);
    project.leaves_nothing();
}

#[test]
fn what_gets_into_a_file_is_named_with_its_fix() {
    let cases = [
        ("time", "time", "SOURCE_DATE_EPOCH"),
        ("zip-time", "time", "export SOURCE_DATE_EPOCH"),
        ("path", "path", "relative to the project"),
        ("temporary", "temporary", "temporary folder"),
        ("hash-seed", "hash-seed", "sorted("),
        ("umask", "umask", "umask 022"),
        ("zip-mode", "umask", "umask 022"),
        ("locale", "locale", "LC_ALL=C.UTF-8"),
        ("zone", "zone", "UTC"),
        ("home", "home", "home directory"),
        ("user", "user", "name of the user"),
        ("repeat", "repeat", "uuid4"),
    ];
    // At once: a check mostly waits for the clock.
    thread::scope(|scope| {
        for (mischief, cause, fix) in cases {
            scope.spawn(move || {
                let project = Project::new();
                project.build(mischief).blames(cause, fix);
                project.leaves_nothing();
            });
        }
    });
}

#[test]
fn what_only_some_machines_can_vary_is_named_or_said_not_to_be_varied() {
    let project = Project::new();
    for (mischief, fix) in [("host", "platform.node"), ("cpus", "how many CPUs")] {
        let answer = project.build(mischief);
        if answer.texts("notVaried", "name").iter().any(|name| name == mischief) {
            answer.passes();
        } else {
            answer.blames(mischief, fix);
        }
    }
}

#[test]
fn the_order_of_a_folder_is_another_one_for_the_project_s_own_hook() {
    let project = Project::new();
    project.hook("order").blames("order", "sorted(os.listdir(");
    project.hook("scandir").blames("order", "sorted(os.listdir(");
    let honest = project.hook("honest");
    honest.passes();
    assert!(honest.texts("varied", "name").iter().any(|name| name == "load"));
    project.leaves_nothing();
}

#[test]
fn a_hook_that_writes_the_day_is_caught_by_another_day() {
    if std::process::Command::new("faketime").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "expected faketime in CI");
        return;
    }
    let project = Project::new();
    // The same in both builds, unless the calendar moves: the zone is one, and the builds are seconds apart.
    project.hook("date").blames("time", "SOURCE_DATE_EPOCH");
    project.hook_with(&["--same", "date"], "date").passes();
}

#[test]
fn a_c_extension_names_the_embedded_build_path_and_passes_with_the_printed_fix() {
    let project = Project::new();
    let command = ["python3", "build.py", "native"];
    let answer = project.run(&[], &command);
    answer.blames("path", "-ffile-prefix-map=");
    assert_eq!(answer.texts("differences", "member"), ["demo/core.so"]);
    assert!(answer.texts("differences", "found")[0].starts_with("the folder that was built in, "), "{}", answer.json);
    project.run(&["--set", "CFLAGS=-ffile-prefix-map=$PWD=."], &command).passes();
    project.run(&["--set", "CFLAGS=-g0"], &command).passes();
}

#[test]
fn the_printed_fixes_are_fixes() {
    let project = Project::new();
    project.run(&["--set", "SOURCE_DATE_EPOCH=1700000000"], &["python3", "build.py", "zip-time"]).passes();
    project.run(&["--set", "PYTHONHASHSEED=0"], &["python3", "build.py", "hash-seed"]).passes();
    project.run(&[], &["sh", "-c", "TZ=UTC python3 build.py zone"]).passes();
    let same = project.run(&["--same", "umask,locale"], &["python3", "build.py", "umask"]);
    same.passes();
    assert!(same.texts("notVaried", "name").iter().any(|name| name == "umask"));
}

#[test]
fn without_narrowing_down_there_are_two_builds_and_an_unknown_cause() {
    let answer = Project::new().run(&["--no-bisect"], &["python3", "build.py", "zone"]);
    answer.blames("unknown", "--keep");
    assert_eq!(answer.json["furtherBuilds"], 0);
}

#[test]
fn a_build_that_fails_hangs_or_makes_nothing_is_exit_3_with_the_next_step() {
    let project = Project::new();
    let mark = project.0.path().join("mark");
    let mark = mark.to_str().unwrap();
    for (options, command, said) in [
        (&[][..], &["python3", "build.py", "fails"][..], "on strike"),
        (&["--timeout", "1"], &["python3", "build.py", "hangs", mark], "--timeout"),
        (&[], &["python3", "build.py", "nothing"], "--output"),
        (&[], &["no-such-program"], "no-such-program"),
    ] {
        let answer = project.run(options, command);
        assert_eq!(answer.code, Some(3), "{}", answer.json);
        assert!(answer.error().contains(said), "{said}: {}", answer.error());
    }
    project.leaves_nothing();
}

#[test]
fn two_wheels_of_one_name_are_both_compared_and_warned_about() {
    let answer = Project::new().build("twins");
    assert_eq!(answer.code, Some(1));
    assert_eq!(answer.json["files"][0]["same"], true);
    assert_eq!(answer.json["files"][1]["same"], false);
    assert!(answer.texts("differences", "file")[0].starts_with("wheelhouse/"));
    assert!(answer.json["warnings"][0].as_str().unwrap().contains("one name and two contents"));
}

#[test]
fn ctrl_c_ends_the_build_and_leaves_nothing() {
    let project = Project::new();
    let mark = project.0.path().join("mark");
    let mut attest = project.attest(&["--", "python3", "build.py", "hangs", mark.to_str().unwrap()]);
    let mut attest = attest.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    let build = loop {
        match fs::read_to_string(&mark) {
            Ok(text) if !text.is_empty() => break text,
            _ => assert!(start.elapsed() < Duration::from_secs(60), "the build never began"),
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert!(Command::new("kill").args(["-INT", &attest.id().to_string()]).status().unwrap().success());
    assert_eq!(attest.wait().unwrap().code(), Some(130));
    assert!(!Path::new("/proc").join(build.trim()).exists());
    project.leaves_nothing();
}

#[test]
fn a_link_out_of_the_tree_still_leads_there_and_is_warned_about() {
    let project = Project::new();
    fs::write(project.0.path().join("VERSION"), "1.0").unwrap();
    symlink("../VERSION", project.path("VERSION")).unwrap();
    symlink("build.py", project.path("inside")).unwrap();
    let answer = project.run(&[], &["sh", "-c", "grep -q 1.0 VERSION && test -L inside && python3 build.py honest"]);
    answer.passes();
    let warnings = answer.json["warnings"].as_array().unwrap();
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().starts_with("VERSION is a link out"), "{warnings:?}");
}

#[test]
fn what_git_ignores_is_not_copied_and_git_itself_is() {
    let project = Project::new();
    fs::write(project.path(".gitignore"), "huge/\ndist/\n").unwrap();
    project.git(&["init", "--quiet"]);
    project.git(&["add", "."]);
    project.git(&["commit", "--quiet", "-m", "all"]);
    project.git(&["tag", "v1.0"]);
    fs::create_dir(project.path("huge")).unwrap();
    // Sparse: copying it would take a terabyte.
    fs::File::create(project.path("huge/file")).unwrap().set_len(1 << 40).unwrap();
    fs::create_dir(project.path("dist")).unwrap();
    fs::write(project.path("dist/demo-0.9-py3-none-any.whl"), "old").unwrap();
    let script = "test ! -e huge && test \"$(git describe --tags --dirty)\" = v1.0 && python3 build.py honest";
    let answer = project.run(&[], &["sh", "-c", script]);
    answer.passes();
    assert_eq!(answer.texts("files", "path"), [WHEEL]);
    // Untracked files belong to it, and make it dirty for whoever asks.
    fs::write(project.path("new.py"), "").unwrap();
    project
        .run(&[], &["sh", "-c", "test -e new.py && git status --short | grep -q new.py && python3 build.py honest"])
        .passes();
    // From a linked worktree and from a folder of the repository it is the same.
    let linked = project.0.path().join("linked");
    project.git(&["worktree", "add", "--quiet", linked.to_str().unwrap()]);
    let mut inside = Command::new(env!("CARGO_BIN_EXE_attest"));
    inside.arg("check").arg(linked.join("data")).args(["--output", "../dist", "--", "sh", "-c"]);
    inside.arg("cd .. && test \"$(git describe --tags --dirty)\" = v1.0 && python3 build.py honest");
    let inside = inside.env("TMPDIR", project.tmp()).output().unwrap();
    assert_eq!(inside.status.code(), Some(0), "{inside:?}");
    project.leaves_nothing();
}

#[test]
fn a_folder_that_is_no_project_is_exit_2() {
    let project = Project::new();
    for folder in ["data", "nowhere"] {
        let output = Command::new(env!("CARGO_BIN_EXE_attest"))
            .arg("check")
            .arg(project.path(folder))
            .env("TMPDIR", project.tmp())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    project.leaves_nothing();
}
