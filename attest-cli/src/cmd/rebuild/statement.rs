//! `attest rebuild --statement`: replay what somebody signed, and say whether it holds.

use std::path::Path;
use std::process::ExitCode;

use attest_core::escape::Escaped;
use reqwest::Url;
use serde_json::json;

use super::{document, print};
use crate::cmd::sign::says;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::interrupt;
use crate::output::{Output, Style};
use crate::rebuild::claim::{Claim, MAX_ENVELOPE, Standing};
use crate::rebuild::target::Target;
use crate::rebuild::workshop::{Replay, Workshop};

/// 0: it holds; 1: it does not; 3: that could not be found out.
pub(super) fn run(place: &str, targets: &[Target], workshop: &Workshop, out: &Output) -> anyhow::Result<ExitCode> {
    let wheel = match targets {
        [] => None,
        [Target::File(path)] => Some(path.as_path()),
        _ => {
            let message = "expected at most one wheel, as a file, beside --statement, which says what it is about";
            return Err(Failure::usage(message).into());
        }
    };
    let progress: &dyn Fn(&str) = &|step| out.note(step);
    let claim = Claim::parse(&read(place, workshop)?)?;
    let replay = match workshop.replay(&claim, wheel, progress) {
        Ok(replay) => replay,
        Err(error) if interrupt::requested() => return Err(error),
        Err(error) => return Err(error.context(Failure::new(Exit::Undecided, "the statement could not be replayed"))),
    };
    if out.is_json() {
        out.json(&report(&claim, &replay))?;
    } else {
        tell(&claim, &replay, out)?;
    }
    Ok(exit_of(replay.standing).into())
}

fn read(place: &str, workshop: &Workshop) -> anyhow::Result<Vec<u8>> {
    if !place.contains("://") {
        return Ok(files::read(Path::new(place), MAX_ENVELOPE)?);
    }
    let url = Url::parse(place)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::usage(format!("expected a statement's file or http(s) URL, found {place}")).into());
    }
    workshop.read_statement(&url, MAX_ENVELOPE)
}

fn exit_of(standing: Standing) -> Exit {
    match standing {
        Standing::Holds => Exit::Pass,
        Standing::Fails => Exit::Refused,
        Standing::Open => Exit::Undecided,
    }
}

fn tell(claim: &Claim, replay: &Replay, out: &Output) -> anyhow::Result<()> {
    print(&replay.outcome, out)?;
    let (style, word) = match replay.standing {
        Standing::Holds => (Style::Good, "HOLDS"),
        Standing::Fails => (Style::Bad, "DOES NOT HOLD"),
        Standing::Open => (Style::Caution, "COULD NOT BE TOLD"),
    };
    let (word, kind) = (out.paint(style, word), says(claim.predicate()));
    out.line(format!("{word} statement {} ({kind}), which says {}", claim.id(), claim.says()))?;
    for surrounding in &replay.surroundings {
        out.line(format!("  {}", Escaped(&surrounding.to_string())))?;
    }
    if replay.outcome.folder.record().contradicts.is_some() {
        out.warning("the same inputs gave other bytes here: the result contradicts the statement");
        out.hint(format!(
            "replay it on another machine before `attest sign --accuse {}`: a signed contradiction blocks the file",
            replay.outcome.folder.path().display()
        ));
    } else if replay.standing == Standing::Fails {
        out.note("this is no contradiction: other inputs, or what is around the build, may explain the difference");
    }
    Ok(())
}

fn report(claim: &Claim, replay: &Replay) -> serde_json::Value {
    json!({
        "schema": "attest.replay/v1",
        "statementId": claim.id(),
        "standing": match replay.standing {
            Standing::Holds => "HOLDS",
            Standing::Fails => "FAILS",
            Standing::Open => "OPEN",
        },
        "says": says(claim.predicate()),
        "contradicts": replay.outcome.folder.record().contradicts,
        "surroundings": replay.surroundings,
        "result": document(&replay.outcome),
    })
}
