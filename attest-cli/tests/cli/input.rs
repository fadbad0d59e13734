//! What is asked about: every item is counted, and what no gate can decide is refused by name.

use crate::{
    fake_log::{FakeLog, nobody},
    world::{WHEEL, World, statement, text},
};

fn world() -> (World, String) {
    let world = World::new();
    world.keep_own(1);
    let policy = text(&world.own("p.toml", 1, 1)).to_owned();
    (world, policy)
}

#[test]
fn requirements_pass_only_when_every_listed_hash_does() {
    let good = format!("sha256:{}", World::new().digest());
    let evil = format!("sha256:{}", "e".repeat(64));
    for (requirement, code, words) in [
        (format!("demo==1.0 --hash={good}"), 0, "1 ok"),
        (format!("Demo==1.0.0 --hash={good}"), 0, "1 ok"),
        (format!("demo==1.0 --hash={good} --hash=sha512:{}", "e".repeat(128)), 1, "not sha256 (sha512)"),
        (format!("demo==1.0 --hash={good} --hash=md5:{}", "e".repeat(32)), 1, "not sha256 (md5)"),
        (format!("demo==1.0 --hash={good} --hash={evil}"), 1, "2 files checked: 1 ok, 1 refused"),
        (format!("demo==1.1 --hash={good}"), 1, "refused"),
        (format!("demo==1.0+local --hash={good}"), 1, "refused"),
        (format!("other==1.0 --hash={good}"), 1, "refused"),
        ("demo==1.0".to_owned(), 1, "no hash"),
        ("demo".to_owned(), 1, "expected NAME==VERSION"),
        (format!("demo>=1.0 --hash={good}"), 1, "expected NAME==VERSION"),
        (format!("demo==1.0 --hash={good}\n-e ."), 1, "not attestable"),
        (format!("demo==1.0 --hash={good}\nwin==1 ; sys_platform == 'win32'"), 0, "1 not selectable here"),
        (format!("demo==1.0 --no-such --hash={good}"), 2, "requirements.txt:1"),
        (format!("demo==1.0 --hash={good}\n-r missing.txt"), 2, "missing.txt"),
        (format!("./{WHEEL} --hash={good}"), 0, "1 ok"),
        (format!("./{WHEEL} --hash={evil}"), 4, "not what it is pinned to"),
        (format!("./demo-1.0.tar.gz --hash={good}"), 1, "not attestable"),
        ("# nothing".to_owned(), 2, "nothing that could be installed"),
    ] {
        let (world, policy) = world();
        world.write("requirements.txt", &requirement);
        let done = world.attest(&["verify", "requirements.txt", "--policy", &policy]);
        assert_eq!(done.code, code, "{requirement}: {done:?}");
        done.is(code, words);
    }
}

#[test]
fn refusals_name_the_line() {
    let (world, policy) = world();
    world.write("requirements.txt", "\n\ndemo==1.0\n");
    world.attest(&["verify", "--policy", &policy]).is(1, "requirements.txt:3");
    let document = world.attest(&["verify", "--policy", &policy, "--output-format", "json"]).json();
    assert_eq!(document["files"][0]["source"]["line"], 3);
    assert_eq!(document["files"][0]["reason"]["code"], "no-hash");
}

#[test]
fn a_folder_is_all_its_distributions() {
    let (world, policy) = world();
    world.write("dist/demo-1.0.tar.gz", "source");
    world.write("dist/README", "words");
    std::fs::copy(world.path(WHEEL), world.path("dist").join(WHEEL)).unwrap();
    let done = world.attest(&["verify", "dist", "--policy", &policy]);
    done.is(1, "2 files checked: 1 ok, 1 not attestable");
    assert!(done.err.contains("1 other file"), "{done:?}");
}

#[test]
fn what_is_no_question_for_a_gate_is_a_usage_error() {
    let (world, policy) = world();
    world.write("uv.lock", "version = 1");
    world.write("report.json", r#"{"version":"2","install":[]}"#);
    let digest = format!("sha256:{}", world.digest());
    for (arguments, words) in [
        (vec!["verify", digest.as_str()], "attest explain sha256:"),
        (vec!["verify"], "uv.lock holds nothing that could be installed"),
        (vec!["verify", "missing.whl"], "cannot be read"),
        (vec!["verify", "uv.lock"], "uv.lock holds nothing that could be installed"),
        (vec!["verify", "report.json"], "expected a report of version 1"),
        (vec!["explain", "demo!"], "expected a wheel, NAME, NAME==VERSION or sha256:HEX"),
        (vec!["frobnicate"], "unrecognized subcommand"),
    ] {
        let done = world.attest(&[&arguments[..], &["--policy", &policy]].concat());
        assert_eq!(done.out, "", "{arguments:?}");
        done.is(2, words);
    }
}

#[test]
fn a_pip_report_is_judged_by_file_name_and_origin() {
    let (world, policy) = world();
    let entry = |url: &str| {
        format!(
            r#"{{"download_info":{{"url":"{url}","archive_info":{{"hashes":{{"sha256":"{}"}}}}}},"metadata":{{"name":"demo","version":"1.0"}}}}"#,
            world.digest()
        )
    };
    for (url, code) in [
        ("https://x/demo-1.0-py3-none-any.whl", 0),
        ("https://x/demo-1.0-py3-none-linux_x86_64.whl", 1),
        ("https://x/demo-1.0.tar.gz", 1),
    ] {
        world.write("report.json", format!(r#"{{"version":"1","install":[{}]}}"#, entry(url)));
        assert_eq!(world.attest(&["verify", "report.json", "--policy", &policy]).code, code, "{url}");
    }
}

#[test]
fn an_exemption_is_counted_and_needs_the_index_it_names() {
    let (world, _) = world();
    let exempt = "[[exempt]]\nindex = \"https://inner.example/simple\"\nname = \"demo\"\nreason = \"first party\"\n";
    let policy = world.own("other.toml", 9, 1);
    let text_of = std::fs::read_to_string(&policy).unwrap() + exempt;
    world.write("other.toml", text_of);
    // A wheel on disk came from nowhere known.
    world.attest(&["verify", WHEEL, "--policy", "other.toml"]).is(1, "refused");
}

#[test]
fn without_a_policy_a_log_can_be_looked_at_and_nothing_passes() {
    let world = World::new();
    let log = FakeLog::start(vec![statement(1, WHEEL, &world.digest())]);
    let done = world.attest(&["verify", WHEEL, "--log", &log.url]);
    done.is(2, "has statements about 1 of them (unchecked)");
    world.attest(&["verify", WHEEL, "--log", &nobody()]).is(2, "says nothing");
}

#[test]
fn errors_are_documents_too_and_results_alone_are_on_stdout() {
    let world = World::new();
    let done = world.attest(&["policy", "check", "missing.toml", "--output-format", "json"]);
    assert_eq!((done.code, done.err.as_str()), (2, ""));
    assert_eq!(done.json()["schema"], "attest.error/v1");
    let done = world.attest(&["verify", "--no-such-flag", "--output-format", "json"]);
    assert_eq!(done.code, 2);
    assert_eq!(done.json()["exit"], 2);
}

#[test]
fn no_color_and_no_progress_reach_a_pipe() {
    let (world, policy) = world();
    let done = world.attest(&["verify", WHEEL, "--policy", &policy]);
    assert!(!done.out.contains('\x1b') && !done.err.contains('\x1b'), "{done:?}");
    let done = world.attest(&["verify", WHEEL, "--policy", &policy, "--color", "always"]);
    assert!(done.out.contains("\x1b[32m"), "{done:?}");
}

#[test]
fn every_shell_gets_completions_and_help_is_grouped() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        world.attest(&["completions", shell]).is(0, "attest");
    }
    let done = world.attest(&["--help"]);
    for heading in ["Use:", "Rebuild:", "Log:"] {
        done.is(0, heading);
    }
}

#[test]
fn offline_asks_nobody_and_a_name_in_place_of_a_file_leads_on() {
    let (world, policy) = world();
    let done = world.attest(&["explain", "demo==1.0", "--policy", &policy, "--offline"]);
    done.is(3, "the index is not asked with --offline");
    world.attest(&["log", "status", "--policy", &policy, "--offline"]).is(2, "--offline asks nobody");
    world.attest(&["verify", "demo==1.0", "--policy", &policy]).is(2, "`attest explain demo==1.0`");
    let bare = world.digest().to_string();
    let done = world.attest(&["explain", &bare, "--policy", &policy]);
    assert!(!done.err.contains("==VERSION"), "{done:?}");
}
