//! A worker: asks for a job, rebuilds it in the clean room, hands the result over. It holds no key, and forgets everything
//! between two jobs but downloads and environments.

use std::fs::{self, File};
use std::io::{self, BufRead as _};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use attest_core::artifact::ArtifactDigest;
use reqwest::StatusCode;
use reqwest::blocking::{Body, Client, RequestBuilder};

use super::intake::RECORD;
use super::job::Given;
use super::wire::{Answered, Ended, JOBS, TAKE, Task};
use crate::interrupt;
use crate::rebuild::claim::Claim;
use crate::rebuild::result::ResultFolder;
use crate::rebuild::target::{Selected, Target};
use crate::rebuild::workshop::{Options, Workshop};
use crate::sandbox::Isolation;
use crate::temporary::Temporary;

/// Far more often than a lease is long.
const PING: Duration = Duration::from_secs(10);
/// Between two questions when there is nothing to do.
const IDLE: Duration = Duration::from_secs(2);
/// A result that took an hour is worth some patience with a coordinator that restarts or has no room.
const PATIENCE: Duration = Duration::from_secs(3600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one request: a wheel of half a gigabyte over a slow line.
const TIMEOUT: Duration = Duration::from_secs(900);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A worker of one coordinator.
#[derive(Debug)]
pub(crate) struct Worker {
    client: Client,
    base: String,
    token: String,
    options: Options,
}

/// How a request ended that was answered.
enum Reply {
    Done(reqwest::blocking::Response),
    /// The coordinator does not want it, now or later.
    Refused(String),
}

/// How one look for work ended.
enum Turn {
    Idle,
    Worked,
}

impl Worker {
    /// Looks for a room that closes: without one, strangers' code is not run.
    pub(crate) fn open(base: &str, token: String, mut options: Options, say: &dyn Fn(&str)) -> anyhow::Result<Self> {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("attest/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // The coordinator is a machine of ours: no proxy is between us.
            .no_proxy()
            .build()?;
        ensure!(
            options.isolation != Some(Isolation::None),
            "expected a room for strangers' code, found --isolation none"
        );
        let choices = options.isolation.map_or(vec![Isolation::Bubblewrap, Isolation::Unshare], |one| vec![one]);
        let mut failures = Vec::new();
        for isolation in choices {
            options.isolation = Some(isolation);
            match Workshop::open(options.clone(), say) {
                Ok(_) => return Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token, options }),
                Err(error) => failures.push(format!("{isolation:?}: {error:#}")),
            }
        }
        bail!("expected a room for strangers' code, found that none works here\n{}", failures.join("\n"))
    }

    /// Works until somebody asks it to end.
    pub(crate) fn run(&self, say: &dyn Fn(&str)) {
        let mut pause = IDLE;
        while !interrupt::requested() {
            match self.turn(say) {
                Ok(Turn::Worked) => pause = IDLE,
                Ok(Turn::Idle) => {
                    pause = IDLE;
                    rest(IDLE);
                }
                Err(error) => {
                    say(&format!("{error:#}"));
                    rest(pause);
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    fn turn(&self, say: &dyn Fn(&str)) -> anyhow::Result<Turn> {
        let task = match self.send(self.client.post(self.url(TAKE)))? {
            Reply::Done(answer) if answer.status() == StatusCode::NO_CONTENT => return Ok(Turn::Idle),
            Reply::Done(answer) => answer.json::<Task>().context("expected a job")?,
            Reply::Refused(words) => bail!("the coordinator gives no work: {words}"),
        };
        say(&format!("job {}: {}", task.given, task.wish.release));
        let folder = Temporary::new("job")?;
        match self.build(&task, folder.path(), say) {
            Ok(result) => self.deliver(task.given, &result, say)?,
            Err(error) => {
                say(&format!("job {}: {error:#}", task.given));
                self.end(task.given, &format!("{error:#}"))?;
            }
        }
        Ok(Turn::Worked)
    }

    /// Rebuilds, and says meanwhile that it is alive.
    fn build(&self, task: &Task, folder: &Path, say: &dyn Fn(&str)) -> anyhow::Result<ResultFolder> {
        let (done, wait) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                while wait.recv_timeout(PING) == Err(RecvTimeoutError::Timeout) {
                    // Whether it was heard shows when the result is handed over.
                    let _lost = self.request(self.client.post(self.job(task.given, "ping"))).send();
                }
            });
            let built = self.rebuild(task, folder, say);
            drop(done);
            built
        })
    }

    /// A workshop for each job: it remembers pages of the index, and they change.
    fn rebuild(&self, task: &Task, folder: &Path, say: &dyn Fn(&str)) -> anyhow::Result<ResultFolder> {
        let options = Options { results: folder.to_owned(), ..self.options.clone() };
        let workshop = Workshop::open(options, say)?;
        let target = match (task.wish.release.to_string().parse()?, task.wish.sha256) {
            (Target::Release(project, version), Some(digest)) => Target::Locked(project, version, vec![digest]),
            (target, _) => target,
        };
        match workshop.pin(&target, false, say)?.into_iter().next() {
            Some(Selected::Pinned(pinned)) => {
                let own = workshop.rebuild(&pinned, say)?.folder;
                Ok(self.replayed(task, &own, &folder.join("claim"), say)?.unwrap_or(own))
            }
            Some(Selected::NotAttestable { name, why }) => bail!("{name} cannot be rebuilt here: {why}"),
            None => bail!("expected {target} to have a wheel, found none"),
        }
    }

    /// Where our own way did not lead to the file: somebody said that theirs does. What they built from gives it, or gives
    /// something else, which contradicts them (docs/TRUST.md 4.2); anything less than that says no more than our own result.
    fn replayed(
        &self,
        task: &Task,
        own: &ResultFolder,
        results: &Path,
        say: &dyn Fn(&str),
    ) -> anyhow::Result<Option<ResultFolder>> {
        let Some(claim) = task.wish.claim.as_ref().filter(|_| !own.record().verdict.is_equal()) else {
            return Ok(None);
        };
        let replay = || -> anyhow::Result<ResultFolder> {
            let options = Options { results: results.to_owned(), ..self.options.clone() };
            let replay = Workshop::open(options, say)?.replay(&Claim::parse(claim.as_bytes())?, None, say)?;
            Ok(replay.outcome.folder)
        };
        match replay() {
            Ok(result) => {
                let tells = result.record().verdict.is_equal() || result.record().contradicts.is_some();
                Ok(Some(result).filter(|_| tells))
            }
            Err(error) if interrupt::requested() => Err(error),
            Err(error) => {
                say(&format!("job {}: the statement that asked for it could not be replayed: {error:#}", task.given));
                Ok(None)
            }
        }
    }

    /// All files, then that it was all. What is lost on the way is sent again from the start.
    fn deliver(&self, given: Given, result: &ResultFolder, say: &dyn Fn(&str)) -> anyhow::Result<()> {
        let record = result.record();
        let names = record.files.iter().chain(&record.rebuilt).map(|file| file.name.as_str()).chain([RECORD]);
        let names: Vec<&str> = names.collect();
        let build = ArtifactDigest::of(&fs::read(result.path().join(RECORD))?);
        let (start, mut pause) = (Instant::now(), Duration::from_secs(1));
        loop {
            let error = match self.deliver_once(given, result.path(), &names, build) {
                Ok(Reply::Done(_)) => return Ok(()),
                Ok(Reply::Refused(words)) => {
                    say(&format!("job {given}: {words}"));
                    return Ok(());
                }
                Err(error) => error,
            };
            ensure!(start.elapsed() < PATIENCE, "job {given} could not be handed over: {error:#}");
            if interrupt::requested() {
                return Err(error);
            }
            rest(pause);
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    fn deliver_once(
        &self,
        given: Given,
        folder: &Path,
        names: &[&str],
        build: ArtifactDigest,
    ) -> anyhow::Result<Reply> {
        for name in names {
            let file = File::open(folder.join(name))?;
            let size = file.metadata()?.len();
            let put = self.client.put(self.job(given, &format!("files/{name}"))).body(Body::sized(file, size));
            if let Reply::Refused(words) = self.send(put)? {
                return Ok(Reply::Refused(words));
            }
        }
        self.send(self.client.post(self.job(given, "answer")).json(&Answered { build }))
    }

    fn end(&self, given: Given, why: &str) -> anyhow::Result<()> {
        let ended = Ended { given_back: interrupt::requested(), why: why.chars().take(2000).collect() };
        // That it is no longer ours needs no words.
        self.send(self.client.post(self.job(given, "end")).json(&ended)).map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn job(&self, given: Given, what: &str) -> String {
        self.url(&format!("{JOBS}/{given}/{what}"))
    }

    fn request(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.token)
    }

    /// An error is worth another try; a refusal is not.
    fn send(&self, request: RequestBuilder) -> anyhow::Result<Reply> {
        let answer = self.request(request).send().context("expected an answer of the coordinator")?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Reply::Done(answer));
        }
        let words: String = answer.text().unwrap_or_default().chars().take(500).collect();
        if status.is_client_error() && status != StatusCode::UNAUTHORIZED {
            return Ok(Reply::Refused(words));
        }
        bail!("the coordinator cannot now ({status}): {words}")
    }
}

/// The token: one line of a file, or of standard input; then the end of that input ends the worker, because whoever
/// started it is gone.
pub(crate) fn token(file: &Path) -> anyhow::Result<String> {
    let mut line = String::new();
    if file == Path::new("-") {
        io::stdin().lock().read_line(&mut line)?;
        thread::spawn(|| {
            // Nothing more is ever written: this returns when the other end is closed.
            let _end = io::copy(&mut io::stdin().lock(), &mut io::sink());
            interrupt::request();
        });
    } else {
        line = fs::read_to_string(file).with_context(|| format!("expected a token in {}", file.display()))?;
    }
    let token = line.trim();
    ensure!(!token.is_empty(), "expected a token in {}, found nothing", file.display());
    Ok(token.to_owned())
}

fn rest(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end && !interrupt::requested() {
        thread::sleep(Duration::from_millis(50));
    }
}
