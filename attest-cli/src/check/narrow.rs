//! Which variation is it? Building again with one at a time tells, for what the bytes themselves do not.

use std::time::{Duration, Instant};

use super::bench::{Bench, Built};
use super::cause::{Cause, Diagnosis};
use super::symptom::{self, Symptom};
use super::trace::Traces;
use super::variation::{Side, Variation};
use crate::interrupt;

/// No further build is begun after this.
const BUDGET: Duration = Duration::from_secs(900);

/// What was tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Narrowing {
    /// Builds that were made for it.
    pub(crate) builds: usize,
    /// Variations that were not tried, and why.
    pub(crate) gave_up: Option<String>,
}

/// Gives a cause to every difference that has none and that shows when one thing alone is varied. `first` is the first build.
pub(crate) fn narrow(
    bench: &Bench<'_>,
    first: &Built,
    found: &mut [Diagnosis],
    progress: &dyn Fn(&str),
) -> anyhow::Result<Narrowing> {
    let mut narrowing = Narrowing::default();
    let start = Instant::now();
    // Nothing varied comes first: what differs even then has nothing to do with the rest.
    let varied = bench.plan.varied().iter().map(|one| Some(one.name));
    for step in std::iter::once(None).chain(varied) {
        if !found.iter().any(Diagnosis::is_open) {
            break;
        }
        if start.elapsed() + first.took > BUDGET {
            narrowing.gave_up = Some(format!("no time was left to try {} and what follows", name_of(step)));
            break;
        }
        progress(&format!("narrowing down: building with {} varied", name_of(step)));
        let side = step.map_or_else(Side::first, Side::only);
        let again = match bench.build(&side) {
            Ok(built) => built,
            Err(error) if interrupt::requested() => return Err(error),
            Err(error) => {
                narrowing.gave_up = Some(format!("the build with {} varied failed: {error:#}", name_of(step)));
                break;
            }
        };
        narrowing.builds += 1;
        let traces = Traces::of(bench.scratch, bench.plan, [&Side::first(), &side], [first, &again]);
        let cause = step.map_or(Cause::Repeat, Cause::from);
        settle(found, &symptom::compare(first, &again, &traces), cause);
    }
    Ok(narrowing)
}

fn settle(found: &mut [Diagnosis], shown: &[Symptom], cause: Cause) {
    for one in found.iter_mut().filter(|one| one.is_open()) {
        if shown.iter().any(|other| other.is_like(&one.symptom)) {
            one.narrow(cause);
        }
    }
}

fn name_of(step: Option<Variation>) -> &'static str {
    step.map_or("nothing but the time", Variation::name)
}
