//! The indexes behind the proxy, in the order in which they are asked.
//!
//! The first that has a project is the only one whose files of it are shown: a public package cannot stand in for one of
//! the company's that has a lower version. One that does not answer ends the question, it is never passed over.

use std::{fs, time::Duration};

use anyhow::Context as _;
use attest_core::artifact::ProjectName;
use reqwest::{
    Certificate, Client, Proxy, Response, StatusCode, Url,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderName},
    redirect,
};

use super::listing::{self, Listing, ListingError};
use crate::{
    exit::Failure,
    index::{
        self,
        keyring::{Keyring, Login, Sought},
        netrc::Netrc,
    },
    pip::Settings,
};

const ACCEPTED: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
/// The biggest project page: projects with ten thousand files have some 10 MB.
const MAX_PAGE: usize = 64 << 20;
/// A page that comes a few bytes at a time is given up after this.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// pip's setting, within reason.
const MAX_SILENCE: Duration = Duration::from_secs(60);
const MAX_REDIRECTS: usize = 8;

/// Where the credentials of indexes are, beside their URLs.
#[derive(Debug)]
pub(crate) struct Logins {
    pub(crate) netrc: Netrc,
    pub(crate) keyring: Option<Keyring>,
}

/// An index that the proxy stands before.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// Part of our URLs.
    pub(super) name: String,
    /// Without credentials, with a slash at its end.
    pub(super) root: Url,
    login: Option<Login>,
    /// What a keyring has, where there is no login.
    sought: Sought,
}

impl Upstream {
    /// `NAME=URL`, or a URL alone, which is called by its place.
    pub(crate) fn parse(text: &str, place: usize, settings: &Settings, logins: &Logins) -> anyhow::Result<Self> {
        let (name, url) = match text.split_once('=') {
            Some((name, url)) if !name.contains([':', '/']) => (name.to_owned(), url),
            _ => (format!("index{place}"), text),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(Failure::usage(format!(
                "expected letters, digits, - and _ as an index's name, found {name:?}"
            ))
            .into());
        }
        let mut root = index::root(url, &settings.trusted_hosts)?;
        let sought = Sought::new(logins.keyring.clone(), &root);
        let login = match (root.username(), root.password()) {
            ("", None) => {
                let known = logins.netrc.at(root.host_str().unwrap_or_default());
                known.map(|(login, password)| Login { user: login.to_owned(), password: password.to_owned() })
            }
            (user, password) => sought.at_once().or_else(|| {
                Some(Login { user: index::decoded(user), password: index::decoded(password.unwrap_or_default()) })
            }),
        };
        // Neither fails on a URL with a host.
        let _ = root.set_username("");
        let _ = root.set_password(None);
        Ok(Self { name, root, login, sought })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn is_home_of(&self, url: &Url) -> bool {
        let place =
            |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
        place(&self.root) == place(url)
    }

    /// Once the index is behind https, everything is.
    fn is_safe(&self, url: &Url) -> bool {
        !index::is_led_away(&self.root, url)
    }
}

/// An index that gave no usable answer. Says hosts, never URLs: those may hold credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("the index {index} cannot be reached")]
    Unreachable { index: String, source: reqwest::Error },
    #[error("the index {index} answers HTTP {status}")]
    Status { index: String, status: StatusCode },
    #[error("the index {index} takes longer than {} seconds", PAGE_TIMEOUT.as_secs())]
    Slow { index: String },
    #[error("the index {index} answers more than {MAX_PAGE} bytes")]
    Oversized { index: String },
    #[error("the index {index} leads away from https")]
    LedAway { index: String },
    #[error("expected a project page of the index {index}, found {found:?}")]
    Kind { index: String, found: String },
    #[error("the index {index} answers something that is not a project page")]
    Garbage { index: String, source: ListingError },
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Upstreams {
    client: Client,
    indexes: Vec<Upstream>,
}

impl Upstreams {
    pub(crate) fn new(indexes: Vec<Upstream>, settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self { client: client(settings)?, indexes })
    }

    pub(super) fn named(&self, name: &str) -> Option<&Upstream> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// The page of the first index that has the project, or of the one that is named.
    pub(super) async fn project(
        &self,
        only: Option<&str>,
        project: &ProjectName,
    ) -> Result<Option<(&Upstream, Listing)>, UpstreamError> {
        for index in self.indexes.iter().filter(|index| only.is_none_or(|name| index.name == name)) {
            let page = tokio::time::timeout(PAGE_TIMEOUT, self.page(index, project)).await;
            let page = page.map_err(|_| UpstreamError::Slow { index: index.name.clone() })??;
            if let Some(listing) = page {
                return Ok(Some((index, listing)));
            }
        }
        Ok(None)
    }

    async fn page(&self, index: &Upstream, project: &ProjectName) -> Result<Option<Listing>, UpstreamError> {
        let name = || index.name.clone();
        let unreachable =
            |source: reqwest::Error| UpstreamError::Unreachable { index: name(), source: source.without_url() };
        let Ok(url) = index.root.join(&format!("{}/", project.as_str())) else {
            return Ok(None);
        };
        let mut response = self.ask(index, &url, (ACCEPT, ACCEPTED)).await.map_err(unreachable)?;
        let status = response.status();
        // Only its own word that it does not have the project lets the next index be asked.
        if matches!(status.as_u16(), 404 | 410) && index.is_home_of(response.url()) {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(UpstreamError::Status { index: name(), status });
        }
        let base = response.url().clone();
        if !index.is_safe(&base) {
            return Err(UpstreamError::LedAway { index: name() });
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_PAGE {
                return Err(UpstreamError::Oversized { index: name() });
            }
            body.extend_from_slice(&chunk);
        }
        let is_safe = |url: &Url| index.is_safe(url);
        let listing = match kind.as_str() {
            "application/vnd.pypi.simple.v1+json" => listing::json(&body, project, &base, is_safe),
            "text/html" | "application/xhtml+xml" | "application/vnd.pypi.simple.v1+html" => {
                listing::html(&String::from_utf8_lossy(&body), project, &base, is_safe)
            }
            _ => return Err(UpstreamError::Kind { index: name(), found: kind }),
        };
        listing.map(Some).map_err(|source| UpstreamError::Garbage { index: name(), source })
    }

    /// A file that the index listed, as it is: no content encoding.
    pub(super) async fn file(&self, index: &Upstream, url: &Url) -> Result<Response, UpstreamError> {
        let name = || index.name.clone();
        let asked = self.ask(index, url, (ACCEPT_ENCODING, "identity")).await;
        let response =
            asked.map_err(|source| UpstreamError::Unreachable { index: name(), source: source.without_url() })?;
        if !response.status().is_success() {
            return Err(UpstreamError::Status { index: name(), status: response.status() });
        }
        if !index.is_safe(response.url()) {
            return Err(UpstreamError::LedAway { index: name() });
        }
        Ok(response)
    }

    /// With the index's credentials on its own host only, as pip has it; on a redirect elsewhere they are taken off.
    async fn ask(&self, index: &Upstream, url: &Url, (name, value): (HeaderName, &str)) -> reqwest::Result<Response> {
        let send = |login: Option<Login>| {
            let request = self.client.get(url.clone()).header(name.clone(), value);
            match login.filter(|_| index.is_home_of(url)) {
                Some(Login { user, password }) => request.basic_auth(user, Some(password)).send(),
                None => request.send(),
            }
        };
        let login = index.login.clone().or_else(|| index.sought.known());
        let response = send(login.clone()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || login.is_some() || !index.is_home_of(url) {
            return Ok(response);
        }
        // A program that may wait for a person is not waited for by everybody.
        let sought = index.sought.clone();
        match tokio::task::spawn_blocking(move || sought.login()).await {
            Ok(Some(login)) => send(Some(login)).await,
            _ => Ok(response),
        }
    }
}

/// With pip's certificates, proxy and patience.
fn client(settings: &Settings) -> anyhow::Result<Client> {
    // A second call finds the first one's provider in place, which is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let timeout = Duration::try_from_secs_f64(settings.timeout).unwrap_or(MAX_SILENCE).min(MAX_SILENCE);
    let redirects = redirect::Policy::custom(|attempt| {
        let from = attempt.previous().last();
        if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else if from.is_some_and(|from| index::is_led_away(from, attempt.url())) {
            attempt.error("leads away from https")
        } else {
            attempt.follow()
        }
    });
    let mut builder = Client::builder()
        .user_agent(concat!("attest/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .connect_timeout(timeout.min(Duration::from_secs(15)))
        .read_timeout(timeout);
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
