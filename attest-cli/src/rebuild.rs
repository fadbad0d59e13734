//! Rebuilding a published wheel from its source, bit for bit.
//!
//! | module | what it does |
//! |---|---|
//! | [`target`] | finds the published wheel and its sdist, digests first |
//! | [`zip`], [`wheel`], [`sdist`] | read them without trusting them |
//! | [`infer`], [`zone`], [`recipe`] | work out how the wheel was built |
//! | [`environment`] | locks and installs what the build needs, and records the room |
//! | [`build`] | runs the project's hooks, without network |
//! | [`compare`], [`explain`], [`finding`] | say what came out |
//! | [`record`], [`result`] | keep it, so that it can be signed |
//!
//! There are two phases. The fetch phase has a network and runs no project code; everything that a project can influence
//! runs in the [room](crate::sandbox), without one.

pub(crate) mod build;
pub(crate) mod compare;
pub(crate) mod environment;
pub(crate) mod explain;
pub(crate) mod finding;
#[cfg(test)]
mod fixture;
pub(crate) mod infer;
pub(crate) mod recipe;
pub(crate) mod record;
pub(crate) mod result;
pub(crate) mod sdist;
pub(crate) mod target;
pub(crate) mod wheel;
pub(crate) mod zip;
pub(crate) mod zone;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use attest_core::artifact::ArtifactDigest;
use attest_core::statement::{Digest, Environment, FromCommit, Origin, RecipeKind, Source};

use self::build::{BuildError, Builder, Built, end_of_log};
use self::environment::{Inventory, Lock};
use self::finding::Finding;
use self::recipe::Recipe;
use self::record::{BuildRecord, RecordedFile, Report, Verdict};
use self::result::{Content, ResultFolder};
use self::sdist::{Order, Sdist};
use self::target::{Published, SourceFile, Target};
use crate::index::Index;
use crate::pip::Pip;
use crate::sandbox::{BUILD, Isolation, Limits};

/// Hooks may name requirements only when others are installed; more rounds than this are a loop.
const MAX_ROUNDS: usize = 4;
/// How much of a build's output is kept, from its end.
const MAX_LOG: u64 = 4 << 20;
/// Zip times are even seconds.
const ZIP_TICK: u64 = 2;

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
    inventory: Inventory,
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
        let inventory = Inventory::take(&pip.settings().interpreter, options.isolation)?;
        if inventory.isolation == Isolation::None {
            progress("no isolation works here: the build can reach the network, and the result will say so");
        }
        Ok(Self { options, pip, index, inventory })
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
            Some(path) => SourceFile::read(path)?,
            None => SourceFile::find(&self.index, &published.name)?.with_context(|| {
                format!("expected an sdist (.tar.gz) beside {}, found none on the index", published.name.as_str())
            })?,
        };
        progress(&format!("source: {} sha256:{}", source.name, source.digest));
        let sdist =
            Sdist::read(&source.bytes).with_context(|| format!("{} is not a source distribution", source.name))?;
        let mut recipe = infer::infer(&published.name, &published.wheel, &sdist, published.uploaded.clone())?;
        progress(&format!("recipe: {}", recipe.summary()));
        let log = tempfile::NamedTempFile::new()?;
        let attempt = self.attempt(&mut recipe, &sdist, log.path(), progress)?;
        let finding = Finding::of(&published.wheel, &recipe, &attempt.built);
        let folder = self.write(&published, &source, &recipe, &attempt, &finding, log.path())?;
        let backend = attempt
            .lock
            .version_of(recipe.backend_package())
            .map_or_else(|| recipe.generator.clone(), |version| format!("{} {version}", recipe.backend_package()));
        Ok(Outcome { folder, explanation: finding.explanation, source: source.name, backend, took: start.elapsed() })
    }

    /// Fetches what the build needs, then builds twice.
    fn attempt(
        &self,
        recipe: &mut Recipe,
        sdist: &Sdist,
        log: &Path,
        progress: &dyn Fn(&str),
    ) -> anyhow::Result<Attempt> {
        let mut lock = Lock::default();
        for _ in 0..MAX_ROUNDS {
            progress(&format!(
                "fetching build requirements with {}: {}",
                self.pip.driver(),
                recipe.requirements.build.join(", ")
            ));
            lock = Lock::resolve(
                &self.pip,
                &self.index,
                &recipe.requirements.build,
                recipe.requirements.cutoff.as_deref(),
            )?;
            let environment = lock.environment(&self.pip, &self.options.cache)?;
            let builder = self.builder(recipe, sdist, log);
            let more = match builder.requires(&environment) {
                Ok(more) => infer::with_pins(&more, &infer::pins(&recipe.requirements.build)),
                Err(error) => return failed(lock, error),
            };
            let known = recipe.requirements.build.clone();
            let new: Vec<_> =
                more.into_iter().filter(|line| !known.contains(line) && !infer::is_for_extra(line)).collect();
            if new.is_empty() {
                return build_twice(&builder, lock, &environment, progress);
            }
            recipe.requirements.build.extend(new);
            recipe.requirements.build.sort();
        }
        failed(lock, BuildError::Unsettled { rounds: MAX_ROUNDS }.into())
    }

    fn builder<'a>(&'a self, recipe: &'a Recipe, sdist: &'a Sdist, log: &'a Path) -> Builder<'a> {
        Builder {
            recipe,
            sdist,
            interpreter: &self.pip.settings().interpreter,
            isolation: self.inventory.isolation,
            limits: self.options.limits,
            log,
        }
    }

    fn write(
        &self,
        published: &Published,
        source: &SourceFile,
        recipe: &Recipe,
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
            origin: Origin::Sdist,
            source: vec![Source::Sdist {
                name: source.name.clone(),
                digest: Digest { sha256: source.digest },
                from_commit: FromCommit::Unverified,
            }],
            recipe_kind: RecipeKind::Inferred,
            environment: self.environment(recipe),
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
            recipe,
            lock: attempt.lock.to_text(),
            log: end_of_log(log, MAX_LOG)?,
            report: Report {
                verdict: finding.verdict,
                explanation: &finding.explanation,
                differences: &finding.differences,
            },
            wheel: first.map(|built| built.bytes.as_slice()),
        };
        let folder = self.options.results.join(published.name.as_str().trim_end_matches(".whl"));
        Ok(ResultFolder::write(&folder, content)?)
    }

    fn environment(&self, recipe: &Recipe) -> Environment {
        let inventory = &self.inventory;
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
            cc: None,
            ld: None,
            libc: inventory.libc.clone(),
            container_image: None,
        }
    }
}

/// What two builds gave, or why there are none.
struct Attempt {
    lock: Lock,
    built: Result<(Built, Built), String>,
}

impl Attempt {
    /// The wheel to show: of two that disagree the one that is not the published one.
    fn telling(&self, published: &Published) -> Option<&Built> {
        let (first, second) = self.built.as_ref().ok()?;
        let as_published = |built: &Built| ArtifactDigest::of(&built.bytes) == published.wheel.digest();
        Some(if as_published(first) && !as_published(second) { second } else { first })
    }
}

fn build_twice(
    builder: &Builder<'_>,
    lock: Lock,
    environment: &Path,
    progress: &dyn Fn(&str),
) -> anyhow::Result<Attempt> {
    progress("building once");
    let first = match builder.build(environment, Order::Forward) {
        Ok(built) => built,
        Err(error) => return failed(lock, error),
    };
    // The second build must not see the same time, or a clock in the wheel would go unnoticed.
    wait_for_next_tick();
    progress("building again, later and from a tree laid out in another order");
    match builder.build(environment, Order::Reversed) {
        Ok(second) => Ok(Attempt { lock, built: Ok((first, second)) }),
        Err(error) => failed(lock, error),
    }
}

/// What the project failed at is a result; everything else is an error, and nothing is said about the wheel.
fn failed(lock: Lock, error: anyhow::Error) -> anyhow::Result<Attempt> {
    let built = Err(error.downcast::<BuildError>()?.to_string());
    Ok(Attempt { lock, built })
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn wait_for_next_tick() {
    let now = since_1970();
    let next = Duration::from_secs((now.as_secs() / ZIP_TICK + 1) * ZIP_TICK);
    thread::sleep(next.saturating_sub(now));
}
