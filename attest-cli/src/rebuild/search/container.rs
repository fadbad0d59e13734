//! Other clocks, modes and masks, where every file is the same already.

use std::path::Path;

use attest_core::recipe::{Modes, Recipe, Tick, Umask};
use attest_core::statement::Clock;

use super::Candidate;
use crate::rebuild::tree::{SourceFile, Tree};
use crate::rebuild::wheel::{Wheel, zip_seconds};
use crate::rebuild::zip::Member;
use crate::rebuild::zone;

/// Masks as people have them.
const MASKS: [u32; 2] = [0o022, 0o002];

/// What to try instead of `recipe`, which built `rebuilt` from `source`, not before the second `since`.
pub(super) fn candidates(
    recipe: &Recipe,
    published: &Wheel,
    rebuilt: &Wheel,
    source: &Tree,
    since: i64,
) -> Vec<Candidate> {
    let pairs = published.members().iter().zip(rebuilt.members());
    if pairs.clone().any(|(theirs, ours)| theirs.name != ours.name)
        || published.members().len() != rebuilt.members().len()
    {
        return Vec::new();
    }
    let ticking = ticking(recipe, published, rebuilt, source).or_else(|| showing(recipe, published, rebuilt, since));
    let mut all: Vec<_> = ticking.into_iter().collect();
    let base = all.first().map_or(recipe, |ticking: &Candidate| &ticking.recipe).clone();
    let modes_differ = pairs.clone().any(|(theirs, ours)| theirs.external_attributes != ours.external_attributes);
    if modes_differ && recipe.files.modes != Modes::Windows {
        for modes in [Modes::Raw, Modes::Filtered] {
            for umask in MASKS.map(Umask::new) {
                let mut other = base.clone();
                (other.files.modes, other.files.umask) = (modes, umask);
                let what = format!("umask {}, modes {modes:?}", String::from(umask));
                all.push(Candidate { what, recipe: other });
            }
        }
    }
    all.retain(|candidate| candidate.recipe != *recipe);
    all
}

/// A build of more than two seconds: where ours shows the one time of its replayed clock, the published wheel shows
/// several, in the order in which they are asked for.
fn ticking(recipe: &Recipe, published: &Wheel, rebuilt: &Wheel, source: &Tree) -> Option<Candidate> {
    let stamp = recipe.time.stamp.filter(|_| recipe.time.ticks.is_empty())?;
    let even = |seconds: i64| seconds.div_euclid(2);
    // A module can be as old as the build: its time is its own. What is in `.dist-info` is made by every build.
    let copied = |member: &Member| {
        let is_as_old = |seconds: u64| i64::try_from(seconds).is_ok_and(|seconds| even(seconds) == even(stamp));
        let is_source = |(path, file): (&Path, &SourceFile)| {
            path.ends_with(&member.name) && is_as_old(file.modified.as_secs()) && file.content == member.content
        };
        !published.is_metadata(&member.name) && source.files().any(is_source)
    };
    let stamped = |member: &Member| zip_seconds(member.dos_time).is_some_and(|time| even(time) == even(stamp));
    let pairs = published.members().iter().zip(rebuilt.members());
    let generated = pairs.filter(|(_, ours)| stamped(ours) && !copied(ours));
    let seconds: Vec<_> = generated.map(|(theirs, _)| zip_seconds(theirs.dos_time)).collect::<Option<_>>()?;
    // Too many would copy a wheel's times instead of saying how it was built.
    let (ticks, last) = Tick::runs(&seconds)?;
    let what = format!("a clock that shows {} times", ticks.len() + 1);
    let mut other = recipe.clone();
    (other.time.ticks, other.time.stamp) = (ticks, Some(last));
    (other != *recipe).then_some(Candidate { what, recipe: other })
}

/// A file that the build made, and that a backend which keeps files' times put into the wheel, such as a module with the
/// version: ours has the time of our build, the published one that of its own.
fn showing(recipe: &Recipe, published: &Wheel, rebuilt: &Wheel, since: i64) -> Option<Candidate> {
    let zone = Some(&recipe.time.zone).filter(|_| recipe.time.clock == Clock::Real)?;
    let utc = |member: &Member| {
        let local = zip_seconds(member.dos_time)?;
        // In the hour that a summer begins or ends this may be wrong; trial will show.
        Some(local - zone::offset(zone, local)?)
    };
    let made = |ours: &Member| utc(ours).is_some_and(|time| time >= since.div_euclid(2) * 2);
    let pairs = published.members().iter().zip(rebuilt.members());
    let seconds: Vec<_> = pairs.filter(|(_, ours)| made(ours)).map(|(theirs, _)| utc(theirs)).collect::<Option<_>>()?;
    let (ticks, last) = Tick::runs(&seconds)?;
    let mut other = recipe.clone();
    (other.time.clock, other.time.ticks, other.time.stamp) = (Clock::Replayed, ticks, Some(last));
    Some(Candidate { what: "a clock that shows in what the build made".to_owned(), recipe: other })
}

#[cfg(test)]
mod tests;
