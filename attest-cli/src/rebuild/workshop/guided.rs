//! Rebuilds that follow what somebody else wrote: a recipe, or a signed statement.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use attest_core::artifact::{ArtifactDigest, WheelName};
use attest_core::envelope::StatementId;
use attest_core::statement::{self, Build, DifferenceKind, Origin, inputs_digest};
use reqwest::Url;

use super::{Case, Outcome, Workshop};
use crate::rebuild::claim::{Claim, Standing, Surrounding, compare};
use crate::rebuild::finding::Finding;
use crate::rebuild::follow::Supplies;
use crate::rebuild::recipes::{Given, GivenError, Library, RecipeSpec};
use crate::rebuild::record::{BuildRecord, Verdict};
use crate::rebuild::source::{Source, Wanted};
use crate::rebuild::target::{Pinned, Published};

/// What replaying a statement came to.
#[derive(Debug)]
pub(crate) struct Replay {
    /// The rebuild.
    pub(crate) outcome: Outcome,
    /// Whether the statement holds.
    pub(crate) standing: Standing,
    /// What differs around the build.
    pub(crate) surroundings: Vec<Surrounding>,
}

impl Workshop {
    /// The recipe that the user named, if it builds this wheel.
    pub(super) fn given(
        &self,
        spec: &RecipeSpec,
        wheel: &WheelName,
        source: &Source,
        progress: &dyn Fn(&str),
    ) -> anyhow::Result<Given> {
        let given = self.library(source).find(spec, wheel)?;
        let kind = if given.recipe().knobs_only().is_ok() { "knobs only" } else { "custom" };
        progress(&format!("recipe: sha256:{} ({kind})", given.digest()));
        Ok(given)
    }

    fn library<'a>(&'a self, source: &'a Source) -> Library<'a> {
        Library { index: &self.index, store: &self.recipes, source: source.tree() }
    }

    /// What is here already of all that recipes name by digest.
    pub(super) fn supplies(&self) -> Supplies<'_> {
        Supplies {
            archive: self.options.given.dependencies.as_ref(),
            image_layout: self.options.given.image_layout.as_deref(),
        }
    }

    /// A statement's text, from a file or over HTTP.
    pub(crate) fn read_statement(&self, url: &Url, limit: u64) -> anyhow::Result<Vec<u8>> {
        self.index.web(url, limit).with_context(|| format!("expected a signed statement at {url}"))
    }

    /// Builds what a statement says, as it says, and says whether it holds. `wheel` is the published wheel where the user has it.
    pub(crate) fn replay(
        &self,
        claim: &Claim,
        wheel: Option<&Path>,
        progress: &dyn Fn(&str),
    ) -> anyhow::Result<Replay> {
        let start = Instant::now();
        let build = claim.build().context("expected a statement about a build")?;
        progress(&format!("statement {} says {}", claim.id(), claim.says()));
        let published = self.stated_subject(claim, wheel)?;
        let source = self.stated_source(build, &published)?;
        progress(&format!("source: {}", source.summary()));
        let given = self.stated_recipe(build, &published.name, &source, progress)?;
        let lock = Claim::lock(build, given.lock())?;
        let log_file = tempfile::NamedTempFile::new()?;
        let log = log_file.path();
        let inventory = self.inventory()?;
        let mut attempt = self.bench(&source, log, progress).follow(&given.with_lock(lock)?, self.supplies())?;
        // Whether the recipe was guessed well is no question here: the statement says what it gives.
        attempt.recipe.guesses.clear();
        let case = Case { published: &published, inventory: &inventory, claim: Some(claim), log, progress, start };
        let outcome = self.conclude(&case, source, attempt)?;
        let surroundings = compare(&build.environment, &outcome.folder.record().environment);
        Ok(Replay { standing: claim.standing(&outcome.folder), outcome, surroundings })
    }

    fn stated_subject(&self, claim: &Claim, wheel: Option<&Path>) -> anyhow::Result<Published> {
        let subject = claim.subject();
        let pinned = match wheel {
            Some(path) => Pinned::on_disk(path, &subject.name, subject.digest),
            None => Pinned::on_index(&self.index, &subject.name, subject.digest)?,
        };
        pinned.open(&self.index).context("expected the file that the statement is about")
    }

    fn stated_source(&self, build: &Build, published: &Published) -> anyhow::Result<Source> {
        let stated = |source: &&statement::Source| match build.origin {
            Origin::Sdist => matches!(source, statement::Source::Sdist { .. }),
            Origin::Git => matches!(source, statement::Source::Git { .. }),
        };
        let stated = build.source.iter().find(stated).context("expected a source in the statement")?;
        let source = match (&self.options.source, stated) {
            (Some(wanted), _) => Source::open(Some(wanted), published, &self.index, &self.options.cache)?,
            (None, statement::Source::Sdist { name, digest, .. }) => {
                Source::of_file(&self.index, &published.name.project, name, digest.sha256)?
            }
            (None, statement::Source::Git { uri, r#ref, digest, .. }) => {
                // With the commit, since a branch goes on.
                let wanted: Wanted = format!("{uri}@{ref}@{}", digest.git_commit).parse()?;
                Source::open(Some(&wanted), published, &self.index, &self.options.cache)?
            }
        };
        let same = source.statement().iter().any(|found| is_same(found, stated));
        ensure!(same, "expected the source that the statement names, found {}", source.summary());
        Ok(source)
    }

    /// The recipe with the digest that is stated: from where the user says, from the statement, from the recipes kept
    /// here, or from where the statement says.
    fn stated_recipe(
        &self,
        build: &Build,
        wheel: &WheelName,
        source: &Source,
        progress: &dyn Fn(&str),
    ) -> anyhow::Result<Given> {
        let expected = build.recipe.digest.sha256;
        let given = match &self.options.given.recipe {
            Some(spec) => self.given(spec, wheel, source, progress)?,
            None => self.recipe_by_digest(build, source)?,
        };
        ensure!(
            given.digest() == expected,
            "expected the recipe with sha256 {expected} as the statement says, found {}",
            given.digest()
        );
        given.recipe().check_builds(wheel)?;
        progress(&format!("recipe: sha256:{expected}"));
        Ok(given)
    }

    fn recipe_by_digest(&self, build: &Build, source: &Source) -> anyhow::Result<Given> {
        let expected = build.recipe.digest.sha256;
        let inline = build.recipe.content.as_ref().map(|text| Given::read(text.as_bytes(), |_, _| Ok(None)));
        match inline {
            Some(Ok(given)) => return Ok(given),
            // The statement has the recipe's text, but not the files beside it.
            Some(Err(GivenError::Missing { .. })) | None => {}
            Some(Err(error)) => return Err(error.into()),
        }
        if let Ok(given) = self.recipes.read(expected) {
            return Ok(given);
        }
        let Some(place) = &build.recipe.download_location else {
            bail!(
                "expected the recipe with sha256 {expected}, found that the statement only names it: give it as --recipe"
            );
        };
        let url = Url::parse(place)?;
        ensure!(matches!(url.scheme(), "http" | "https"), "expected a recipe over HTTP, found {place}");
        self.library(source).fetch(&url, Some(expected))
    }
}

/// The same sdist by its bytes, whether or not it was held against a commit; the same commit, ref and tree.
fn is_same(found: &statement::Source, stated: &statement::Source) -> bool {
    match (found, stated) {
        (
            statement::Source::Sdist { name, digest, .. },
            statement::Source::Sdist { name: stated_name, digest: stated_digest, .. },
        ) => name == stated_name && digest == stated_digest,
        (found, stated) => found == stated,
    }
}

/// The statement that a record refutes: the same inputs, under the same conditions, gave other bytes. Another compression
/// alone is another zlib, whatever version it names.
pub(super) fn contradicted(
    claim: &Claim,
    record: &BuildRecord,
    recipe: &str,
    finding: &Finding,
) -> Option<StatementId> {
    let digest = ArtifactDigest::of(recipe.as_bytes()).into();
    let inputs = inputs_digest(&record.source, digest, &record.resolved_dependencies).sha256;
    let more = finding.differences.iter().any(|one| one.kind != DifferenceKind::Compression);
    let refutes = record.verdict == Verdict::Different
        && more
        && claim.is_contradicted_by(inputs, &record.environment, record.repeat);
    refutes.then(|| claim.id())
}
