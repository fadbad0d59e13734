//! How the gate's answers are told to people: a line for each item, and a tally that adds up.

use std::{collections::BTreeSet, io, path::Path};

use attest_core::{
    policy::{GroupName, Negatives},
    verify::{Reason, Verdict},
};

use crate::{
    gate::{
        Answer, Judged, Judgement, Outcome, Word,
        aged::{self, Aged},
    },
    item::Question,
    layers::Layer,
    output::{Output, Style, plural},
    run,
    wheels::is_wheel,
};

/// As much of a digest as tells two files apart at a glance.
const SHORT: usize = 12;

/// Prints the answers for people: what does not pass with its reasons, then the tally.
pub(crate) fn print(judged: &Judged<'_>, out: &Output) -> io::Result<()> {
    let width = judged.answers.iter().map(|answer| name(answer).chars().count()).max().unwrap_or(0).min(60);
    let mut hints = Vec::new();
    for answer in &judged.answers {
        print_answer(answer, width, &mut hints, out)?;
    }
    for alarm in &judged.gathered.alarms {
        out.line(out.paint(Style::Bad, format_args!("alarm: {alarm}")))?;
    }
    for unknown in incomplete(judged) {
        out.note(unknown);
    }
    out.line(tally(judged))?;
    for line in Aged::of(judged, run::now()).lines() {
        out.line(line)?;
    }
    for asked in &judged.gathered.asked {
        out.detail(format_args!("{}: {} entries, asked at {}", asked.origin, asked.size, asked.url));
    }
    for hint in hints {
        out.hint(hint);
    }
    Ok(())
}

/// What a policy of best effort took although dissent may have been withheld; where the policy insists, it is a reason.
fn incomplete(judged: &Judged<'_>) -> BTreeSet<String> {
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

fn print_answer(answer: &Answer<'_>, width: usize, hints: &mut Vec<String>, out: &Output) -> io::Result<()> {
    let name = name(answer);
    let (mark, word, style) = shown(answer.outcome);
    let head = format!("{mark} {name:width$}  {}", out.paint(style, word));
    let mut hint = |text: String| {
        if !hints.contains(&text) {
            hints.push(text);
        }
    };
    match &answer.item.question {
        Question::Refused(error) => {
            hint(error.hint().to_owned());
            out.line(format_args!("{head}  {error} ({})", answer.item.place))
        }
        Question::NotAttestable(why) => out.line(format_args!("{head}  {why} ({})", answer.item.place)),
        Question::NotSelectable(elsewhere) => out.line(format_args!("{head}  {elsewhere}")),
        Question::File { .. } if matches!(answer.outcome, Outcome::Passed | Outcome::Pinned | Outcome::Exempt) => {
            out.line(format_args!("{head}  {}", votes(answer)))
        }
        Question::File { .. } => {
            out.line(head.trim_end())?;
            for judgement in &answer.judgements {
                if let Word::Verdict { verdict, expired } = &judgement.word {
                    for reason in verdict.reasons() {
                        out.line(format_args!("    {}", why(reason, judgement.layer)))?;
                        hint(reason.hint().to_owned());
                    }
                    if let (Some(expired), false) = (expired, verdict.is_accepted()) {
                        let layer = judgement.layer.path.display();
                        out.line(format_args!("    its exemption has run out ({layer}:{})", expired.line()))?;
                    }
                }
            }
            Ok(())
        }
    }
}

const fn shown(outcome: Outcome) -> (char, &'static str, Style) {
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
fn name(answer: &Answer<'_>) -> String {
    match &answer.item.question {
        Question::File { wanted, .. } if !is_wheel(Path::new(&answer.item.name)) => {
            format!("{} sha256:{}", answer.item.name, &wanted.digest.to_string()[..SHORT])
        }
        _ => answer.item.name.clone(),
    }
}

/// A reason, and the line of the policy that decided.
pub(crate) fn why(reason: &Reason, layer: &Layer) -> String {
    match reason.policy_line() {
        Some(line) => format!("{reason} ({}:{line})", layer.path.display()),
        None => format!("{reason} ({} policy)", layer.owner),
    }
}

fn votes(answer: &Answer<'_>) -> String {
    let words: Vec<String> = answer.judgements.iter().map(word).collect();
    words.join("; ")
}

fn word(judgement: &Judgement<'_>) -> String {
    let layer = judgement.layer;
    let verdict = match &judgement.word {
        Word::Verdict { verdict, .. } => verdict,
        Word::Exempt(exemption) => {
            let until = exemption.expires().map_or_else(String::new, |end| format!(" until {end}"));
            return format!("exempt{until}: {} ({}:{})", exemption.reason(), layer.path.display(), exemption.line());
        }
    };
    match &**verdict {
        Verdict::Accepted(accepted) => {
            let need = accepted.findings.need.value;
            let gone = if accepted.findings.pin.is_some() { ", so its pin can go" } else { "" };
            format!("{} of {need} ({}){gone}", accepted.groups.len(), list(&accepted.groups))
        }
        Verdict::Pinned(pinned) => aged::pin(&pinned.pin, layer),
        Verdict::Rejected(rejected) => {
            rejected.reasons().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
    }
}

pub(crate) fn list(groups: &[GroupName]) -> String {
    groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ")
}

/// `112 files: 109 ok, 1 exempt, 2 refused`: the parts add up to the whole (docs/TRUST.md 1.4).
pub(crate) fn tally(judged: &Judged<'_>) -> String {
    let refused = judged.count(Outcome::Refused) + judged.count(Outcome::Alarm);
    let parts = [
        (judged.count(Outcome::Passed), "ok"),
        (judged.count(Outcome::Pinned), "pinned"),
        (judged.count(Outcome::Exempt), "exempt"),
        (refused, "refused"),
        (judged.count(Outcome::Undecided), "undecided"),
        (judged.count(Outcome::NotAttestable), "not attestable"),
        (judged.count(Outcome::NotSelectable), "not selectable here"),
    ];
    let shown: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let logs = plural(judged.gathered.asked.len(), "log");
    format!("{} checked: {} ({logs} asked)", plural(judged.answers.len(), "file"), shown.join(", "))
}
