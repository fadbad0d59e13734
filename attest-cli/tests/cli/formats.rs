//! What is said is the same in every output format, and so is the exit code.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::{
    fake_log::{FakeLog, nobody},
    world::{Done, WHEEL, World, contradiction, run, statement, text},
};

const FORMATS: [&str; 4] = ["text", "json", "sarif", "github"];

/// A document against a schema of this repository.
#[track_caller]
pub(crate) fn valid(document: &Value, schema: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas").join(format!("{schema}.schema.json"));
    let schema = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}: {document:#}");
}

/// The log has a vote of one group for the wheel; who else votes, and against what, is up to the test.
struct Case {
    name: &'static str,
    world: World,
    _log: FakeLog,
    arguments: Vec<String>,
    code: i32,
    /// Of the JSON document.
    schema: &'static str,
    /// Codes of the reasons.
    codes: &'static [&'static str],
}

fn case(name: &'static str, code: i32, codes: &'static [&'static str]) -> Case {
    let world = World::new();
    let digest = world.digest();
    let first = statement(1, WHEEL, &digest);
    let mut entries = vec![first.clone()];
    match name {
        "below" => {}
        "contradicted" => entries.extend([statement(2, WHEEL, &digest), contradiction(3, WHEEL, &digest, &first)]),
        _ => entries.push(statement(2, WHEEL, &digest)),
    }
    let log = FakeLog::start(entries);
    let url = if name == "undecided" { nobody() } else { log.url.clone() };
    let policy = world.quorum(2, &[1, 2, 3], &FakeLog::vkey(), &[&url]);
    let good = format!("demo==1.0 --hash=sha256:{digest}");
    let evil = "e".repeat(64);
    let requirements = match name {
        "unknown" => format!("demo==1.0 --hash=sha256:{evil}"),
        "mixed" => format!("{good}\nwin==1 ; sys_platform == 'win32' --hash=sha256:{evil}\n-e ."),
        "bare" => "demo==1.0".to_owned(),
        "alarm" => format!("./{WHEEL} --hash=sha256:{evil}"),
        _ => good,
    };
    world.write("requirements.txt", requirements);
    let mut arguments = vec!["verify".to_owned(), "requirements.txt".to_owned()];
    if name == "missing" {
        "no-such.txt".clone_into(&mut arguments[1]);
    }
    if name != "no policy" {
        arguments.extend(["--policy".to_owned(), text(&policy).to_owned()]);
    }
    let schema = match name {
        "missing" => "error",
        "no policy" => "coverage",
        _ => "verify",
    };
    Case { name, world, _log: log, arguments, code, schema, codes }
}

impl Case {
    fn run(&self, format: &str) -> Done {
        run(self.world.command().args(&self.arguments).args(["--output-format", format]))
    }
}

/// Every way in which a verification can end.
fn cases() -> Vec<Case> {
    vec![
        case("passed", 0, &[]),
        case("below", 1, &["below-threshold"]),
        case("unknown", 1, &["no-statement"]),
        case("bare", 1, &["no-hash"]),
        case("mixed", 1, &["local"]),
        case("contradicted", 1, &["contradicted"]),
        case("missing", 2, &[]),
        case("no policy", 2, &[]),
        case("undecided", 3, &["log-unreachable"]),
        case("alarm", 4, &["digest-mismatch"]),
    ]
}

#[test]
fn the_exit_code_is_the_same_in_every_format() {
    for case in cases() {
        for format in FORMATS {
            let done = case.run(format);
            assert_eq!(done.code, case.code, "{} as {format}: {done:?}", case.name);
        }
    }
}

#[test]
fn documents_are_what_their_schemas_say_and_the_counts_add_up() {
    for case in cases() {
        let document = case.run("json").json();
        valid(&document, case.schema);
        assert_eq!(document["exit"], case.code, "{}", case.name);
        if case.schema == "verify" {
            let summary = document["summary"].as_object().unwrap();
            let parts = summary.iter().filter(|(part, _)| *part != "checked");
            let sum: u64 = parts.map(|(_, count)| count.as_u64().unwrap()).sum();
            assert_eq!(summary["checked"], sum, "{}: {summary:?}", case.name);
            assert_eq!(document["files"].as_array().unwrap().len() as u64, sum, "{}", case.name);
        }
    }
}

#[test]
fn sarif_has_only_what_failed_at_its_line_with_rules_and_fingerprints() {
    for case in cases() {
        let document = case.run("sarif").json();
        valid(&document, "sarif");
        let run = &document["runs"][0];
        assert_eq!(run["invocations"][0]["exitCode"], case.code, "{}", case.name);
        assert_eq!(run["invocations"][0]["executionSuccessful"], case.code != 2, "{}", case.name);
        let results = run["results"].as_array().unwrap();
        let codes: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
        assert_eq!(codes, case.codes, "{}", case.name);
        let mut prints = BTreeSet::new();
        for result in results {
            let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], result["ruleId"], "{}", case.name);
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "requirements.txt", "{}", case.name);
            assert!(place["region"]["startLine"].is_u64(), "{}: {place}", case.name);
            assert!(prints.insert(result["partialFingerprints"].to_string()), "{}", case.name);
        }
        if case.code == 2 {
            assert_eq!(run["invocations"][0]["toolExecutionNotifications"][0]["level"], "error", "{}", case.name);
        }
    }
}

#[test]
fn a_fingerprint_stays_when_lines_move() {
    let case = case("bare", 1, &[]);
    let print = |case: &Case| case.run("sarif").json()["runs"][0]["results"][0]["partialFingerprints"].clone();
    let before = print(&case);
    case.world.write("requirements.txt", "# moved\n\ndemo==1.0");
    assert_eq!(print(&case), before);
}

#[test]
fn github_gets_one_annotation_for_each_failure_and_a_summary() {
    for case in cases() {
        let summary = case.world.path("summary.md");
        fs::write(&summary, "before\n").unwrap();
        let mut command = case.world.command();
        command.env("GITHUB_STEP_SUMMARY", &summary).args(&case.arguments);
        let done = run(command.args(["--output-format", "github"]));
        let annotations: Vec<&str> = done.out.lines().filter(|line| line.starts_with("::")).collect();
        let expected = if case.code == 2 { 1 } else { case.codes.len() };
        assert_eq!(annotations.len(), expected, "{}: {done:?}", case.name);
        let written = fs::read_to_string(&summary).unwrap();
        assert!(written.starts_with("before\n"), "what others wrote stays: {written}");
        assert_eq!(written.contains("### attest"), case.code != 2, "{}: {written}", case.name);
        if case.schema == "verify" && case.code != 0 {
            assert!(annotations[0].contains("file=requirements.txt,line="), "{done:?}");
        }
    }
}

#[test]
fn a_hostile_file_name_is_no_command_and_no_markup() {
    let world = World::new();
    let policy = world.own("p.toml", 1, 1);
    world.write("dist/x\n::stop-commands::t\r##[add-mask]1.0.whl", "");
    world.write("dist/<img src=x onerror=alert(1)>|.whl", "");
    let summary = world.path("summary.md");
    for format in ["github", "text"] {
        let mut command = world.command();
        command.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_ACTIONS", "true");
        command.args(["verify", "dist", "--policy", text(&policy), "--output-format", format]);
        let done = run(&mut command);
        assert_eq!(done.code, 1, "{done:?}");
        for line in done.out.lines().chain(done.err.lines()) {
            let command = line.trim_start().starts_with("::");
            assert!(!command || line.starts_with("::error "), "{format}: {line:?}");
            // The runner looks for this one only in lines that are none of today's commands.
            assert!(command || !line.contains("##["), "{format}: {line:?}");
        }
    }
    let written = fs::read_to_string(&summary).unwrap();
    assert!(!written.contains("<img") && !written.contains("##["), "{written}");
}

#[test]
fn a_command_without_a_format_says_so_before_it_does_anything() {
    let world = World::new();
    for format in ["sarif", "github"] {
        let done = world.attest(&["key", "generate", "-o", "new.key", "--output-format", format]);
        done.is(2, "expected text or json");
        assert!(!world.path("new.key").exists(), "{done:?}");
    }
    let done = world.attest(&["verify", "--no-such-flag", "--output-format", "sarif"]);
    assert_eq!(done.code, 2);
    valid(&done.json(), "sarif");
    world.attest(&["verify", "--no-such-flag", "--output-format=github"]).is(2, "::error title=attest::");
}

#[test]
fn other_answers_are_what_their_schemas_say() {
    let case = case("contradicted", 1, &[]);
    let policy = case.arguments.last().unwrap().clone();
    let explain =
        |item: &str| case.world.attest(&["explain", item, "--policy", &policy, "--output-format", "json"]).json();
    for item in [WHEEL, "demo", &format!("sha256:{}", case.world.digest())] {
        let document = explain(item);
        valid(&document, "explain");
        assert_eq!(
            document["findings"][0][0]["accusations"][0]["differences"][0]["path"], "demo/__init__.py",
            "{item}"
        );
    }
    valid(&case.world.attest(&["explain", "nothing", "--policy", &policy, "--output-format", "json"]).json(), "error");
}

#[test]
fn what_changes_policies_and_locks_answers_as_its_schemas_say() {
    let case = case("passed", 0, &[]);
    let policy = case.arguments.last().unwrap().clone();
    let (kept, policy) = (case.world.path("kept.toml"), policy.as_str());
    fs::copy(policy, &kept).unwrap();
    let kept = text(&kept);
    let sha256 = format!("sha256:{}", "e".repeat(64));
    let id = "d".repeat(64);
    for (code, schema, arguments) in [
        (0, "policy-check", vec!["policy", "check", policy]),
        (0, "policy-show", vec!["policy", "show", "demo", "--policy", policy]),
        (0, "locked", vec!["lock", "requirements.txt", "--policy", policy]),
        (0, "locked", vec!["lock", "--check", "--policy", policy]),
        (3, "log-sync", vec!["log", "sync", "--log", "http://127.0.0.1:1", "--vkey", &FakeLog::vkey()]),
        (3, "log-watch", vec!["log", "watch", "--once", "--log", "http://127.0.0.1:1", "--vkey", &FakeLog::vkey()]),
        (0, "policy-change", vec!["policy", "exempt", &sha256, "--reason", "why", "--to", kept]),
        (0, "policy-change", vec!["policy", "dismiss", &id, "--reason", "why", "--to", kept]),
        (0, "policy-ratchet", vec!["policy", "ratchet", "requirements.txt", "--to", kept]),
    ] {
        let done = case.world.attest(&[&arguments[..], &["--output-format", "json"]].concat());
        assert_eq!(done.code, code, "{arguments:?}: {done:?}");
        valid(&done.json(), schema);
    }
}

#[test]
fn an_expired_policy_is_one_document_too() {
    let world = World::new();
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &["https://log.test"]);
    let text_of = fs::read_to_string(&policy).unwrap();
    let lines =
        text_of.lines().map(|line| if line.starts_with("expires") { "expires = 2020-01-01T00:00:00Z" } else { line });
    let old = world.write("old.toml", lines.collect::<Vec<_>>().join("\n"));
    world.attest(&["policy", "check", text(&old)]).is(3, "a policy has expired");
    let done = world.attest(&["policy", "check", text(&old), "--output-format", "json"]);
    assert_eq!(done.code, 3, "{done:?}");
    valid(&done.json(), "policy-check");
}

#[test]
fn what_was_asked_is_not_offered_again() {
    let world = World::new();
    let log = FakeLog::start(Vec::new());
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &[&log.url]);
    fs::rename(policy, world.path("attest-policy.toml")).unwrap();
    let done = world.attest(&["verify", WHEEL, "--log", &log.url]);
    done.is(2, "has statements about 0 of them");
    assert!(!done.err.contains("to ask them"), "{done:?}");
}

#[test]
fn without_a_policy_coverage_says_what_logs_know_and_how_much_is_native() {
    let world = World::new();
    let digest = world.digest();
    let native = "fast-1.0-cp311-cp311-manylinux_2_17_x86_64.whl";
    let log = FakeLog::start(vec![statement(1, WHEEL, &digest), statement(2, WHEEL, &digest)]);
    world.write(native, "machine code");
    let done = world.attest(&["verify", WHEEL, native, "--log", &log.url]);
    done.is(2, "2 files: 2 can be asked about, none was judged");
    done.is(2, "1 of 2 are native wheels");
    done.is(2, "has statements about 1 of them (unchecked), by 1 rebuilder");
    done.is(2, "attest policy init --preset");
    let arguments = ["verify", WHEEL, native, "--log", &log.url, "--output-format", "json"];
    let document = world.attest(&arguments).json();
    valid(&document, "coverage");
    assert_eq!(document["logs"][0]["filesReproduced"], 1);
    assert_eq!(document["native"]["wheels"], 1);
}

#[test]
fn the_logs_of_a_policy_that_came_with_the_project_are_named_and_not_asked() {
    let world = World::new();
    let log = FakeLog::start(Vec::new());
    let policy = world.quorum(1, &[1], &FakeLog::vkey(), &[&log.url]);
    fs::rename(policy, world.path("attest-policy.toml")).unwrap();
    let done = world.attest(&["verify", WHEEL]);
    done.is(2, &format!("attest verify --log {}", log.url));
    assert_eq!(log.lookups(), 0, "a fresh clone makes nobody ask its servers");
}
