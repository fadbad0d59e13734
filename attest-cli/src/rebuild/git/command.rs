//! Running the system's git on a stranger's repository.
//!
//! Nothing is inherited: no configuration of the machine or the user, no attributes, no hooks, no filters. The one
//! exception is fetching, which takes from the configuration how to reach a host, by a closed list: `url.*.insteadOf`,
//! `http.*`, `credential.*` and `safe.directory`, and the variables that proxies, certificates and agents are named by.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::error::GitError;
use crate::host;
use crate::interrupt;
use crate::temporary::Temporary;

/// `GIT_CONFIG_GLOBAL` exists since.
pub(super) const OLDEST: (u32, u32) = (2, 32);
/// What every call is told, whatever a repository's own configuration says.
const SETTINGS: [&str; 12] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.symlinks=true",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "advice.detachedHead=false",
];
/// Objects are checked as they arrive. Not for what old tools got wrong in times, names and modes: many a popular
/// project's history has one such commit, and none of them leads out of a folder.
const FETCH_SETTINGS: [&str; 18] = [
    "fetch.fsckObjects=true",
    "fetch.unpackLimit=1",
    "fetch.fsck.badDate=ignore",
    "fetch.fsck.badDateOverflow=ignore",
    "fetch.fsck.badEmail=ignore",
    "fetch.fsck.badName=ignore",
    "fetch.fsck.badTagName=ignore",
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingEmail=ignore",
    "fetch.fsck.missingNameBeforeEmail=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.missingSpaceBeforeEmail=ignore",
    "fetch.fsck.missingTaggerEntry=ignore",
    "fetch.fsck.multipleAuthors=ignore",
    "fetch.fsck.zeroPaddedDate=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
];
/// How to reach a host, and nothing else.
const REACHING: &str = r"^(url\..*\.insteadof|http\..*|credential\..*|safe\.directory)$";
const REACHING_VARIABLES: [&str; 21] = [
    "HOME",
    "USER",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ALL_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "TMPDIR",
    "LANG",
    "NIX_SSL_CERT_FILE",
];
/// How much of what git said is repeated when it fails.
const SAID: u64 = 2048;
/// The longest pause between two looks at a running git.
const LOOK: Duration = Duration::from_millis(20);
/// A repository is measured only every so often.
const MEASURE: Duration = Duration::from_millis(500);

/// How much git may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Real time of one step.
    pub(crate) time: Duration,
    /// A repository on disk, or what git says about it: bytes. A few folders that hold each other many times over make a
    /// small repository with an endless list of files.
    pub(crate) size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(1800), size: 4 << 30 }
    }
}

/// What a running git must not make too big.
struct Watched<'a> {
    folder: Option<&'a Path>,
    /// Its answer, and its complaints: a server can send those without end.
    said: [&'a File; 2],
}

/// The system's git.
#[derive(Debug)]
pub(crate) struct Git {
    limits: Limits,
    reaching: Vec<(String, String)>,
}

impl Git {
    /// Looks at the git of this machine.
    pub(crate) fn find(limits: Limits) -> Result<Self, GitError> {
        let mut git = Self { limits, reaching: Vec::new() };
        let mut version = bare();
        version.args(["version", "--build-options"]);
        check_version(&String::from_utf8_lossy(&git.run("say its version", version, &[])?))?;
        git.reaching = git.read_reaching()?;
        Ok(git)
    }

    #[cfg(test)]
    pub(crate) fn with_limits(&self, limits: Limits) -> Self {
        Self { limits, reaching: self.reaching.clone() }
    }

    /// git in a bare repository, without any network.
    pub(super) fn in_repository(repository: &Path) -> Command {
        let mut command = bare();
        command.arg("--git-dir").arg(repository);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command
    }

    /// The same with a network, reached as this machine is configured. https, and whatever of these the user's own
    /// `insteadOf` leads to; never `ext::`, which is a command.
    pub(super) fn fetching(&self, repository: &Path) -> Command {
        let mut command = Self::in_repository(repository);
        for setting in FETCH_SETTINGS {
            command.args(["-c", setting]);
        }
        command
            .envs(REACHING_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("GIT_ALLOW_PROTOCOL", "https:ssh:file")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
            .env("GIT_CONFIG_COUNT", self.reaching.len().to_string());
        for (at, (key, value)) in self.reaching.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{at}"), key).env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        command
    }

    /// Runs it to its end and returns its answer.
    pub(super) fn run(&self, what: &'static str, command: Command, input: &[u8]) -> Result<Vec<u8>, GitError> {
        self.run_watched(what, command, input, None)
    }

    /// The same, ended when `folder` grows beyond the limit.
    pub(super) fn run_watched(
        &self,
        what: &'static str,
        mut command: Command,
        input: &[u8],
        folder: Option<&Path>,
    ) -> Result<Vec<u8>, GitError> {
        let (mut answer, mut said, mut asked) = (tempfile::tempfile()?, tempfile::tempfile()?, tempfile::tempfile()?);
        asked.write_all(input)?;
        asked.rewind()?;
        command.stdin(asked).stdout(answer.try_clone()?).stderr(said.try_clone()?);
        let child = host::lead_group(&mut command).spawn().map_err(GitError::Missing)?;
        let succeeded = self.wait(what, child, &Watched { folder, said: [&answer, &said] })?;
        answer.rewind()?;
        said.rewind()?;
        if !succeeded {
            return Err(GitError::Failed { what, said: last_words(&mut said)? });
        }
        let mut bytes = Vec::new();
        answer.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn wait(&self, what: &'static str, mut child: Child, watched: &Watched<'_>) -> Result<bool, GitError> {
        let start = Instant::now();
        let (mut pause, mut measured) = (Duration::from_millis(1), start);
        let end = loop {
            if let Some(status) = child.try_wait()? {
                break Ok(status.success());
            }
            if interrupt::requested() {
                break Err(GitError::Interrupted);
            }
            if start.elapsed() > self.limits.time {
                break Err(GitError::Time { what, limit: self.limits.time });
            }
            if measured.elapsed() > MEASURE {
                measured = Instant::now();
                if let Err(error) = self.measure(watched) {
                    break Err(error);
                }
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK);
        };
        host::end_group(&mut child);
        child.wait()?;
        self.measure(watched)?;
        end
    }

    fn measure(&self, watched: &Watched<'_>) -> Result<(), GitError> {
        if watched.folder.is_some_and(|folder| size_below(folder) > self.limits.size) {
            return Err(GitError::Size { limit: self.limits.size });
        }
        for file in watched.said {
            if file.metadata()?.len() > self.limits.size {
                return Err(GitError::TooLarge);
            }
        }
        Ok(())
    }

    /// Reads the closed list of settings from the machine's, the user's and the caller's configuration.
    fn read_reaching(&self) -> Result<Vec<(String, String)>, GitError> {
        let empty = Temporary::new("git")?;
        let mut command = Command::new("git");
        // Run where no repository is, so that none adds its own.
        command
            .args(["config", "--includes", "--null", "--get-regexp", REACHING])
            .current_dir(empty.path())
            .env("GIT_CEILING_DIRECTORIES", empty.path().parent().unwrap_or(Path::new("/")))
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE");
        match self.run("read its configuration", command, &[]) {
            Ok(answer) => Ok(settings(&String::from_utf8_lossy(&answer))),
            // Silence with an error status is git's way to say that nothing fits.
            Err(GitError::Failed { said, .. }) if said.is_empty() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// git without anything of the machine's.
fn bare() -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("LC_ALL", "C.UTF-8")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .stdin(Stdio::null());
    command
}

/// git detects SHA-1 collisions since 2.13 unless it was built with another SHA-1, which it says since 2.48.
fn check_version(answer: &str) -> Result<(), GitError> {
    let first = answer.lines().next().unwrap_or_default();
    let refuse = || GitError::Version { found: first.to_owned() };
    let mut numbers = first.strip_prefix("git version ").ok_or_else(refuse)?.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => {}
        _ => return Err(refuse()),
    }
    match answer.lines().find_map(|line| line.strip_prefix("SHA-1: ")) {
        Some(found) if !found.starts_with("SHA1_DC") => Err(GitError::Collisions { found: found.to_owned() }),
        _ => Ok(()),
    }
}

/// `KEY LF VALUE NUL`; a key without a value is true.
fn settings(answer: &str) -> Vec<(String, String)> {
    let setting = |part: &str| match part.split_once('\n') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (part.to_owned(), "true".to_owned()),
    };
    answer.split_terminator('\0').map(setting).collect()
}

/// One line each, without what a terminal would act on.
fn last_words(said: &mut File) -> io::Result<String> {
    let length = said.metadata()?.len();
    said.seek(io::SeekFrom::Start(length.saturating_sub(SAID)))?;
    let mut end = Vec::new();
    said.take(SAID).read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<_> = text.lines().map(crate::rebuild::explain::visible).filter(|line| !line.is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(4)..].join("; "))
}

/// Bytes of all files below a folder; what vanishes meanwhile counts as nothing.
fn size_below(folder: &Path) -> u64 {
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_below(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    std::fs::read_dir(folder).map_or(0, |entries| entries.filter_map(Result::ok).map(size).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_end_is_not_waited_for() {
        let git = Git::find(Limits { time: Duration::from_secs(60), size: 1 << 20 }).unwrap();
        assert!(matches!(git.run("talk", Command::new("yes"), &[]), Err(GitError::TooLarge)));
        let mut complain = Command::new("sh");
        complain.args(["-c", "yes >&2"]);
        assert!(matches!(git.run("complain", complain, &[]), Err(GitError::TooLarge)));
    }

    #[test]
    fn a_git_that_would_not_notice_a_collision_is_refused() {
        let new = "git version 2.48.1\ncpu: x86_64\nSHA-1: SHA1_DC\nSHA-256: SHA256_BLK\n";
        assert!(check_version(new).is_ok());
        let weak = new.replace("SHA1_DC", "SHA1_OPENSSL (No collision detection)");
        assert!(matches!(check_version(&weak), Err(GitError::Collisions { .. })));
    }

    #[test]
    fn a_git_that_cannot_be_told_to_ignore_the_machine_is_refused() {
        for (text, ok) in [
            ("git version 2.32.0\n", true),
            ("git version 2.47.3\n", true),
            ("git version 3.0\n", true),
            ("git version 2.31.9\n", false),
            ("git version 2\n", false),
            ("hg 6\n", false),
            ("", false),
        ] {
            assert_eq!(check_version(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn settings_keep_lines_and_keys_without_a_value() {
        let found = settings("url.file:///m/.insteadof\nhttps://x/\0http.sslverify\0http.x.extraheader\na\nb\0");
        let expected =
            [("url.file:///m/.insteadof", "https://x/"), ("http.sslverify", "true"), ("http.x.extraheader", "a\nb")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
