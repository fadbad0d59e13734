//! A package index on loopback for pip, uv and Poetry, as well behaved or as hostile as a test wants it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use attest_core::artifact::ArtifactDigest;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    stub::{Reply, Request, Stub},
    wheel::Offered,
};

/// In what form the index shows its project pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// PEP 691, whatever the client accepts.
    Json,
    /// PEP 503, whatever the client accepts.
    Html,
}

/// Whether the index serves metadata beside the files (PEP 658).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// It does not.
    None,
    /// With its digest on the project page.
    Hashed,
    /// Without.
    Unhashed,
    /// The page says so, and it is not there.
    Missing,
    /// The page says so, and it is of another file.
    Lying,
}

/// What is wrong with a file or a project; looked up by file name, or by project name.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The file's bytes are these, not those that the page's digest is of; a file that the page calls by this name.
    Tampered(Vec<u8>),
    /// What the page says about the file, key by key; `null` takes a key away.
    Says(Value),
    /// Listed a second time, with these keys changed.
    ListedTwice(Value),
    /// The answer is this status.
    Status(u16),
    /// The answer leads to this URL.
    Redirect(String),
    /// Half of the answer comes at once, the rest after this time.
    Slow(Duration),
    /// The same of a file whose bytes are these.
    SlowlyTampered(Duration, Vec<u8>),
    /// The project page is these bytes, of this content type.
    Page(String, Vec<u8>),
}

#[derive(Debug)]
struct State {
    files: Vec<Offered>,
    form: Form,
    metadata: Metadata,
    faults: BTreeMap<String, Fault>,
    /// What `Authorization` has to be, where the index is not for everybody.
    authorization: Option<String>,
    log: Vec<Request>,
}

/// An index with these files and nothing else.
#[derive(Debug)]
pub struct Index {
    stub: Stub,
    state: Arc<Mutex<State>>,
}

impl Index {
    /// Serves the files as PEP 691 JSON without PEP 658.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn serve(files: &[Offered]) -> Result<Self> {
        let (form, metadata) = (Form::Json, Metadata::None);
        let (faults, authorization, log) = (BTreeMap::new(), None, Vec::new());
        let state = State { files: files.to_vec(), form, metadata, faults, authorization, log };
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        let stub = Stub::serve(move |request| {
            let mut state = served.lock().unwrap_or_else(PoisonError::into_inner);
            state.log.push(request.clone());
            state.answer(request)
        })?;
        Ok(Self { stub, state })
    }

    /// For `PIP_INDEX_URL`.
    pub fn url(&self) -> String {
        format!("{}simple/", self.stub.url())
    }

    /// In what form pages are from now on.
    pub fn set_form(&self, form: Form) {
        self.state().form = form;
    }

    /// What there is beside the files from now on.
    pub fn set_metadata(&self, metadata: Metadata) {
        self.state().metadata = metadata;
    }

    /// What is wrong from now on with a file or project.
    pub fn break_it(&self, name: &str, fault: Fault) {
        self.state().faults.insert(name.to_owned(), fault);
    }

    /// Only whoever brings this user name and password gets an answer from now on (RFC 7617).
    pub fn require(&self, user: &str, password: &str) {
        let basic = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.state().authorization = Some(format!("Basic {basic}"));
    }

    /// Nothing is wrong with it any more.
    pub fn mend(&self, name: &str) {
        self.state().faults.remove(name);
    }

    /// Offers one file more.
    pub fn add(&self, file: impl Into<Offered>) {
        self.state().files.push(file.into());
    }

    /// SHA-256 of every file of a release.
    pub fn offered(&self, project: &str, version: &str) -> Vec<ArtifactDigest> {
        let state = self.state();
        let files = state.files.iter().filter(|file| file.project.as_str() == project && file.version == version);
        files.map(|file| ArtifactDigest::of(&file.bytes)).collect()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state().log.clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state().log.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&self, request: &Request) -> Reply {
        if self.authorization.as_deref().is_some_and(|expected| request.header("authorization") != Some(expected)) {
            return Reply::status(401).with_header("WWW-Authenticate", "Basic realm=\"index\"");
        }
        if let Some(name) = request.path.strip_prefix("/files/") {
            return self.file(name);
        }
        let project = request.path.trim_start_matches("/simple/").trim_end_matches('/');
        let found: Vec<_> = self.files.iter().filter(|file| file.project.as_str() == project).collect();
        let page = || match self.form {
            _ if found.is_empty() => Reply::status(404),
            Form::Json => self.json(project, &found),
            Form::Html => self.html(&found),
        };
        match self.faults.get(project) {
            Some(Fault::Status(status)) => Reply::status(*status),
            Some(Fault::Redirect(to)) => Reply::status(302).with_header("Location", to),
            Some(Fault::Slow(delay)) => page().slowly(*delay),
            Some(Fault::Page(kind, body)) => Reply::ok(kind, body.clone()),
            _ => page(),
        }
    }

    fn file(&self, name: &str) -> Reply {
        let file = self.files.iter().find(|file| file.name == name);
        let bytes = |bytes: &[u8]| Reply::ok("application/octet-stream", bytes);
        match (self.faults.get(name), file) {
            (Some(Fault::Tampered(other)), _) => bytes(other),
            (Some(Fault::SlowlyTampered(delay, other)), _) => bytes(other).slowly(*delay),
            (Some(Fault::Status(status)), _) => Reply::status(*status),
            (Some(Fault::Redirect(to)), _) => Reply::status(302).with_header("Location", to),
            (Some(Fault::Slow(delay)), Some(file)) => bytes(&file.bytes).slowly(*delay),
            (_, Some(file)) => bytes(&file.bytes),
            (_, None) => self.metadata_of(name).map_or_else(|| Reply::status(404), |text| bytes(text.as_bytes())),
        }
    }

    fn metadata_of(&self, name: &str) -> Option<String> {
        let file = self.files.iter().find(|file| name == format!("{}.metadata", file.name))?;
        match self.metadata {
            Metadata::Hashed | Metadata::Unhashed => file.metadata.clone(),
            Metadata::Lying => Some(format!("{}Requires-Dist: unknown\n", file.metadata.clone()?)),
            Metadata::None | Metadata::Missing => None,
        }
    }

    /// What a page says about a file, as PEP 691 and PEP 700 write it.
    fn said(&self, file: &Offered) -> Map<String, Value> {
        let mut said = Map::new();
        let mut say = |key: &str, value: Value| said.insert(key.to_owned(), value);
        say("filename", json!(file.name));
        say("url", json!(format!("/files/{}", file.name)));
        say("hashes", json!({ "sha256": ArtifactDigest::of(&file.bytes).to_string() }));
        say("size", json!(file.bytes.len()));
        say("upload-time", json!("2026-01-01T00:00:00Z"));
        if let (Some(text), true) = (&file.metadata, self.metadata != Metadata::None) {
            let hashed = json!({ "sha256": ArtifactDigest::of(text.as_bytes()).to_string() });
            say("core-metadata", if self.metadata == Metadata::Unhashed { json!(true) } else { hashed });
        }
        if let Some(Fault::Says(changed)) = self.faults.get(&file.name) {
            change(&mut said, changed);
        }
        said
    }

    fn json(&self, project: &str, offered: &[&Offered]) -> Reply {
        let mut files = Vec::new();
        for file in offered {
            let said = self.said(file);
            if let Some(Fault::ListedTwice(changed)) = self.faults.get(&file.name) {
                let mut again = said.clone();
                change(&mut again, changed);
                files.push(again);
            }
            files.push(said);
        }
        let mut versions: Vec<_> = offered.iter().map(|file| file.version.as_str()).collect();
        versions.dedup();
        let page = json!({ "meta": { "api-version": "1.1" }, "name": project, "versions": versions, "files": files });
        Reply::ok("application/vnd.pypi.simple.v1+json", page.to_string())
    }

    fn html(&self, offered: &[&Offered]) -> Reply {
        let mut page = "<!DOCTYPE html>\n<html><body>\n".to_owned();
        for file in offered {
            let said = self.said(file);
            let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default().replace('&', "&amp;");
            let hash = said["hashes"]["sha256"].as_str().map(|hex| format!("#sha256={hex}")).unwrap_or_default();
            let metadata = match said.get("core-metadata") {
                Some(Value::Object(hashes)) => {
                    format!(" data-core-metadata=\"sha256={}\"", hashes["sha256"].as_str().unwrap_or_default())
                }
                Some(Value::Bool(true)) => " data-core-metadata=\"true\"".to_owned(),
                _ => String::new(),
            };
            let yanked = said.get("yanked").map(|_| format!(" data-yanked=\"{}\"", text("yanked")));
            // A String takes whatever memory holds.
            let _ = writeln!(
                page,
                "<a href=\"{}{hash}\"{metadata}{}>{}</a><br>",
                text("url"),
                yanked.unwrap_or_default(),
                text("filename")
            );
        }
        Reply::ok("text/html; charset=utf-8", page + "</body></html>\n")
    }
}

fn change(said: &mut Map<String, Value>, changed: &Value) {
    for (key, value) in changed.as_object().into_iter().flatten() {
        match value {
            Value::Null => said.remove(key),
            value => said.insert(key.clone(), value.clone()),
        };
    }
}
