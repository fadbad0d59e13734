//! How an audit is told: a line for each package, what nobody claims, and a tally that adds up; or one JSON document,
//! `attest.audit/v1`.

use std::path::Path;

use serde::Serialize;

use super::{Audit, twice};
use crate::{
    audit::{Audited, Found},
    output::{Output, Style, plural},
    run::Run,
};

/// As many files of one kind as a person reads.
const SHOWN: usize = 10;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    /// Said in the document too: whoever reads only it must not take it for more.
    is: &'static str,
    environment: &'a Path,
    packages: Vec<Package<'a>>,
    without_record: Vec<String>,
    unclaimed: Unclaimed,
    alarms: &'a [String],
    summary: Summary,
    exit: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    outcome: &'static str,
    /// The accepted file that lies there.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faulty: Vec<FaultyFile<'a>>,
}

#[derive(Serialize)]
struct FaultyFile<'a> {
    path: &'a str,
    fault: String,
}

#[derive(Serialize)]
struct Unclaimed {
    code: Vec<String>,
    others: usize,
    compiled: usize,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    checked: usize,
    matched: usize,
    altered: usize,
    unknown: usize,
    undecided: usize,
    not_attestable: usize,
}

const IS: &str = "an audit of what lies there now, and no prevention: code that ran could have changed what was read";

pub(super) fn tell(audit: &Audit, asked: usize, run: &Run) -> anyhow::Result<()> {
    if run.out.is_json() {
        return Ok(run.out.json(&document(audit))?);
    }
    print(audit, asked, &run.out)
}

fn document(audit: &Audit) -> Document<'_> {
    let shown = |paths: &[std::path::PathBuf]| paths.iter().map(|path| below(audit, path)).collect();
    Document {
        schema: "attest.audit/v1",
        is: IS,
        environment: audit.environment.root(),
        packages: audit.packages.iter().map(package).collect(),
        without_record: shown(&audit.others),
        unclaimed: Unclaimed {
            code: shown(&audit.unclaimed.code),
            others: audit.unclaimed.others,
            compiled: audit.unclaimed.compiled,
        },
        alarms: &audit.alarms,
        summary: summary(audit),
        exit: audit.exit().code(),
    }
}

fn package(audited: &Audited) -> Package<'_> {
    let (file, sha256) = match &audited.found {
        Found::Matches { file, sha256 } => (Some(file.as_str()), Some(sha256.to_string())),
        _ => (None, None),
    };
    let faulty = audited.faulty.iter().map(|faulty| FaultyFile { path: &faulty.path, fault: faulty.fault.to_string() });
    Package {
        name: audited.distribution.project.as_str(),
        version: audited.distribution.version.as_str(),
        outcome: outcome(&audited.found).0,
        file,
        sha256,
        why: audited.found.why(),
        faulty: faulty.collect(),
    }
}

/// Stable word, word for people, style.
fn outcome(found: &Found) -> (&'static str, &'static str, Style) {
    use crate::exit::Exit;
    match found {
        Found::Matches { .. } => ("matched", "ok", Style::Good),
        Found::Altered => ("altered", "altered", Style::Bad),
        Found::Foreign(_) => ("not-attestable", "not attestable", Style::Bad),
        Found::Unknown { exit: Exit::Undecided, .. } => ("undecided", "undecided", Style::Caution),
        Found::NoRecord(_) | Found::Unknown { .. } => ("unknown", "unknown", Style::Bad),
    }
}

fn summary(audit: &Audit) -> Summary {
    let mut summary = Summary { checked: audit.packages.len(), ..Summary::default() };
    for package in &audit.packages {
        let part = match outcome(&package.found).0 {
            "matched" => &mut summary.matched,
            "altered" => &mut summary.altered,
            "undecided" => &mut summary.undecided,
            "not-attestable" => &mut summary.not_attestable,
            _ => &mut summary.unknown,
        };
        *part += 1;
    }
    summary
}

fn print(audit: &Audit, asked: usize, out: &Output) -> anyhow::Result<()> {
    for package in &audit.packages {
        print_package(package, out)?;
    }
    for alarm in &audit.alarms {
        out.line(out.paint(Style::Bad, format_args!("alarm: {alarm}")))?;
    }
    strays(audit, out)?;
    let counts = summary(audit);
    let parts = [
        (counts.matched, "ok"),
        (counts.altered, "altered"),
        (counts.unknown, "unknown"),
        (counts.undecided, "undecided"),
        (counts.not_attestable, "not attestable"),
    ];
    let shown: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let packages = plural(counts.checked, "package");
    let logs = plural(asked, "log");
    let colon = if shown.is_empty() { "" } else { ": " };
    out.line(format_args!("{packages} audited{colon}{} ({logs} asked)", shown.join(", ")))?;
    out.note(format_args!("{}: {IS}", audit.environment.root().display()));
    hints(audit, out);
    Ok(())
}

fn print_package(package: &Audited, out: &Output) -> anyhow::Result<()> {
    let (project, version) = (package.distribution.project.as_str(), package.distribution.version.as_str());
    let (_, word, style) = outcome(&package.found);
    let word = out.paint(style, word);
    let name = format!("{project} {version}");
    match &package.found {
        Found::Matches { file, sha256 } => {
            out.line(format_args!("  {name:40}  {word}  the files of {file} sha256:{sha256}"))?;
        }
        found => {
            let line = format!("x {name:40}  {word}  {}", found.why().unwrap_or_default());
            out.line(line.trim_end())?;
        }
    }
    for faulty in package.faulty.iter().take(SHOWN) {
        out.line(format_args!("    {}: {}", faulty.path, faulty.fault))?;
    }
    more(package.faulty.len(), out)
}

/// What lies there and belongs to nobody.
fn strays(audit: &Audit, out: &Output) -> anyhow::Result<()> {
    for path in &audit.others {
        out.line(format_args!(
            "x {}: installed in a form without RECORD, so nothing says what it has to be",
            below(audit, path)
        ))?;
    }
    for path in audit.unclaimed.code.iter().take(SHOWN) {
        let runs =
            if path.extension().is_some_and(|end| end == "pth") { ", and Python reads it at every start" } else { "" };
        out.line(format_args!("x {}: no package claims it{runs}", below(audit, path)))?;
    }
    more(audit.unclaimed.code.len(), out)
}

fn more(count: usize, out: &Output) -> anyhow::Result<()> {
    if count > SHOWN {
        out.line(format_args!("    and {} more", count - SHOWN))?;
    }
    Ok(())
}

fn hints(audit: &Audit, out: &Output) {
    for name in twice(&audit.packages) {
        out.warning(format_args!("{name} is installed more than once"));
    }
    if audit.unclaimed.compiled > 0 {
        let files = plural(audit.unclaimed.compiled, "compiled file");
        out.note(format_args!(
            "{files} in __pycache__ cannot be checked, and Python runs them: remove them to be sure"
        ));
    }
    if audit.environment.sees_system {
        out.note("packages of the system's Python can be imported here too: audit that one as well");
    }
    let bad = |package: &Audited| matches!(package.found, Found::Altered | Found::Unknown { .. } | Found::NoRecord(_));
    if audit.packages.iter().any(bad) {
        out.hint("make a fresh environment through `attest install`, or name the lock that this one was made from");
    }
}

/// As seen from the environment.
fn below(audit: &Audit, path: &Path) -> String {
    path.strip_prefix(audit.environment.root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use attest_core::artifact::ArtifactDigest;

    use super::*;
    use crate::{
        exit::Exit,
        installed::{self, Environment, Foreign},
    };

    #[test]
    fn the_document_is_what_its_schema_says_and_its_counts_add_up() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a-1.dist-info", "b-1.dist-info", "c-1.dist-info", "d-1.dist-info"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(
                folder.path().join(name).join("RECORD"),
                "gone.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n",
            )
            .unwrap();
        }
        fs::write(folder.path().join("evil.pth"), "").unwrap();
        let environment = Environment::folder(folder.path()).unwrap();
        let (distributions, others) = environment.distributions().unwrap();
        let faulty = installed::check(&distributions, &environment);
        let unclaimed = installed::unclaimed(&distributions, &environment);
        let unknown = Found::Unknown { exit: Exit::Undecided, why: "nobody answers".to_owned() };
        let matched = Found::Matches { file: "a-1-py3-none-any.whl".to_owned(), sha256: ArtifactDigest::of(b"") };
        let found = [matched, Found::Altered, Found::Foreign(Foreign::Editable), unknown];
        let packages = distributions.into_iter().zip(faulty).zip(found);
        let packages =
            packages.map(|((distribution, faulty), found)| Audited { distribution, faulty, found }).collect();
        let audit = Audit { environment, packages, others, unclaimed, alarms: Vec::new() };
        let document = serde_json::to_value(document(&audit)).unwrap();
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../../../../schemas/audit.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = schema.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let counts = document["summary"].as_object().unwrap();
        let count = |name: &str| counts[name].as_u64().unwrap();
        let parts: u64 = counts.keys().filter(|name| *name != "checked").map(|name| count(name)).sum();
        assert_eq!((count("checked"), parts, document["exit"].as_u64()), (4, 4, Some(1)));
    }
}
