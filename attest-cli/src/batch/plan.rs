//! What a batch is to look at, from targets and locks: each thing once, and nothing left out in silence.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use attest_core::artifact::ArtifactDigest;
use attest_core::verify::{Wanted, WantedName};

use super::End;
use crate::exit::Failure;
use crate::input;
use crate::item::{Form, GateError, Item, Place, Question, Unattestable};
use crate::locks::requirements;
use crate::platform::find::Selection;
use crate::rebuild::target::{Remote, Target};
use crate::run::Run;
use crate::wheels;

/// One thing that was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// As it was named.
    pub(super) name: String,
    /// The line of a lock.
    place: Option<Place>,
    /// A target, or something that is only counted.
    pub(super) question: Result<Target, Counted>,
}

/// A line of a lock that leads to no file.
#[derive(Clone, Debug)]
pub(super) enum Counted {
    NotAttestable(String),
    NotSelectable(String),
    Refused(GateError),
}

impl Counted {
    pub(super) fn end(&self) -> End {
        match self {
            Self::NotAttestable(why) => End::NotAttestable { name: String::new(), why: why.clone() },
            Self::NotSelectable(why) => End::NotSelectable { why: why.clone() },
            Self::Refused(error) => End::Failed { error: Failure::usage(error.to_string()).hint(error.hint()).into() },
        }
    }
}

/// Everything that arguments and locks name. What is named twice is asked once; how many of those there were is said.
pub(crate) fn plan(targets: &[Target], locks: &[PathBuf], run: &Run) -> anyhow::Result<Vec<Asked>> {
    let mut all: Vec<Asked> = targets
        .iter()
        .map(|target| Asked { name: target.to_string(), place: None, question: Ok(target.clone()) })
        .collect();
    for lock in locks {
        for item in input::items(std::slice::from_ref(lock), &Selection::default(), run)? {
            add(&mut all, &item);
        }
    }
    let before = all.len();
    let mut seen = HashSet::new();
    all.retain(|asked| seen.insert(asked.key()));
    if all.len() < before {
        run.out.note(format_args!("{} named twice, looked at once", before - all.len()));
    }
    Ok(all)
}

impl Asked {
    fn key(&self) -> String {
        // All that tells two questions apart is in their debug text, spelling included: `a==1` and `a==1.0` lead to one
        // file, which is then found to be claimed.
        format!("{:?} {:?}", self.name, self.question)
    }
}

/// A line with several hashes is several items about one release: one target, that may be any of these files.
fn add(all: &mut Vec<Asked>, item: &Item) {
    let question = match &item.question {
        Question::File { wanted, url } => of_file(item, wanted, url.as_deref()),
        Question::NotAttestable(why) => Err(Counted::NotAttestable(why.to_string())),
        Question::NotSelectable(elsewhere) => Err(Counted::NotSelectable(elsewhere.to_string())),
        // Enough to be looked up: the digest is then the index's, and pinned from there on.
        Question::Refused(GateError::NoHash) => requirements::release(&item.name)
            .map(|(project, version)| Target::Release(project, version))
            .ok_or(Counted::Refused(GateError::NoHash)),
        Question::Refused(error) => Err(Counted::Refused(error.clone())),
    };
    if let (
        Some(Asked { place, question: Ok(Target::Locked(project, version, digests)), .. }),
        Ok(Target::Locked(other, same, more)),
    ) = (all.last_mut(), &question)
        && place.as_ref() == Some(&item.place)
        && project == other
        && version.same_as(same)
    {
        digests.extend(more);
        return;
    }
    all.push(Asked { name: item.name.clone(), place: Some(item.place.clone()), question });
}

fn of_file(item: &Item, wanted: &Wanted, url: Option<&str>) -> Result<Target, Counted> {
    let digest: ArtifactDigest = wanted.digest;
    if let Some(package) = &item.package {
        if package.form == Form::Sdist {
            return Err(Counted::NotAttestable(Unattestable::Sdist.to_string()));
        }
        // Locks without addresses: the index has the file.
        if let (None, Some(version)) = (url, &package.version) {
            return Ok(Target::Locked(package.project.clone(), version.clone(), vec![digest]));
        }
    }
    match (&wanted.name, url) {
        (WantedName::Release { project, version }, _) => {
            Ok(Target::Locked(project.clone(), version.clone(), vec![digest]))
        }
        (_, Some(url)) => Remote::parse(url)
            .map(|remote| Target::Url(Box::new(remote.with_digest(digest))))
            .map_err(|error| Counted::NotAttestable(format!("{error:#}"))),
        (_, None) => {
            let place = item.place.path();
            Ok(Target::File(if wheels::is_wheel(place) { place.to_owned() } else { Path::new(&item.name).to_owned() }))
        }
    }
}
