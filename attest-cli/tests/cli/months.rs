//! A ratchet over three months of a real lock: uv's own of 20 August, September and October 2026 for a project that wants
//! flask, httpx, numpy and cryptography, with the real files of those days and their digests (`uv lock --exclude-newer DAY`;
//! only the hosts in it were made neutral). `months.txt` is what was reviewed.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use attest_core::artifact::ArtifactDigest;
use serde_json::json;

use crate::{
    fake_log::FakeLog,
    world::{Done, World, contradiction, public, run, statement},
};

/// Which wheels of a lock a rebuilder of pure wheels can say something about, and which need a machine like the one that
/// built them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pure,
    Native,
}

/// A wheel of the lock.
#[derive(Clone, Debug)]
struct Published {
    file: String,
    digest: ArtifactDigest,
}

impl Published {
    fn project(&self) -> &str {
        self.file.split('-').next().unwrap()
    }

    fn kind(&self) -> Kind {
        if self.file.ends_with("-none-any.whl") { Kind::Pure } else { Kind::Native }
    }
}

fn lock_of(day: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/months/{day}.lock"));
    fs::read_to_string(path).unwrap()
}

fn wheels(lock: &str) -> Vec<Published> {
    let table: toml::Table = toml::from_str(lock).unwrap();
    let packages = table["package"].as_array().unwrap().iter();
    let files = packages.filter_map(|package| package.get("wheels")).flat_map(|wheels| wheels.as_array().unwrap());
    let wheel = |wheel: &toml::Value| {
        let (url, hash) = (wheel["url"].as_str().unwrap(), wheel["hash"].as_str().unwrap());
        let file = url.rsplit('/').next().unwrap().to_owned();
        Published { file, digest: hash.strip_prefix("sha256:").unwrap().parse().unwrap() }
    };
    files.map(wheel).collect()
}

/// The project, its log and what is told about it, month by month.
struct Play {
    world: World,
    log: FakeLog,
    /// CPython 3.11 on Linux with glibc 2.36, wherever the test runs: it says what a Python of that kind says.
    python: tempfile::TempDir,
    told: String,
}

impl Play {
    fn new() -> Self {
        let play = Self {
            world: World::new(),
            log: FakeLog::start(Vec::new()),
            python: tempfile::tempdir().unwrap(),
            told: String::new(),
        };
        let (program, answer) = (play.python.path().join("python3"), play.python.path().join("answer.json"));
        let libc: Vec<String> =
            (17..=36).rev().map(|minor| format!("manylinux_2_{minor}")).chain(["manylinux2014".to_owned()]).collect();
        let native = |abi: &str| libc.iter().map(|libc| format!("{abi}-{libc}_x86_64")).collect::<Vec<_>>();
        let abis = ["cp311-cp311", "cp311-abi3", "cp310-abi3", "cp39-abi3"];
        let pure = ["py311-none-any", "py3-none-any", "py310-none-any"].map(ToOwned::to_owned);
        let tags: Vec<String> = abis.iter().flat_map(|abi| native(abi)).chain(pure).collect();
        let markers = json!({
            "implementation_name": "cpython", "implementation_version": "3.11.7", "os_name": "posix",
            "platform_machine": "x86_64", "platform_python_implementation": "CPython", "platform_system": "Linux",
            "python_full_version": "3.11.7", "python_version": "3.11", "sys_platform": "linux",
        });
        let said = json!({ "executable": program, "files": [program], "tags": tags, "markers": markers });
        fs::write(&answer, said.to_string()).unwrap();
        fs::write(&program, format!("#!/bin/sh\nexec cat {}\n", answer.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        play
    }

    /// The lock as it is from this day on.
    fn month(&mut self, day: &str) -> Vec<Published> {
        let lock = lock_of(day);
        self.world.write("uv.lock", &lock);
        writeln!(self.told, "##### {day}\n").unwrap();
        wheels(&lock)
    }

    fn vote(&self, number: u8, wheel: &Published) {
        self.log.append(statement(number, &wheel.file, &wheel.digest));
    }

    /// Both groups reproduce it.
    fn attest(&self, wheel: &Published) {
        self.vote(1, wheel);
        self.vote(2, wheel);
    }

    /// Runs the program, and writes down what it says.
    #[track_caller]
    fn say(&mut self, code: i32, arguments: &[&str]) -> Done {
        let mut command = self.world.command();
        let path: Vec<PathBuf> = [self.python.path().to_owned(), "/usr/bin".into(), "/bin".into()].into();
        command.env("PATH", std::env::join_paths(path).unwrap());
        let done = run(command.args(arguments));
        assert_eq!(done.code, code, "{arguments:?}: {done:?}");
        let shown: Vec<&str> = arguments.iter().copied().take_while(|word| !word.starts_with("--key")).collect();
        writeln!(self.told, "$ attest {} [exit {code}]\n{}", shown.join(" "), self.steady(&done)).unwrap();
        done
    }

    /// Without what is another in each run: days, seconds, the port, places of this machine.
    fn steady(&self, done: &Done) -> String {
        let text = format!("{}{}", done.out, done.err).replace(&self.log.url, "https://log.test");
        let text = text.replace(&self.python.path().display().to_string(), "/python");
        let is_day = |word: &str| {
            word.len() == 10
                && word
                    .chars()
                    .enumerate()
                    .all(|(at, c)| if at == 4 || at == 7 { c == '-' } else { c.is_ascii_digit() })
        };
        let mut steady = String::new();
        for line in text.lines() {
            let line = match line.rsplit_once(") in ") {
                Some((before, took)) if took.ends_with(" s") => format!("{before})"),
                _ => line.to_owned(),
            };
            let words: Vec<String> = line
                .split(' ')
                .map(|word| {
                    let bare: String = word.chars().filter(|c| !"(),;".contains(*c)).collect();
                    let day = bare.get(..10).is_some_and(is_day);
                    if day { word.replace(&bare, "DAY") } else { word.to_owned() }
                })
                .collect();
            steady.push_str(words.join(" ").trim_end());
            steady.push('\n');
        }
        steady
    }
}

const VERIFY: [&str; 5] = ["verify", "uv.lock", "--policy", "p.toml", "--no-progress"];

#[test]
fn three_months_of_a_real_lock_under_a_ratchet() {
    let mut play = Play::new();
    let lock = play.month("2026-08-20");
    // Two groups rebuild pure wheels; nobody rebuilds what is compiled.
    lock.iter().filter(|wheel| wheel.kind() == Kind::Pure).for_each(|wheel| play.attest(wheel));
    let (one, two, vkey) = (format!("a={}", public(1)), format!("b={}", public(2)), FakeLog::vkey());
    let (url, three) = (play.log.url.clone(), format!("c={}", public(3)));
    let keys = ["--key", &one, "--key", &two, "--key", &three, "--log", &vkey, &url];
    let init = ["policy", "init", "--preset", "quorum", "--mode", "ratchet", "uv.lock", "-o", "p.toml"];
    play.say(0, &[&init[..], &keys].concat()).is(0, "14 attested");
    play.say(0, &VERIFY);

    let lock = play.month("2026-09-20");
    let is_of = |names: &[&str], wheel: &Published| names.contains(&wheel.project());
    // anyio and click have been rebuilt by both, the new idna by one so far, cryptography by nobody, as before.
    lock.iter().filter(|wheel| is_of(&["anyio", "click"], wheel)).for_each(|wheel| play.attest(wheel));
    lock.iter().filter(|wheel| is_of(&["idna"], wheel)).for_each(|wheel| play.vote(1, wheel));
    play.say(1, &VERIFY).is(1, "version 3.19 was attested");
    let turn = ["policy", "ratchet", "uv.lock", "--to", "p.toml"];
    play.say(1, &turn).is(1, "x idna-3.20-py3-none-any.whl  not pinned: version 3.19 was attested");
    // The second vote comes; somebody looks at cryptography, and says its name.
    lock.iter().filter(|wheel| is_of(&["idna"], wheel)).for_each(|wheel| play.vote(2, wheel));
    play.say(0, &[&turn[..], &["--accept", "cryptography"]].concat());
    play.say(0, &VERIFY);

    let lock = play.month("2026-10-20");
    // Two groups build markupsafe's wheels for this machine now. Of werkzeug's new version two say that it is what its
    // source gives, and the third has proof that it is not.
    let rebuilt = ["certifi", "pycparser", "markupsafe", "werkzeug"];
    lock.iter().filter(|wheel| is_of(&rebuilt, wheel)).for_each(|wheel| play.attest(wheel));
    let werkzeug = lock.iter().find(|wheel| is_of(&["werkzeug"], wheel)).unwrap();
    let claim = statement(1, &werkzeug.file, &werkzeug.digest);
    play.log.append(contradiction(3, &werkzeug.file, &werkzeug.digest, &claim));
    play.say(1, &VERIFY).is(1, "proven not to be what its source gives");
    play.say(1, &[&turn[..], &["--accept", "cryptography"]].concat()).is(1, "werkzeug");
    // The project stays with the older werkzeug, whose attestation holds; what is left is what nobody rebuilds.
    let old = wheels(&lock_of("2026-09-20"));
    let old = old.iter().find(|wheel| is_of(&["werkzeug"], wheel)).unwrap();
    let back = lock_of("2026-10-20")
        .replace(&werkzeug.digest.to_string(), &old.digest.to_string())
        .replace("werkzeug-3.1.9-py3", "werkzeug-3.1.8-py3")
        .replace("version = \"3.1.9\"", "version = \"3.1.8\"");
    play.world.write("uv.lock", back);
    play.say(0, &[&turn[..], &["--accept", "cryptography"]].concat());
    play.say(0, &VERIFY);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/months.txt");
    if std::env::var_os("ATTEST_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &play.told).unwrap();
    }
    let reviewed = fs::read_to_string(&path).unwrap();
    assert!(play.told == reviewed, "run with ATTEST_UPDATE_SNAPSHOTS=1, and review what changed:\n{}", play.told);
}
