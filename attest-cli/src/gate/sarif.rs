//! The gate's answers as SARIF: only what failed is a result, the closed list of reasons are the rules.

use std::{collections::BTreeMap, io, path::Path};

use attest_core::artifact::ArtifactDigest;

use crate::{
    exit::Exit,
    gate::{
        Answer,
        cause::Cause,
        place::Root,
        report::Report,
        summary::Summary,
        verdicts::{self, incomplete, stops},
    },
    output::sarif::{
        ArtifactLocation, Configuration, Content, Finding, Level, Location, Log, Message, Notification,
        PhysicalLocation, ROOT, Region, Rule,
    },
    reasons::{self, Ends, Entry},
};

/// The whole document.
pub(super) fn log(report: &Report<'_>) -> io::Result<Log> {
    let (root, judged) = (Root::find()?, report.judged);
    let failed = judged.answers.iter().filter(|answer| stops(answer.outcome));
    let results = failed
        .flat_map(|answer| answer.causes().into_iter().map(move |cause| (answer, cause)))
        .map(|(answer, cause)| finding(answer, &cause, &root))
        .collect();
    let note = |level, text: String| Notification { level, message: Message::new(text) };
    let alarms = judged.gathered.alarms.iter().map(|alarm| note(Level::Error, alarm.to_string()));
    let silent = judged.gathered.evidence.unreachable.iter();
    let silent = silent.map(|(origin, why)| note(Level::Warning, format!("log {origin} gave no evidence: {why}")));
    let worse = if judged.regressions.exit() == Exit::Pass { Level::Warning } else { Level::Error };
    let worse = judged.regressions.found.iter().map(|found| note(worse, format!("{found} [{}]", found.code())));
    let notifications = alarms
        .chain(worse)
        .chain(silent)
        .chain(incomplete(judged).into_iter().map(|text| note(Level::Note, text)))
        .collect();
    let content = Content {
        rules: reasons::all().map(rule).collect(),
        results,
        notifications,
        root: Some(root.base()),
        properties: Some(serde_json::json!({ "summary": Summary::of(judged) })),
    };
    Ok(Log::of(content, report.exit()))
}

fn rule(entry: &Entry) -> Rule {
    let help = format!("{}\nWho is at fault: {}\nWhat to do: {}", entry.meaning, entry.fault, entry.advice);
    // What is only waited for is a warning; what is refused or worse an error.
    let level = match entry.ends {
        Ends::Passes => Level::Note,
        Ends::Undecided => Level::Warning,
        Ends::Refused | Ends::Alarm | Ends::RefusedOrAlarm => Level::Error,
    };
    Rule {
        id: entry.code,
        short_description: Message::new(entry.code.replace('-', " ")),
        full_description: Message::new(entry.meaning),
        help: Message::new(help),
        default_configuration: Configuration { level },
    }
}

fn finding(answer: &Answer<'_>, cause: &Cause<'_>, root: &Root) -> Finding {
    let place = &answer.item.place;
    let (uri, below) = root.uri(place.path());
    let artifact_location = ArtifactLocation { uri, uri_base_id: below.then_some(ROOT) };
    let region = place.line_number().map(|start_line| Region { start_line });
    let entry = reasons::all().position(|entry| entry.code == cause.code);
    let (_, word, _) = verdicts::shown(answer.outcome);
    let name = verdicts::name(answer);
    let required = answer.item.package.as_ref().map_or(&[][..], |package| &package.required_by);
    let required = if required.is_empty() { String::new() } else { format!("\nrequired by {}", required.join(", ")) };
    let hint = if cause.hint.is_empty() { String::new() } else { format!("\nhint: {}", cause.hint) };
    Finding {
        rule_id: cause.code,
        rule_index: entry,
        level: Level::Error,
        message: Message::new(format!("{name}: {word}: {cause}{required}{hint}")),
        locations: [Location { physical_location: PhysicalLocation { artifact_location, region } }],
        partial_fingerprints: BTreeMap::from([("attest/v1", fingerprint(&name, cause, place.path()))]),
    }
}

/// The same finding next time: neither its line nor what exactly was found is part of it.
fn fingerprint(name: &str, cause: &Cause<'_>, path: &Path) -> String {
    let layer = cause.decided.map_or_else(String::new, |decided| decided.layer.owner.to_string());
    let parts = [name, cause.code, layer.as_str(), &path.to_string_lossy()].join("\0");
    ArtifactDigest::of(parts.as_bytes()).to_string()
}
