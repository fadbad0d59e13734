//! What was shown, served and kept back, and why: for the page, for programs, and for whoever reads the terminal. Nothing is
//! hidden in silence (docs/TRUST.md 1.4).

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
};

use attest_core::artifact::{ProjectName, Version};
use serde::Serialize;

use super::{judges::Blocked, listing::Listed, offer::Offer};
use crate::output::plural;

/// Projects that are remembered.
const MAX_PROJECTS: usize = 10_000;
/// Hidden files of a project that are shown by name; the newest releases come last on most pages.
const MAX_HIDDEN: usize = 50;
/// Refused requests that are shown one by one.
const MAX_REFUSALS: usize = 100;

/// Something a person should know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Warning(String),
    Detail(String),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Mutex<Status>,
    notices: mpsc::Sender<Notice>,
}

/// Everything that is counted, `attest.proxy/v1`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    schema: &'static str,
    /// Requests that were let in.
    pub(super) requests: u64,
    pub(super) pages: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Requests for files that a policy keeps back, by reason code.
    pub(super) refused: BTreeMap<&'static str, u64>,
    /// Answers that failed because an index did.
    pub(super) failed: u64,
    /// Requests that were not let in at all.
    pub(super) turned_away: u64,
    pub(super) projects: BTreeMap<String, Project>,
    pub(super) refusals: VecDeque<Hidden>,
    /// Versions of which a file was sent, by project.
    #[serde(skip)]
    served: BTreeMap<String, Vec<Version>>,
}

/// What is shown of a project.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Project {
    pub(super) index: String,
    pub(super) shown: usize,
    pub(super) hidden: usize,
    /// Files that could not be judged.
    pub(super) left_out: usize,
    /// The newest release that is kept back where nothing newer is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) withheld: Option<Withheld>,
    pub(super) hidden_files: Vec<Hidden>,
    /// Versions of which something is shown.
    #[serde(skip)]
    versions: Vec<Version>,
    /// Versions with a wheel that is hidden because something is proven to be wrong.
    #[serde(skip)]
    alarming: Vec<Version>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Withheld {
    pub(super) version: String,
    pub(super) code: &'static str,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) newest_shown: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Hidden {
    pub(super) file: String,
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Hidden {
    fn new(file: &str, blocked: &Blocked) -> Self {
        Self { file: file.to_owned(), code: blocked.code, reason: blocked.reason.clone() }
    }
}

impl Tally {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (notices, heard) = mpsc::channel();
        let counts = Status {
            schema: "attest.proxy/v1",
            requests: 0,
            pages: 0,
            files: 0,
            bytes: 0,
            refused: BTreeMap::new(),
            failed: 0,
            turned_away: 0,
            projects: BTreeMap::new(),
            refusals: VecDeque::new(),
            served: BTreeMap::new(),
        };
        (Self { counts: Mutex::new(counts), notices }, heard)
    }

    fn counts(&self) -> MutexGuard<'_, Status> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, notice: Notice) {
        // Where nobody listens any more, the proxy ends.
        let _ = self.notices.send(notice);
    }

    pub(super) fn request(&self) {
        self.counts().requests += 1;
    }

    pub(super) fn page(&self) {
        self.counts().pages += 1;
    }

    pub(super) fn file(&self, project: &ProjectName, file: &Listed, bytes: u64) {
        let mut counts = self.counts();
        counts.files += 1;
        counts.bytes += bytes;
        let served = counts.served.entry(project.as_str().to_owned()).or_default();
        if !served.iter().any(|known| known.as_str() == file.version().as_str()) {
            served.push(file.version().clone());
        }
    }

    pub(super) fn turned_away(&self) {
        self.counts().turned_away += 1;
    }

    /// An answer that failed, in words without credentials.
    pub(super) fn failed(&self, why: &str) {
        self.counts().failed += 1;
        self.say(Notice::Warning(why.to_owned()));
    }

    /// Somebody asked for a file that is kept back.
    pub(super) fn refused(&self, file: &Listed, blocked: &Blocked) {
        let mut counts = self.counts();
        *counts.refused.entry(blocked.code).or_default() += 1;
        counts.refusals.push_back(Hidden::new(&file.name, blocked));
        if counts.refusals.len() > MAX_REFUSALS {
            counts.refusals.pop_front();
        }
        self.say(Notice::Warning(format!("refused {}: {}", file.name, blocked.reason)));
    }

    /// A project page was judged. What is new in it is said once.
    pub(super) fn judged(&self, offer: &Offer) {
        let project = Project::new(offer);
        let mut counts = self.counts();
        let known = counts.projects.get(offer.project.as_str());
        let said = known.is_some_and(|known| known.withheld == project.withheld);
        let known: BTreeSet<&str> =
            known.iter().flat_map(|known| &known.hidden_files).map(|file| file.file.as_str()).collect();
        for file in project.hidden_files.iter().filter(|file| !known.contains(file.file.as_str())) {
            self.say(Notice::Detail(format!("hidden: {}: {}", file.file, file.reason)));
        }
        for left in offer.left_out.iter().filter(|left| !left.why.is_expected()) {
            if !known.contains(left.name.as_str()) && !said {
                self.say(Notice::Warning(format!("hidden: {}: {}", left.name, left.why)));
            }
        }
        if let (Some(withheld), false) = (&project.withheld, said) {
            self.say(Notice::Warning(withheld.words(&offer.project)));
        }
        if counts.projects.len() < MAX_PROJECTS || counts.projects.contains_key(offer.project.as_str()) {
            counts.projects.insert(offer.project.as_str().to_owned(), project);
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.counts().clone()
    }
}

impl Project {
    fn new(offer: &Offer) -> Self {
        let mut versions: Vec<Version> = Vec::new();
        for file in offer.shown() {
            if !versions.iter().any(|known| known.as_str() == file.version().as_str()) {
                versions.push(file.version().clone());
            }
        }
        let alarming = offer.hidden().filter(|(file, blocked)| file.is_wheel() && blocked.alarm);
        let alarming = alarming.map(|(file, _)| file.version().clone()).collect();
        let hidden: Vec<Hidden> = offer.hidden().map(|(file, blocked)| Hidden::new(&file.name, blocked)).collect();
        let withheld = offer.withheld().map(|(version, blocked, shown)| Withheld {
            version: version.as_str().to_owned(),
            code: blocked.code,
            reason: blocked.reason.clone(),
            newest_shown: shown.map(|version| version.as_str().to_owned()),
        });
        Self {
            index: offer.index.name.clone(),
            shown: offer.shown().count(),
            hidden: hidden.len(),
            left_out: offer.left_out.iter().filter(|left| !left.why.is_expected()).count(),
            withheld,
            hidden_files: hidden.into_iter().rev().take(MAX_HIDDEN).collect(),
            versions,
            alarming,
        }
    }
}

impl Withheld {
    fn words(&self, project: &ProjectName) -> String {
        let instead = match &self.newest_shown {
            Some(version) => format!("{version} is the newest that is shown"),
            None => "no version is shown".to_owned(),
        };
        format!("hidden: {project} {}: {}; {instead}", self.version, self.reason)
    }
}

impl Status {
    /// Whether anything was asked at all.
    pub(crate) fn is_silent(&self) -> bool {
        self.pages == 0 && self.files == 0
    }

    /// Whether a release was shown to clients in this run.
    pub(crate) fn has_shown(&self, project: &ProjectName, version: &Version) -> bool {
        let known = self.projects.get(project.as_str());
        known.is_some_and(|known| known.versions.iter().any(|shown| shown.same_as(version)))
    }

    /// Whether something is proven to be wrong with a release, or with a log, and nothing of the release is shown.
    pub(crate) fn has_alarm(&self, project: &ProjectName, version: &Version) -> bool {
        let known = self.projects.get(project.as_str());
        let alarms = known.is_some_and(|known| known.alarming.iter().any(|alarming| alarming.same_as(version)));
        alarms && !self.has_shown(project, version)
    }

    /// Whether a file of a release was sent to a client in this run.
    pub(crate) fn has_served(&self, project: &ProjectName, version: &Version) -> bool {
        let known = self.served.get(project.as_str());
        known.is_some_and(|known| known.iter().any(|served| served.same_as(version)))
    }

    /// What a person is told at the end: one line of counts, then what is not there and would have been.
    pub(crate) fn lines(&self) -> Vec<String> {
        let refused: u64 = self.refused.values().sum();
        let hidden: usize = self.projects.values().map(|project| project.hidden + project.left_out).sum();
        let count = |n: u64, noun: &str| plural(usize::try_from(n).unwrap_or(usize::MAX), noun);
        let mut lines = vec![format!(
            "{} asked for, {}, {} hidden, {} refused",
            plural(self.projects.len(), "project"),
            count(self.files, "download"),
            plural(hidden, "file"),
            count(refused, "request")
        )];
        for (name, project) in &self.projects {
            match &project.withheld {
                Some(Withheld { version, reason, newest_shown: Some(shown), .. }) => {
                    lines.push(format!(
                        "{name}: {version} is the newest, and hidden: {reason}; {shown} is the newest that is shown"
                    ));
                }
                Some(Withheld { version, reason, newest_shown: None, .. }) => {
                    lines.push(format!("{name}: nothing is shown; {version}: {reason}"));
                }
                None => {}
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::offer::tests::offer;

    const SHOWN: (&str, bool) = ("good-1.0-py3-none-any.whl", true);
    const HIDDEN: (&str, bool) = ("good-2.0-py3-none-any.whl", false);

    #[test]
    fn the_report_is_what_the_schema_says() {
        let (tally, _notices) = Tally::new();
        let offer = offer(&[SHOWN, HIDDEN]);
        tally.request();
        tally.page();
        tally.judged(&offer);
        tally.file(&offer.project, offer.shown().next().unwrap(), 7);
        let served = |version: &str| tally.status().has_served(&offer.project, &Version::new(version).unwrap());
        assert!(served("1.0") && !served("2.0"));
        let (file, blocked) = offer.hidden().next().unwrap();
        tally.refused(file, blocked);
        let schema = serde_json::from_str(include_str!("../../../schemas/proxy.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let mut report = serde_json::to_value(tally.status()).unwrap();
        let errors: Vec<_> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert!(report["projects"]["good"]["withheld"].is_object());
        report["projects"]["good"]["more"] = 1.into();
        assert!(!schema.is_valid(&report));
    }

    #[test]
    fn what_is_hidden_is_said_once_and_again_when_it_changes() {
        let (tally, notices) = Tally::new();
        let warnings = || notices.try_iter().filter(|notice| matches!(notice, Notice::Warning(_))).count();
        tally.judged(&offer(&[SHOWN, HIDDEN]));
        assert_eq!(warnings(), 1);
        tally.judged(&offer(&[SHOWN, HIDDEN]));
        assert_eq!(warnings(), 0);
        tally.judged(&offer(&[SHOWN, HIDDEN, ("good-3.0-py3-none-any.whl", false)]));
        assert_eq!(warnings(), 1);
        let lines = tally.status().lines();
        assert_eq!(lines[0], "1 project asked for, 0 downloads, 2 files hidden, 0 requests refused");
        assert_eq!(lines[1], "good: 3.0 is the newest, and hidden: nobody; 1.0 is the newest that is shown");
    }

    #[test]
    fn a_release_counts_as_shown_by_what_its_version_is_and_not_by_how_it_is_written() {
        let (tally, _notices) = Tally::new();
        tally.judged(&offer(&[SHOWN, HIDDEN]));
        let shown = |version: &str| {
            tally.status().has_shown(&ProjectName::new("Good").unwrap(), &Version::new(version).unwrap())
        };
        assert!(shown("1.0") && shown("1.0.0"));
        assert!(!shown("2.0") && !shown("1.0+local"));
    }
}
