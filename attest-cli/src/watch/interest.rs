//! Which statements concern whoever watches.

use std::collections::BTreeSet;

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    statement::{self, Source, Statement},
};

use super::event::Plain;

/// Projects, files and repositories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interest {
    pub(crate) projects: BTreeSet<ProjectName>,
    pub(crate) digests: BTreeSet<ArtifactDigest>,
    pub(crate) repositories: BTreeSet<Repository>,
}

/// `https://HOST/PATH`, in the one spelling that statements have (docs/TRUST.md 3.6).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Repository(String);

impl Repository {
    /// As people write it; `.git` and a trailing slash are no part of the spelling.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = text.strip_prefix("git+").unwrap_or(text).trim_end_matches('/');
        let url = url.strip_suffix(".git").unwrap_or(url);
        statement::is_repository(&format!("git+{url}")).then(|| Self(url.to_owned()))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

impl Interest {
    /// What of it this statement is about. A withdrawal names no source: `named` is the statement that it takes back.
    pub(crate) fn of(&self, statement: &Statement, named: Option<&Statement>) -> Vec<Plain> {
        let subject = statement.subject();
        let mut why = Vec::new();
        if self.projects.contains(&subject.name.project) {
            why.push(Plain::new(format_args!("project {}", subject.name.project)));
        }
        if self.digests.contains(&subject.digest) {
            why.push(Plain::new(format_args!("sha256:{}", subject.digest)));
        }
        let sources = [Some(statement), named].into_iter().flatten().flat_map(repositories);
        let found: BTreeSet<&Repository> =
            sources.filter_map(|url| self.repositories.iter().find(|watched| watched.as_str() == url)).collect();
        why.extend(found.into_iter().map(|repository| Plain::new(format_args!("repository {}", repository.as_str()))));
        why
    }
}

fn repositories(statement: &Statement) -> impl Iterator<Item = &str> {
    let sources = statement.predicate().build().map(|build| build.source.as_slice()).unwrap_or_default();
    sources.iter().filter_map(|source| match source {
        Source::Git { uri, .. } => uri.strip_prefix("git+"),
        Source::Sdist { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM_GIT: &[u8] = include_bytes!("../../../attest-core/tests/vectors/statements/reproduced-from-git.json");
    const WITHDRAWN: &[u8] = include_bytes!("../../../attest-core/tests/vectors/statements/withdrawn.json");

    #[test]
    fn a_statement_concerns_who_watches_its_project_its_file_or_where_it_was_built_from() {
        let statement = Statement::parse(FROM_GIT).unwrap();
        let project =
            Interest { projects: BTreeSet::from([ProjectName::new("torch.cpu").unwrap()]), ..Interest::default() };
        let file = Interest { digests: BTreeSet::from([statement.subject().digest]), ..Interest::default() };
        let of = |url: &str| Interest {
            repositories: BTreeSet::from([Repository::parse(url).unwrap()]),
            ..Interest::default()
        };
        let repository = of("https://github.com/benjaminp/six.git");
        for interest in [&project, &file, &repository] {
            assert_eq!(interest.of(&statement, None).len(), 1, "{interest:?}");
        }
        for other in [Interest::default(), of("https://github.com/benjaminp/six-two")] {
            assert_eq!(other.of(&statement, None), []);
        }
        // A withdrawal has no source: it is about that of what it takes back.
        let withdrawn = Statement::parse(WITHDRAWN).unwrap();
        assert_eq!(repository.of(&withdrawn, None), []);
        assert_eq!(repository.of(&withdrawn, Some(&statement)).len(), 1);
    }

    #[test]
    fn a_repository_has_one_spelling_however_it_is_written() {
        for text in [
            "https://github.com/kjd/idna",
            "https://github.com/kjd/idna/",
            "https://github.com/kjd/idna.git",
            "git+https://github.com/kjd/idna",
        ] {
            assert_eq!(Repository::parse(text).unwrap().as_str(), "https://github.com/kjd/idna", "{text}");
        }
        for text in ["", "idna", "http://github.com/kjd/idna", "https://GitHub.com/x", "https://user@github.com/x"] {
            assert_eq!(Repository::parse(text), None, "{text}");
        }
    }
}
