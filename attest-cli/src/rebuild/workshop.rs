//! One rebuild, from its target to its result.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::Recipe;
use attest_core::statement::{Environment, RecipeKind};

use super::attempt::{Attempt, Bench};
use super::build::end_of_log;
use super::buildinfo::BuildInfo;
use super::finding::Finding;
use super::infer;
use super::inventory::Inventory;
use super::record::{self, BuildRecord, RecordedFile, Report, Verdict};
use super::result::{Content, ResultFolder};
use super::source::Source;
use super::target::{Published, Target};
use crate::index::Index;
use crate::pip::Pip;
use crate::sandbox::{BUILD, Isolation, Limits};

/// How much of a build's output is kept, from its end.
const MAX_LOG: u64 = 4 << 20;
/// Beside the result folders: every build requirement, as `SHA256/NAME`.
const DEPENDENCIES: &str = "dependencies";

/// How a rebuild is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The Python that builds, and whose pip says where the index is.
    pub(crate) python: PathBuf,
    /// Where downloads and environments are kept.
    pub(crate) cache: PathBuf,
    /// Where result folders go.
    pub(crate) results: PathBuf,
    /// The room; nothing: the best that works.
    pub(crate) isolation: Option<Isolation>,
    /// An sdist to use instead of the index's.
    pub(crate) source: Option<PathBuf>,
    /// How much a build may use.
    pub(crate) limits: Limits,
}

/// What is shared by all rebuilds of a run.
#[derive(Debug)]
pub(crate) struct Workshop {
    options: Options,
    pip: Pip,
    index: Index,
    isolation: Isolation,
}

/// What a rebuild came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Where everything is.
    pub(crate) folder: ResultFolder,
    /// In words; empty for EXACT.
    pub(crate) explanation: Vec<String>,
    /// File name of the source.
    pub(crate) source: String,
    /// The backend that built, `setuptools 82.0.1`.
    pub(crate) backend: String,
    /// How long all of it took.
    pub(crate) took: Duration,
}

impl Workshop {
    /// Asks pip for its settings and looks at the room.
    pub(crate) fn open(options: Options, progress: &dyn Fn(&str)) -> anyhow::Result<Self> {
        let pip = Pip::query(&options.python, &options.cache.join("tools"))?;
        let index = Index::new(pip.settings(), &options.cache.join("files"))?;
        let isolation = Inventory::take(&pip.settings().interpreter, options.isolation)?.isolation;
        if isolation == Isolation::None {
            progress("no isolation works here: the build can reach the network, and the result will say so");
        }
        Ok(Self { options, pip, index, isolation })
    }

    /// Rebuilds one wheel. An error means that nothing could be said; everything else is in the outcome.
    pub(crate) fn rebuild(&self, target: &Target, progress: &dyn Fn(&str)) -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let published = target.open(&self.index)?;
        progress(&format!("published: {} sha256:{}", published.name.as_str(), published.wheel.digest()));
        if let Some(listed) = published.listed {
            progress(&format!("this is not the file that the index has: that one has sha256 {listed}"));
        }
        let source = match &self.options.source {
            Some(path) => Source::read(path)?,
            None => Source::find(&self.index, &published.name)?,
        };
        progress(&format!("source: {}", source.summary()));
        let recipe = infer::infer(&published.name, &published.wheel, source.tree(), published.uploaded.clone())?;
        progress(&format!("recipe: {}", recipe.summary()));
        let log = tempfile::NamedTempFile::new()?;
        // Before any code of the project runs: what it does to its room, it cannot do to this.
        let inventory = Inventory::take(&self.pip.settings().interpreter, Some(self.isolation))?;
        let attempt = self.bench(&source, log.path(), progress).attempt(recipe)?;
        let (recipe, finding) = (&attempt.recipe, Finding::of(&published.wheel, &attempt));
        let folder = self.write(&published, &source, &inventory, &attempt, &finding, log.path())?;
        let backend = attempt
            .lock
            .version_of(recipe.backend_package())
            .map_or_else(|| recipe.generator.clone(), |version| format!("{} {version}", recipe.backend_package()));
        Ok(Outcome {
            folder,
            explanation: finding.explanation,
            source: source.name().to_owned(),
            backend,
            took: start.elapsed(),
        })
    }

    /// Where attempts at one source are made.
    fn bench<'a>(&'a self, source: &'a Source, log: &'a Path, progress: &'a dyn Fn(&str)) -> Bench<'a> {
        Bench {
            pip: &self.pip,
            index: &self.index,
            cache: &self.options.cache,
            isolation: self.isolation,
            limits: self.options.limits,
            source,
            log,
            progress,
        }
    }

    fn write(
        &self,
        published: &Published,
        source: &Source,
        inventory: &Inventory,
        attempt: &Attempt,
        finding: &Finding,
        log: &Path,
    ) -> anyhow::Result<ResultFolder> {
        let first = attempt.telling(published);
        let record = BuildRecord {
            schema: record::SCHEMA.to_owned(),
            attest: env!("CARGO_PKG_VERSION").to_owned(),
            subject: RecordedFile { name: published.name.as_str().to_owned(), sha256: published.wheel.digest() },
            verdict: finding.verdict,
            rebuilt: first
                .map(|built| RecordedFile { name: built.name.clone(), sha256: ArtifactDigest::of(&built.bytes) }),
            origin: source.origin(),
            source: source.statement(),
            recipe_kind: RecipeKind::Inferred,
            environment: environment(inventory, &attempt.recipe, published.wheel.is_pure()),
            resolved_dependencies: attempt.lock.dependencies(),
            record_digest: published.wheel.record_digest(),
            rebuilt_at: crate::run::now().to_string(),
            repeat: if matches!(finding.verdict, Verdict::Exact | Verdict::Different | Verdict::EnvironmentUnknown) {
                2
            } else {
                1
            },
            differences_total: finding.differences.len() as u64,
            differences: finding.for_statement(),
            files: Vec::new(),
        };
        let content = Content {
            record,
            recipe: &attempt.recipe,
            lock: attempt.lock.to_text(),
            buildinfo: serde_json::to_vec_pretty(&BuildInfo::new(inventory, &attempt.lock))?,
            log: end_of_log(log, MAX_LOG)?,
            report: Report {
                verdict: finding.verdict,
                explanation: &finding.explanation,
                differences: &finding.differences,
            },
            wheel: first.map(|built| built.bytes.as_slice()),
        };
        attempt.lock.archive(&self.options.results.join(DEPENDENCIES))?;
        let folder = self.options.results.join(published.name.as_str().trim_end_matches(".whl"));
        Ok(ResultFolder::write(&folder, content)?)
    }
}

/// For the statement. A compiler only says something about a wheel with compiled code.
fn environment(inventory: &Inventory, recipe: &Recipe, pure: bool) -> Environment {
    let tool = |name| inventory.tool(name).filter(|_| !pure);
    Environment {
        platform: inventory.platform.clone(),
        variables: recipe.all_variables(),
        umask: recipe.files.umask.into(),
        build_path: if inventory.isolation == Isolation::None {
            "temporary".to_owned()
        } else {
            format!("{BUILD}/src")
        },
        clock: recipe.time.clock,
        network: inventory.network,
        python: inventory.python.clone(),
        zlib: inventory.zlib.clone(),
        cc: tool("cc"),
        ld: tool("ld"),
        libc: inventory.libc.clone(),
        container_image: None,
    }
}
