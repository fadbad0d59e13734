//! What is asked for, and the answer.
//!
//! | path, below `/` or `/TOKEN/` | what |
//! |---|---|
//! | `simple/PROJECT/` | the project page, of the first index that has the project |
//! | `files/PROJECT/SHA256/NAME` | a file, once the policy passed it |
//! | `files/PROJECT/SHA256/NAME.metadata` | its metadata ([PEP 658](https://peps.python.org/pep-0658/)) |
//! | `index/INDEX/simple/...`, `index/INDEX/files/...` | the same of one index |
//! | (nothing), `status`, `metrics` | what was shown, served and kept back |

use std::{sync::Arc, time::Duration};

use attest_core::artifact::{ArtifactDigest, ProjectName};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
};

use super::{
    accept::Form,
    answers::{self, Answer, Problem},
    body,
    client::Client,
    door::Door,
    judges::{Blocked, Judges},
    listing::Listed,
    metadata,
    offer::{Links, Offer},
    pages::Pages,
    range::{self, Asked},
    shelf::{FetchError, Progress, Shelf},
    status,
    tally::Tally,
    upstream::Upstreams,
};
use crate::index;

/// How long a client waits for all of a file before it gets the beginning of it. pip gives up after 15 seconds of silence.
const PATIENCE: Duration = Duration::from_secs(6);

/// Everything that an answer needs.
#[derive(Debug)]
pub(crate) struct Routes {
    door: Door,
    upstreams: Arc<Upstreams>,
    pages: Pages,
    shelf: Arc<Shelf>,
    tally: Arc<Tally>,
    index_only: bool,
}

impl Routes {
    /// `index_only`: clients that compare the index's digest themselves fetch files from where the index has them.
    pub(crate) fn new(
        door: Door,
        upstreams: Arc<Upstreams>,
        judges: Judges,
        shelf: Arc<Shelf>,
        tally: Arc<Tally>,
        index_only: bool,
    ) -> Self {
        let pages = Pages::new(Arc::clone(&upstreams), judges, Arc::clone(&tally));
        Self { door, upstreams, pages, shelf, tally, index_only }
    }

    /// Never fails: what goes wrong is an answer too.
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<Body> {
        let (head, _body) = request.into_parts();
        let path = match self.door.admit(head.uri.path(), &head.headers) {
            Ok(path) => path,
            Err(stranger) => {
                self.tally.turned_away();
                return Problem::plain(stranger.status(), &stranger.to_string()).into_response();
            }
        };
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Problem::plain(StatusCode::METHOD_NOT_ALLOWED, "this index is read only").into_response();
        }
        self.tally.request();
        let is_head = head.method == Method::HEAD;
        let answer = self.route(path, &head.headers, is_head).await;
        answer.unwrap_or_else(Problem::into_response)
    }

    async fn route(&self, path: &str, headers: &HeaderMap, is_head: bool) -> Answer {
        let segments: Vec<&str> = path.split('/').collect();
        let (only, rest) = match segments.as_slice() {
            ["index", name, rest @ ..] => (Some(*name), rest),
            rest => (None, rest),
        };
        if only.is_some_and(|name| self.upstreams.named(name).is_none()) {
            return Err(Problem::plain(StatusCode::NOT_FOUND, "no index of that name"));
        }
        match rest {
            [""] if only.is_none() => Ok(status::page(&self.tally.status())),
            ["status"] if only.is_none() => Ok(status::json(&self.tally.status())),
            ["metrics"] if only.is_none() => Ok(status::metrics(&self.tally.status())),
            ["simple", project] | ["simple", project, ""] if !project.is_empty() => {
                self.simple(only, project, rest.len() == 2, headers).await
            }
            ["files", project, digest, name] => self.file(only, (project, digest, name), headers, is_head).await,
            _ => Err(Problem::plain(StatusCode::NOT_FOUND, "no such path: the index is at simple/")),
        }
    }

    async fn simple(&self, only: Option<&str>, given: &str, unended: bool, headers: &HeaderMap) -> Answer {
        let not_found = || Problem::plain(StatusCode::NOT_FOUND, "no index has this project");
        let project = ProjectName::new(given).map_err(|_| not_found())?;
        if unended || project.as_str() != given {
            // PEP 503: the normalised name, with a slash at its end.
            let to = format!("{}{project}/", if unended { "" } else { "../" });
            return Ok(answers::redirect(&to));
        }
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let form = Form::wanted(text(header::ACCEPT))
            .ok_or_else(|| Problem::plain(StatusCode::NOT_ACCEPTABLE, "expected a client of PEP 691 or PEP 503"))?;
        let offer = self.offer(only, &project).await?.ok_or_else(not_found)?;
        self.tally.page();
        let client = Client::named(text(header::USER_AGENT).unwrap_or_default());
        let links = if self.index_only && client.compares_digests() { Links::Upstream } else { Links::Here };
        let page = match form {
            Form::Json => offer.json(links),
            Form::Html { .. } => offer.html(links),
        };
        let zipped = text(header::ACCEPT_ENCODING).is_some_and(answers::accepts_gzip);
        Ok(answers::page(form, page, zipped))
    }

    async fn offer(&self, only: Option<&str>, project: &ProjectName) -> Result<Option<Arc<Offer>>, Problem> {
        self.pages.project(only, project).await.map_err(|error| {
            let words = crate::output::causes(&error);
            self.tally.failed(&format!("{project}: {words}"));
            Problem::outage(&words)
        })
    }

    async fn file(
        &self,
        only: Option<&str>,
        (project, digest, name): (&str, &str, &str),
        headers: &HeaderMap,
        is_head: bool,
    ) -> Answer {
        let not_found = || Problem::plain(StatusCode::NOT_FOUND, "the index does not list this file");
        let project = ProjectName::new(project).map_err(|_| not_found())?;
        let digest: ArtifactDigest = digest.parse().map_err(|_| not_found())?;
        // pip writes the `+` of a local version as `%2B`. What comes of it has to be a listed name to the letter.
        let name = index::decoded(name);
        let (name, wants_metadata) = name.strip_suffix(".metadata").map_or((&*name, false), |name| (name, true));
        let offer = self.offer(only, &project).await?.ok_or_else(not_found)?;
        let file = offer.files.iter().find(|file| file.listed.digest == digest && file.listed.name == name);
        let file = file.ok_or_else(not_found)?;
        if wants_metadata {
            // Of blocked files too: a resolver reads about more files than it installs, and nothing of it is run.
            let text = metadata::fetch(&self.upstreams, &self.shelf, &offer.index, &file.listed).await;
            return text.map(answers::metadata).map_err(|error| {
                self.tally.failed(&format!("{}: {error}", file.listed.name));
                Problem::outage(&error.to_string())
            });
        }
        if let Some(blocked) = file.blocked() {
            self.tally.refused(&file.listed, blocked);
            return Err(Problem::blocked(&file.listed, blocked));
        }
        self.bytes(&offer, &file.listed, headers, is_head).await
    }

    async fn bytes(&self, offer: &Offer, file: &Listed, headers: &HeaderMap, is_head: bool) -> Answer {
        let failed = |error: &FetchError| self.failed(file, error);
        let fetch = self.shelf.fetch(&offer.index, file).map_err(|error| failed(&error.into()))?;
        let mut progress = fetch.progress();
        let at_end = |progress: &Progress| !matches!(progress, Progress::Coming { .. });
        // Where it takes longer, the last word stands.
        let _ = tokio::time::timeout(PATIENCE, progress.wait_for(at_end)).await;
        let begun = |progress: &Progress| {
            at_end(progress) || matches!(progress, Progress::Coming { so_far, .. } if *so_far > 0)
        };
        // The sender ends with the last word.
        let _ = progress.wait_for(begun).await;
        let now = progress.borrow().clone();
        let mut response = Response::new(Body::empty());
        let told = response.headers_mut();
        answers::file_headers(told, &file.digest);
        match now {
            Progress::Failed(error) => return Err(failed(&error)),
            Progress::Coming { total, .. } => {
                if let Some(total) = total {
                    told.insert(header::CONTENT_LENGTH, HeaderValue::from(total));
                }
                if !is_head {
                    self.tally.file(&offer.project, file, total.unwrap_or(0));
                    *response.body_mut() = body::coming(&fetch, total).map_err(|error| failed(&error.into()))?;
                }
            }
            Progress::Whole { size } => {
                told.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                let part = match range::asked(headers, size, &file.digest) {
                    Asked::Whole => 0..size,
                    Asked::Part(part) => {
                        let said = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                        told.insert(header::CONTENT_RANGE, answers::value(&said));
                        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                        part
                    }
                    Asked::Beyond => return Err(Problem::beyond(size)),
                };
                let told = response.headers_mut();
                told.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
                if !is_head {
                    self.tally.file(&offer.project, file, part.end - part.start);
                    *response.body_mut() = body::part_of(&fetch, part).map_err(|error| failed(&error.into()))?;
                }
            }
        }
        Ok(response)
    }

    /// Other bytes than were judged are refused for good, so that no installer tries again; an outage is one.
    fn failed(&self, file: &Listed, error: &FetchError) -> Problem {
        let words = error.to_string();
        if error.is_wrong_file() {
            let blocked = Blocked { undecided: false, alarm: true, code: "digest-mismatch", reason: words };
            self.tally.refused(file, &blocked);
            return Problem::blocked(file, &blocked);
        }
        let words = crate::output::causes(error);
        self.tally.failed(&format!("{}: {words}", file.name));
        Problem::outage(&words)
    }
}
