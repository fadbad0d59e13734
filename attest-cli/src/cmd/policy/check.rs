//! `attest policy check` and `attest policy show`: what the policies come to, each value with its line.

use std::{io, path::PathBuf, time::Duration};

use attest_core::{
    artifact::{ProjectName, Version},
    policy::{
        Exemption, ExemptionScope, GroupName, Lined, Negatives, PackageRule, Party, Policy, Ratchet, RatchetEntry,
        Rule, Status, Witnessing,
    },
    statement::{Method, Origin},
    time::Timestamp,
};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    gate::aged::{age, days},
    layers::{self, Layer, Owner},
    output::{Style, plural},
    run::{self, Run},
};

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// NAME, or NAME==VERSION
    package: String,
}

pub(super) fn check(file: Option<&PathBuf>, run: &Run) -> anyhow::Result<Exit> {
    let layers: Vec<Layer> = match file {
        Some(path) => vec![layers::read(Owner::Named, path)?],
        None => run.layers()?.iter().cloned().collect(),
    };
    let now = run::now();
    let expired = layers.iter().any(|layer| layer.policy.expires().value <= now);
    if run.out.is_json() {
        let policies = layers.iter().map(|layer| Shown::of(layer, now)).collect();
        run.out.json(&Document { schema: "attest.policy-check/v1", policies })?;
        // One document: its values say what is over.
        return Ok(if expired { Exit::Undecided } else { Exit::Pass });
    }
    for layer in &layers {
        print(layer, &whole(&layer.policy, now), run)?;
    }
    if expired {
        let hint = "review it, then set `expires` and raise `serial`";
        return Err(Failure::new(Exit::Undecided, "a policy has expired: nothing passes").hint(hint).into());
    }
    Ok(Exit::Pass)
}

pub(super) fn show(args: &Show, run: &Run) -> anyhow::Result<Exit> {
    let (name, version) = match args.package.split_once("==") {
        Some((name, version)) => (name, Some(Version::new(version.trim())?)),
        None => (args.package.as_str(), None),
    };
    let project = ProjectName::new(name.trim())?;
    let (layers, now) = (run.layers()?, run::now());
    let mut shown = Vec::new();
    for layer in layers.iter() {
        let rows = package(&layer.policy, &project, version.as_ref(), now);
        if run.out.is_json() {
            shown.push(ShownPackage { layer: layer.owner.to_string(), file: layer.path.clone(), values: rows });
        } else {
            print(layer, &rows, run)?;
        }
    }
    if run.out.is_json() {
        let (schema, name) = ("attest.policy-show/v1", project.to_string());
        run.out.json(&serde_json::json!({ "schema": schema, "package": name, "policies": shown }))?;
    } else if layers.iter().count() > 1 {
        run.out.note("every one of them must accept");
    }
    Ok(Exit::Pass)
}

/// A value, in words, and the line that it is from.
#[derive(Debug, Serialize)]
struct Row {
    line: usize,
    says: String,
}

fn row(line: usize, says: impl Into<String>) -> Row {
    Row { line, says: says.into() }
}

fn print(layer: &Layer, rows: &[Row], run: &Run) -> io::Result<()> {
    let title = format!("{} ({} policy)", layer.path.display(), layer.owner);
    run.out.line(run.out.paint(Style::Strong, title))?;
    rows.iter().try_for_each(|row| run.out.line(format_args!("{:>5}  {}", row.line, row.says)))
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    policies: Vec<Shown>,
}

#[derive(Serialize)]
struct ShownPackage {
    layer: String,
    file: PathBuf,
    values: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    layer: String,
    file: PathBuf,
    serial: u64,
    expires: String,
    threshold: u32,
    parties: Vec<ShownParty>,
    logs: Vec<ShownLog>,
    witnesses: Vec<String>,
    exemptions: usize,
    dismissals: usize,
    pins: usize,
    values: Vec<Row>,
}

#[derive(Serialize)]
struct ShownParty {
    role: String,
    name: String,
    group: String,
    key: String,
    line: usize,
}

#[derive(Serialize)]
struct ShownLog {
    origin: String,
    urls: Vec<String>,
    line: usize,
}

impl Shown {
    fn of(layer: &Layer, now: Timestamp) -> Self {
        let policy = &layer.policy;
        Self {
            layer: layer.owner.to_string(),
            file: layer.path.clone(),
            serial: policy.serial().value,
            expires: policy.expires().value.to_string(),
            threshold: policy.threshold().value,
            parties: policy.parties().iter().map(ShownParty::of).collect(),
            logs: policy
                .logs()
                .iter()
                .map(|log| ShownLog { origin: log.origin().to_owned(), urls: log.urls().to_vec(), line: log.line() })
                .collect(),
            witnesses: policy.witnesses().iter().map(|witness| witness.vkey().to_string()).collect(),
            exemptions: policy.exemptions().len(),
            dismissals: policy.dismissals().len(),
            pins: policy.ratchet().map_or(0, |ratchet| ratchet.pins().len()),
            values: whole(policy, now),
        }
    }
}

impl ShownParty {
    fn of(party: &Party) -> Self {
        Self {
            role: party.role().to_string(),
            name: party.name().to_string(),
            group: party.group().to_string(),
            key: party.key().fingerprint(),
            line: party.line(),
        }
    }
}

/// Every value with its line, so that "why" leads back to the file.
fn whole(policy: &Policy, now: Timestamp) -> Vec<Row> {
    let expires = policy.expires();
    let over = if expires.value <= now { ": it is over, and nothing passes" } else { "" };
    let mut rows = vec![
        row(policy.serial().line, format!("serial {}", policy.serial().value)),
        row(expires.line, format!("expires {}{over}", expires.value)),
        row(policy.threshold().line, agreement(policy.threshold().value)),
        origins(policy.accept_origin()),
        methods(policy.accept_method()),
        row(policy.negatives().line, dissent(policy)),
        row(policy.witnessing().line, witnessing(policy)),
    ];
    rows.extend(policy.parties().iter().map(party));
    for log in policy.logs() {
        let last = log.last().map_or_else(String::new, |last| format!(", finished with {} entries", last.size.get()));
        rows.push(row(log.line(), format!("log {} at {}{last}", log.origin(), log.urls().join(", "))));
    }
    let witnesses = policy.witnesses().iter();
    rows.extend(witnesses.map(|one| row(one.line(), format!("witness {} of {}", one.name(), one.group()))));
    let auditors = policy.auditors().iter();
    rows.extend(auditors.map(|one| row(one.line(), format!("auditor {} of {}", one.name(), one.group()))));
    rows.extend(policy.packages().iter().map(|rule| package_rule(rule, policy)));
    let includes = policy.includes().iter();
    rows.extend(includes.map(|one| row(one.line(), format!("{} (sha256 {}) judges too", one.url(), one.sha256()))));
    rows.extend(policy.exemptions().iter().map(|one| exemption(one, now)));
    for one in policy.dismissals() {
        let over = if one.expires() <= now { " (over)" } else { "" };
        let text = format!("dismisses {} until {}{over}: {}", one.statement(), one.expires(), one.reason());
        rows.push(row(one.line(), text));
    }
    rows.extend(policy.ratchet().map(|all| ratchet(all, now)));
    rows
}

/// What applies to one project.
fn package(policy: &Policy, project: &ProjectName, version: Option<&Version>, now: Timestamp) -> Vec<Row> {
    let rule = policy.rule(project);
    let mut rows = rule_rows(&rule, version);
    rows.push(row(policy.negatives().line, dissent(policy)));
    let of_name = |one: &&Exemption| match one.scope() {
        ExemptionScope::Index { name, .. } => name.as_ref().is_none_or(|name| name.matches(project.as_str())),
        // Which file has these bytes, the policy does not say.
        ExemptionScope::File(_) => false,
    };
    rows.extend(policy.exemptions().iter().filter(of_name).map(|one| exemption(one, now)));
    if let Some(ratchet) = policy.ratchet() {
        let of = |entries: &[Lined<RatchetEntry>], what: &str| -> Vec<Row> {
            let mine = entries.iter().filter(|entry| {
                entry.value.project() == project && version.is_none_or(|version| entry.value.version().same_as(version))
            });
            let line = |entry: &Lined<RatchetEntry>| {
                let age = age(days(entry.value.since(), now));
                row(entry.line, format!("{what} {} ago: {}", age, entry.value.name()))
            };
            mine.map(line).collect()
        };
        rows.extend(of(ratchet.pins(), "pinned"));
        rows.extend(of(ratchet.attested(), "attested"));
    }
    rows
}

fn rule_rows(rule: &Rule, version: Option<&Version>) -> Vec<Row> {
    let mut rows = vec![
        row(rule.threshold().line, agreement(rule.threshold().value)),
        origins(rule.accept_origin()),
        methods(rule.accept_method()),
    ];
    let required = rule.required().iter();
    rows.extend(
        required.map(|group: &Lined<GroupName>| row(group.line, format!("{} must be among them", group.value))),
    );
    rows.extend(rule.indexes().iter().map(|index| row(index.line, format!("only from {}", index.value))));
    for repository in rule.repositories() {
        let refs = version.map_or_else(String::new, |version| {
            let refs: Vec<_> = repository.value.refs(version).iter().map(ToString::to_string).collect();
            format!(" at {}", refs.join(" or "))
        });
        rows.push(row(repository.line, format!("only built from {}{refs}", repository.value.url())));
    }
    if let Some(recipes) = rule.accept_recipe() {
        rows.push(row(recipes.line, format!("{} with commands accepted", plural(recipes.value.len(), "recipe"))));
    }
    if let Some(equivalent) = rule.accept_equivalent() {
        let word = if equivalent.value { "counts" } else { "does not count" };
        rows.push(row(equivalent.line, format!("\"equal but for listed members\" {word}")));
    }
    rows
}

/// One entry alone, in one line: those of its values that are not the policy's own.
fn package_rule(rule: &PackageRule, policy: &Policy) -> Row {
    let own = rule_rows(&rule.over(policy), None);
    let base = rule_rows(&policy.base(), None);
    let said = own.into_iter().filter(|row| base.iter().all(|other| other.line != row.line || other.says != row.says));
    let said: Vec<_> = said.map(|row| row.says).collect();
    row(rule.line(), format!("{}: {}", rule.name(), said.join("; ")))
}

fn origins(all: &Lined<Vec<Origin>>) -> Row {
    let word = |origin: &Origin| match origin {
        Origin::Git => "git",
        Origin::Sdist => "sdist",
    };
    row(all.line, format!("built from {}", all.value.iter().map(word).collect::<Vec<_>>().join(" or ")))
}

fn methods(all: &Lined<Vec<Method>>) -> Row {
    let word = |method: &Method| match method {
        Method::Exact => "exact",
        Method::Replayed => "replayed",
    };
    row(all.line, format!("results that are {}", all.value.iter().map(word).collect::<Vec<_>>().join(" or ")))
}

fn party(party: &Party) -> Row {
    let status = match party.status() {
        Status::Current => "",
        Status::Retired => " (retired)",
        Status::Compromised => " (compromised)",
    };
    let bounds = party.valid().map_or_else(String::new, |ranges| {
        let range = |range: &attest_core::policy::IndexRange| {
            let before = range.before().map_or_else(|| "on".to_owned(), |before| format!("to {}", before.get()));
            format!("{} from {} {before}", range.log(), range.from().get())
        };
        let ranges: Vec<_> = ranges.iter().map(range).collect();
        if ranges.is_empty() { ", nowhere".to_owned() } else { format!(", in {}", ranges.join(", ")) }
    });
    let (role, name, group) = (party.role(), party.name(), party.group());
    row(party.line(), format!("{role} {name}{status} votes for {group}{bounds}: {}", party.key().fingerprint()))
}

fn exemption(one: &Exemption, now: Timestamp) -> Row {
    let age = one.since().map_or_else(String::new, |since| format!(", {} old", age(days(since, now))));
    let until = match one.expires() {
        Some(end) if end <= now => format!("until {end} (over)"),
        Some(end) => format!("until {end}"),
        None => "without end".to_owned(),
    };
    row(one.line(), format!("exempt {until}{age}: {}: {}", one.scope(), one.reason()))
}

fn ratchet(all: &Ratchet, now: Timestamp) -> Row {
    let oldest = all.pins().iter().map(|pin| days(pin.value.since(), now)).max();
    let age = oldest.map_or_else(String::new, |oldest| format!(", the oldest for {}", age(oldest)));
    let over = if all.expires().value <= now { " (over)" } else { "" };
    let (pins, attested, end) = (plural(all.pins().len(), "file"), all.attested().len(), all.expires().value);
    row(all.expires().line, format!("{pins} pinned until {end}{over}{age}; {attested} known to be attested"))
}

fn groups(number: u32, kind: &str) -> String {
    format!("{number} {kind} group{}", if number == 1 { "" } else { "s" })
}

fn agreement(threshold: u32) -> String {
    format!("{} must agree", groups(threshold, "independent"))
}

/// As the file writes durations, in the largest unit that is whole.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole = units.into_iter().find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length));
    let (length, unit) = whole.unwrap_or((1, "s"));
    format!("{}{unit}", seconds / length)
}

fn dissent(policy: &Policy) -> String {
    match policy.negatives().value {
        Negatives::Complete { auditor_threshold } => {
            format!("all dissent must be shown: {} must vouch for it", groups(auditor_threshold, "auditor"))
        }
        Negatives::BestEffort => "dissent counts where it is found; that some is withheld is not excluded".to_owned(),
    }
}

fn witnessing(policy: &Policy) -> String {
    match policy.witnessing().value {
        Witnessing::None => "no witnesses: nobody vouches that everybody sees the same log".to_owned(),
        Witnessing::Quorum { groups, max_age, offline_max_age } => format!(
            "{} must have cosigned within {}, with --offline within {}",
            self::groups(groups, "witness"),
            span(max_age),
            span(offline_max_age)
        ),
    }
}
