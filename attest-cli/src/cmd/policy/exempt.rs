//! `attest policy exempt` and `attest policy dismiss`: exceptions with a reason, a beginning and an end.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version},
    envelope::StatementId,
};
use serde_json::json;

use crate::{
    amendment::{Amended, Amendment, quoted},
    exit::{Exit, Failure},
    gate, input,
    item::Question,
    platform::find::Selection,
    run::{self, Run},
    until::Until,
    wheels,
};

/// The end of any exception.
const DEFAULT: &str = "30d";

#[derive(Debug, clap::Args)]
pub(super) struct Exempt {
    /// `NAME==VERSION` (its files in the project's lock), a wheel or source distribution, or `sha256:HEX`
    item: String,
    /// Why, for whoever reads the policy later
    #[arg(long)]
    reason: String,
    /// Until when: `30d`, `2027-03-31`
    #[arg(long, default_value = DEFAULT)]
    expires: Until,
    /// Where the digests of NAME==VERSION are taken from [default: the project's lock]
    #[arg(long, value_name = "FILE")]
    lock: Vec<PathBuf>,
    /// The policy [default: ~/.config/attest/policy.toml of the account]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Dismiss {
    /// The contradiction, as `attest explain` prints it
    statement: String,
    /// Why, for whoever reads the policy later
    #[arg(long)]
    reason: String,
    /// Until when: `30d`, `2027-03-31`
    #[arg(long, default_value = DEFAULT)]
    expires: Until,
    /// The policy [default: ~/.config/attest/policy.toml of the account]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) fn exempt(args: &Exempt, run: &Run) -> anyhow::Result<Exit> {
    let now = run::now();
    let expires = args.expires.after(now)?;
    let files = digests(&args.item, &args.lock, run)?;
    let mut amendment = Amendment::of(args.to.as_ref(), &run.places()?)?;
    for (digest, name) in &files {
        let mut table = String::new();
        if let Some(name) = name {
            // The name is for people: the digest decides (docs/TRUST.md 6.3).
            writeln!(table, "# {}", name.escape_debug())?;
        }
        let reason = quoted(&args.reason);
        write!(table, "[[exempt]]\nsha256 = \"{digest}\"\nreason = {reason}\nsince = {now}\nexpires = {expires}\n")?;
        amendment.append(&table)?;
    }
    tell(&amendment.write()?, "attest.policy-exempt/v1", run)
}

pub(super) fn dismiss(args: &Dismiss, run: &Run) -> anyhow::Result<Exit> {
    let expires = args.expires.after(run::now())?;
    let statement: StatementId = args.statement.parse()?;
    let mut amendment = Amendment::of(args.to.as_ref(), &run.places()?)?;
    let reason = quoted(&args.reason);
    amendment.append(&format!("[[dismiss]]\nstatement = \"{statement}\"\nreason = {reason}\nexpires = {expires}\n"))?;
    tell(&amendment.write()?, "attest.policy-dismiss/v1", run)
}

pub(super) fn tell(amended: &Amended, schema: &str, run: &Run) -> anyhow::Result<Exit> {
    if run.out.is_json() {
        let (file, serial, changes) = (&amended.path, amended.serial, amended.diff());
        run.out.json(&json!({ "schema": schema, "file": file, "serial": serial, "changes": changes }))?;
    } else {
        amended.show(&run.out)?;
        run.out.line(format_args!("{}: serial {}", amended.path.display(), amended.serial))?;
    }
    Ok(Exit::Pass)
}

/// What was named, by its bytes, and what it is called.
fn digests(item: &str, locks: &[PathBuf], run: &Run) -> anyhow::Result<BTreeMap<ArtifactDigest, Option<String>>> {
    if let Some(hex) = item.strip_prefix("sha256:") {
        return Ok(BTreeMap::from([(hex.parse()?, None)]));
    }
    if let Some((name, version)) = item.split_once("==").filter(|_| !Path::new(item).exists()) {
        return released(&ProjectName::new(name.trim())?, &Version::new(version.trim())?, locks, run);
    }
    let path = Path::new(item);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let digest =
        wheels::digest(path).map_err(|source| Failure::usage(format!("cannot read {}: {source}", path.display())))?;
    Ok(BTreeMap::from([(digest, name)]))
}

/// The files that the lock has of a release.
fn released(
    project: &ProjectName,
    version: &Version,
    locks: &[PathBuf],
    run: &Run,
) -> anyhow::Result<BTreeMap<ArtifactDigest, Option<String>>> {
    let mut found = BTreeMap::new();
    for item in input::items(locks, &Selection::default(), run)? {
        if let Question::File { wanted, .. } = &item.question
            && let Some((named, of)) = gate::release(&wanted.name)
            && named == *project
            && of.same_as(version)
        {
            found.insert(wanted.digest, Some(item.name.clone()));
        }
    }
    if found.is_empty() {
        let message = format!("the lock has no file of {project}=={} with a sha256", version.as_str());
        return Err(Failure::usage(message).hint("name the file itself, or its sha256:HEX").into());
    }
    Ok(found)
}
