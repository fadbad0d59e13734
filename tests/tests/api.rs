//! The HTTP API against its own description: requests that schemathesis makes from it, right and wrong ones, and the
//! views of a real log, read by the types that clients have.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fmt::Write as _,
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use attest_core::{
    api::{
        Problem,
        record::{
            Disagreement, EntryRow, EntryView, FileView, LogView, Page, ProjectRow, ProjectView, RebuilderRow,
            RebuilderView, ReleaseView, SearchAnswer,
        },
    },
    artifact::ArtifactDigest,
    statement::{Predicate, Statement, Subject, Withdrawal},
};
use attest_tests::{
    chronicle::Chronicle,
    clients, command,
    forge::Forge,
    http::{Answer, get},
    quorum::Quorum,
    scene::Scene,
    server::Server,
};
use serde::de::DeserializeOwned;

/// What it generates changes between versions.
const SCHEMATHESIS: &str = "4.32.5";
/// Far fewer cases than there are: a run that tests nothing also finds nothing.
const FEWEST_CASES: usize = 800;
/// Longest wait for the record to have what was logged.
const PATIENCE: Duration = Duration::from_secs(30);
/// Statements about other files, so that lists have more than one page.
const OTHERS: u64 = 60;

/// A log in which somebody agrees, somebody contradicts and somebody takes a statement back.
struct World {
    quorum: Quorum,
    subject: Subject,
}

impl World {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let (alice, bob, carol) = (&quorum.alice, &quorum.bob, &quorum.carol);
        let vote = alice.reproduced("described", 1)?;
        let statement = Statement::parse(vote.payload())?;
        let subject = statement.subject().clone();
        let build = Forge::build_of(&subject.name);
        let taken_back = bob.reproduced("described", 2)?;
        let other = Statement::parse(taken_back.payload())?.subject().clone();
        let reason = "the machine was not what it says".to_owned();
        let withdrawal = Withdrawal { statement_id: taken_back.statement_id(), reason };
        for envelope in [
            vote.clone(),
            carol.contradiction(subject.clone(), build, vote.statement_id())?,
            taken_back,
            bob.sign(&Statement::new(other, Predicate::Withdrawn(withdrawal))?)?,
        ] {
            quorum.submit(&envelope)?;
        }
        for n in 0..OTHERS {
            quorum.submit(&alice.reproduced(&format!("other{n}"), 1)?)?;
        }
        let world = Self { quorum, subject };
        world.wait()?;
        Ok(world)
    }

    /// Until the record has all of it.
    fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let answer = self.get("/api/v1/log")?;
            if answer.status == 200 && answer.json::<LogView>()?.recorded == OTHERS + 4 {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "the record has not what was logged: {answer:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn get(&self, path: &str) -> Result<Answer> {
        get(self.quorum.log.url(), path)
    }

    #[track_caller]
    fn view<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.get(path).unwrap().expect(200).unwrap();
        answer.json().with_context(|| path.to_owned()).unwrap()
    }

    fn rebuilders(&self) -> Vec<String> {
        let page: Page<RebuilderRow> = self.view("/api/v1/rebuilders");
        page.items.into_iter().map(|row| row.id).collect()
    }
}

/// Gives parameters of an operation values of which there is something, most of the time. One operation has one such part.
fn known(config: &mut String, operation: &str, parameters: &[(&str, &[String])]) {
    let mut bound = Vec::new();
    for (place, (parameter, values)) in parameters.iter().enumerate() {
        let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
        // Writing to a String cannot fail.
        let _ = write!(config, "\n[dictionaries.{operation}-{place}]\nvalues = [{}]\n", values.join(", "));
        bound.push(format!("\"{parameter}\" = {{ dictionary = \"{operation}-{place}\", probability = 0.7 }}"));
    }
    let bound = bound.join(", ");
    let _ = write!(config, "\n[[operations]]\ninclude-operation-id = \"{operation}\"\nparameters = {{ {bound} }}\n");
}

/// Tries the API of a server by its own description; how many cases there were.
fn schemathesis(program: &Path, scene: &Scene, server: &Server, config: &str, options: &[&str]) -> usize {
    let config = scene.write("schemathesis.toml", config).unwrap();
    let url = server.url().trim_end_matches('/');
    let mut run = scene.plain(Command::new(program));
    run.arg("--config-file").arg(config).args(["run", "--checks", "all", "--url", url]).args(options);
    run.arg(format!("{url}/api/v1/openapi.json")).env("NO_PROXY", "127.0.0.1");
    let outcome = command::run(&mut run).unwrap().expect(0).unwrap();
    assert!(!server.log().contains("panicked"), "{}", server.log());
    let summary = outcome.stdout.split("Test cases:").nth(1).unwrap_or_default();
    let cases = summary.split_whitespace().next().unwrap_or_default();
    cases.parse().unwrap_or_else(|_| panic!("how many cases? {}", outcome.stdout))
}

/// As the tests of one kind of server more have it: what depends on the server, and not every combination again.
fn briefly() -> String {
    let config = include_str!("../schemathesis.toml");
    config.replace("max-examples = 30", "max-examples = 8").replace("max-examples = 15", "max-examples = 4")
}

#[test]
fn schemathesis_finds_nothing() {
    let Some(program) = clients::pinned("schemathesis", SCHEMATHESIS).unwrap() else { return };
    let world = World::new().unwrap();
    let text = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
    let digest = [world.subject.digest.to_string()];
    let mut config = include_str!("../schemathesis.toml").to_owned();
    known(&mut config, "getArtifact", &[("path.sha256", &digest)]);
    known(&mut config, "getFile", &[("path.sha256", &digest)]);
    known(&mut config, "getProject", &[("path.name", &text(&["described", "Other7", "other8"]))]);
    let release: [(&str, &[String]); 2] = [("path.name", &text(&["described"])), ("path.version", &text(&["1", "2"]))];
    known(&mut config, "getRelease", &release);
    known(&mut config, "getRebuilder", &[("path.id", &world.rebuilders())]);
    known(&mut config, "search", &[("query.q", &text(&["described", "alice", "described-1-py3-none-any.whl", "o"]))]);
    let cases = schemathesis(&program, &world.quorum.scene, &world.quorum.log, &config, &[]);
    assert!(cases >= FEWEST_CASES, "only {cases} cases");
}

#[test]
fn schemathesis_finds_nothing_on_a_mirror_of_a_log_that_strangers_write_to() {
    let Some(program) = clients::pinned("schemathesis", SCHEMATHESIS).unwrap() else { return };
    let chronicle = Chronicle::new().unwrap();
    chronicle.wait_for_the_record().unwrap();
    let mirror = chronicle.mirror().unwrap();
    mirror.wait_for_the_record(chronicle.size().unwrap()).unwrap();
    let mut config = briefly();
    let values = |prefix: &str| -> Vec<String> {
        let paths = chronicle.sights.iter().filter_map(|(_, path)| path.strip_prefix(prefix));
        paths.map(|rest| rest.trim_end_matches('/').to_owned()).collect()
    };
    known(&mut config, "getFile", &[("path.sha256", &values("/file/"))]);
    known(&mut config, "getRebuilder", &[("path.id", &values("/rebuilder/"))]);
    let cases = schemathesis(&program, &chronicle.scene, &mirror, &config, &[]);
    assert!(cases >= FEWEST_CASES / 4, "only {cases} cases");
}

#[test]
fn schemathesis_finds_nothing_while_the_record_is_behind_or_not_there_yet() {
    let Some(program) = clients::pinned("schemathesis", SCHEMATHESIS).unwrap() else { return };
    let chronicle = Chronicle::new().unwrap();
    chronicle.wait_for_the_record().unwrap();
    let (before, held) = (chronicle.size().unwrap(), Held::new(&chronicle.scene.path("log/record.db")).unwrap());
    for n in 0..5 {
        chronicle.go_on(n).unwrap();
    }
    let cases = schemathesis(&program, &chronicle.scene, &chronicle.log, &briefly(), &[]);
    assert!(cases >= FEWEST_CASES / 4, "only {cases} cases");
    let log: LogView = get(chronicle.log.url(), "/api/v1/log").unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!((log.recorded, log.checkpoint.size), (before, before + 5), "the record was not behind");
    drop(held);
    chronicle.wait_for_the_record().unwrap();

    // A mirror in whose way to a record there is something that it does not delete.
    let mut mirror = chronicle.scene.mirror_command("unrecorded", chronicle.log.url(), &chronicle.vkey);
    command::run(mirror.arg("--once")).unwrap().expect(0).unwrap();
    for file in ["record.db", "record.db-wal", "record.db-shm"] {
        let _ = std::fs::remove_file(chronicle.scene.path("unrecorded").join(file));
    }
    chronicle.scene.write("unrecorded/record.db/in-the-way", "").unwrap();
    let mirror = chronicle.scene.run_mirror("unrecorded", chronicle.log.url(), &chronicle.vkey).unwrap();
    // That it cannot answer is the right answer.
    let but = ["--exclude-checks", "not_a_server_error"];
    let cases = schemathesis(&program, &chronicle.scene, &mirror, &briefly(), &but);
    assert!(cases >= FEWEST_CASES / 4, "only {cases} cases");
    assert_eq!(get(mirror.url(), "/api/v1/log").unwrap().status, 503);
}

/// The record of a log, which nobody else can write to as long as this is there.
struct Held(Child);

impl Held {
    fn new(record: &Path) -> Result<Self> {
        const HOLD: &str = "import sqlite3, sys\nrecord = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                            record.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()";
        let mut python = Command::new("python3");
        python.args(["-c", HOLD]).arg(record).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut held = Self(python.spawn()?);
        let mut said = [0; 5];
        held.0.stdout.as_mut().context("no output")?.read_exact(&mut said)?;
        ensure!(&said == b"held\n", "the record is not held");
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_view_is_read_by_the_types_that_clients_have() {
    let world = World::new().unwrap();
    let log: LogView = world.view("/api/v1/log");
    assert_eq!((log.checkpoint.size, log.projects), (OTHERS + 4, OTHERS + 1));
    let project: ProjectView = world.view("/api/v1/projects/described");
    assert_eq!(project.releases.len(), 2);
    let release: ReleaseView = world.view("/api/v1/projects/described/releases/1");
    assert_eq!(release.files.items[0].sha256, world.subject.digest);
    let file: FileView = world.view(&format!("/api/v1/files/{}", world.subject.digest));
    assert_eq!(file.statements.items.len(), 2);
    let entry: EntryView = world.view("/api/v1/entries/0");
    assert_eq!(entry.row.index, 0);
    for id in world.rebuilders() {
        let rebuilder: RebuilderView = world.view(&format!("/api/v1/rebuilders/{id}"));
        assert_eq!(rebuilder.row.id, id);
    }
    let disagreements: Page<Disagreement> = world.view("/api/v1/disagreements");
    assert_eq!(disagreements.items.len(), 2);
    let found: SearchAnswer = world.view("/api/v1/search?q=described");
    assert_eq!(found.projects[0].project, "described");
}

/// What pages, badges and lists say of a file is what a policy of all rebuilders says at each threshold.
#[test]
fn no_view_says_more_than_the_thresholds() {
    let chronicle = Chronicle::new().unwrap();
    chronicle.wait_for_the_record().unwrap();
    let view = |path: &str| get(chronicle.log.url(), path).unwrap().expect(200).unwrap();
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let page: Page<ProjectRow> = view(&format!("/api/v1/projects{after}")).json().unwrap();
        for project in page.items {
            let project: ProjectView = view(&format!("/api/v1/projects/{}", project.project)).json().unwrap();
            for release in &project.releases {
                let path = format!("/api/v1/projects/{}/releases/{}", project.project, release.version);
                let release: ReleaseView = view(&path).json().unwrap();
                for row in release.files.items {
                    let file: FileView = view(&format!("/api/v1/files/{}", row.sha256)).json().unwrap();
                    let accused = row.cells.iter().any(|cell| cell.standing.accuses());
                    let met = file.thresholds.iter().filter(|one| one.accepted).count() as u64;
                    assert_eq!(met, if accused { 0 } else { row.groups }, "{}: {:?}", row.file, file.thresholds);
                    assert!(!accused || release.row.accused, "{}", row.file);
                    assert_eq!(file.row.groups, row.groups);
                    seen += 1;
                }
            }
        }
        let Some(next) = page.next else { break };
        after = format!("?after={next}");
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn cursors_lead_through_everything_once() {
    let world = World::new().unwrap();
    let (mut seen, mut query) = (Vec::new(), String::new());
    loop {
        let page: Page<EntryRow> = world.view(&format!("/api/v1/entries{query}"));
        seen.extend(page.items.iter().map(|row| row.index));
        let Some(next) = page.next else { break };
        query = format!("?before={next}");
    }
    assert_eq!(seen, (0..OTHERS + 4).rev().collect::<Vec<_>>());
    let (mut seen, mut query) = (Vec::new(), String::new());
    loop {
        let page: Page<ProjectRow> = world.view(&format!("/api/v1/projects{query}"));
        seen.extend(page.items.into_iter().map(|row| row.project));
        let Some(next) = page.next else { break };
        query = format!("?after={next}");
    }
    assert_eq!(seen.len() as u64, OTHERS + 1);
    assert!(seen.is_sorted());
}

#[test]
fn a_name_in_another_spelling_leads_to_the_normalised_one_and_what_is_unknown_is_said_to_be() {
    let world = World::new().unwrap();
    for (path, location) in [
        ("/api/v1/projects/Described", "described"),
        ("/api/v1/projects/Described?before=3", "described?before=3"),
        ("/api/v1/projects/DESCRIBED/releases/1%2Bcpu", "../../described/releases/1+cpu"),
    ] {
        let answer = world.get(path).unwrap().expect(308).unwrap();
        assert_eq!(answer.headers["location"], location);
    }
    let unknown = ArtifactDigest::of(b"nobody said anything about this");
    for path in [
        "/api/v1/projects/unheard-of".to_owned(),
        "/api/v1/projects/described/releases/3".to_owned(),
        format!("/api/v1/files/{unknown}"),
        "/api/v1/entries/64".to_owned(),
        "/api/v1/rebuilders/0123456789abcdef".to_owned(),
    ] {
        let problem: Problem = world.get(&path).unwrap().expect(404).unwrap().json().unwrap();
        assert!(problem.request_id.is_some(), "{path}");
    }
}
