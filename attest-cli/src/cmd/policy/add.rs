//! `attest policy add-rebuilder`: from an introduction card into a policy, after a person has compared the fingerprint.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use attest_core::policy::Policy;
use serde_json::json;

use crate::{
    exit::{Exit, Failure},
    files::{self, Mode},
    places::PlaceError,
    rebuilder::card::{Card, MAX_CARD},
    run::Run,
};

#[derive(Debug, clap::Args)]
pub(super) struct AddRebuilder {
    /// The introduction card
    card: PathBuf,
    /// The policy [default: ~/.config/attest/policy.toml of the account]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The group whose vote it is, in place of the one that the card names
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Do not ask: the fingerprint was compared already
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(args: &AddRebuilder, run: &Run) -> anyhow::Result<Exit> {
    let card = Card::parse(&files::read(&args.card, MAX_CARD)?)?;
    let places = run.places()?;
    let path = args.to.as_ref().or(places.user_policy.as_ref()).ok_or_else(PlaceError::no_home)?;
    let text = String::from_utf8(files::read(path, Policy::MAX_LEN as u64)?)
        .map_err(|_| Failure::usage(format!("{} is no policy: expected UTF-8", path.display())))?;
    let (text, serial) = with(&text, &card, args.group.as_deref())?;
    let introduction = card.introduction();
    let fingerprint = introduction.key().fingerprint();
    let group = args.group.as_deref().unwrap_or(introduction.group().as_str());
    run.out.note(format_args!(
        "{} of {group}, contact {}\n  {fingerprint}",
        introduction.name(),
        introduction.contact()
    ));
    if !args.yes && !agreed(path)? {
        return Err(Failure::new(Exit::Refused, "nothing was changed").into());
    }
    files::replace(path, text.as_bytes(), Mode::Shared)?;
    if run.out.is_json() {
        let document = json!({
            "schema": "attest.policy-add/v1",
            "file": path,
            "name": introduction.name().as_str(),
            "group": group,
            "fingerprint": fingerprint,
            "serial": serial,
        });
        run.out.json(&document)?;
    } else {
        run.out.line(format_args!("{}: {} added, serial {serial}", path.display(), introduction.name()))?;
    }
    Ok(Exit::Pass)
}

/// The policy with one more rebuilder at its end and its serial raised by one; every other byte stays.
fn with(text: &str, card: &Card, group: Option<&str>) -> anyhow::Result<(String, u64)> {
    let refused = |error| Failure::usage(format!("this card makes no policy of it: {error}"));
    let old = Policy::parse(text)?;
    let serial = old.serial();
    let next = serial.value.checked_add(1).ok_or_else(|| Failure::usage("the policy's serial cannot be raised"))?;
    let mut changed = String::with_capacity(text.len() + 1024);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if number == serial.line {
            changed.push_str(&raised(line, serial.value, next)?);
        } else {
            changed.push_str(line);
        }
    }
    if !changed.ends_with('\n') {
        changed.push('\n');
    }
    changed.push('\n');
    changed.push_str(&card.for_policy(group));
    // The one policy parser has the last word: names and keys that are there already, groups that nobody may take.
    let new = Policy::parse(&changed).map_err(refused)?;
    if new.serial().value != next || new.parties().len() != old.parties().len() + 1 {
        return Err(Failure::usage("expected a policy with its serial on a line of its own").into());
    }
    Ok((changed, next))
}

/// `serial = 7  # why`: the number alone.
fn raised(line: &str, old: u64, new: u64) -> anyhow::Result<String> {
    let hint = "raise the serial and add the rebuilder by hand: `attest rebuilder card --for-policy` prints it";
    let unusual = || Failure::usage(format!("expected `serial = {old}`, found {:?}", line.trim())).hint(hint);
    let (key, value) = line.split_once('=').ok_or_else(unusual)?;
    let rest = value.trim_start().strip_prefix(&old.to_string()).ok_or_else(unusual)?;
    if key.trim() != "serial" || rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_') {
        return Err(unusual().into());
    }
    Ok(format!("{key}= {new}{rest}"))
}

/// A person's word, on a terminal; nobody there is no.
fn agreed(path: &std::path::Path) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        let message = "somebody has to compare the fingerprint, and nobody is there to be asked";
        return Err(Failure::usage(message)
            .hint("compare it with what its owner says elsewhere, then give --yes")
            .into());
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "Does its owner say the same fingerprint elsewhere, and may it vote in {}? [y/N] ", path.display())?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_of_the_serial_is_changed() {
        for (line, expected) in [
            ("serial = 7\n", Some("serial = 8\n")),
            ("serial=7 # up\r\n", Some("serial= 8 # up\r\n")),
            ("\"serial\" = 7\n", None),
            ("serial = 0x7\n", None),
            ("serial = 7_0\n", None),
            ("serial = 71\n", None),
        ] {
            assert_eq!(raised(line, 7, 8).ok().as_deref(), expected, "{line:?}");
        }
    }
}
