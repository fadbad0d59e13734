//! Where a source comes from, as far as that was looked at: beside the verdict, never part of it.

use attest_core::recipe::Recipe;
use attest_core::statement::Clock;
use serde::Serialize;

use super::record::Verdict;
use super::source::Source;
use super::wheel::{Wheel, zip_seconds};

mod claims;
mod from_commit;

pub(crate) use claims::{Claims, MAX_PROVENANCE};
pub(crate) use from_commit::SdistCheck;

/// Zip times are even seconds, and those between are rounded down (APPNOTE 4.4.6).
const ZIP_TICK: u64 = 2;

/// What was found out about a source.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lineage {
    /// Whether the wheel's time is the commit's: then it need not be believed that somebody set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<TimeOf>,
    /// Whether the published sdist is what a commit gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_commit: Option<SdistCheck>,
    /// What the publisher's attestation says, not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claims: Option<Claims>,
    /// In words.
    pub(crate) notes: Vec<String>,
}

/// What a wheel's time is the time of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TimeOf {
    /// The commit that it was built from.
    Commit,
    /// Something else.
    Other,
}

impl Lineage {
    /// Of a result that is kept: what was said about it then.
    pub(crate) fn noted(notes: Vec<String>) -> Self {
        Self { notes, ..Self::default() }
    }

    /// What the source alone tells. Nothing about an sdist, which names no commit.
    pub(crate) fn of(source: &Source, wheel: &Wheel, recipe: &Recipe, verdict: Verdict) -> Self {
        let Source::Git(checkout) = source else { return Self::default() };
        let mut notes = checkout.notes().to_vec();
        let time = time_of(wheel, recipe, checkout.time());
        match time {
            Some(TimeOf::Commit) => notes.push("the wheel's time is the commit's own".to_owned()),
            Some(TimeOf::Other) => notes.push("the wheel's time is not the commit's".to_owned()),
            None if verdict != Verdict::Exact && has_several_times(wheel) => notes.push(
                "the wheel has the times of files on its builder's disk, which git does not keep: the sdist does"
                    .to_owned(),
            ),
            None => {}
        }
        if !checkout.url().is_canonical() {
            notes.push(format!("no statement can name {}: only https, without a port", checkout.url()));
        }
        Self { time, notes, ..Self::default() }
    }

    /// Adds what the publisher says.
    pub(crate) fn claimed(&mut self, claims: Claims, source: &Source) {
        let built = match source {
            Source::Git(checkout) => Some((checkout.commit().as_str(), checkout.url().as_str())),
            Source::Sdist { .. } => None,
        };
        self.notes.push(claims.note(built));
        self.claims = Some(claims);
    }

    /// One line each, for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let sdist = self.from_commit.iter().flat_map(SdistCheck::lines);
        self.notes.iter().cloned().chain(sdist).collect()
    }
}

/// Nothing where the backend set a constant or copied many times.
fn time_of(wheel: &Wheel, recipe: &Recipe, committed: u64) -> Option<TimeOf> {
    if recipe.time.clock != Clock::SourceDateEpoch {
        return None;
    }
    let time = u64::try_from(zip_seconds(wheel.members().first()?.dos_time)?).ok()?;
    Some(if time == committed - committed % ZIP_TICK { TimeOf::Commit } else { TimeOf::Other })
}

fn has_several_times(wheel: &Wheel) -> bool {
    wheel.members().windows(2).any(|pair| pair[0].dos_time != pair[1].dos_time)
}
