//! How long the gate takes for the lock of a project, as whole processes, side by side.
//!
//! ```text
//! cargo run --release -p attest-tests --bin gate-bench
//! cargo run --release -p attest-tests --bin gate-bench -- --requirements lock.txt --peers VENV
//! ```
//!
//! A log of its own holds three votes for every file of the lock. The commands take turns, so that a busy machine is busy
//! for all of them; what is printed is the median of the wall time, the mean of the CPU time (user and system, children
//! too), and the median of the ratios to the first row, round by round.
//!
//! The peers are those that VENV (`python -m venv VENV; VENV/bin/pip install uv sigstore pypi-attestations`) or PATH has:
//! what `uv pip sync` and pip do with the same file before they would install into VENV, and how long `sigstore` and
//! `pypi-attestations` take to start, since they verify one file a process and ask servers for it. They run every fifth
//! round. `--beside` takes any other command; `{}` in it is the requirements file.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::{
    collections::BTreeMap,
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

/// Rounds between two runs of a peer: pip takes a thousand times as long as the rest.
const PEERS_EVERY: usize = 5;

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
    /// A virtual environment with the programs to compare with
    #[arg(long, value_name = "VENV")]
    peers: Option<PathBuf>,
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
    /// It runs in every so many rounds.
    every: usize,
    /// By round.
    wall: BTreeMap<usize, Duration>,
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
    let mut rows = rows(&quorum, &requirements)?;
    if let Some(venv) = &args.peers {
        rows.extend(peers(venv, &requirements)?);
    }
    for beside in &args.beside {
        let (name, words) = beside.split_once('=').with_context(|| format!("expected NAME=COMMAND, found {beside}"))?;
        rows.push(beside_row(name, words, &requirements)?);
    }
    // Not counted: files into memory, what is kept where it belongs.
    rows.iter_mut().try_for_each(|row| row.run().map(drop))?;
    for round in 0..usize::from(args.runs) {
        for row in rows.iter_mut().filter(|row| round.is_multiple_of(row.every)) {
            let (wall, cpu) = row.run()?;
            row.wall.insert(round, wall);
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

fn rows(quorum: &Quorum, requirements: &Path) -> Result<Vec<Row>> {
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
    let row = |name: &str, command, before| Row { before, ..Row::new(name, command) };
    // One folder has an attest.lock beside the same requirements.
    scene.write("locked/requirements.txt", fs::read(requirements)?)?;
    scene.write("locked/policy.toml", fs::read(scene.path("policy.toml"))?)?;
    let policy = ["--policy", "policy.toml"];
    command::run(&mut attest("locked", "locked-data", &[&["lock", "requirements.txt"], &policy[..]].concat())())?
        .expect(0)?;
    command::run(&mut attest(".", "replica", &[&["log", "sync"], &policy[..]].concat())())?.expect(0)?;
    let verify = ["verify", "requirements.txt", "--policy", "policy.toml"];
    let with = |more: &[&'static str]| [&verify, more].concat();
    Ok(vec![
        row("attest verify --asked-within 2h", attest(".", "warm", &with(&["--asked-within", "2h"])), nothing()),
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
            "attest verify --asked-within 2h, whole log",
            attest(".", "replica", &with(&["--asked-within", "2h"])),
            nothing(),
        ),
        row("attest verify, whole log kept", attest(".", "replica", &verify), nothing()),
    ])
}

/// The programs of a virtual environment that look at the same requirements.
fn peers(venv: &Path, requirements: &Path) -> Result<Vec<Row>> {
    let venv = venv.canonicalize().with_context(|| format!("there is no {}", venv.display()))?;
    let bin = venv.join("bin");
    let own = |name: &str| bin.join(name).is_file().then(|| bin.join(name).display().to_string());
    let python = own("python").context("expected a virtual environment after --peers")?;
    let mut commands = vec![("uv pip sync --dry-run", {
        let uv = own("uv").unwrap_or_else(|| "uv".to_owned());
        format!("{uv} pip sync --dry-run --python {python} {{}}")
    })];
    let hashes =
        "-m pip install --dry-run --ignore-installed --no-deps --require-hashes --disable-pip-version-check -r {}";
    commands.push(("pip install --dry-run --require-hashes", format!("{python} {hashes}")));
    for (name, version) in [("sigstore", "sigstore --version"), ("pypi-attestations", "pypi-attestations --version")] {
        let program = own(name).with_context(|| format!("{} has no {name}", bin.display()))?;
        commands.push((version, format!("{program} --version")));
    }
    let rows = commands
        .into_iter()
        .map(|(name, words)| Ok(Row { every: PEERS_EVERY, ..beside_row(name, &words, requirements)? }));
    rows.collect()
}

/// Any command, split at spaces.
fn beside_row(name: &str, words: &str, requirements: &Path) -> Result<Row> {
    let requirements = requirements.display().to_string();
    let words: Vec<String> = words.split_whitespace().map(|word| word.replace("{}", &requirements)).collect();
    ensure!(!words.is_empty(), "expected NAME=COMMAND, found {name}=");
    let command = Box::new(move || {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    });
    Ok(Row::new(name, command))
}

impl Row {
    fn new(name: &str, command: Box<dyn Fn() -> Command>) -> Self {
        let before = Box::new(|| Ok(()));
        Self { name: name.to_owned(), command, before, every: 1, wall: BTreeMap::new(), cpu: Duration::ZERO }
    }

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
        let mut wall: Vec<Duration> = row.wall.values().copied().collect();
        wall.sort_unstable();
        let ratio = |(round, this): (&usize, &Duration)| this.as_secs_f64() / rows[0].wall[round].as_secs_f64();
        let mut ratios: Vec<f64> = row.wall.iter().map(ratio).collect();
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
