//! What is known about files where no policy judges them (docs/TRUST.md 1.1): nothing passes, and what there would be to
//! judge by is said.
//!
//! Only logs that the user names are asked. Those that a project's own policy names came with somebody's checkout: asking
//! them would tell a stranger's server who looks, and at what.

use std::collections::{BTreeMap, BTreeSet};

use attest_core::{
    api,
    artifact::{ArtifactDigest, WheelName},
    envelope::Envelope,
    statement::{Predicate, Statement},
    verify::WantedName,
};
use serde::Serialize;

use crate::{
    client::Http,
    exit::{self, Exit},
    item::{Item, Question},
    layers::{self, LayerError, Owner},
    output::{Format, causes, plural},
    run::Run,
};

/// All that is known.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Coverage<'a> {
    schema: &'static str,
    error: String,
    hint: Option<String>,
    files: usize,
    can_be_asked_about: usize,
    native: Native,
    logs: Vec<Known<'a>>,
    /// Logs that the project's own policy names, and the user did not.
    not_asked: Vec<String>,
    exit: u8,
}

/// Wheels with a platform tag: few rebuilders reproduce them yet, so their share says what to begin with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Native {
    wheels: usize,
    /// Files whose names are known; hashes alone do not tell.
    of: usize,
}

/// What one log says. Nobody's signature was checked: without a policy nobody is trusted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Known<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    said: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    /// Files with any statement.
    files_with_statements: usize,
    /// Files that somebody says to have reproduced, or to have found equivalent.
    files_reproduced: usize,
    /// Files about which somebody says that rebuilding did not give them.
    files_not_reproduced: usize,
    /// As statements name them: their keys are in no policy, so anybody may have written the names.
    rebuilders: BTreeSet<String>,
    /// How many files so many rebuilders say to have reproduced, by that number.
    files_by_rebuilders: BTreeMap<usize, usize>,
}

/// Prints what is known, and ends as having no policy ends.
pub(crate) fn tell(items: &[Item], logs: &[String], missing: LayerError, run: &Run) -> anyhow::Result<Exit> {
    let digests: BTreeSet<ArtifactDigest> = items
        .iter()
        .filter_map(|item| match &item.question {
            Question::File { wanted, .. } => Some(wanted.digest),
            _ => None,
        })
        .collect();
    let digests: Vec<_> = digests.into_iter().collect();
    let not_asked = project_logs(&missing).into_iter().filter(|url| !logs.contains(url)).collect();
    let native = Native::of(items);
    let logs: Vec<Known<'_>> = logs.iter().map(|url| known(url, &digests, run)).collect();
    let missing = anyhow::Error::from(missing);
    let (exit, hint) = exit::of(&missing);
    let coverage = Coverage {
        schema: "attest.coverage/v1",
        error: missing.to_string(),
        hint,
        files: items.len(),
        can_be_asked_about: digests.len(),
        native,
        logs,
        not_asked,
        exit: exit.code(),
    };
    match run.out.format() {
        Format::Json => {
            run.out.json(&coverage)?;
            Ok(exit)
        }
        Format::Text => {
            print(&coverage, run)?;
            Err(missing)
        }
        // Their documents are about failures of files; that there is no policy is an error of the run.
        Format::Sarif | Format::Github => Err(missing),
    }
}

fn print(coverage: &Coverage<'_>, run: &Run) -> std::io::Result<()> {
    let out = &run.out;
    let (files, asked) = (plural(coverage.files, "file"), coverage.can_be_asked_about);
    out.line(format_args!("{files}: {asked} can be asked about, none was judged"))?;
    let Native { wheels, of } = coverage.native;
    if of > 0 {
        out.line(format_args!("{wheels} of {of} are native wheels"))?;
    }
    for log in &coverage.logs {
        let Some(said) = &log.said else {
            let error = log.error.as_deref().unwrap_or_default();
            out.line(format_args!("{} says nothing: {error}", log.url))?;
            continue;
        };
        let Said { files_with_statements: with, rebuilders, .. } = said;
        let by = plural(rebuilders.len(), "rebuilder");
        out.line(format_args!("{} has statements about {with} of them (unchecked), by {by}", log.url))?;
        for (number, files) in said.files_by_rebuilders.iter().rev() {
            out.line(format_args!("  {} reproduced by {number}", plural(*files, "file")))?;
        }
        if said.files_not_reproduced > 0 {
            let files = plural(said.files_not_reproduced, "file");
            out.line(format_args!("  {files} that somebody could not reproduce"))?;
        }
    }
    if coverage.logs.is_empty() {
        out.line("no log was asked")?;
    }
    if !coverage.not_asked.is_empty() {
        let flags: Vec<String> = coverage.not_asked.iter().map(|url| format!("--log {url}")).collect();
        out.note(format_args!("the project's own policy names logs; to ask them: attest verify {}", flags.join(" ")));
    }
    Ok(())
}

impl Native {
    fn of(items: &[Item]) -> Self {
        let mut native = Self { wheels: 0, of: 0 };
        for item in items {
            let Question::File { wanted, .. } = &item.question else { continue };
            let WantedName::File(name) = &wanted.name else { continue };
            let Ok(wheel) = WheelName::parse(name) else { continue };
            native.of += 1;
            native.wheels += usize::from(wheel.platform != "any");
        }
        native
    }
}

/// Where the logs of a policy that came with the project could be asked.
fn project_logs(missing: &LayerError) -> Vec<String> {
    let LayerError::None { project: Some(project), .. } = missing else {
        return Vec::new();
    };
    let Ok(layer) = layers::read(Owner::Project, project) else {
        return Vec::new();
    };
    layer.policy.logs().iter().filter_map(|log| log.urls().first().cloned()).collect()
}

fn known<'a>(url: &'a str, digests: &[ArtifactDigest], run: &Run) -> Known<'a> {
    let _task = run.out.task(format!("asking {url}"));
    match ask(url, digests) {
        Ok(said) => Known { url, said: Some(said), error: None },
        Err(error) => Known { url, said: None, error: Some(causes(error.as_ref())) },
    }
}

fn ask(url: &str, digests: &[ArtifactDigest]) -> anyhow::Result<Said> {
    let client = Http::new().log(url)?;
    let mut said = Said::default();
    for chunk in digests.chunks(api::MAX_LOOKUP) {
        for artifact in client.lookup(chunk)?.artifacts.iter().filter(|artifact| !artifact.entries.is_empty()) {
            let statements = artifact.entries.iter().filter_map(|entry| {
                let envelope = Envelope::parse(entry.envelope.as_bytes()).ok()?;
                Statement::parse(envelope.payload()).ok()
            });
            said.add(statements);
        }
    }
    Ok(said)
}

impl Said {
    /// What is said about one file.
    fn add(&mut self, statements: impl Iterator<Item = Statement>) {
        let (mut by, mut not) = (BTreeSet::new(), false);
        for statement in statements {
            let predicate = statement.predicate();
            let id = predicate.build().map(|build| build.rebuilder.id.clone());
            match predicate {
                Predicate::Reproduced(_) | Predicate::Equivalent { .. } => by.extend(id.clone()),
                Predicate::NotReproduced { .. } => not = true,
                Predicate::Withdrawn(_) => {}
            }
            self.rebuilders.extend(id);
        }
        self.files_with_statements += 1;
        self.files_reproduced += usize::from(!by.is_empty());
        self.files_not_reproduced += usize::from(not);
        if !by.is_empty() {
            *self.files_by_rebuilders.entry(by.len()).or_default() += 1;
        }
    }
}
