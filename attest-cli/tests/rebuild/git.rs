//! Rebuilding from a commit: a forge that is a folder, reached as a user's own git settings say.

use super::*;

const BACKEND: &str = include_str!("git_backend.py");
/// `2024-02-25 23:17:33 UTC`: odd, and a zip has only even seconds.
const TIME: &str = "1708903053";
const URL: &str = "https://forge.example/demo/demo";

/// A project with one release, made from its tag.
struct Forge {
    folder: tempfile::TempDir,
}

impl Forge {
    fn new() -> Self {
        let forge = Self { folder: tempfile::tempdir().unwrap() };
        let project = forge.path("project");
        fs::create_dir(&project).unwrap();
        let urls = format!("Project-URL: Source, {URL}");
        for (name, text) in
            [("pyproject.toml", PYPROJECT), ("backend.py", &BACKEND.replace("@URLS@", &urls)), ("core.py", "x = 1\n")]
        {
            fs::write(project.join(name), text).unwrap();
        }
        forge.git(&["init", "--quiet", "--initial-branch=main"]);
        forge.git(&["add", "--all"]);
        forge.git(&["commit", "--quiet", "-m", "release"]);
        forge.git(&["tag", "v1.0"]);
        let python = Command::new("python3")
            .arg("backend.py")
            .arg(forge.folder.path())
            .env("SOURCE_DATE_EPOCH", TIME)
            // Set where the tests run in a git hook.
            .env_remove("GIT_DIR")
            .current_dir(&project)
            .status();
        assert!(python.unwrap().success());
        forge
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=demo", "-c", "user.email=demo@demo.example"])
            .args(arguments)
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .envs([("GIT_COMMITTER_DATE", format!("{TIME} +0000")), ("GIT_AUTHOR_DATE", format!("{TIME} +0000"))])
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .current_dir(self.path("project"));
        assert!(command.status().unwrap().success(), "git {arguments:?}");
    }

    /// The user's git settings lead the forge's URL to a folder, and would run things.
    fn rebuild(&self, arguments: &[&str]) -> Output {
        let ran = self.path("ran");
        let script = self.path("script");
        fs::write(&script, format!("#!/bin/sh\ntouch {}\ncat\n", ran.display())).unwrap();
        assert!(Command::new("chmod").arg("+x").arg(&script).status().unwrap().success());
        fs::write(self.path("attributes"), "* filter=evil\n").unwrap();
        let config = format!(
            "[url \"file://{}\"]\n\tinsteadOf = {URL}\n[core]\n\tattributesFile = {}\n\tfsmonitor = {script}\n\
             \tautocrlf = true\n[filter \"evil\"]\n\tsmudge = {script}\n\tclean = {script}\n\trequired = true\n",
            self.path("project").display(),
            self.path("attributes").display(),
            script = script.display()
        );
        fs::write(self.path("gitconfig"), config).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_attest"))
            .arg("rebuild")
            .arg(self.path(WHEEL))
            .arg("--output-dir")
            .arg(self.path("results"))
            .args(arguments)
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("GIT_CONFIG_GLOBAL", self.path("gitconfig"))
            .env("PIP_NO_INDEX", "1")
            .output()
            .unwrap();
        assert!(!ran.exists(), "git ran what the user's settings name: {}", text(&output));
        output
    }

    fn result(&self, name: &str) -> serde_json::Value {
        let path = self.path("results").join(WHEEL.trim_end_matches(".whl")).join(name);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }
}

fn has_git() -> bool {
    let found = Command::new("git").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        skip("git is not installed");
    }
    found
}

#[test]
fn the_versions_tag_gives_the_wheel_and_the_result_names_the_commit() {
    if !has_git() {
        return;
    }
    let forge = Forge::new();
    let output = forge.rebuild(&["--source", &format!("git+{URL}")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let record = forge.result("build.json");
    assert_eq!((&record["verdict"], &record["origin"]), (&"EXACT".into(), &"GIT".into()));
    assert_eq!(record["source"][0]["uri"], format!("git+{URL}"));
    assert_eq!(record["source"][0]["ref"], "refs/tags/v1.0");
    assert_eq!(forge.result("report.json")["lineage"]["time"], "COMMIT");
    assert!(text(&output).contains("the wheel's time is the commit's own"), "{}", text(&output));
}

#[test]
fn a_statement_about_a_commit_is_replayed_from_that_commit_and_from_no_other_that_has_its_tag() {
    if !has_git() {
        return;
    }
    let forge = Forge::new();
    assert_eq!(forge.rebuild(&["--source", &format!("git+{URL}")]).status.code(), Some(0));
    let (key, statement) = (forge.path("key"), forge.path("statement.json"));
    let attest = |arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(env!("CARGO_BIN_EXE_attest")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    };
    attest(&["key".as_ref(), "generate".as_ref(), "-o".as_ref(), key.as_ref()]);
    let result = forge.path("results").join(WHEEL.trim_end_matches(".whl"));
    attest(&["sign".as_ref(), result.as_ref(), "--signer".as_ref(), key.as_ref(), "-o".as_ref(), statement.as_ref()]);

    let replay = |forge: &Forge| forge.rebuild(&["--statement", statement.to_str().unwrap(), "--fresh"]);
    let output = replay(&forge);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("HOLDS"), "{}", text(&output));
    let record = forge.result("build.json");
    assert_eq!((&record["verdict"], &record["origin"]), (&"EXACT".into(), &"GIT".into()));

    // The tag leads elsewhere by now: what was stated is neither confirmed nor refuted by what it leads to.
    fs::write(forge.path("project/core.py"), "x = 2\n").unwrap();
    forge.git(&["commit", "--quiet", "--all", "--amend", "-m", "another release"]);
    forge.git(&["tag", "--force", "v1.0"]);
    let output = replay(&forge);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("commit"), "{}", text(&output));
}

#[test]
fn a_kept_result_stands_while_its_tag_leads_to_its_commit_and_is_built_again_when_it_moved() {
    if !has_git() {
        return;
    }
    let forge = Forge::new();
    let kept = |arguments: &[&str]| {
        let output = forge.rebuild(arguments);
        assert!(output.status.code().is_some_and(|code| code <= 1), "{}", text(&output));
        text(&output).contains("kept from an earlier run")
    };
    let move_tag = || {
        fs::write(forge.path("project/core.py"), "x = 2\n").unwrap();
        forge.git(&["commit", "--quiet", "--all", "-m", "another release"]);
        forge.git(&["tag", "--force", "v1.0"]);
    };
    let from_git = ["--source", &format!("git+{URL}")];
    assert!(!kept(&from_git));
    assert!(kept(&from_git));
    // What else happens in the repository is no concern of this release.
    forge.git(&["commit", "--quiet", "--allow-empty", "-m", "later"]);
    assert!(kept(&from_git));
    move_tag();
    assert!(!kept(&from_git));

    forge.git(&["tag", "--force", "v1.0", "v1.0~2"]);
    let sdist = forge.path("demo-1.0.tar.gz");
    let from_sdist = ["--source", sdist.to_str().unwrap(), "--commit", &format!("git+{URL}@v1.0")];
    assert!(!kept(&from_sdist));
    assert!(kept(&from_sdist));
    assert_eq!(forge.result("build.json")["source"].as_array().unwrap().len(), 2);
    forge.git(&["tag", "--force", "v1.0", "main"]);
    assert!(!kept(&from_sdist));
    assert_eq!(forge.result("build.json")["source"].as_array().unwrap().len(), 1, "the commit does not give the sdist");

    // Nor is one kept that nobody can look up any more.
    fs::rename(forge.path("project"), forge.path("gone")).unwrap();
    let output = forge.rebuild(&from_sdist);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

#[test]
fn an_sdist_that_a_commit_gives_names_it_and_one_with_a_file_more_does_not() {
    if !has_git() {
        return;
    }
    let forge = Forge::new();
    let sdist = forge.path("demo-1.0.tar.gz");
    let arguments = ["--source", sdist.to_str().unwrap(), "--commit", &format!("git+{URL}@v1.0")];
    let output = forge.rebuild(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let record = forge.result("build.json");
    assert_eq!(record["origin"], "SDIST");
    assert_eq!(record["source"][0]["fromCommit"], "VERIFIED");
    assert_eq!(record["source"][1]["ref"], "refs/tags/v1.0");
    assert!(text(&output).contains("demo-1.0.tar.gz VERIFIED"), "{}", text(&output));

    // As xz had it: the wheel is what the sdist gives, and the sdist is not what the commit gives.
    let script = "import tarfile; old = tarfile.open('demo-1.0.tar.gz').getmembers(); \
                  new = tarfile.open('new.tar.gz', 'w:gz'); data = tarfile.open('demo-1.0.tar.gz'); \
                  [new.addfile(one, data.extractfile(one)) for one in old]; \
                  new.add('script', 'demo-1.0/build-to-host.py'); new.close()";
    let python = Command::new("python3").args(["-c", script]).current_dir(forge.folder.path()).status();
    assert!(python.unwrap().success());
    fs::rename(forge.path("new.tar.gz"), &sdist).unwrap();
    let output = forge.rebuild(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let sources = forge.result("build.json")["source"].clone();
    assert_eq!(sources.as_array().unwrap().len(), 1);
    assert_eq!(sources[0]["fromCommit"], "UNVERIFIED");
    let report = forge.result("report.json");
    assert_eq!(report["lineage"]["fromCommit"]["differences"][0]["kind"], "ONLY_IN_PUBLISHED");
    assert!(text(&output).contains("build-to-host.py: only in the published sdist"), "{}", text(&output));
}

#[test]
fn a_repository_that_cannot_be_reached_is_no_verdict_and_a_wrong_address_is_a_usage_error() {
    if !has_git() {
        return;
    }
    let forge = Forge::new();
    let output = forge.rebuild(&["--source", "git+https://localhost:1/demo/demo@v1.0"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("git could not fetch the repository"), "{}", text(&output));
    let output = forge.rebuild(&["--source", "git+ssh://forge.example/demo@v1.0"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(!forge.path("results").join(WHEEL.trim_end_matches(".whl")).exists());
}
