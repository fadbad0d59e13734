//! `attest normalize WHEEL... [-o DIR | --in-place]`: the same content in a container that depends on nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::container::ZipTime;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::files::{self, Mode};
use crate::output::{Output, Style};
use crate::rebuild::normal::{FIRST_TIME, normal_form};
use crate::rebuild::zip::MAX_FILE;

/// Give wheels a container that depends on nothing but their content
///
/// Order, times (SOURCE_DATE_EPOCH, or 1980-01-01), modes and everything else in the zip around the files become what they
/// would be on any machine; the files and their compressed streams stay as they are. Without -o or --in-place nothing is
/// written: the exit code is 1 where a wheel is not in this form yet.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Wheels to read
    #[arg(required = true, value_name = "WHEEL")]
    wheels: Vec<PathBuf>,
    /// Write the results into this folder
    #[arg(short, long, value_name = "DIR", conflicts_with = "in_place")]
    output_dir: Option<PathBuf>,
    /// Replace the wheels themselves
    #[arg(long)]
    in_place: bool,
}

/// A wheel and its normal form, of which nothing was written yet.
struct Normalized {
    from: PathBuf,
    to: Option<PathBuf>,
    before: ArtifactDigest,
    after: ArtifactDigest,
    bytes: Vec<u8>,
}

/// All wheels are read before one is written: a broken one leaves the others as they are.
pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let time = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(epoch) => zip_time(&epoch)?,
        Err(std::env::VarError::NotPresent) => FIRST_TIME,
        Err(error) => return Err(Failure::usage(format!("SOURCE_DATE_EPOCH: {error}")).into()),
    };
    let all: Vec<Normalized> =
        args.wheels.iter().map(|wheel| normalize(wheel, args, time)).collect::<Result<_, _>>()?;
    refuse_one_place_for_two(&all)?;
    for one in &all {
        match &one.to {
            Some(to) if to != &one.from => files::replace(to, &one.bytes, Mode::Shared)?,
            Some(to) if one.before != one.after => files::rewrite(to, &one.bytes)?,
            _ => {}
        }
    }
    report(&all, out)?;
    let left = all.iter().any(|one| one.to.is_none() && one.before != one.after);
    Ok(if left { Exit::Refused } else { Exit::Pass })
}

/// Wheels of several builds have one name: with -o the last would be all that is left of them.
fn refuse_one_place_for_two(all: &[Normalized]) -> anyhow::Result<()> {
    let mut places = BTreeMap::new();
    for one in all {
        let Some(to) = &one.to else { continue };
        let first = *places.entry(to).or_insert(one);
        if first.after != one.after {
            let (first, second) = (first.from.display(), one.from.display());
            return Err(Failure::usage(format!("expected one wheel for {}, found {first} and {second}", to.display()))
                .hint("give each its own -o")
                .into());
        }
    }
    Ok(())
}

fn normalize(from: &Path, args: &Args, time: u32) -> anyhow::Result<Normalized> {
    let bytes = files::read(from, MAX_FILE)?;
    let before = ArtifactDigest::of(&bytes);
    let bytes = normal_form(&bytes, time).with_context(|| format!("cannot normalize {}", from.display()))?;
    let name = from.file_name().context("expected the path of a wheel, found a folder")?;
    let to = match &args.output_dir {
        Some(folder) => Some(folder.join(name)),
        None => args.in_place.then(|| from.to_owned()),
    };
    Ok(Normalized { from: from.to_owned(), to, before, after: ArtifactDigest::of(&bytes), bytes })
}

/// As the [specification](https://reproducible-builds.org/specs/source-date-epoch/) has it: seconds since 1970, no sign. Times
/// that a zip cannot hold become the nearest that it can, odd seconds the even one before.
fn zip_time(epoch: &str) -> anyhow::Result<u32> {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_198;
    let digits = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = Some(epoch)
        .filter(|_| digits)
        .and_then(|epoch| epoch.parse::<i64>().ok())
        .ok_or_else(|| Failure::usage(format!("expected SOURCE_DATE_EPOCH in seconds since 1970, found {epoch:?}")))?;
    let time = ZipTime::from_seconds(seconds.clamp(FIRST, LAST)).context("expected a time between 1980 and 2107")?;
    Ok(time.dos())
}

fn report(all: &[Normalized], out: &Output) -> anyhow::Result<()> {
    if out.is_json() {
        let document = |one: &Normalized| {
            json!({
                "wheel": one.from,
                "written": one.to,
                "before": one.before,
                "sha256": one.after,
                "changed": one.before != one.after,
            })
        };
        let wheels: Vec<_> = all.iter().map(document).collect();
        return Ok(out.json(&json!({ "schema": "attest.normalize/v1", "wheels": wheels }))?);
    }
    for one in all {
        let (word, style) = match (one.before == one.after, &one.to) {
            (true, _) => ("as it was", Style::Good),
            (false, Some(_)) => ("normalized", Style::Good),
            (false, None) => ("not normalized", Style::Bad),
        };
        let path = one.to.as_ref().unwrap_or(&one.from).display();
        out.line(format!("{} {path} sha256:{}", out.paint(style, word), one.after))?;
    }
    if all.iter().any(|one| one.to.is_none() && one.before != one.after) {
        out.hint("write them with -o DIR or --in-place, before they are signed or uploaded");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::fixture::{SECONDS, TIME, dos};

    #[test]
    fn an_epoch_becomes_the_nearest_time_that_a_zip_holds() {
        for (epoch, expected) in [
            (SECONDS.to_string(), TIME),
            ((SECONDS + 1).to_string(), TIME),
            ("0".to_owned(), FIRST_TIME),
            ("9999999999".to_owned(), dos((2107, 12, 31), (23, 59, 58))),
        ] {
            assert_eq!(zip_time(&epoch).unwrap(), expected, "{epoch}");
        }
        for epoch in ["", "-1", "+1", "1.5", "now", "99999999999999999999"] {
            assert!(zip_time(epoch).is_err(), "{epoch}");
        }
    }
}
