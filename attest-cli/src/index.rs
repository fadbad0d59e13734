//! A client of the Simple repository API: [PEP 691](https://peps.python.org/pep-0691/) JSON with the upload times of
//! [PEP 700](https://peps.python.org/pep-0700/), or [PEP 503](https://peps.python.org/pep-0503/) HTML without them.
//!
//! Which index, which certificates and which proxy are pip's settings. A digest is taken from the index before the file
//! is asked for, and the file is compared with it when it arrives.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use attest_core::artifact::{ArtifactDigest, ProjectName};
use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, Response};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Certificate, Proxy, StatusCode, Url};
use serde::Deserialize;

use self::{
    keyring::{Keyring, Login, Sought},
    netrc::Netrc,
};
use crate::pip::Settings;

pub(crate) mod keyring;
pub(crate) mod netrc;
mod serials;

pub(crate) use self::serials::Serials;

/// JSON first; HTML for indexes from before PEP 691.
const ACCEPTED: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.1";
/// The biggest project page: projects with ten thousand files have some 10 MB.
const MAX_PAGE: u64 = 64 << 20;
const MAX_TIMEOUT: Duration = Duration::from_secs(300);

/// One file of a project.
#[derive(Clone, Debug)]
pub(crate) struct IndexFile {
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) url: Url,
    /// What it must hash to.
    pub(crate) digest: Option<ArtifactDigest>,
    /// RFC 3339, where the index says it.
    pub(crate) uploaded: Option<String>,
    /// Where its attestations are ([PEP 740](https://peps.python.org/pep-0740/)), where the index has some.
    pub(crate) provenance: Option<Url>,
    /// Whether its publisher took it back ([PEP 592](https://peps.python.org/pep-0592/)), for whatever reason.
    pub(crate) yanked: bool,
}

/// No index has it.
#[derive(Debug, thiserror::Error)]
#[error("expected the index to have {}, found that it does not", .0.as_str())]
pub(crate) struct NoSuchProject(ProjectName);

/// An index, or a host that it leads to, that gives nothing. Says hosts, never URLs: those may hold credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    #[error("expected an answer of the index at {host}")]
    Unreachable { host: String, source: reqwest::Error },
    #[error("expected the index at {host} to answer, found status {status}")]
    Status { host: String, status: StatusCode },
}

impl IndexError {
    /// Whether trying again may help: nobody answers, or somebody says that it is not the question's fault.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !source.is_builder(),
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
        }
    }

    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            _ if self.is_outage() => Some("try again when it is back: nothing was decided".to_owned()),
            Self::Status { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                Some("it wants a login: in its URL, in netrc, or with pip's keyring-provider = subprocess".to_owned())
            }
            _ => None,
        }
    }
}

/// An answer of an index.
struct Page {
    host: String,
    /// PEP 691, or else HTML.
    json: bool,
    body: Vec<u8>,
    /// Where it was in the end.
    base: Url,
}

/// The configured index, or indexes in pip's order.
#[derive(Debug)]
pub(crate) struct Index {
    client: Client,
    roots: Vec<Url>,
    /// For each root what a keyring has.
    sought: Vec<Sought>,
    netrc: Netrc,
    files: PathBuf,
    pages: Mutex<HashMap<ProjectName, Vec<IndexFile>>>,
}

impl Index {
    /// `files` is a folder in which downloads are kept by digest.
    pub(crate) fn new(settings: &Settings, files: &Path) -> anyhow::Result<Self> {
        let roots = settings.index_urls().map(|url| root(url, &settings.trusted_hosts));
        let roots: Vec<Url> = roots.collect::<Result<_, _>>()?;
        let netrc = Netrc::of_account();
        let keyring = Keyring::configured(settings);
        let sought = roots.iter().map(|root| Sought::new(keyring.clone(), root)).collect();
        let (client, files) = (client(settings, &roots)?, files.to_owned());
        Ok(Self { client, roots, sought, netrc, files, pages: Mutex::default() })
    }

    /// All files of a project, in the index's order. A project that no index has is an error.
    pub(crate) fn project(&self, project: &ProjectName) -> anyhow::Result<Vec<IndexFile>> {
        let known = || self.pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(files) = known().get(project) {
            return Ok(files.clone());
        }
        for root in &self.roots {
            if let Some(files) = self.page(root, project)? {
                known().insert(project.clone(), files.clone());
                return Ok(files);
            }
        }
        ensure!(
            !self.roots.is_empty(),
            "expected an index for {}, found that pip is told to use none",
            project.as_str()
        );
        Err(NoSuchProject(project.clone()).into())
    }

    /// Whether all of the indexes answer at all, whatever they say.
    pub(crate) fn is_up(&self) -> Result<(), IndexError> {
        self.roots.iter().try_for_each(|root| {
            let answer = self.ask(root, Some(ACCEPTED))?;
            succeeded(&answer).or_else(|error| if error.is_outage() { Err(error) } else { Ok(()) })
        })
    }

    /// Of the indexes, in pip's order: what may be shown of them.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = String> {
        self.roots.iter().map(|root| root.host_str().unwrap_or_default().to_owned())
    }

    /// Asks every index for a project: its host, and the files where it has that project.
    pub(crate) fn ask_each(
        &self,
        project: &ProjectName,
    ) -> impl Iterator<Item = (String, anyhow::Result<Option<Vec<IndexFile>>>)> {
        self.hosts().zip(self.roots.iter().map(|root| self.page(root, project)))
    }

    fn page(&self, root: &Url, project: &ProjectName) -> anyhow::Result<Option<Vec<IndexFile>>> {
        let Some(page) = self.page_at(root, &root.join(&format!("{}/", project.as_str()))?, MAX_PAGE)? else {
            return Ok(None);
        };
        let Page { host, json, body, base } = page;
        let files = if json { parse_json(&body, &base) } else { parse_html(&String::from_utf8_lossy(&body), &base) };
        files.map(Some).with_context(|| format!("the index at {host} answers something that is not a project page"))
    }

    /// A page of an index; nothing where it has none.
    fn page_at(&self, root: &Url, url: &Url, limit: u64) -> anyhow::Result<Option<Page>> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut response = self.ask(url, Some(ACCEPTED))?;
        if matches!(response.status().as_u16(), 404 | 410) {
            return Ok(None);
        }
        succeeded(&response)?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let json = kind.starts_with("application/vnd.pypi.simple.v1+json");
        ensure!(json || kind.contains("html"), "expected a page of the index at {host}, found {kind:?}");
        let mut body = Vec::new();
        let base = response.url().clone();
        ensure!(
            !is_led_away(root, &base),
            "expected the index at {host} to stay on https, found that it leads to {}",
            base.host_str().unwrap_or_default()
        );
        response.by_ref().take(limit + 1).read_to_end(&mut body)?;
        ensure!(body.len() as u64 <= limit, "expected a page of at most {limit} bytes from {host}");
        Ok(Some(Page { host, json, body, base }))
    }

    /// The bytes of a file of at most `limit` bytes, from the cache or the index; they have the digest that was pinned.
    pub(crate) fn fetch(&self, file: &IndexFile, digest: ArtifactDigest, limit: u64) -> anyhow::Result<Vec<u8>> {
        let cached = self.files.join(digest.to_string()).join(&file.name);
        if let Ok(bytes) = fs::read(&cached)
            && ArtifactDigest::of(&bytes) == digest
        {
            return Ok(bytes);
        }
        let bytes = self.download(file, limit).with_context(|| format!("expected to download {}", file.name))?;
        let found = ArtifactDigest::of(&bytes);
        ensure!(found == digest, "expected {} to have sha256 {digest} as its index says, found {found}", file.name);
        Self::keep(&cached, &bytes)?;
        Ok(bytes)
    }

    /// Anything on the web, of at most `limit` bytes. Nobody else vouches for it: the caller knows its digest, or whom it
    /// asks.
    pub(crate) fn web(&self, url: &Url, limit: u64) -> anyhow::Result<Vec<u8>> {
        self.web_if_there(url, limit)?.with_context(|| format!("expected a file, found none at {url}"))
    }

    /// The same; nothing where there is no such file.
    pub(crate) fn web_if_there(&self, url: &Url, limit: u64) -> anyhow::Result<Option<Vec<u8>>> {
        ensure!(matches!(url.scheme(), "http" | "https"), "expected an address over HTTP, found {}", url.scheme());
        let mut response = self.ask(url, None)?;
        if matches!(response.status().as_u16(), 404 | 410) {
            return Ok(None);
        }
        succeeded(&response)?;
        let led = response.url();
        ensure!(!is_led_away(url, led), "expected {url} to stay on https, found that it leads to {led}");
        let mut bytes = Vec::new();
        response.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
        ensure!(bytes.len() as u64 <= limit, "expected at most {limit} bytes, found more at {url}");
        Ok(Some(bytes))
    }

    /// Whether nobody on the way can change what comes from there: HTTPS, or this very machine.
    pub(crate) fn is_safe(url: &Url) -> bool {
        url.scheme() == "https" || url.scheme() == "http" && is_this_machine(url)
    }

    /// Downloads a file whose digest nobody gave, and keeps it under the digest that it has.
    pub(crate) fn first(&self, file: &IndexFile, limit: u64) -> anyhow::Result<ArtifactDigest> {
        let bytes = self.download(file, limit).with_context(|| format!("expected to download {}", file.name))?;
        let digest = ArtifactDigest::of(&bytes);
        Self::keep(&self.kept(digest, &file.name), &bytes)?;
        Ok(digest)
    }

    /// Drops what is remembered of a project: pages are big, and a batch may ask about ten thousand of them once each.
    pub(crate) fn forget(&self, project: &ProjectName) {
        self.pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(project);
    }

    /// Where a file with this digest and name is kept, once it was fetched.
    pub(crate) fn kept(&self, digest: ArtifactDigest, name: &str) -> PathBuf {
        self.files.join(digest.to_string()).join(name)
    }

    /// Names of the files that are kept here.
    pub(crate) fn kept_names(&self) -> Vec<String> {
        let folders = fs::read_dir(&self.files).into_iter().flatten().flatten();
        let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Keeps a file that came another way.
    pub(crate) fn keep(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let folder = path.parent().context("expected a path with a folder")?;
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        // Renamed into place: a reader sees the whole file or none.
        file.persist(path)?;
        Ok(())
    }

    /// Asks, and once more with what the user's keyring has for the index, where that wants a login.
    fn ask(&self, url: &Url, accept: Option<&str>) -> Result<Response, IndexError> {
        let homes = || self.roots.iter().zip(&self.sought).filter(|(root, _)| is_home(root, url));
        let sought = || homes().map(|(_, sought)| sought);
        let send = |request: RequestBuilder| {
            let request = accept.into_iter().fold(request, |request, kind| request.header(ACCEPT, kind));
            let host = || url.host_str().unwrap_or_default().to_owned();
            // `without_url`: the URL may hold credentials.
            request.send().map_err(|source| IndexError::Unreachable { host: host(), source: source.without_url() })
        };
        let with = |login: Login| {
            // A user in it would be sent as a second login, beside this one. Neither fails on a URL with a host.
            let mut plain = url.clone();
            let _ = plain.set_username("");
            let _ = plain.set_password(None);
            send(self.client.get(plain).basic_auth(login.user, Some(login.password)))
        };
        if let Some(login) = sought().find_map(Sought::known).or_else(|| sought().find_map(Sought::at_once)) {
            return with(login);
        }
        let response = send(self.get(url.clone()))?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(login) = sought().find_map(Sought::login)
        {
            return with(login);
        }
        Ok(response)
    }

    /// A request with the index's credentials, where the URL is on the index's own host, as pip does it; otherwise with
    /// those that the user's netrc has for the host, where nobody on the way can read them.
    fn get(&self, mut url: Url) -> RequestBuilder {
        let root = self.roots.iter().filter(|root| is_home(root, &url)).find(|root| !root.username().is_empty());
        if let Some(root) = root.filter(|_| url.username().is_empty()) {
            // Neither fails on a URL with a host, and `same` has seen one.
            let _ = url.set_username(root.username());
            let _ = url.set_password(root.password());
        }
        let host = url.host_str().filter(|_| url.username().is_empty() && Self::is_safe(&url));
        let known = host.and_then(|host| self.netrc.at(host)).map(|(login, word)| (login.to_owned(), word.to_owned()));
        match known {
            Some((login, password)) => self.client.get(url).basic_auth(login, Some(password)),
            None => self.client.get(url),
        }
    }

    fn download(&self, file: &IndexFile, limit: u64) -> anyhow::Result<Vec<u8>> {
        self.read(&file.url, limit)
    }

    /// The attestations of a file, of at most `limit` bytes, as the index has them: nothing vouches for them here.
    pub(crate) fn provenance(&self, file: &IndexFile, limit: u64) -> anyhow::Result<Option<Vec<u8>>> {
        file.provenance.as_ref().map(|url| self.read(url, limit)).transpose()
    }

    fn read(&self, url: &Url, limit: u64) -> anyhow::Result<Vec<u8>> {
        ensure!(matches!(url.scheme(), "http" | "https"), "expected a file over HTTP, found {}", url.scheme());
        let mut response = self.ask(url, None)?;
        succeeded(&response)?;
        let mut bytes = Vec::new();
        response.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
        ensure!(bytes.len() as u64 <= limit, "expected at most {limit} bytes");
        Ok(bytes)
    }
}

fn succeeded(response: &Response) -> Result<(), IndexError> {
    if response.status().is_success() {
        return Ok(());
    }
    let host = response.url().host_str().unwrap_or_default().to_owned();
    Err(IndexError::Status { host, status: response.status() })
}

/// As pip has it: a digest is worth what the connection is worth that it came over, so HTTPS, this very machine, or a
/// host that the user trusts in pip's configuration.
pub(crate) fn root(url: &str, trusted_hosts: &[String]) -> anyhow::Result<Url> {
    let url = Url::parse(&format!("{}/", url.trim_end_matches('/'))).context("expected pip's index to be a URL")?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let here = is_this_machine(&url);
    let trusted = trusted_hosts.iter().any(|trusted| trusted == host || *trusted == format!("{host}:{port}"));
    ensure!(
        url.scheme() == "https" || url.scheme() == "http" && (here || trusted),
        "expected an index over https, found {host} over {}",
        url.scheme()
    );
    Ok(url)
}

/// Whether a URL is at an index's own host.
fn is_home(root: &Url, url: &Url) -> bool {
    (root.scheme(), root.host(), root.port()) == (url.scheme(), url.host(), url.port())
}

/// Percent-decoded, once.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether somebody can sit in front of where a redirect leads, and could not in front of where it was.
pub(crate) fn is_led_away(from: &Url, to: &Url) -> bool {
    Index::is_safe(from) && !Index::is_safe(to)
}

/// Whether nobody can sit between us and it.
fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn client(settings: &Settings, roots: &[Url]) -> anyhow::Result<Client> {
    // A second call finds the first one's provider in place, which is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let timeout = Duration::try_from_secs_f64(settings.timeout).unwrap_or(MAX_TIMEOUT).min(MAX_TIMEOUT);
    let mut builder: ClientBuilder = Client::builder()
        .user_agent(concat!("attest/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeout.min(Duration::from_secs(30)))
        .timeout(timeout);
    // No proxy is between this machine and itself.
    if !roots.is_empty() && roots.iter().all(is_this_machine) {
        builder = builder.no_proxy();
    }
    if let Some(cert) = &settings.cert {
        let bundle = fs::read(cert).with_context(|| format!("expected pip's certificates in {}", cert.display()))?;
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(&bundle)?);
    }
    if let Some(identity) = settings.identity()? {
        builder = builder.identity(identity);
    }
    if let Some(proxy) = settings.proxy.as_deref().filter(|proxy| !proxy.is_empty()) {
        builder = builder.proxy(Proxy::all(proxy).context("expected pip's proxy to be a URL")?);
    }
    Ok(builder.build()?)
}

fn parse_json(body: &[u8], base: &Url) -> anyhow::Result<Vec<IndexFile>> {
    #[derive(Deserialize)]
    struct Page {
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct File {
        filename: String,
        url: String,
        hashes: HashMap<String, String>,
        upload_time: Option<String>,
        provenance: Option<String>,
        yanked: Option<serde_json::Value>,
    }
    let page: Page = serde_json::from_slice(body)?;
    let file = |file: File| {
        let digest = file.hashes.get("sha256").map(|hex| hex.parse()).transpose()?;
        // A word about the file: where it is none, the file is none the worse.
        let provenance = file.provenance.and_then(|url| base.join(&url).ok());
        // True, or a reason, which may be empty.
        let yanked = file.yanked.is_some_and(|yanked| yanked != false);
        let known = index_file(file.filename, base.join(&file.url)?, digest, file.upload_time)?;
        Ok(IndexFile { provenance, yanked, ..known })
    };
    page.files.into_iter().map(file).collect()
}

/// Anchors with a file each; PEP 503 puts the digest into the fragment.
fn parse_html(page: &str, base: &Url) -> anyhow::Result<Vec<IndexFile>> {
    let mut files = Vec::new();
    for anchor in page.split("<a ").skip(1) {
        let Some((attributes, rest)) = anchor.split_once('>') else {
            continue;
        };
        let Some((name, _)) = rest.split_once("</a") else {
            continue;
        };
        let Some(href) = attribute(attributes, "href") else {
            continue;
        };
        let mut url = base.join(&href.replace("&amp;", "&"))?;
        let digest = url.fragment().and_then(|part| part.strip_prefix("sha256=")).map(str::parse).transpose()?;
        url.set_fragment(None);
        // With a reason or without.
        let is_yanked = |word: &str| word.split('=').next().is_some_and(|key| key.eq_ignore_ascii_case("data-yanked"));
        let yanked = attributes.split_ascii_whitespace().any(is_yanked);
        files.push(IndexFile { yanked, ..index_file(name.trim().to_owned(), url, digest, None)? });
    }
    Ok(files)
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = attributes.split_once(&format!("{name}="))?;
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    rest[1..].split(quote).next()
}

/// A name becomes a path in the cache, so it must be only a name.
fn index_file(
    name: String,
    url: Url,
    digest: Option<ArtifactDigest>,
    uploaded: Option<String>,
) -> anyhow::Result<IndexFile> {
    ensure!(
        !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']),
        "expected a file name, found {name:?}"
    );
    Ok(IndexFile { name, url, digest, uploaded, provenance: None, yanked: false })
}

#[cfg(test)]
mod tests;
