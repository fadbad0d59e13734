//! What is asked of the record, as the answers that people (`pages`) and tools (`json`) get alike.
//!
//! Everything here blocks but [`in_turn`]: it is for threads that may.

mod entry;
mod log;
mod threshold;

use std::sync::Arc;

use attest_core::{
    api::record::{
        Disagreement, EntryRow, EntryView, FileView, LogView, MAX_QUERY, PAGE, Page, ProjectRow, ProjectView,
        RebuilderRow, RebuilderView, ReleaseRow, ReleaseView, SearchAnswer,
    },
    artifact::{ArtifactDigest, ProjectName, Version},
    envelope::StatementId,
    merkle::LeafIndex,
};

use tokio::task::JoinError;

use super::Site;
use crate::{
    reader::ReadError,
    record::{
        Record, RecordError,
        query::{Key, Moment, Which},
    },
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The server was told to keep none.
    #[error("this server keeps no public record")]
    NoRecord,
    /// It is being filled, or filled again.
    #[error("the public record is being made")]
    NotYet,
    /// The file is damaged or cannot be read.
    #[error("{}: the record cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: RecordError,
    },
    /// An entry or a proof cannot be had.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// An answer of the record, or why there is none.
pub type Answer<T> = Result<T, ViewError>;

/// Works views out where that may block, in turn: whoever asks for many waits, and the log does not. Who went away
/// meanwhile has the turn until the work is done.
pub async fn in_turn<T, W>(site: &Arc<Site>, work: W) -> Result<T, JoinError>
where
    T: Send + 'static,
    W: FnOnce(&Site) -> T + Send + 'static,
{
    let turn = match &site.record {
        Some(record) => record.turn().await,
        None => None,
    };
    let site = Arc::clone(site);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(&site)
    })
    .await
}

/// The log at a glance.
pub fn log(site: &Site) -> Answer<LogView> {
    ask(site, |moment| log::view(site, moment))
}

/// Names of projects after `after`, in order.
pub fn projects(site: &Site, after: Option<&str>) -> Answer<Page<ProjectRow>> {
    ask(site, |moment| moment.projects(after))
}

/// One project; `None` where nothing is said about it.
pub fn project(site: &Site, project: &ProjectName, before: Option<LeafIndex>) -> Answer<Option<ProjectView>> {
    let name = project.as_str();
    ask(site, |moment| {
        let Some(counts) = moment.project(name)? else {
            return Ok(None);
        };
        let (releases, more_releases) = moment.releases(name)?;
        Ok(Some(ProjectView {
            project: name.to_owned(),
            counts,
            releases,
            more_releases,
            entries: moment.entries(Which::Project(name), before)?,
        }))
    })
}

/// One release, and a part of its files.
pub fn release(site: &Site, project: &ProjectName, version: &str, after: Option<u64>) -> Answer<Option<ReleaseView>> {
    ask(site, |moment| moment.release(project.as_str(), version, after))
}

/// One release at a glance, however its version is spelled; without one, the newest of the project.
pub fn glance(site: &Site, project: &ProjectName, version: Option<&Version>) -> Answer<Option<ReleaseRow>> {
    ask(site, |moment| match version {
        Some(version) => moment.release_like(project.as_str(), version),
        None => Ok(moment.releases(project.as_str())?.0.into_iter().next()),
    })
}

/// One file, and what is said about it below an index. Bytes that are there under several names are shown under the one
/// that most groups reproduced; what is said about them is all there, whatever the name.
pub fn file(site: &Site, sha256: ArtifactDigest, before: Option<LeafIndex>) -> Answer<Option<FileView>> {
    ask(site, |moment| {
        let Some(row) = moment.files_of(sha256)?.into_iter().next() else {
            return Ok(None);
        };
        let published = site.reader.published();
        let said = moment.said_about(sha256)?;
        let mut rows = moment.newest(Which::File(sha256), before, PAGE + 1)?;
        let next = (rows.len() > PAGE).then(|| rows[PAGE - 1].index.to_string());
        rows.truncate(PAGE);
        let proven = entry::proven(moment, &published, rows)?;
        let policies = site.record.as_ref().map(Record::policies).unwrap_or_default();
        // Where all that is said is shown, it is weighed; what the record keeps is the same, without the words.
        let thresholds = if said <= PAGE as u64 && before.is_none() {
            let asked = (published.note.as_str(), site.clock.now());
            threshold::thresholds(&policies, asked, &row, &proven)
        } else {
            threshold::recorded(policies.len(), &row)
        };
        let items = proven.into_iter().map(|proven| entry::view(&published, proven)).collect::<Result<_, _>>()?;
        Ok(Some(FileView { row, thresholds, statements: Page { items, next }, said }))
    })
}

/// Entries below an index, newest first.
pub fn entries(site: &Site, before: Option<LeafIndex>) -> Answer<Page<EntryRow>> {
    ask(site, |moment| moment.entries(Which::All, before))
}

/// One entry; `None` for what is not published, or not recorded yet.
pub fn entry(site: &Site, index: LeafIndex) -> Answer<Option<EntryView>> {
    ask(site, |moment| match moment.entry(index)? {
        Some(row) => {
            let published = site.reader.published();
            let proven = entry::proven(moment, &published, vec![row])?.pop();
            proven.map(|proven| entry::view(&published, proven)).transpose()
        }
        None => Ok(None),
    })
}

/// The newest entries that prove a contradiction of this statement.
pub fn contradicting(site: &Site, statement: StatementId, limit: usize) -> Answer<Vec<EntryRow>> {
    ask(site, |moment| moment.contradicting(statement, limit))
}

/// The list of rebuilders by name, after the one of that id; `None` where it is not listed.
pub fn rebuilders(site: &Site, after: Option<&str>) -> Answer<Option<Page<RebuilderRow>>> {
    ask(site, |moment| moment.rebuilders_after(after))
}

/// The groups on the list, by name.
#[expect(clippy::redundant_closure_for_method_calls, reason = "a method is of one lifetime of the moment")]
pub fn groups(site: &Site) -> Answer<Vec<String>> {
    ask(site, |moment| moment.groups())
}

/// One rebuilder, by the id of its key.
pub fn rebuilder(site: &Site, id: &str, before: Option<LeafIndex>) -> Answer<Option<RebuilderView>> {
    ask(site, |moment| {
        let Some(listed) = moment.rebuilders()?.into_iter().find(|listed| listed.row.id == id) else {
            return Ok(None);
        };
        let (disagreements, more_disagreements) = moment.disagreements_of(id)?;
        Ok(Some(RebuilderView {
            row: listed.row,
            url: listed.url,
            contact: listed.contact,
            certificate: listed.certificate,
            entries: moment.entries(Which::Rebuilder(id), before)?,
            disagreements,
            more_disagreements,
        }))
    })
}

/// What the statements of a rebuilder are checked with, by the id of its key.
pub(crate) fn key(site: &Site, id: &str) -> Answer<Option<Key>> {
    ask(site, |moment| moment.key(id))
}

/// Where statements do not agree, newest first.
pub fn disagreements(site: &Site, before: Option<LeafIndex>) -> Answer<Page<Disagreement>> {
    ask(site, |moment| moment.disagreements(before))
}

/// What a text may mean.
pub fn search(site: &Site, query: &str) -> Answer<SearchAnswer> {
    let query = query.trim();
    let mut end = query.len().min(MAX_QUERY);
    while !query.is_char_boundary(end) {
        end -= 1;
    }
    ask(site, |moment| moment.search(query[..end].trim_end()))
}

/// One answer, of one moment.
fn ask<T>(site: &Site, question: impl FnOnce(&Moment<'_>) -> Result<T, RecordError>) -> Answer<T> {
    let record: &Record = site.record.as_ref().ok_or(ViewError::NoRecord)?;
    record.read(question).map_err(|error| match error {
        RecordError::Read(error) => ViewError::Read(error),
        RecordError::NotYet => ViewError::NotYet,
        source => ViewError::Unreadable { path: record.path().to_owned(), source },
    })
}
