//! `attest rebuild` of many wheels: what fails alone, what is killed, what lies, and what is counted.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "schema/document.rs"]
mod document;
#[path = "cli/fake_log.rs"]
#[expect(dead_code, reason = "made for more than is needed here")]
mod fake_log;
#[path = "batch/index.rs"]
mod index;

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use attest_core::artifact::ArtifactDigest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fake_log::{Conduct as LogConduct, FakeLog};
use index::{Conduct, Index, PROVENANCE, TOOL, line, wheel_of, write};
use serde_json::{Value, json};

/// A folder, and an index of its own.
struct Scene {
    folder: tempfile::TempDir,
    index: Index,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), index: Index::start() };
        fs::create_dir(scene.path("tmp")).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
        command
            .current_dir(self.folder.path())
            .args(["rebuild", "--data-dir", "data", "--output-dir", "results", "--cache-dir", "cache"])
            .args(arguments)
            .env("TMPDIR", self.path("tmp"))
            .env("PIP_INDEX_URL", &self.index.url)
            .env("PIP_DEFAULT_TIMEOUT", "2")
            .env_remove("PIP_TIMEOUT")
            .env_remove("PIP_EXTRA_INDEX_URL")
            .stdin(Stdio::null());
        command
    }

    fn rebuild(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A rebuild in which one folder is a small disk; nothing where this machine does not allow that.
    fn with_small(&self, disk: &str, size: &str, arguments: &[&str]) -> Option<Output> {
        let script = format!(
            "mount -t tmpfs -o size={size} tmpfs {disk} && \
             {{ \"$@\"; code=$?; echo left: $(ls -A {disk}) >&2; exit $code; }}"
        );
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        let rebuild = self.command(&[arguments, &["--isolation", "none"]].concat());
        command.arg(rebuild.get_program()).args(rebuild.get_args()).current_dir(self.folder.path());
        for (name, value) in rebuild.get_envs() {
            value.map(|value| command.env(name, value));
        }
        let Ok(output) = command.output() else {
            skip("there is no unshare");
            return None;
        };
        if text(&output).contains("unshare failed") || text(&output).contains("permission denied") {
            let _ = writeln!(std::io::stderr(), "skipped: this machine does not allow mounting in a user namespace");
            return None;
        }
        Some(output)
    }

    fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let output = self.rebuild(&[arguments, &["--output-format", "json"]].concat());
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        let schema: Value = serde_json::from_str(include_str!("../../schemas/rebuild.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        assert_eq!(schema.validate(&document).map_err(|error| error.to_string()), Ok(()), "{document:#}");
        (output.status.code(), document)
    }

    /// How often the journal says that each wheel was finished.
    fn finished(&self) -> HashMap<String, usize> {
        let journal = fs::read_to_string(self.path("results/journal.jsonl")).unwrap_or_default();
        let mut finished = HashMap::new();
        for line in journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if line["event"] == "finished" {
                *finished.entry(line["wheel"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        finished
    }

    fn wait_for(&self, finished: usize, child: &mut Child) {
        let start = Instant::now();
        while self.finished().len() < finished {
            assert!(start.elapsed() < Duration::from_secs(120), "expected {finished} results");
            assert!(child.try_wait().unwrap().is_none(), "ended before {finished} results");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn statements(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("data/statements")) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
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

fn verdicts(document: &Value) -> HashMap<String, String> {
    let word = |result: &Value| {
        let word = ["verdict", "skipped"].into_iter().find_map(|key| result[key].as_str()).unwrap_or("NOT_REBUILT");
        (result["target"].as_str().unwrap().to_owned(), word.to_owned())
    };
    document["results"].as_array().unwrap().iter().map(word).collect()
}

#[test]
fn every_line_of_a_lock_is_counted_and_one_failure_stops_nothing() {
    let scene = Scene::new();
    let good = scene.index.publish("good", 0.0, &[]);
    let other = scene.index.publish("other", 0.0, &["other-1.0.dist-info/NOTICE"]);
    scene.index.publish("pinned", 0.0, &[]);
    let native = "native-1.0-cp311-cp311-win_amd64.whl";
    scene.index.put("native", vec![(native.to_owned(), b"x".to_vec())]);
    scene.index.publish("onlysource", 0.0, &[]);
    scene.index.put("onlysource", vec![("onlysource-1.0.tar.gz".to_owned(), b"x".to_vec())]);
    let lock = [
        line("good", &good),
        line("good", &good),
        "Good==1.0.0\n".to_owned(),
        line("other", &other),
        "pinned[extra]==1.0\n".to_owned(),
        "native==1.0\n".to_owned(),
        "onlysource==1.0\n".to_owned(),
        "missing==1.0\n".to_owned(),
        line("good", b"another file").replace("good==1.0", "good==1.0 "),
        "winonly==1.0 ; sys_platform == 'win32'\n".to_owned(),
        "loose>=1\n".to_owned(),
    ];
    write(&scene.path("lock.txt"), lock.concat());
    let (code, document) = scene.json(&["-r", "lock.txt", "--jobs", "2"]);
    let counts = &document["summary"]["counts"];
    assert_eq!(code, Some(2), "a line that is no pin is a usage error: {document:#}");
    assert_eq!(counts["EXACT"], 2, "{document:#}");
    assert_eq!(counts["ENVIRONMENT_UNKNOWN"], 1, "{document:#}");
    assert_eq!(counts["DUPLICATE"], 1, "{document:#}");
    assert_eq!(counts["NOT_SELECTABLE"], 1, "{document:#}");
    assert_eq!(counts["NOT_ATTESTABLE"], 2, "{document:#}");
    assert_eq!(counts["NOT_REBUILT"], 3, "{document:#}");
    let sum: u64 = counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(document["summary"]["checked"], sum);
    let table = scene.rebuild(&["-r", "lock.txt"]);
    assert!(text(&table).contains("10 checked: "), "{}", text(&table));
    assert!(text(&table).contains("(3 kept from earlier runs)"), "{}", text(&table));
}

#[test]
fn killed_twice_and_resumed_the_result_is_the_same_and_nothing_is_built_twice() {
    let scene = Scene::new();
    let names = ["one", "two", "three", "four", "five", "six"];
    let lock: String = names.iter().map(|name| line(name, &scene.index.publish(name, 0.3, &[]))).collect();
    write(&scene.path("lock.txt"), lock);
    for kept in [1, 3] {
        let mut command = scene.command(&["-r", "lock.txt", "--jobs", "2"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        scene.wait_for(kept, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        // What a crash in the middle of a write would leave.
        let mut journal = fs::File::options().append(true).open(scene.path("results/journal.jsonl")).unwrap();
        journal.write_all(b"{\"event\":\"finished\",\"whe").unwrap();
        fs::create_dir(scene.path(&format!("results/.attest-half0{kept}"))).unwrap();
    }
    let before = scene.finished().len();
    assert!((3..6).contains(&before), "{before} finished before the last run");
    let (code, document) = scene.json(&["-r", "lock.txt", "--jobs", "2"]);
    assert_eq!(code, Some(0), "{document:#}");
    assert_eq!(document["summary"]["counts"]["EXACT"], 6);
    assert_eq!(document["summary"]["kept"], before);
    assert!(scene.finished().values().all(|times| *times == 1), "{:?}", scene.finished());
    let (_, again) = scene.json(&["-r", "lock.txt"]);
    assert_eq!(again["summary"]["kept"], 6);
    for name in names {
        let folder = scene.path("results").join(format!("{name}-1.0-py3-none-any"));
        assert!(folder.join("build.json").is_file() && folder.join(wheel_of(name)).is_file());
    }
    let left = fs::read_dir(scene.path("results")).unwrap();
    let left = left.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).count();
    assert_eq!(left, 0, "half-written folders are left");
    // All that the index of an artifact names is there under its digest.
    for entry in fs::read_dir(scene.path("results/by-digest/artifact")).unwrap() {
        let listed: Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        for file in listed["results"][0]["files"].as_array().unwrap() {
            let sha256 = file["sha256"].as_str().unwrap();
            let bytes = fs::read(scene.path("results/by-digest/sha256").join(sha256)).unwrap();
            assert_eq!(ArtifactDigest::of(&bytes).to_string(), sha256);
        }
    }
}

#[test]
fn a_kept_result_is_built_again_when_it_was_touched_or_asked_for() {
    let scene = Scene::new();
    scene.index.publish("good", 0.0, &[]);
    assert_eq!(scene.json(&["good==1.0"]).1["summary"]["kept"], 0);
    assert_eq!(scene.json(&["good==1.0"]).1["summary"]["kept"], 1);
    assert_eq!(scene.json(&["good==1.0", "--fresh"]).1["summary"]["kept"], 0);
    let log = scene.path("results/good-1.0-py3-none-any/build.log");
    fs::write(&log, "touched").unwrap();
    assert_eq!(scene.json(&["good==1.0"]).1["summary"]["kept"], 0);
    assert_ne!(fs::read(&log).unwrap(), b"touched");
    // Another limit is another input; so is another source on the index.
    assert_eq!(scene.json(&["good==1.0", "--disk", "100"]).1["summary"]["kept"], 0);
    let wheel = scene.path("results/good-1.0-py3-none-any").join(wheel_of("good"));
    let wheel = fs::read(wheel).unwrap();
    scene.index.publish("good", 0.01, &[]);
    scene.index.swap("good", &wheel_of("good"), &wheel);
    assert_eq!(scene.json(&["good==1.0", "--disk", "100"]).1["summary"]["kept"], 0);
}

#[test]
fn an_interrupt_ends_the_builds_and_keeps_and_shows_what_is_finished() {
    let scene = Scene::new();
    scene.index.publish("quick", 0.0, &[]);
    scene.index.publish("slow", 600.0, &[]);
    scene.index.publish("later", 0.0, &[]);
    let mut command = scene.command(&["quick==1.0", "slow==1.0", "later==1.0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    scene.wait_for(1, &mut child);
    thread::sleep(Duration::from_millis(500));
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("1 checked: 1 EXACT"), "{}", text(&output));
    assert!(text(&output).contains("run the same command again"), "{}", text(&output));
    assert_eq!(fs::read_dir(scene.path("tmp")).unwrap().count(), 0, "temporary files left");
    assert!(!scene.path("results/slow-1.0-py3-none-any").exists());
}

#[test]
fn a_digest_that_changes_between_runs_is_an_alarm() {
    let scene = Scene::new();
    scene.index.publish("good", 0.0, &[]);
    assert_eq!(scene.rebuild(&["good==1.0"]).status.code(), Some(0));
    scene.index.swap("good", &wheel_of("good"), b"another wheel under the same name");
    let output = scene.rebuild(&["good==1.0"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("was pinned to sha256"), "{}", text(&output));
}

#[test]
fn an_index_that_lies_hangs_or_runs_in_circles_stops_nothing_but_its_own_package() {
    let scene = Scene::new();
    let conducts = [
        ("honest", Conduct::Honest, "EXACT"),
        ("moved", Conduct::Redirect, "EXACT"),
        ("garbage", Conduct::Garbage, "NOT_REBUILT"),
        ("circles", Conduct::RedirectLoop, "NOT_REBUILT"),
        ("hangs", Conduct::Hangs, "NOT_REBUILT"),
        ("otherbytes", Conduct::OtherBytes, "NOT_REBUILT"),
    ];
    let mut arguments = vec!["--jobs".to_owned(), "6".to_owned()];
    for (name, conduct, _) in conducts {
        scene.index.publish(name, 0.0, &[]);
        scene.index.behave(name, conduct);
        arguments.push(format!("{name}==1.0"));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (code, document) = scene.json(&arguments);
    assert_eq!(code, Some(3), "{document:#}");
    let verdicts = verdicts(&document);
    for (name, _, expected) in conducts {
        assert_eq!(verdicts[&format!("{name}==1.0")], expected, "{document:#}");
    }
    let error = document["results"].as_array().unwrap().iter().find(|result| result["target"] == "otherbytes==1.0");
    assert!(error.unwrap()["error"].as_str().unwrap().contains("as its index says"), "{document:#}");
}

#[test]
fn a_full_disk_ends_the_batch_with_nothing_half_written() {
    let scene = Scene::new();
    for name in ["one", "two", "three"] {
        scene.index.publish(name, 0.0, &[]);
    }
    fs::create_dir(scene.path("results")).unwrap();
    // 5 blocks: the journal, and not a whole result.
    let Some(output) = scene.with_small("results", "20k", &["one==1.0", "two==1.0", "three==1.0"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("cannot keep the result in"), "{}", text(&output));
    assert!(text(&output).contains("1 checked: 1 NOT_REBUILT"), "the others were not begun: {}", text(&output));
    let left = text(&output).lines().find(|line| line.starts_with("left: ")).unwrap().to_owned();
    assert!(left.contains("journal.jsonl") && !left.contains(".attest-"), "something half-written is left: {left}");
}

#[test]
fn a_build_that_fails_where_the_disk_is_full_says_nothing_about_its_project() {
    let scene = Scene::new();
    scene.index.publish("broken", 0.0, &[]);
    scene.index.swap("broken", "broken-1.0.tar.gz", &index::sdist("broken", "raise SystemExit('no')\n"));
    let Some(output) = scene.with_small("tmp", "8m", &["broken==1.0"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("NOT REBUILT") && text(&output).contains("free disk"), "{}", text(&output));
    assert!(scene.finished().is_empty(), "the next run would not try again");
    let (_, document) = scene.json(&["broken==1.0", "--isolation", "none"]);
    assert_eq!(document["results"][0]["verdict"], "BUILD_FAILED", "{document:#}");
    // Nor is a failure of an earlier run taken for the project's for good.
    let (_, document) = scene.json(&["broken==1.0", "--isolation", "none"]);
    assert_eq!(document["summary"]["kept"], 0, "{document:#}");
}

#[test]
fn a_folder_of_results_that_is_none_is_an_error_before_anything_is_built() {
    let scene = Scene::new();
    scene.index.publish("good", 0.0, &[]);
    write(&scene.path("results"), "a file");
    let output = scene.rebuild(&["good==1.0"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("cannot keep results in"), "{}", text(&output));
}

#[test]
fn a_project_a_url_and_all_files_of_a_release_are_targets() {
    let scene = Scene::new();
    let wheel = scene.index.publish("good", 0.0, &[]);
    let native = "good-1.0-cp311-cp311-win_amd64.whl";
    scene.index.add("good", native, b"x");
    let url = scene.index.file("good", &wheel_of("good"));
    let pinned = format!("{url}#sha256={}", ArtifactDigest::of(&wheel));
    let (code, document) = scene.json(&["good", &url, &pinned]);
    assert_eq!(code, Some(0), "{document:#}");
    assert_eq!(document["summary"]["counts"]["EXACT"], 1, "{document:#}");
    assert_eq!(document["summary"]["counts"]["DUPLICATE"], 2, "{document:#}");
    let (code, document) = scene.json(&["good==1.0", "--all"]);
    assert_eq!(code, Some(3), "{document:#}");
    assert_eq!(document["summary"]["checked"], 2);
    let skipped = document["results"].as_array().unwrap().iter().find(|result| result["skipped"].is_string()).unwrap();
    assert_eq!((&skipped["skipped"], &skipped["name"]), (&Value::from("NOT_ATTESTABLE"), &Value::from(native)));
    let wrong = format!("{url}#sha256={}", ArtifactDigest::of(b"wrong"));
    let output = scene.rebuild(&[&wrong]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
}

#[test]
fn a_printed_recipe_has_what_only_the_projects_hooks_ask_for() {
    let scene = Scene::new();
    scene.index.publish(TOOL, 0.0, &[]);
    scene.index.publish_asking("good", "'tool>=1'", 0.0, &[]);
    let output = scene.rebuild(&["good==1.0", "--print-recipe"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("build = [\"tool>=1\"]"), "{}", text(&output));
    let listed = scene.rebuild(&["good==1.0", "--print-recipe", "--output-format", "json"]);
    let listed = document::of(&listed, "recipes");
    document::held(&listed["recipes"][0], "recipe", "");
    assert!(!scene.path("results").exists());
    // It is the one that a rebuild follows.
    write(&scene.path("recipe.toml"), &output.stdout);
    let output = scene.rebuild(&["good==1.0", "--recipe", "recipe.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    // What cannot even be asked is printed as far as the wheel tells.
    scene.index.publish_asking("bad", "1 / 0", 0.0, &[]);
    let output = scene.rebuild(&["bad==1.0", "--print-recipe"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("what its hooks ask for is not in the recipe"), "{}", text(&output));
}

/// What a certificate of a publisher's attestation says, in Fulcio's extension of this number.
fn extension(number: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let oid = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01, number];
    [&oid[..], &[0x04, length + 2, 0x0c, length], text.as_bytes()].concat()
}

#[test]
fn what_a_publishers_attestation_names_is_recorded_and_an_index_that_lies_about_it_changes_no_verdict() {
    let scene = Scene::new();
    let wheel = scene.index.publish("good", 0.0, &[]);
    let commit = "65486e4383f9f411da95937451205d3c7b61b9e1";
    let certificate = [extension(12, "https://forge.example/demo/good"), extension(13, commit)].concat();
    let about = |digest: ArtifactDigest| {
        let statement = json!({ "subject": [{ "name": "good", "digest": { "sha256": digest } }] }).to_string();
        let attestation = json!({
            "verification_material": { "certificate": STANDARD.encode(&certificate) },
            "envelope": { "statement": STANDARD.encode(statement), "signature": "" },
        });
        let bundle = json!({ "publisher": { "kind": "GitHub" }, "attestations": [attestation] });
        json!({ "version": 1, "attestation_bundles": [bundle] }).to_string().into_bytes()
    };
    let file = format!("{}{PROVENANCE}", wheel_of("good"));
    scene.index.add("good", &file, &about(ArtifactDigest::of(&wheel)));
    let claims = |arguments: &[&str]| {
        let (code, document) = scene.json(&[&["good==1.0", "--fresh"], arguments].concat());
        assert_eq!(code, Some(0), "{document:#}");
        document["results"][0]["lineage"].clone()
    };
    let found = claims(&[]);
    assert_eq!(found["claims"]["commit"], commit, "{found:#}");
    assert!(found["notes"][0].as_str().unwrap().contains("not verified"), "{found:#}");

    // About another file; no attestation at all; more than anybody reads.
    let mut endless = about(ArtifactDigest::of(&wheel));
    endless.resize(2 << 20, b' ');
    for (bytes, words) in
        [(about(ArtifactDigest::of(b"other")), ""), (b"<html>".to_vec(), ""), (endless, "cannot be had")]
    {
        scene.index.swap("good", &file, &bytes);
        let found = claims(&[]);
        assert!(found["claims"].is_null(), "{found:#}");
        assert!(found["notes"].to_string().contains(words), "{found:#}");
    }
}

#[test]
fn a_lock_of_ten_thousand_lines_is_worked_off() {
    let scene = Scene::new();
    let good = scene.index.publish("good", 0.0, &[]);
    let foreign = (0..5000).map(|number| format!("foreign{number}==1.0 ; sys_platform == 'win32'\n"));
    write(&scene.path("lock.txt"), line("good", &good).repeat(5000) + &foreign.collect::<String>());
    let (code, document) = scene.json(&["-r", "lock.txt", "--jobs", "4"]);
    assert_eq!(code, Some(0));
    assert_eq!(document["summary"]["checked"], 5001);
    assert_eq!(document["summary"]["counts"]["EXACT"], 1);
}

#[test]
fn results_are_signed_and_what_a_log_did_not_take_is_submitted_by_the_next_run() {
    let scene = Scene::new();
    scene.index.publish("good", 0.0, &[]);
    scene.index.publish("other", 0.0, &["other-1.0.dist-info/NOTICE"]);
    scene.index.publish("evil", 0.0, &["evil_extra.py"]);
    let mut key = Command::new(env!("CARGO_BIN_EXE_attest"));
    let key = key.current_dir(scene.folder.path()).args(["key", "generate", "-o", "key"]).output().unwrap();
    assert!(key.status.success(), "{}", text(&key));
    let log = FakeLog::start(Vec::new());
    let vkey = FakeLog::vkey();
    let post = ["good==1.0", "other==1.0", "evil==1.0", "--signer", "key", "--log", &log.url, "--vkey", &vkey];
    let post = [&post[..], &["--results-url", "https://results.example/"]].concat();
    log.behave(LogConduct::Overloaded);
    let output = scene.rebuild(&post);
    assert_ne!(output.status.code(), Some(0));
    assert!(text(&output).contains("too much to do"), "{}", text(&output));
    assert!(text(&output).contains("evil-1.0-py3-none-any.whl: not signed, since it says"), "{}", text(&output));
    let signed = scene.statements();
    assert_eq!(signed.len(), 2, "an accusation waits for a person's word: {signed:?}");
    assert!(signed.iter().all(|name| !name.starts_with("evil")), "{signed:?}");
    // Nor does `attest sign` take a script's word for one.
    let sign = |more: &[&str]| {
        let mut attest = Command::new(env!("CARGO_BIN_EXE_attest"));
        let sign = ["sign", "results/evil-1.0-py3-none-any", "--signer", "key", "-o", "evil.json"];
        attest.current_dir(scene.folder.path()).args(sign).args(more).output().unwrap()
    };
    let refused = sign(&[]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("--accuse") && !scene.path("evil.json").exists(), "{}", text(&refused));
    assert_eq!(sign(&["--accuse"]).status.code(), Some(0));
    // What would be ignored is refused.
    let ignored = scene.rebuild(&["--statement", "evil.json", "--signer", "key"]);
    assert!(text(&ignored).contains("cannot be used with"), "{}", text(&ignored));
    let (_, alone) = scene.json(&[&["good==1.0"], &post[3..]].concat());
    assert!(alone["results"][0]["statement"]["error"].as_str().unwrap().contains("too much"), "{alone:#}");

    log.behave(LogConduct::Honest);
    let (code, document) = scene.json(&post);
    assert_eq!(code, Some(1), "one of them is different: {document:#}");
    assert_eq!(document["summary"]["kept"], 3, "{document:#}");
    assert_eq!(document["results"][0]["statement"]["logged"][0]["log"], log.url);
    assert_eq!(log.entries(), 2);
    let proofs = scene.statements().into_iter().filter(|name| name.ends_with(".log.test-fake.tlog-proof")).count();
    assert_eq!(proofs, 2, "{:?}", scene.statements());

    // With the proofs at hand nothing is sent: a log that refuses everything is not even asked.
    log.behave(LogConduct::Refuses);
    let (code, document) = scene.json(&[&["good==1.0"], &post[3..]].concat());
    assert_eq!(code, Some(0), "{document:#}");
    let recipe = fs::read(scene.path("results/good-1.0-py3-none-any/recipe.toml")).unwrap();
    let envelope = document["results"][0]["statement"]["file"].as_str().unwrap();
    let envelope = fs::read(scene.path(envelope)).unwrap();
    let envelope = attest_core::envelope::Envelope::parse(&envelope).unwrap();
    let expected = format!("https://results.example/sha256/{}", ArtifactDigest::of(&recipe));
    assert!(String::from_utf8_lossy(envelope.payload()).contains(&expected));
    assert!(scene.path("results/by-digest/sha256").join(ArtifactDigest::of(&recipe).to_string()).is_file());
}
