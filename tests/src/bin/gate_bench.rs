//! How long the gate takes for the lock of a project, as whole processes, side by side.
//!
//! ```text
//! cargo run --release -p attest-tests --bin gate-bench -- --runs 21
//! cargo run --release -p attest-tests --bin gate-bench -- --requirements lock.txt --beside 'uv=uv pip sync --dry-run {}'
//! ```
//!
//! A log of its own holds so many votes for every file of the lock. The commands take turns, so that a busy machine is busy
//! for all of them; what is printed is the median of the wall time, the mean of the CPU time (user and system, children
//! too), and the median of the ratios to the first row, run by run. `{}` in a command beside is the requirements file.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    statement::{Predicate, Statement, Subject},
};
use attest_tests::{
    command,
    forge::Forge,
    http::{Connection, block_on},
    load::usage::children_cpu_time,
    quorum::Quorum,
};
use clap::Parser;

/// Times `attest verify` of a lock.
#[derive(Debug, Parser)]
struct Args {
    /// Files in a lock that is made up
    #[arg(long, default_value_t = 112, conflicts_with = "requirements")]
    files: u16,
    /// A requirements file with hashes instead; every hash gets votes
    #[arg(long, value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// Rounds; each runs every command once
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Further entries of the log, about other files
    #[arg(long, default_value_t = 0)]
    others: u64,
    /// Another program to run in turn, NAME=COMMAND, split at spaces; `{}` is the requirements file
    #[arg(long, value_name = "NAME=COMMAND")]
    beside: Vec<String>,
}

/// One row of the table.
struct Row {
    name: String,
    command: Box<dyn Fn() -> Command>,
    /// Done before each run, not timed.
    before: Box<dyn Fn() -> Result<()>>,
    wall: Vec<Duration>,
    cpu: Duration,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let quorum = Quorum::new()?;
    let (text, subjects) = match &args.requirements {
        Some(path) => (fs::read_to_string(path)?, pinned(&fs::read_to_string(path)?)?),
        None => made_up(args.files)?,
    };
    let requirements = quorum.scene.write("requirements.txt", text)?;
    quorum.write_policy()?;
    let votes = fill(&quorum, &subjects, args.others)?;
    println!(
        "{} files, {votes} votes, {} other entries, {} rounds, {} programs",
        subjects.len(),
        args.others,
        args.runs,
        quorum.scene.programs().profile()
    );
    let mut rows = rows(&quorum, &requirements, &args.beside)?;
    // Not counted: files into memory, what is kept where it belongs.
    rows.iter_mut().try_for_each(|row| row.run().map(drop))?;
    for _ in 0..args.runs {
        for row in &mut rows {
            let (wall, cpu) = row.run()?;
            row.wall.push(wall);
            row.cpu += cpu;
        }
    }
    print(&rows);
    Ok(())
}

/// Requirements of projects that do not exist, with one file each.
fn made_up(files: u16) -> Result<(String, Vec<Subject>)> {
    let (mut text, mut subjects) = (String::new(), Vec::new());
    for n in 0..files {
        let name = WheelName::parse(&format!("made_up_{n}-1.{n}-py3-none-any.whl"))?;
        let digest = ArtifactDigest::of(name.as_str().as_bytes());
        writeln!(text, "made-up-{n}==1.{n} --hash=sha256:{digest}")?;
        subjects.push(Subject { name, digest });
    }
    Ok((text, subjects))
}

/// One file for each hash of a requirements file. What the files are called nobody can see there.
fn pinned(text: &str) -> Result<Vec<Subject>> {
    let (mut subjects, mut name) = (Vec::new(), None);
    for word in text.split_whitespace() {
        if let Some(hash) = word.strip_prefix("--hash=sha256:") {
            let name: &WheelName = name.as_ref().context("a hash before the first NAME==VERSION")?;
            subjects.push(Subject { name: name.clone(), digest: hash.parse()? });
        } else if let Some((project, version)) = word.split_once("==") {
            let project = project.to_lowercase().replace(['-', '.'], "_");
            name = Some(WheelName::parse(&format!("{project}-{version}-py3-none-any.whl"))?);
        }
    }
    Ok(subjects)
}

/// Three votes for every file, each by another rebuilder.
fn fill(quorum: &Quorum, subjects: &[Subject], others: u64) -> Result<usize> {
    let voters = [("alice", &quorum.alice), ("bob", &quorum.bob), ("carol", &quorum.carol)];
    block_on(async {
        let mut connection = Connection::open(quorum.log.url()).await?;
        for other in 0..others {
            connection.submit(quorum.alice.reproduced("other", other)?.to_bytes().into()).await?;
        }
        for subject in subjects {
            for (name, voter) in voters {
                let mut build = Forge::build_of(&subject.name);
                build.rebuilder.id = format!("https://{name}.example");
                let vote = voter.sign(&Statement::new(subject.clone(), Predicate::Reproduced(build))?)?;
                connection.submit(vote.to_bytes().into()).await?;
            }
        }
        Ok(subjects.len() * voters.len())
    })
}

fn rows(quorum: &Quorum, requirements: &Path, beside: &[String]) -> Result<Vec<Row>> {
    let scene = &quorum.scene;
    let attest = |folder: &str, data: &str, args: &[&str]| {
        let (program, folder, data) = (scene.programs().cli().to_owned(), scene.path(folder), scene.path(data));
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Box::new(move || {
            let mut command = Command::new(&program);
            command.arg("--data-dir").arg(&data).args(&args).current_dir(&folder).env("NO_COLOR", "1");
            command
        }) as Box<dyn Fn() -> Command>
    };
    let nothing = || Box::new(|| Ok(())) as Box<dyn Fn() -> Result<()>>;
    let forgotten = |data: &str| {
        let data = scene.path(data);
        Box::new(move || match fs::remove_dir_all(&data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }) as Box<dyn Fn() -> Result<()>>
    };
    let row = |name: &str, command, before| Row {
        name: name.to_owned(),
        command,
        before,
        wall: Vec::new(),
        cpu: Duration::ZERO,
    };
    // One folder has an attest.lock beside the same requirements.
    scene.write("locked/requirements.txt", fs::read(requirements)?)?;
    scene.write("locked/policy.toml", fs::read(scene.path("policy.toml"))?)?;
    let policy = ["--policy", "policy.toml"];
    command::run(&mut attest("locked", "locked-data", &[&["lock", "requirements.txt"], &policy[..]].concat())())?
        .expect(0)?;
    command::run(&mut attest(".", "replica", &[&["log", "sync"], &policy[..]].concat())())?.expect(0)?;
    let verify = ["verify", "requirements.txt", "--policy", "policy.toml"];
    let with = |more: &[&'static str]| [&verify, more].concat();
    let mut rows = vec![
        row("attest verify --asked-within 10m", attest(".", "warm", &with(&["--asked-within", "10m"])), nothing()),
        row("attest --version", attest(".", "warm", &["--version"]), nothing()),
        row("attest verify, first use", attest(".", "first", &verify), forgotten("first")),
        row("attest verify, nothing added to the log", attest(".", "warm", &verify), nothing()),
        row("attest verify --offline, evidence kept", attest(".", "warm", &with(&["--offline"])), nothing()),
        row(
            "attest verify --frozen --offline, attest.lock",
            attest("locked", "locked-data", &with(&["--frozen", "--offline"])),
            nothing(),
        ),
        row(
            "attest verify --asked-within 10m, whole log",
            attest(".", "replica", &with(&["--asked-within", "10m"])),
            nothing(),
        ),
        row("attest verify, whole log kept", attest(".", "replica", &verify), nothing()),
    ];
    for beside in beside {
        let (name, words) = beside.split_once('=').with_context(|| format!("expected NAME=COMMAND, found {beside}"))?;
        let words = words.replace("{}", &requirements.display().to_string());
        let words: Vec<String> = words.split_whitespace().map(ToOwned::to_owned).collect();
        ensure!(!words.is_empty(), "expected NAME=COMMAND, found {beside}");
        let command = Box::new(move || {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        });
        rows.push(row(name, command, nothing()));
    }
    Ok(rows)
}

impl Row {
    /// Wall and CPU time of one run, which must succeed.
    fn run(&self) -> Result<(Duration, Duration)> {
        (self.before)()?;
        let mut command = (self.command)();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (before, started) = (children_cpu_time()?, Instant::now());
        let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
        let wall = started.elapsed();
        if !status.success() {
            bail!("{}: {status} from {command:?}", self.name);
        }
        Ok((wall, children_cpu_time()?.saturating_sub(before)))
    }
}

fn print(rows: &[Row]) {
    println!("{:<44} {:>9} {:>9} {:>9} {:>9} {:>7}", "", "median", "fastest", "slowest", "CPU", "ratio");
    for row in rows {
        let mut wall = row.wall.clone();
        wall.sort_unstable();
        let mut ratios: Vec<f64> =
            row.wall.iter().zip(&rows[0].wall).map(|(this, first)| this.as_secs_f64() / first.as_secs_f64()).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let runs = u32::try_from(wall.len()).unwrap_or(u32::MAX);
        println!(
            "{:<44} {:>9} {:>9} {:>9} {:>9} {:>7.2}",
            row.name,
            millis(wall[wall.len() / 2]),
            millis(wall[0]),
            millis(wall[wall.len() - 1]),
            millis(row.cpu / runs),
            ratios[ratios.len() / 2]
        );
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
