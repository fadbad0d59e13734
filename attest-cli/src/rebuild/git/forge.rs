//! The repository that a wheel's metadata name.
//!
//! `Project-URL: LABEL, URL` with a [well-known label](https://packaging.python.org/en/latest/specifications/well-known-project-metadata/)
//! says where the source is; a home page or an issue tracker does where it is on a forge. Whoever published the wheel wrote
//! them, so they are a place to look at, and no evidence: what is built from there has to be the published file.

use super::address::RepositoryUrl;
use crate::rebuild::explain::visible;

/// Labels that name the source, and then those that name a page near it, in the order in which they are believed.
const LABELS: [&[&str]; 3] = [
    &["source", "repository", "sourcecode", "sourcerepository", "code", "github", "gitlab", "codeberg", "git", "vcs"],
    &["homepage", "home"],
    &["bugs", "bugtracker", "bugreports", "issue", "issues", "issuetracker", "tracker", "changelog", "changes"],
];
/// Hosts with repositories as `/OWNER/NAME`.
const FORGES: [&str; 3] = ["github.com", "codeberg.org", "bitbucket.org"];
/// Hosts with repositories at any depth, whose pages lie below `/-/`.
const DEEP_FORGES: [&str; 1] = ["gitlab.com"];
/// Owners that are none.
const PAGES: [&str; 3] = ["sponsors", "orgs", "marketplace"];

/// Why metadata name no repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForgeError {
    /// Nothing on a known forge.
    #[error("expected the wheel's metadata to name a repository, found none: give it as git+URL")]
    None,
    /// Two, equally.
    #[error("expected the wheel's metadata to name one repository, found {}: give one as git+URL", found.join(" and "))]
    Several {
        /// All of them.
        found: Vec<String>,
    },
}

/// The repository in METADATA.
pub(crate) fn repository(metadata: &[u8]) -> Result<RepositoryUrl, ForgeError> {
    let metadata = String::from_utf8_lossy(metadata);
    let named: Vec<(String, &str)> = headers(&metadata).filter_map(|(name, value)| labelled(name, value)).collect();
    for (rank, labels) in LABELS.iter().enumerate() {
        let urls = named.iter().filter(|(label, _)| labels.contains(&label.as_str()));
        let mut found: Vec<_> = urls.filter_map(|(_, url)| at(url, rank == 0)).collect();
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [] => {}
            [one] => return Ok(one.clone()),
            several => {
                return Err(ForgeError::Several { found: several.iter().map(|url| visible(url.as_str())).collect() });
            }
        }
    }
    Err(ForgeError::None)
}

/// Up to the empty line behind which the description is: anybody's text.
fn headers(metadata: &str) -> impl Iterator<Item = (&str, &str)> {
    metadata.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "))
}

/// The label as it is compared: without case, spaces and punctuation.
fn labelled<'m>(name: &str, value: &'m str) -> Option<(String, &'m str)> {
    let (label, url) = match name {
        "Project-URL" => value.split_once(',')?,
        "Home-page" => ("homepage", value),
        _ => return None,
    };
    let label = label.chars().filter(char::is_ascii_alphanumeric).map(|next| next.to_ascii_lowercase()).collect();
    Some((label, url.trim()))
}

/// The repository that a page belongs to. A host that is no known forge is one where the label says so.
fn at(page: &str, is_said: bool) -> Option<RepositoryUrl> {
    let page = reqwest::Url::parse(page).ok().filter(|page| matches!(page.scheme(), "http" | "https"))?;
    let host = page.host_str()?.trim_start_matches("www.");
    let path = page.path().split("/-/").next()?.trim_matches('/');
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let path = if FORGES.contains(&host) {
        match parts.as_slice() {
            [owner, name, ..] if !PAGES.contains(owner) => format!("{owner}/{name}"),
            _ => return None,
        }
    } else if DEEP_FORGES.contains(&host) {
        Some(path).filter(|_| parts.len() >= 2)?.to_owned()
    } else {
        Some(path).filter(|path| is_said && !path.is_empty())?.to_owned()
    };
    RepositoryUrl::parse(&format!("https://{host}/{path}")).ok().filter(RepositoryUrl::is_canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(urls: &[&str]) -> Result<String, ForgeError> {
        let metadata = format!(
            "Metadata-Version: 2.1\nName: demo\n{}\n\nProject-URL: Source, https://github.com/e/vil\n",
            urls.join("\n")
        );
        repository(metadata.as_bytes()).map(|url| url.as_str().to_owned())
    }

    #[test]
    fn real_projects_name_their_repository_in_many_ways() {
        for (line, url) in [
            ("Project-URL: Source, https://github.com/psf/requests", "https://github.com/psf/requests"),
            ("Project-URL: Source Code, https://github.com/pallets/click/", "https://github.com/pallets/click"),
            ("Project-URL: Repository, http://GitHub.com/a/b.git", "https://github.com/a/b"),
            ("Project-URL: repository, https://gitlab.com/a/b/c/-/tree/main", "https://gitlab.com/a/b/c"),
            ("Project-URL: Source, https://git.example.org/a/b", "https://git.example.org/a/b"),
            ("Project-URL: Homepage, https://www.github.com/a/b#readme", "https://github.com/a/b"),
            ("Project-URL: Bug Tracker, https://github.com/a/b/issues", "https://github.com/a/b"),
            ("Home-page: https://github.com/benjaminp/six", "https://github.com/benjaminp/six"),
        ] {
            assert_eq!(found(&[line]).as_deref(), Ok(url), "{line}");
        }
    }

    #[test]
    fn the_label_that_says_source_is_believed_before_a_home_page() {
        let lines =
            ["Project-URL: Homepage, https://github.com/org/site", "Project-URL: Source, https://github.com/org/code"];
        assert_eq!(found(&lines).as_deref(), Ok("https://github.com/org/code"));
        let lines = ["Project-URL: Source, https://github.com/a/b", "Project-URL: Code, https://github.com/c/d"];
        let both = ["https://github.com/a/b", "https://github.com/c/d"].map(str::to_owned).to_vec();
        assert_eq!(found(&lines), Err(ForgeError::Several { found: both }));
    }

    #[test]
    fn pages_that_are_no_repository_and_descriptions_are_not_taken() {
        for line in [
            "Project-URL: Homepage, https://example.org/demo",
            "Project-URL: Homepage, https://github.com/psf",
            "Project-URL: Source, https://github.com/sponsors/psf",
            "Project-URL: Funding, https://github.com/a/b",
            "Project-URL: Source, file:///etc/x",
            "Project-URL: Source, ext::sh -c touch% x",
            "Project-URL: Source, https://user:token@-oProxyCommand/x",
            "Project-URL: Source, https://github.com/a/b?x\u{1b}[2J",
            "Summary: none",
        ] {
            let found = found(&[line]);
            assert!(
                found == Err(ForgeError::None)
                    || found.as_deref() == Ok("https://github.com/a/b") && line.contains("?x"),
                "{line}: {found:?}"
            );
        }
    }
}
