//! Our own workers: processes of this program that end with the coordinator, however it ends, because their standard
//! input does. Strangers' code and strangers' archives are read in them, not in the process that has the key.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{Coordinator, OwnWorkers, rest};
use crate::interrupt;
use crate::rebuilder::queue::OWN;

/// A worker that died is not started again at once: what killed it may do so again.
const PAUSE: Duration = Duration::from_secs(1);
/// For a worker to end its build and give its job back.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const TOKEN_BYTES: usize = 32;

struct Member {
    name: String,
    child: Child,
    /// Open as long as we are.
    stdin: Option<ChildStdin>,
}

/// Keeps as many running as there are to be; when we are asked to end, lets them give back what they have.
pub(crate) fn keep(coordinator: &Coordinator, workers: &OwnWorkers, url: &str, say: &dyn Fn(&str)) {
    let mut members: Vec<Option<Member>> = (0..workers.count).map(|_| None).collect();
    while !interrupt::requested() {
        for (number, place) in (1..).zip(&mut members) {
            if let Some(member) = place
                && !matches!(member.child.try_wait(), Ok(None))
            {
                say(&format!("worker {} died", member.name));
                let now = crate::run::now().secs();
                let ended = coordinator.queue().worker_ended(&member.name, &coordinator.settings.limits, now);
                if let Err(error) = coordinator.judged(ended) {
                    say(&crate::output::causes(&error));
                }
                *place = None;
                rest(PAUSE);
            }
            if place.is_none() && !interrupt::requested() {
                match start(coordinator, workers, &format!("{OWN}{number}"), url) {
                    Ok(member) => *place = Some(member),
                    Err(error) => {
                        say(&format!("a worker cannot be started: {error:#}"));
                        rest(PAUSE);
                    }
                }
            }
        }
        rest(Duration::from_millis(200));
    }
    stop(members.into_iter().flatten().collect());
}

fn start(coordinator: &Coordinator, workers: &OwnWorkers, name: &str, url: &str) -> anyhow::Result<Member> {
    let token = new_token()?;
    coordinator.admit(&token, name);
    let mut child = Command::new(&workers.program)
        .args(["rebuilder", "worker", "--token-file", "-", "--coordinator", url])
        .args(&workers.options)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        // One that is gone already shows as dead.
        let _gone = writeln!(stdin, "{token}");
    }
    Ok(Member { name: name.to_owned(), child, stdin })
}

/// 256 bits in hexadecimal.
pub(crate) fn new_token() -> anyhow::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).ok().context("the system gives no random numbers")?;
    Ok(bytes.iter().fold(String::new(), |mut token, byte| {
        // A String takes whatever memory holds.
        let _always = write!(token, "{byte:02x}");
        token
    }))
}

fn stop(mut members: Vec<Member>) {
    for member in &mut members {
        drop(member.stdin.take());
    }
    let end = Instant::now() + STOP_LIMIT;
    for member in &mut members {
        while Instant::now() < end && matches!(member.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        // Neither fails for one that has ended.
        let _ended = member.child.kill().and_then(|()| member.child.wait());
    }
}
