//! `attest policy ratchet`: what a lock lacks today is taken for a while, and what it has is remembered; from then on
//! nothing gets worse (docs/TRUST.md 6.4).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName},
    policy::{Policy, RatchetEntry, Release},
    time::Timestamp,
    verify::{Reason, Severity, Verdict, Wanted, WantedName},
};
use serde_json::json;

use crate::{
    amendment::Amendment,
    exit::{Exit, Failure},
    gate::{self, Answer, Judged, Word, cause::Cause},
    input,
    item::{Item, Question},
    layers::{Layer, Layers},
    output::{Output, plural},
    platform::find::Selection,
    run::{self, Run},
    until::Until,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Locks, requirements, wheels: everything that the ratchet is about, every time [default: the project's lock]
    paths: Vec<PathBuf>,
    /// Pin what a project lacks now, also where an earlier version was attested; may be given more than once
    #[arg(long, value_name = "NAME")]
    accept: Vec<String>,
    /// Pin every new file that lacks votes and of whose project no version was attested
    #[arg(long)]
    accept_new: bool,
    /// Until when all pins hold: `90d`, `2027-03-31` [default: as it is; 90d for a new ratchet]
    #[arg(long, value_name = "UNTIL")]
    expires: Option<Until>,
    /// The policy [default: ~/.config/attest/policy.toml of the account]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) const DEFAULT_DAYS: Until = Until::Days(90);

/// What may become a pin that was none.
#[derive(Debug)]
pub(super) enum Takes {
    /// A first ratchet: everything that only lacks votes.
    All,
    /// A turn of the ratchet.
    Named { projects: BTreeSet<ProjectName>, new: bool },
}

/// A ratchet after a look at a lock.
#[derive(Debug, Default)]
pub(super) struct Turned {
    pins: Vec<RatchetEntry>,
    attested: Vec<RatchetEntry>,
    /// Pins of before that are not needed: the file has its votes.
    passing: usize,
    /// Pins of before whose file is in the lock no more.
    gone: usize,
    fresh: usize,
    /// Items that stay refused, with why.
    refused: Vec<(String, String)>,
    /// Their projects: of these nothing is forgotten, or the same turn once more would take what this one refuses.
    left: BTreeSet<ProjectName>,
}

pub(super) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let now = run::now();
    let mut amendment = Amendment::of(args.to.as_ref(), &run.places()?)?;
    let old = amendment.policy().ratchet();
    let expires = match (&args.expires, old) {
        (Some(until), _) => until.after(now)?,
        (None, Some(ratchet)) => ratchet.expires().value,
        (None, None) => DEFAULT_DAYS.after(now)?,
    };
    let projects: BTreeSet<ProjectName> =
        args.accept.iter().map(|name| ProjectName::new(name)).collect::<Result<_, _>>()?;
    let items = input::items(&args.paths, &Selection::default(), run)?;
    all_named(&projects, &items)?;
    let takes = if old.is_none() { Takes::All } else { Takes::Named { projects, new: args.accept_new } };
    let turned = Turned::by(&items, amendment.layer(), &takes, expires, run)?;
    let same = old.is_some_and(|ratchet| {
        let lines = |all: &[attest_core::policy::Lined<RatchetEntry>]| -> Vec<String> {
            all.iter().map(|entry| entry.value.to_string()).collect()
        };
        let new = |all: &[RatchetEntry]| -> Vec<String> { all.iter().map(ToString::to_string).collect() };
        ratchet.expires().value == expires
            && lines(ratchet.pins()) == new(&turned.pins)
            && lines(ratchet.attested()) == new(&turned.attested)
    });
    let (path, mut serial) = (amendment.layer().path.clone(), amendment.policy().serial().value);
    if !same {
        let (pins, attested) = turned.lists();
        amendment.ratchet(&expires.to_string(), &pins, &attested)?;
        serial = amendment.write()?.serial;
    }
    if run.out.is_json() {
        let document = json!({
            "schema": "attest.policy-ratchet/v1", "file": path, "serial": serial, "changed": !same,
            "expires": expires.to_string(), "pinned": turned.pins.len(), "attested": turned.attested.len(),
            "new": turned.fresh, "passing": turned.passing, "gone": turned.gone, "refused": turned.refused_json(),
        });
        run.out.json(&document)?;
    } else {
        let change = if same { "nothing to change".to_owned() } else { format!("serial {serial}") };
        run.out.line(format_args!("{}: {change}, pins until {expires}", path.display()))?;
        turned.tell(&run.out)?;
    }
    Ok(turned.exit())
}

/// A name that is typed wrong would pin nothing, and nobody would hear of it.
fn all_named(accepted: &BTreeSet<ProjectName>, items: &[Item]) -> anyhow::Result<()> {
    let there: BTreeSet<ProjectName> = items
        .iter()
        .filter_map(|item| match &item.question {
            Question::File { wanted, .. } => Some(gate::release(&wanted.name)?.0),
            _ => None,
        })
        .collect();
    match accepted.iter().find(|name| !there.contains(*name)) {
        Some(name) => Err(Failure::usage(format!("--accept {}: none of the locks has it", name.as_str())).into()),
        None => Ok(()),
    }
}

impl Turned {
    /// Judges the lock by this policy alone. Other layers judge by themselves, with or without a ratchet of their own.
    pub(super) fn by(
        items: &[Item],
        layer: &Layer,
        takes: &Takes,
        expires: Timestamp,
        run: &Run,
    ) -> anyhow::Result<Self> {
        let layers = Layers::only(layer.clone());
        // By what the logs say now: what was kept of earlier answers may lack the newest votes.
        let judged = gate::judge_now(items, &layers, run)?;
        if !judged.gathered.alarms.is_empty() {
            let alarms: Vec<_> = judged.gathered.alarms.iter().map(ToString::to_string).collect();
            return Err(Failure::new(Exit::Alarm, alarms.join("; ")).into());
        }
        undecided(&judged)?;
        let mut turned = Self::default();
        let today = run::now();
        let mut files: BTreeMap<(String, ArtifactDigest), &Answer<'_>> = BTreeMap::new();
        for answer in &judged.answers {
            match &answer.item.question {
                Question::File { wanted, .. } => drop(files.insert((answer.item.name.clone(), wanted.digest), answer)),
                Question::NotSelectable(_) => {}
                Question::Refused(error) => turned.refuse(answer.item, error.to_string()),
                Question::NotAttestable(why) => turned.refuse(answer.item, why.to_string()),
            }
        }
        let there: BTreeSet<_> = files.keys().map(|(_, digest)| *digest).collect();
        for answer in files.values() {
            turned.file(answer, &layer.policy, takes, (today, expires));
        }
        turned.keep(&layer.policy, &there);
        Ok(turned)
    }

    fn refuse(&mut self, item: &Item, why: String) {
        self.refused.push((item.name.clone(), why));
        let named = match &item.question {
            Question::File { wanted, .. } => gate::release(&wanted.name).map(|(project, _)| project),
            _ => None,
        };
        self.left.extend(named.or_else(|| item.package.as_ref().map(|package| package.project.clone())));
    }

    fn file(&mut self, answer: &Answer<'_>, policy: &Policy, takes: &Takes, (today, expires): (Timestamp, Timestamp)) {
        let Question::File { wanted, .. } = &answer.item.question else { return };
        let Some(judgement) = answer.judgements.first() else { return };
        let Word::Verdict { verdict, .. } = &judgement.word else { return };
        let Some(entry) = RatchetEntry::new(wanted, today) else {
            self.refuse(answer.item, "no wheel: exempt it, or leave it out of the lock".to_owned());
            return;
        };
        let old = known(policy, wanted);
        match &**verdict {
            Verdict::Accepted(_) => {
                self.passing += usize::from(old.pin.is_some());
                self.attested.push(old.attested.unwrap_or(entry));
            }
            Verdict::Pinned(_) => self.pins.push(old.pin.unwrap_or(entry)),
            Verdict::Rejected(rejected) => {
                // A pin that ran out is one again where the user moves the end.
                if let Some(pin) = old.pin.filter(|_| only_lacks_votes(rejected.reasons()) && today < expires) {
                    self.pins.push(pin);
                } else if takes.this(&entry, rejected.reasons()) {
                    self.fresh += 1;
                    self.pins.push(entry);
                } else {
                    // Remembered, so that the loss is told again the next time.
                    self.attested.extend(old.attested);
                    let why = rejected.reasons().first().map(|reason| Cause::of(reason, judgement.layer).to_string());
                    self.refuse(answer.item, why.unwrap_or_default());
                }
            }
        }
    }

    /// What was attested of a project stays until another version of it is, pinned or refused or gone from the lock for a
    /// while, so that what comes without votes is known for the step back it is; a pin of another file stays beside a file
    /// that is refused, so that other bytes under its name are known for that.
    fn keep(&mut self, policy: &Policy, lock: &BTreeSet<ArtifactDigest>) {
        let Some(old) = policy.ratchet() else { return };
        let now: BTreeSet<_> = self.attested.iter().map(|entry| entry.project().clone()).collect();
        let gone = old.pins().iter().map(|pin| &pin.value).filter(|pin| !lock.contains(&pin.digest()));
        let (kept, gone): (Vec<_>, Vec<_>) = gone.partition(|pin| self.left.contains(pin.project()));
        self.gone = gone.len();
        self.pins.extend(kept.into_iter().cloned());
        let earlier = old.attested().iter().map(|entry| &entry.value);
        self.attested.extend(earlier.filter(|entry| !now.contains(entry.project())).cloned());
        let order = |entry: &RatchetEntry| (entry.project().clone(), entry.name().to_owned(), entry.digest());
        // One lock may name a file and another only its release: both find the one entry that there was.
        for list in [&mut self.pins, &mut self.attested] {
            list.sort_by_key(order);
            list.dedup_by_key(|entry| order(entry));
        }
    }

    /// Both lists as TOML, a file a line.
    pub(super) fn lists(&self) -> (String, String) {
        let list = |entries: &[RatchetEntry]| {
            let lines: Vec<String> = entries.iter().map(|entry| format!("  \"{entry}\",\n")).collect();
            if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}]", lines.concat()) }
        };
        (list(&self.pins), list(&self.attested))
    }

    pub(super) fn tell(&self, out: &Output) -> std::io::Result<()> {
        let mut words = vec![format!("{} pinned ({} new)", plural(self.pins.len(), "file"), self.fresh)];
        words.push(format!("{} attested", self.attested.len()));
        if self.passing > 0 {
            words.push(format!("{} dropped: attested now", plural(self.passing, "pin")));
        }
        if self.gone > 0 {
            words.push(format!("{} dropped: not in the lock", plural(self.gone, "pin")));
        }
        out.line(format_args!("  {}", words.join(", ")))?;
        for (name, why) in &self.refused {
            out.line(format_args!("x {name}  not pinned: {why}"))?;
        }
        if !self.refused.is_empty() {
            out.hint("--accept NAME pins what a project lacks, --accept-new all that is new; what is proven wrong or lost is never pinned");
        }
        Ok(())
    }

    pub(super) fn refused_json(&self) -> Vec<serde_json::Value> {
        self.refused.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect()
    }

    pub(super) fn exit(&self) -> Exit {
        if self.refused.is_empty() { Exit::Pass } else { Exit::Refused }
    }
}

/// What the ratchet had of a file.
struct Known {
    pin: Option<RatchetEntry>,
    attested: Option<RatchetEntry>,
}

fn known(policy: &Policy, wanted: &Wanted) -> Known {
    let (Some(ratchet), Some((project, version))) = (policy.ratchet(), gate::release(&wanted.name)) else {
        return Known { pin: None, attested: None };
    };
    let file = match &wanted.name {
        WantedName::File(name) => Some(name.as_str()),
        WantedName::Release { .. } => None,
    };
    let release = Release { digest: &wanted.digest, project: &project, version: &version, file };
    Known {
        pin: ratchet.pin(&release).map(|entry| entry.value.clone()),
        attested: ratchet.was_attested(&release).map(|entry| entry.value.clone()),
    }
}

fn only_lacks_votes(reasons: &[Reason]) -> bool {
    reasons.iter().all(|reason| reason.is_missing_votes() || matches!(reason, Reason::PinExpired { .. }))
}

impl Takes {
    /// Dissent and losses are never pinned; a step back only where the user names the project.
    fn this(&self, entry: &RatchetEntry, reasons: &[Reason]) -> bool {
        let step_back = |reason: &Reason| matches!(reason, Reason::Regression { .. } | Reason::ChangedDigest { .. });
        match self {
            Self::All => only_lacks_votes(reasons),
            Self::Named { projects, .. } if projects.contains(entry.project()) => {
                reasons.iter().all(|reason| reason.is_missing_votes() || step_back(reason))
            }
            Self::Named { new, .. } => *new && only_lacks_votes(reasons),
        }
    }
}

/// In an outage everything lacks votes: what would be pinned then is what is attested.
fn undecided(judged: &Judged<'_>) -> anyhow::Result<()> {
    let verdicts = judged.answers.iter().flat_map(|answer| &answer.judgements).filter_map(|said| match &said.word {
        Word::Verdict { verdict, .. } => Some(verdict),
        Word::Exempt(_) => None,
    });
    let reason = verdicts.flat_map(|verdict| verdict.reasons()).find(|reason| reason.severity() == Severity::Undecided);
    match reason {
        Some(reason) => Err(Failure::new(Exit::Undecided, format!("what is attested cannot be told now: {reason}"))
            .hint("nothing was changed; try again when the logs answer")
            .into()),
        None => Ok(()),
    }
}
