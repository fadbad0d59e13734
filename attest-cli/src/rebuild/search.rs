//! Trial and comparison, where the recipe that was read off a wheel builds all of its code and other metadata.
//!
//! Old wheels do not say which setuptools made them, hidden libraries and older Pythons leave their marks only in generated
//! files, and a clock that ticks during a build shows in the zip. So a short list of alternatives is tried, one build each,
//! ordered by what the published metadata shows; the first that gives every byte wins, and the recipe says that it was
//! found by trial: two tools can give the same bytes. Where code differs nothing is tried: no tool explains that.

use std::mem::discriminant;
use std::time::{Duration, Instant};

use attest_core::recipe::Recipe;

use self::standing::Standing;
use super::attempt::{Attempt, Bench, Probe};
use super::wheel::Wheel;
use super::{infer, pythons};
use crate::{interrupt, run};

mod container;
mod standing;
mod toolchain;

/// How many alternatives are built.
const MAX_TRIES: usize = 12;
/// No alternative is begun after this long.
const MAX_TIME: Duration = Duration::from_secs(900);

/// Another recipe for the same wheel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    /// What is other, for people.
    what: String,
    recipe: Recipe,
}

/// One search.
struct Search<'a> {
    bench: &'a Bench<'a>,
    published: &'a Wheel,
    start: Instant,
    /// The second in which it began.
    since: i64,
    tries: usize,
    /// What made it better, in words.
    found: Vec<String>,
    best: Probe,
    standing: Standing,
}

/// Builds twice as `inferred` says, or as the nearest alternative that was found.
pub(crate) fn search(bench: &Bench<'_>, published: &Wheel, inferred: Recipe) -> anyhow::Result<Attempt> {
    let since = i64::try_from(run::now().secs())?;
    let best = bench.probe(inferred)?;
    let standing = Standing::of(published, &best.built, bench.source.tree());
    let (start, found) = (Instant::now(), Vec::new());
    let mut search = Search { bench, published, start, since, tries: 0, found, best, standing };
    search.try_tools()?;
    search.try_containers()?;
    search.end()
}

impl Search<'_> {
    /// Once something builds at all, there may be more to find.
    fn try_tools(&mut self) -> anyhow::Result<()> {
        while matches!(self.standing, Standing::Metadata(_) | Standing::Failed) {
            let before = discriminant(&self.standing);
            let pythons = match self.best.recipe.python {
                Some(_) => Vec::new(),
                None => pythons::older_than(&self.bench.pip.settings().interpreter),
            };
            let built_with = self.best.lock.version_of("setuptools");
            let mut candidates = toolchain::candidates(&self.best.recipe, built_with, self.published, &pythons);
            if self.standing == Standing::Failed {
                // What does not even run is too old for this Python, rather than the wrong version.
                candidates.sort_by_key(|candidate| candidate.recipe.python.is_none());
            }
            self.try_all(candidates)?;
            if discriminant(&self.standing) == before {
                break;
            }
        }
        Ok(())
    }

    fn try_containers(&mut self) -> anyhow::Result<()> {
        let (Standing::Container(_), Ok(built)) = (self.standing, &self.best.built) else {
            return Ok(());
        };
        let rebuilt = Wheel::read(&built.bytes)?;
        let source = self.bench.source.tree();
        self.try_all(container::candidates(&self.best.recipe, self.published, &rebuilt, source, self.since))
    }

    /// Tries one after the other, until one comes nearer by kind.
    fn try_all(&mut self, candidates: Vec<Candidate>) -> anyhow::Result<()> {
        let before = discriminant(&self.standing);
        for candidate in candidates {
            if discriminant(&self.standing) != before {
                break;
            }
            if self.tries == MAX_TRIES || self.start.elapsed() > MAX_TIME {
                self.bench.note("no more tries")?;
                break;
            }
            self.tries += 1;
            self.try_one(candidate)?;
        }
        Ok(())
    }

    fn try_one(&mut self, candidate: Candidate) -> anyhow::Result<()> {
        self.bench.note(&format!("try {}: {}", self.tries, candidate.what))?;
        let probe = match self.bench.probe(candidate.recipe) {
            Ok(probe) => probe,
            Err(error) if interrupt::requested() => return Err(error),
            // No such file on the index, no such Python: one alternative less.
            Err(error) => return self.bench.note(&format!("try {} came to nothing: {error:#}", self.tries)),
        };
        let standing = Standing::of(self.published, &probe.built, self.bench.source.tree());
        self.bench.note(&format!("try {} gives {standing}", self.tries))?;
        if standing < self.standing {
            (self.best, self.standing) = (probe, standing);
            self.found.push(format!("{} (try {})", candidate.what, self.tries));
        }
        Ok(())
    }

    /// The two builds that count, from the best recipe. What was found is said to be found; what was tried in vain leaves
    /// its guess standing.
    fn end(mut self) -> anyhow::Result<Attempt> {
        if self.standing.has_all_content() && !self.found.is_empty() {
            self.best.recipe.guesses.retain(|guess| guess != infer::GUESSED_SETUPTOOLS);
        }
        self.best.recipe.searched = self.found;
        self.bench.repeat(self.best, self.published.digest())
    }
}
