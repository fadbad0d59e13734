//! How commands reach whoever holds the queue: a file for each request, taken up in order and removed once it is in the
//! journal.
//!
//! If we crash between the two, the request is carried out again: so each of them does nothing the second time.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::job::{Ask, Decision, JobId};
use super::queue::{Queue, QueueError};
use crate::files::{self, FileError, Mode};
use crate::output::causes;

/// A hundred thousand jobs.
const MAX_REQUEST: u64 = 64 << 20;
const ENDING: &str = "json";

/// What a command asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Build these.
    Add(Vec<Ask>),
    /// Try these again.
    Again(Vec<JobId>),
    /// Forget these.
    Remove(Vec<JobId>),
    /// A person's word.
    Decide(JobId, Decision),
}

/// Requests cannot be read or carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InboxError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the request cannot be written")]
    Form(#[from] serde_json::Error),
}

/// Leaves a request. Once this returns, it will be carried out.
pub(crate) fn post(folder: &Folder, request: &Request) -> Result<(), InboxError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    // In order of time; the process id tells two of the same moment apart.
    let name = format!("{now:030}-{}.{ENDING}", std::process::id());
    let (path, bytes) = (folder.inbox().join(name), serde_json::to_vec(request)?);
    if bytes.len() as u64 > MAX_REQUEST {
        return Err(FileError::TooLarge { path, limit: MAX_REQUEST }.into());
    }
    Ok(files::create(&path, &bytes, Mode::Private)?)
}

/// Carries out what waits. What cannot be is said and dropped, except where the queue itself fails: then it stays. A file
/// that does not read (another account's) stays too, and keeps no other from being carried out.
pub(crate) fn drain(folder: &Folder, queue: &mut Queue, now: u64, say: &dyn Fn(&str)) -> Result<(), InboxError> {
    let mut unread = None;
    for path in waiting(folder)? {
        let bytes = match files::read(&path, MAX_REQUEST) {
            Ok(bytes) => bytes,
            Err(error) => {
                unread = Some(error);
                continue;
            }
        };
        let done = match serde_json::from_slice(&bytes) {
            Ok(request) => carry_out(request, queue, now),
            Err(error) => {
                say(&format!("{} is no request: {error}", path.display()));
                Ok(())
            }
        };
        match done {
            Err(error @ QueueError::Journal(_)) => return Err(error.into()),
            Err(error) => say(&causes(&error)),
            Ok(()) => {}
        }
        fs::remove_file(&path).map_err(|source| FileError::Write { path, source })?;
    }
    unread.map_or(Ok(()), |error| Err(error.into()))
}

/// How many wait.
pub(crate) fn count(folder: &Folder) -> Result<usize, InboxError> {
    Ok(waiting(folder)?.len())
}

fn waiting(folder: &Folder) -> Result<Vec<PathBuf>, InboxError> {
    let path = folder.inbox();
    if !path.exists() {
        return Ok(Vec::new());
    }
    let failed = |source| FileError::Read { path: path.clone(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(&path).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn carry_out(request: Request, queue: &mut Queue, now: u64) -> Result<(), QueueError> {
    match request {
        Request::Add(asks) => queue.add(asks, None, now).map(drop),
        Request::Again(jobs) => each(jobs, |job| queue.again(job)),
        Request::Remove(jobs) => each(jobs, |job| queue.remove(job)),
        Request::Decide(job, decision) => queue.decide(job, decision),
    }
}

/// One that cannot be done does not keep the others from it; the last such error is told.
fn each(jobs: Vec<JobId>, mut does: impl FnMut(JobId) -> Result<(), QueueError>) -> Result<(), QueueError> {
    let mut last = Ok(());
    for job in jobs {
        match does(job) {
            Err(error @ QueueError::Journal(_)) => return Err(error),
            Err(error) => last = Err(error),
            Ok(()) => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuilder::job::Wish;

    #[test]
    fn a_request_that_is_carried_out_twice_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let wish = Wish { release: "a==1".parse().unwrap(), sha256: None, claim: None };
        let request = Request::Add(vec![Ask { wish, priority: 0 }]);
        post(&folder, &request).unwrap();
        let mut queue = Queue::open(&folder.journal(), 1).unwrap();
        // As if we had crashed after the journal was written.
        let (from, aside) = (waiting(&folder).unwrap().remove(0), dir.path().join("aside"));
        fs::copy(&from, &aside).unwrap();
        drain(&folder, &mut queue, 1, &|_| ()).unwrap();
        fs::rename(&aside, &from).unwrap();
        drain(&folder, &mut queue, 1, &|_| ()).unwrap();
        assert_eq!((queue.state().jobs().count(), count(&folder).unwrap()), (1, 0));
    }

    #[test]
    fn what_makes_no_sense_is_said_and_does_not_block_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        files::create(&folder.inbox().join("0.json"), b"garbage", Mode::Private).unwrap();
        post(&folder, &Request::Again(vec!["7".parse().unwrap()])).unwrap();
        let wish = Wish { release: "a==1".parse().unwrap(), sha256: None, claim: None };
        post(&folder, &Request::Add(vec![Ask { wish, priority: 0 }])).unwrap();
        let mut queue = Queue::open(&folder.journal(), 1).unwrap();
        let said = std::cell::RefCell::new(Vec::new());
        drain(&folder, &mut queue, 1, &|words| said.borrow_mut().push(words.to_owned())).unwrap();
        assert_eq!((queue.state().jobs().count(), said.borrow().len()), (1, 2), "{said:?}");
    }

    #[test]
    fn a_request_that_does_not_read_keeps_no_other_from_being_carried_out() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        // Not readable, whoever we are.
        fs::create_dir_all(folder.inbox().join("0.json")).unwrap();
        let wish = Wish { release: "a==1".parse().unwrap(), sha256: None, claim: None };
        post(&folder, &Request::Add(vec![Ask { wish, priority: 0 }])).unwrap();
        let mut queue = Queue::open(&folder.journal(), 1).unwrap();
        assert!(matches!(drain(&folder, &mut queue, 1, &|_| ()), Err(InboxError::File(_))), "it is said");
        assert_eq!((queue.state().jobs().count(), count(&folder).unwrap()), (1, 1));
    }
}
