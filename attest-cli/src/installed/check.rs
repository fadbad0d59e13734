//! Whether the files are those that RECORD names, on all cores.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{
    Distribution, Environment,
    record::{Hash, Row},
};
use crate::wheels;

/// A file that is not what RECORD says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Faulty {
    /// As RECORD names it.
    pub(crate) path: String,
    pub(crate) fault: Fault,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it is not there")]
    Missing,
    #[error("its bytes are others")]
    Altered,
    #[error("it is no regular file")]
    NotAFile,
    #[error("it cannot be read")]
    Unreadable,
    #[error("it lies outside of the environment")]
    Outside,
    #[error("RECORD has no sha256 for it")]
    NoHash,
}

/// The files of every distribution that are not what its RECORD says, in the order of the distributions.
pub(crate) fn check(distributions: &[Distribution], environment: &Environment) -> Vec<Vec<Faulty>> {
    let work: Vec<(usize, &Distribution, &Row)> = distributions
        .iter()
        .enumerate()
        .flat_map(|(at, distribution)| distribution.rows().iter().map(move |row| (at, distribution, row)))
        .collect();
    let next = AtomicUsize::new(0);
    // Few at a time: sizes differ, and a thread that got the big ones must not be waited for.
    let run = || {
        let mut found = Vec::new();
        while let Some((at, distribution, row)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(fault) = fault(row, distribution, environment) {
                found.push((*at, Faulty { path: row.path.clone(), fault }));
            }
        }
        found
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<Vec<Faulty>> = distributions.iter().map(|_| Vec::new()).collect();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            // A thread that dies has met a bug of ours; what it looked at was not found to be right.
            match thread.join() {
                Ok(found) => found.into_iter().for_each(|(at, faulty)| all[at].push(faulty)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    for faulty in &mut all {
        faulty.sort_by(|one, other| one.path.cmp(&other.path));
    }
    all
}

fn fault(row: &Row, distribution: &Distribution, environment: &Environment) -> Option<Fault> {
    let place = row.place(distribution.folder());
    if !place.starts_with(environment.root()) {
        // `pip install --target` moves scripts and leaves their rows as they were.
        return (!row.is_script()).then_some(Fault::Outside);
    }
    if row.hash.is_none() {
        // RECORD itself, what was compiled here, and signatures of RECORD.
        let unhashed = row.is_compiled() || row.path.contains(".dist-info/RECORD");
        return (!unhashed).then_some(Fault::NoHash);
    }
    let Some(expected) = row.sha256() else {
        debug_assert!(matches!(row.hash, Some(Hash::Other(_))), "no other kind of hash is left");
        return Some(Fault::NoHash);
    };
    let Ok(metadata) = fs::metadata(&place) else { return Some(Fault::Missing) };
    // Before it is opened: reading a pipe would wait for ever.
    if !metadata.is_file() {
        return Some(Fault::NotAFile);
    }
    if row.size.is_some_and(|size| size != metadata.len()) {
        return Some(Fault::Altered);
    }
    match wheels::digest(&place) {
        Ok(found) if found == expected => None,
        Ok(_) => Some(Fault::Altered),
        Err(_) => Some(Fault::Unreadable),
    }
}

/// Every place that some RECORD names.
pub(super) fn claimed(distributions: &[Distribution]) -> impl Iterator<Item = PathBuf> {
    distributions.iter().flat_map(|distribution| {
        let folder: &Path = distribution.folder();
        distribution.rows().iter().map(|row| row.place(folder))
    })
}
