//! What time the build believed it was, read off the wheel's times.

use std::path::Path;

use attest_core::recipe::{Tick, Time};
use attest_core::statement::Clock;

use super::{Family, Generator};
use crate::rebuild::tree::{SourceFile, Tree};
use crate::rebuild::wheel::{Wheel, zip_seconds};
use crate::rebuild::zip::Member;
use crate::rebuild::zone::{self, Sample};

/// Times that backends write when `SOURCE_DATE_EPOCH` is not set: 1980-01-01 (`uv_build`, pdm, poetry-core 1.x),
/// 2016-01-01 (poetry-core, flit), 2020-02-02 (hatchling).
const BACKEND_CONSTANTS: [i64; 3] = [315_532_800, 1_451_606_400, 1_580_601_600];
/// Builds of pure wheels take seconds; this is minutes, on a slow machine.
const LONGEST_BUILD: u64 = 600;

/// One time for all is an epoch, or what the backend writes without one; several are the source's own, and those of
/// generated files.
pub(super) fn infer(generator: &Generator, wheel: &Wheel, sdist: &Tree, guesses: &mut Vec<String>) -> Time {
    let times: Option<Vec<i64>> = wheel.members().iter().map(|member| zip_seconds(member.dos_time)).collect();
    let times = times.unwrap_or_default();
    let real =
        Time { clock: Clock::Real, source_date_epoch: None, stamp: None, ticks: Vec::new(), zone: "UTC".to_owned() };
    let Some(first) = times.first().copied() else {
        guesses.push("the wheel's times are not dates".to_owned());
        return real;
    };
    let one = times.iter().all(|time| *time == first);
    // setuptools has no constant of its own: there 1980 is an epoch that somebody set.
    let constant = BACKEND_CONSTANTS.contains(&first) && !generator.by_setuptools();
    if one && !constant {
        return Time { clock: Clock::SourceDateEpoch, source_date_epoch: Some(first), ..real };
    }
    if one {
        return real;
    }
    let stamp = wheel.metadata("WHEEL").and_then(|member| zip_seconds(member.dos_time));
    // What a backend generates has its constant, or shows the builder's clock, as with setuptools and meson-python.
    let by_clock = generator.by_setuptools() || stamp.is_some_and(|stamp| !BACKEND_CONSTANTS.contains(&stamp));
    if by_clock && generator.family != Family::Flit {
        let (ticks, stamp) = match stamp.and_then(|stamp| ticks(wheel, sdist, stamp)) {
            Some((ticks, last)) => (ticks, Some(last)),
            None => (Vec::new(), stamp),
        };
        return Time { clock: Clock::Replayed, stamp, ticks, ..real };
    }
    let zone = zone::infer(&time_samples(wheel, sdist));
    if zone.is_none() {
        guesses.push("no known time zone explains the wheel's times".to_owned());
    }
    Time { zone: zone.unwrap_or("UTC").to_owned(), ..real }
}

/// The times of generated files, in the order in which the build asked for them. A module that shows the time it has in the
/// sdist was copied with it; all else is made by the build, which takes seconds or minutes. So is everything in `.dist-info`, but for
/// `zip-safe`, which setuptools does not write again where the sdist's `.egg-info` has it.
fn ticks(wheel: &Wheel, sdist: &Tree, stamp: i64) -> Option<(Vec<Tick>, i64)> {
    let named = sdist.by_file_name();
    let copied = |member: &Member| {
        let Some(time) = zip_seconds(member.dos_time) else { return false };
        let as_old = |file: &SourceFile| {
            i64::try_from(file.modified.as_secs()).is_ok_and(|utc| utc.div_euclid(2) == time.div_euclid(2))
        };
        let name = Path::new(&member.name);
        let mut files = named.get(name.file_name().unwrap_or_default()).into_iter().flatten();
        // `zip-safe` is in the `.egg-info` there.
        let by_path = !wheel.is_metadata(&member.name);
        if !by_path && !member.name.ends_with("zip-safe") {
            return false;
        }
        files.any(|(path, file)| as_old(file) && (!by_path || path.ends_with(name)) && file.content == member.content)
    };
    let generated = wheel.members().iter().filter(|member| !copied(member));
    let seconds = generated.map(|member| zip_seconds(member.dos_time)).collect::<Option<Vec<_>>>()?;
    // What is much older kept its time in a way that is not known here: trial will show.
    seconds.iter().all(|time| time.abs_diff(stamp) < LONGEST_BUILD).then(|| Tick::runs(&seconds)).flatten()
}

/// Files that are the same in both: their time once in UTC, once local.
fn time_samples(wheel: &Wheel, sdist: &Tree) -> Vec<Sample> {
    let named = sdist.by_file_name();
    let sample = |member: &Member| {
        let name = Path::new(&member.name);
        let mut files = named.get(name.file_name()?)?.iter();
        let (_, file) = files.find(|(path, file)| path.ends_with(name) && file.content == member.content)?;
        let utc = i64::try_from(file.modified.as_secs()).ok()?;
        // What the backend dates by itself says nothing about where.
        let local = zip_seconds(member.dos_time).filter(|local| !BACKEND_CONSTANTS.contains(local))?;
        Some(Sample { utc, local })
    };
    wheel.members().iter().filter(|member| !wheel.is_metadata(&member.name)).filter_map(sample).collect()
}
