//! What `--source` says about git: `git`, `git+URL`, `git+URL@REF` or `git+URL@REF@COMMIT`.
//!
//! A REF is a tag, a branch, either with `refs/tags/` or `refs/heads/` before it, or a commit's whole id. With a COMMIT
//! behind it, a tag or branch that has moved since is refused. The first `@` ends the URL, so there is no user name in it.

use std::fmt;
use std::str::FromStr;

use attest_core::statement::{is_ref, is_repository};
use reqwest::Url;

use super::CommitId;

/// Why a text names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// Another form.
    #[error("expected git, git+URL, git+URL@REF or git+URL@REF@COMMIT, found {found:?}")]
    Form {
        /// As given.
        found: String,
    },
    /// Not a place that is fetched from.
    #[error("expected a repository as https://HOST/PATH or file:///PATH ({rule}), found {found:?}")]
    Url {
        /// What is wrong.
        rule: &'static str,
        /// As given.
        found: String,
    },
    /// No name that git would have.
    #[error("expected a tag, a branch or a commit's whole id, found {found:?}")]
    Reference {
        /// As given.
        found: String,
    },
}

/// Where a repository is: one spelling each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RepositoryUrl(String);

/// Which commit of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// By its whole id.
    Commit(CommitId),
    /// `refs/tags/…` or `refs/heads/…`
    Full(String),
    /// A tag or a branch.
    Name(String),
}

/// A source in git, as far as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GitAddress {
    /// Nothing: what the wheel's metadata name.
    pub(crate) url: Option<RepositoryUrl>,
    /// Nothing: the version's tag.
    pub(crate) reference: Option<Reference>,
    /// What the reference has to lead to, where that is known.
    pub(crate) commit: Option<CommitId>,
}

impl RepositoryUrl {
    /// Reads a URL and spells it as docs/TRUST.md 3.6 has it: lower-case host, no `.git`, no trailing slash.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let refuse = |rule| AddressError::Url { rule, found: text.to_owned() };
        let url = Url::parse(text).map_err(|_| refuse("a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("no user name: git's own settings know it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("no query or fragment"));
        }
        let path = url.path().trim_end_matches('/');
        let path = if is_git_suffix(path) { &path[..path.len() - 4] } else { path };
        let host = match (url.scheme(), url.host_str()) {
            ("https", Some(host)) if !host.starts_with('-') => host,
            ("file", None) => "",
            _ => return Err(refuse("https, or a local file")),
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/%".contains(&b);
        if !path.trim_start_matches('/').bytes().all(allowed) || path.len() < 2 {
            return Err(refuse("a plain path"));
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self(format!("{}://{host}{port}{path}", url.scheme())))
    }

    /// As git takes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As a statement has it. Only canonical ones get into a statement: it is refused when it is made.
    pub(crate) fn uri(&self) -> String {
        format!("git+{}", self.0)
    }

    /// Whether a statement can name it (docs/TRUST.md 3.6).
    pub(crate) fn is_canonical(&self) -> bool {
        is_repository(&self.uri())
    }
}

fn is_git_suffix(path: &str) -> bool {
    path.len() > 4 && path.is_char_boundary(path.len() - 4) && path[path.len() - 4..].eq_ignore_ascii_case(".git")
}

impl FromStr for Reference {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(commit) = CommitId::parse(text) {
            return Ok(Self::Commit(commit));
        }
        if is_ref(text) {
            return Ok(Self::Full(text.to_owned()));
        }
        if is_ref(&format!("refs/tags/{text}")) && !text.starts_with("refs/") {
            return Ok(Self::Name(text.to_owned()));
        }
        Err(AddressError::Reference { found: text.to_owned() })
    }
}

impl FromStr for GitAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "git" {
            return Ok(Self { url: None, reference: None, commit: None });
        }
        let rest = text.strip_prefix("git+").ok_or_else(|| AddressError::Form { found: text.to_owned() })?;
        let (url, reference) = rest.split_once('@').map_or((rest, None), |(url, reference)| (url, Some(reference)));
        let pinned = reference.and_then(|text| text.rsplit_once('@'));
        let pinned = pinned.and_then(|(reference, commit)| Some((reference, CommitId::parse(commit)?)));
        let (reference, commit) = pinned.map_or((reference, None), |(name, commit)| (Some(name), Some(commit)));
        let reference = reference.map(str::parse).transpose()?;
        Ok(Self { url: Some(RepositoryUrl::parse(url)?), reference, commit })
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_one_spelling() {
        for (text, url) in [
            ("https://GitHub.com/psf/requests.git", "https://github.com/psf/requests"),
            ("https://github.com:443/psf/requests/", "https://github.com/psf/requests"),
            ("https://gitlab.com/a/b/c.git/", "https://gitlab.com/a/b/c"),
            ("file:///srv/git/demo.git", "file:///srv/git/demo"),
        ] {
            let found = RepositoryUrl::parse(text).unwrap();
            assert_eq!(found.as_str(), url, "{text}");
            assert_eq!(found.is_canonical(), url.starts_with("https"), "{text}");
        }
    }

    #[test]
    fn a_port_is_built_from_but_no_statement_can_name_it() {
        let url = RepositoryUrl::parse("https://example.com:8443/a/b").unwrap();
        assert_eq!(url.as_str(), "https://example.com:8443/a/b");
        assert!(!url.is_canonical());
    }

    #[test]
    fn places_that_make_git_run_something_else_are_refused() {
        for text in [
            "ssh://-oProxyCommand=touch/x",
            "https://-oProxyCommand=x/y",
            "ext::sh -c touch% x",
            "git://example.com/a/b",
            "http://example.com/a/b",
            "https://user@example.com/a/b",
            "https://user:token@example.com/a/b",
            "https://example.com/a/b?x",
            "https://example.com/a/b#subdirectory=c",
            "https://example.com",
            "https://example.com/",
            "file://host/a/b",
            "/srv/git/demo",
            "-u./payload",
            "",
        ] {
            assert!(matches!(RepositoryUrl::parse(text), Err(AddressError::Url { .. })), "{text:?}");
        }
    }

    #[test]
    fn refs_are_told_apart_and_options_and_expressions_are_none() {
        let hex = "65486e4383f9f411da95937451205d3c7b61b9e1";
        assert_eq!(hex.parse(), Ok(Reference::Commit(CommitId::parse(hex).unwrap())));
        assert_eq!("refs/tags/v1".parse(), Ok(Reference::Full("refs/tags/v1".to_owned())));
        assert_eq!("v1.0".parse(), Ok(Reference::Name("v1.0".to_owned())));
        for text in ["", "HEAD~1", "v1^{}", "a..b", "refs/pull/1/head", "refs/notes/x", "@{u}", ":/fix", "a b", ".x"] {
            assert!(matches!(text.parse::<Reference>(), Err(AddressError::Reference { .. })), "{text:?}");
        }
    }

    #[test]
    fn an_address_may_leave_out_what_can_be_found() {
        let parse = |text: &str| text.parse::<GitAddress>();
        assert_eq!(parse("git").unwrap(), GitAddress { url: None, reference: None, commit: None });
        let address = parse("git+https://github.com/a/b@pkg@1.0").unwrap();
        assert_eq!(address.reference, Some(Reference::Name("pkg@1.0".to_owned())));
        assert_eq!(address.commit, None);
        let hex = "65486e4383f9f411da95937451205d3c7b61b9e1";
        let pinned = parse(&format!("git+https://github.com/a/b@v1@{hex}")).unwrap();
        assert_eq!(pinned.reference, Some(Reference::Name("v1".to_owned())));
        assert_eq!(pinned.commit, CommitId::parse(hex));
        assert_eq!(parse("git+https://github.com/a/b").unwrap().reference, None);
        assert!(matches!(parse("hg+https://example.com/a"), Err(AddressError::Form { .. })));
    }
}
