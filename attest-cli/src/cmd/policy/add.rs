//! `attest policy add-rebuilder`: from an introduction card into a policy, after a person has compared the fingerprint.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use serde_json::json;

use crate::{
    amendment::Amendment,
    exit::{Exit, Failure},
    files,
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
    let mut amendment = Amendment::of(args.to.as_ref(), &run.places()?)?;
    amendment.append(&card.for_policy(args.group.as_deref()))?;
    // The one policy parser has the last word: names and keys that are there already, groups that nobody may take.
    let amended =
        amendment.finish().map_err(|error| Failure::usage(format!("this card makes no policy of it: {error}")))?;
    let introduction = card.introduction();
    let fingerprint = introduction.key().fingerprint();
    let group = args.group.as_deref().unwrap_or(introduction.group().as_str());
    run.out.note(format_args!(
        "{} of {group}, contact {}\n  {fingerprint}",
        introduction.name(),
        introduction.contact()
    ));
    if !args.yes && !agreed(&amended.path)? {
        return Err(Failure::new(Exit::Refused, "nothing was changed").into());
    }
    amended.write()?;
    let (path, serial) = (&amended.path, amended.serial);
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
