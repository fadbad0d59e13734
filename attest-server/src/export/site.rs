//! `attest-server export --site DIR`: the pages as files, for any web server.
//!
//! The pages are rendered as the server renders them, and found as a reader finds them: by following links from `/`. A page
//! is `PATH/index.html`, everything else has the name that it is served under. A link that leads nowhere is an error, so a
//! finished copy has none.
//!
//! Every file is whole or not there, `.attest-site` is written last, and what an earlier export left and this one did
//! not is deleted then. If we crash before, the folder holds pages of two sizes of the log, and the next export goes on
//! from them: files that are what they should be are not written again.

mod folder;
mod links;
mod origin;

use std::{
    collections::{HashSet, VecDeque},
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{Request, StatusCode, header},
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::task::{JoinError, JoinSet};

pub(crate) use self::origin::Settings;
use self::{
    folder::{Folder, FolderError},
    links::{LinkError, links},
};
use crate::{command::Outcome, http, run::stop_signal};

/// Pages that are rendered at a time: rendering waits for the record and the tree more than it computes.
const AT_ONCE: usize = 8;
/// Bytes of one answer. An entry has at most 64 KiB, and a page shows at most some dozens of them.
const MAX_ANSWER: usize = 64 << 20;

/// What one export of a site did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SiteExported {
    /// Files of the site.
    pub(crate) files: u64,
    /// Of them, those that were not there or were something else.
    pub(crate) written: u64,
    /// Files of an earlier export that are no part of the site any more.
    pub(crate) deleted: u64,
}

/// Why a site was not exported. What is in the folder is usable, and a mixture of two exports.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Our own fault: a page of this server has a link that it does not serve.
    #[error("{from} has a link to {to}, and that has status {status}")]
    Broken { from: String, to: String, status: StatusCode },
    #[error("{page} has a link that no file can stand for: {error}")]
    Link { page: String, error: LinkError },
    #[error("{page} could not be rendered")]
    Body {
        page: String,
        #[source]
        source: axum::Error,
    },
    #[error("a task ended early")]
    Task(#[from] JoinError),
}

/// A page that was fetched.
struct Fetched {
    path: String,
    bytes: Bytes,
    /// Where it leads, if it is a page.
    links: Vec<Result<String, LinkError>>,
}

/// `attest-server export --site DIR`.
pub(crate) async fn command(data: &Path, to: &Path, settings: Settings) -> anyhow::Result<Outcome> {
    let stop = stop_signal()?;
    let work = async {
        let opened = origin::open(data, settings).await?;
        let exported = export(http::still(&opened.site), to).await;
        let SiteExported { files, written, deleted } =
            exported.with_context(|| format!("{} holds a part of the site", to.display()))?;
        let size = opened.site.reader.published().head.size;
        writeln!(
            io::stdout(),
            "{}: {files} files of a log of {size} entries, {written} of them new, {deleted} deleted",
            to.display()
        )?;
        Ok(Outcome::Done)
    };
    tokio::select! {
        outcome = work => outcome,
        () = stop => bail!("interrupted: {} holds a part of the site; the next export goes on", to.display()),
    }
}

/// Writes the site of `router` into `to`.
pub(crate) async fn export(router: Router, to: &Path) -> Result<SiteExported, SiteError> {
    let folder = Folder::open(to)?;
    let mut exported = SiteExported::default();
    let mut seen = HashSet::from([String::new()]);
    // Path, and the page that led there.
    let mut waiting = VecDeque::from([(String::new(), "the beginning".to_owned())]);
    let mut fetching = JoinSet::new();
    loop {
        while fetching.len() < AT_ONCE
            && let Some((path, from)) = waiting.pop_front()
        {
            fetching.spawn(fetch(router.clone(), path, from));
        }
        let Some(fetched) = fetching.join_next().await else {
            break;
        };
        let Fetched { path, bytes, links } = fetched??;
        exported.files += 1;
        exported.written += u64::from(folder.write(&path, &bytes)?);
        for link in links {
            let link = link.map_err(|error| SiteError::Link { page: shown(&path), error })?;
            if !seen.insert(link.clone()) {
                continue;
            }
            // What a page has to download is made from what the page was made from, which is kept for a moment.
            let next = (link, shown(&path));
            if next.0.ends_with('/') { waiting.push_back(next) } else { waiting.push_front(next) }
        }
    }
    exported.deleted = folder.finish(&seen)?;
    Ok(exported)
}

async fn fetch(router: Router, path: String, from: String) -> Result<Fetched, SiteError> {
    let broken = |status| SiteError::Broken { from: from.clone(), to: shown(&path), status };
    // Whoever asks for anything else gets a text where there is one.
    let request = Request::get(format!("/{path}")).header(header::ACCEPT, "text/html, */*");
    let request = request.body(Body::empty()).map_err(|_| broken(StatusCode::BAD_REQUEST))?;
    let response = match TowerToHyperService::new(router).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(broken(head.status));
    }
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_page = kind.is_some_and(|kind| kind.starts_with("text/html"));
    let bytes = to_bytes(body, MAX_ANSWER).await.map_err(|source| SiteError::Body { page: shown(&path), source })?;
    let links = if is_page { links(&path, &String::from_utf8_lossy(&bytes)) } else { Vec::new() };
    Ok(Fetched { path, bytes, links })
}

fn shown(path: &str) -> String {
    format!("/{path}")
}

#[cfg(test)]
mod tests;
