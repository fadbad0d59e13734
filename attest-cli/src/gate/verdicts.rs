//! How the gate's answers are told to people: what passed, then what did not with its causes, then a tally that adds up.
//!
//! The eye goes to the end of what a terminal shows, so the worst stands last, right above the tally. Many files with the
//! same causes (a log that is down) say them once.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::Path,
};

use attest_core::{
    policy::{GroupName, Negatives},
    verify::Verdict,
};

use crate::{
    gate::{
        Answer, Judged, Judgement, Outcome, Word,
        aged::{self, Aged},
        summary::Summary,
    },
    item::Question,
    output::{Output, Style, plural},
    run::{self, Run},
    wheels::is_wheel,
};

/// As much of a digest as tells two files apart at a glance.
const SHORT: usize = 12;
/// With more items than fit on a screen, those that stop nothing are only counted.
const SCREEN: usize = 20;
/// Of files that share their causes, so many are named.
const NAMED: usize = 10;
/// Longer names push their verdict to the right.
const WIDEST: usize = 60;

/// Prints the answers for people.
pub(crate) fn print(judged: &Judged<'_>, run: &Run) -> io::Result<()> {
    let out = &run.out;
    let whole = out.is_verbose() || judged.answers.len() <= SCREEN;
    let mut answers: Vec<&Answer<'_>> = judged.answers.iter().filter(|answer| whole || stops(answer.outcome)).collect();
    // Stable: the order of the input within each.
    answers.sort_by_key(|answer| rank(answer.outcome));
    let width = answers.iter().map(|answer| name(answer).chars().count()).max().unwrap_or(0).min(WIDEST);
    let mut hints = Vec::new();
    for group in groups(&answers) {
        print_group(&group, width, out)?;
        hints.extend(group.causes.iter().map(|(_, hint)| *hint));
    }
    for alarm in &judged.gathered.alarms {
        out.line(out.paint(Style::Bad, format_args!("alarm: {alarm}")))?;
    }
    for regression in &judged.regressions.found {
        out.warning(format_args!("{regression} [{}]", regression.code()));
        out.hint(regression.hint());
    }
    for unknown in incomplete(judged) {
        out.note(unknown);
    }
    let logs = plural(judged.gathered.asked.len(), "log");
    let took = run.started.elapsed().as_secs_f64();
    out.line(format_args!("{} ({logs} asked) in {took:.2} s", Summary::of(judged)))?;
    for line in Aged::of(judged, run::now()).lines() {
        out.line(out.paint(Style::Caution, line))?;
    }
    for asked in &judged.gathered.asked {
        out.detail(format_args!("{}: {} entries, asked at {}", asked.origin, asked.size, asked.url));
    }
    let mut told = BTreeSet::new();
    for hint in hints.into_iter().filter(|hint| !hint.is_empty() && told.insert(*hint)) {
        out.hint(hint);
    }
    Ok(())
}

/// What a policy of best effort took although dissent may have been withheld; where the policy insists, it is a reason.
pub(crate) fn incomplete(judged: &Judged<'_>) -> BTreeSet<String> {
    let judgements = judged.answers.iter().flat_map(|answer| &answer.judgements);
    let taken = judgements.filter_map(|judgement| match &judgement.word {
        Word::Verdict { verdict, .. } if judgement.layer.policy.negatives().value == Negatives::BestEffort => {
            Some(&verdict.findings().negatives)
        }
        _ => None,
    });
    let lacking = taken.flatten().filter_map(|view| {
        Some(format!("dissent in log {} may have been withheld: {}", view.origin, view.missing.as_ref()?))
    });
    lacking.collect()
}

/// Why, each with its hint.
type Causes = Vec<(String, &'static str)>;

/// Items that came out alike, for the same causes.
struct Group<'a, 'p> {
    outcome: Outcome,
    answers: Vec<&'a Answer<'p>>,
    causes: Causes,
}

/// Neighbours or not, in the order of the first of each.
fn groups<'a, 'p>(answers: &[&'a Answer<'p>]) -> Vec<Group<'a, 'p>> {
    let mut groups: Vec<Group<'a, 'p>> = Vec::new();
    let mut known: HashMap<(u8, Causes), usize> = HashMap::new();
    for answer in answers {
        // What does not stop anything says so on its own line.
        let causes: Causes = if stops(answer.outcome) {
            answer.causes().into_iter().map(|cause| (cause.to_string(), cause.hint)).collect()
        } else {
            Vec::new()
        };
        let at = *known.entry((rank(answer.outcome), causes.clone())).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group { outcome: answer.outcome, answers: Vec::new(), causes });
        }
        groups[at].answers.push(answer);
    }
    groups
}

fn print_group(group: &Group<'_, '_>, width: usize, out: &Output) -> io::Result<()> {
    let (mark, word, style) = shown(group.outcome);
    let named = if out.is_verbose() || !stops(group.outcome) { usize::MAX } else { NAMED };
    for answer in group.answers.iter().take(named) {
        let head = format!("{mark} {:width$}  {}", name(answer), out.paint(style, word));
        out.line(format!("{head}  {}", beside(answer)).trim_end())?;
    }
    let more = group.answers.len().saturating_sub(named);
    if more > 0 {
        out.line(format_args!("{mark} ... and {more} more (-v names them)"))?;
    }
    for (cause, _) in &group.causes {
        out.line(format_args!("    {cause}"))?;
    }
    Ok(())
}

/// What stands beside the verdict: the votes, or where the item stands.
fn beside(answer: &Answer<'_>) -> String {
    match answer.outcome {
        Outcome::Passed | Outcome::Pinned | Outcome::Exempt => {
            answer.judgements.iter().map(word).collect::<Vec<_>>().join("; ")
        }
        Outcome::NotSelectable => answer.causes().iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Outcome::Refused | Outcome::Undecided | Outcome::Alarm | Outcome::NotAttestable => {
            let whence = whence(answer);
            if whence.is_empty() { whence } else { format!("({whence})") }
        }
    }
}

/// Where the item stands, and who brings it in: `uv.lock:212, required by requests 2.34.2`
pub(crate) fn whence(answer: &Answer<'_>) -> String {
    let (item, place) = (answer.item, &answer.item.place);
    // A file that was named is its own place.
    let itself = place.line_number().is_none() && place.path().ends_with(&item.name);
    let place = (!itself).then(|| place.to_string());
    let required = item.package.as_ref().map(|package| package.required_by.join(", "));
    let required = required.filter(|by| !by.is_empty()).map(|by| format!("required by {by}"));
    place.into_iter().chain(required).collect::<Vec<_>>().join(", ")
}

/// Whether it stands in the way.
pub(crate) const fn stops(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Passed | Outcome::Pinned | Outcome::Exempt | Outcome::NotSelectable)
}

/// The worst comes last.
pub(crate) const fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Pinned => 1,
        Outcome::Exempt => 2,
        Outcome::NotSelectable => 3,
        Outcome::Undecided => 4,
        Outcome::NotAttestable => 5,
        Outcome::Refused => 6,
        Outcome::Alarm => 7,
    }
}

/// Mark, word and colour of an outcome.
pub(crate) const fn shown(outcome: Outcome) -> (char, &'static str, Style) {
    match outcome {
        Outcome::Passed => (' ', "ok", Style::Good),
        Outcome::Pinned => (' ', "pinned", Style::Caution),
        Outcome::Exempt => (' ', "exempt", Style::Caution),
        Outcome::Refused => ('x', "refused", Style::Bad),
        Outcome::Undecided => ('?', "undecided", Style::Caution),
        Outcome::Alarm => ('!', "alarm", Style::Bad),
        Outcome::NotAttestable => ('x', "not attestable", Style::Bad),
        Outcome::NotSelectable => ('-', "not for this machine", Style::Faint),
    }
}

/// With the digest where the name alone does not say which file.
pub(crate) fn name(answer: &Answer<'_>) -> String {
    match &answer.item.question {
        Question::File { wanted, .. } if !is_wheel(Path::new(&answer.item.name)) => {
            format!("{} sha256:{}", answer.item.name, &wanted.digest.to_string()[..SHORT])
        }
        _ => answer.item.name.clone(),
    }
}

fn word(judgement: &Judgement<'_>) -> String {
    match &judgement.word {
        Word::Exempt(exemption) => {
            let until = exemption.expires().map_or_else(String::new, |end| format!(" until {end}"));
            let layer = judgement.layer.path.display();
            format!("exempt{until}: {} ({layer}:{})", exemption.reason(), exemption.line())
        }
        Word::Verdict { verdict, .. } => match &**verdict {
            Verdict::Accepted(accepted) => {
                let need = accepted.findings.need.value;
                let gone = if accepted.findings.pin.is_some() { ", so its pin can go" } else { "" };
                format!("{} of {need} ({}){gone}", accepted.groups.len(), list(&accepted.groups))
            }
            Verdict::Pinned(pinned) => aged::pin(&pinned.pin, judgement.layer),
            Verdict::Rejected(rejected) => {
                rejected.reasons().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
        },
    }
}

pub(crate) fn list(groups: &[GroupName]) -> String {
    groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ")
}
