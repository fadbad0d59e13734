//! The gate's answers for GitHub Actions: an annotation for each file that fails, the tally, and a job summary.

use std::{
    env,
    fmt::Write as _,
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use crate::{
    exit::Exit,
    gate::{
        Answer,
        aged::Aged,
        place::Root,
        report::Report,
        summary::Summary,
        verdicts::{self, incomplete, rank, stops},
    },
    output::{
        Output,
        github::{Annotation, Kind},
    },
    run::{self, Run},
};

/// Where the runner wants Markdown for the page of the run.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// A runner refuses summaries of more than a megabyte; a person reads less.
const ROWS: usize = 200;

pub(super) fn print(report: &Report<'_>, run: &Run) -> io::Result<()> {
    let (judged, root) = (report.judged, Root::find()?);
    let mut failed: Vec<&Answer<'_>> = judged.answers.iter().filter(|answer| stops(answer.outcome)).collect();
    // A runner shows the first ten of a step.
    failed.sort_by_key(|answer| std::cmp::Reverse(rank(answer.outcome)));
    for alarm in &judged.gathered.alarms {
        let (title, message) = ("attest: alarm".to_owned(), alarm.to_string());
        run.out.command(&Annotation { kind: Kind::Error, place: None, title, message })?;
    }
    for worse in &judged.regressions.found {
        let (title, message) = (format!("attest: {}", worse.code()), format!("{worse}\nhint: {}", worse.hint()));
        let kind = if judged.regressions.exit() == Exit::Pass { Kind::Warning } else { Kind::Error };
        run.out.command(&Annotation { kind, place: None, title, message })?;
    }
    for answer in &failed {
        run.out.command(&annotation(answer, &root))?;
    }
    for unknown in incomplete(judged) {
        run.out.note(unknown);
    }
    run.out.line(Summary::of(judged))?;
    for line in Aged::of(judged, run::now()).lines() {
        run.out.line(line)?;
    }
    if let Some(path) = env::var_os(SUMMARY).filter(|path| !path.is_empty()) {
        append(Path::new(&path), &markdown(report, &failed), &run.out);
    }
    Ok(())
}

fn annotation(answer: &Answer<'_>, root: &Root) -> Annotation {
    let (_, word, _) = verdicts::shown(answer.outcome);
    let (mut lines, mut hints) = (Vec::new(), Vec::new());
    for cause in answer.causes() {
        lines.push(cause.to_string());
        let hint = format!("hint: {}", cause.hint);
        if !cause.hint.is_empty() && !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    let required = answer.item.package.as_ref().map_or(&[][..], |package| &package.required_by);
    lines.extend((!required.is_empty()).then(|| format!("required by {}", required.join(", "))));
    lines.extend(hints);
    let place = &answer.item.place;
    // Outside the repository there is nothing to put a note beside.
    let place = root.relative(place.path()).map(|file| (file, place.line_number()));
    Annotation {
        kind: Kind::Error,
        place,
        title: format!("attest: {word}: {}", verdicts::name(answer)),
        message: lines.join("\n"),
    }
}

/// What was decided does not change because nobody can be told so here.
fn append(path: &Path, markdown: &str, out: &Output) {
    let written =
        File::options().append(true).create(true).open(path).and_then(|mut file| file.write_all(markdown.as_bytes()));
    if let Err(error) = written {
        out.warning(format_args!("the job summary {} cannot be written: {error}", path.display()));
    }
}

fn markdown(report: &Report<'_>, failed: &[&Answer<'_>]) -> String {
    let judged = report.judged;
    let mut text = format!("### attest: {}\n\n", text(&Summary::of(judged).to_string()));
    let mut line = |words: String| {
        // Writing into a String does not fail.
        let _written = writeln!(text, "{words}");
    };
    for alarm in &judged.gathered.alarms {
        line(format!("**Alarm:** {}\n", self::text(&alarm.to_string())));
    }
    for worse in &judged.regressions.found {
        line(format!("**Worse than before:** {}\n", self::text(&worse.to_string())));
    }
    if !failed.is_empty() {
        line("| file | | why | where |\n|---|---|---|---|".to_owned());
    }
    for answer in failed.iter().take(ROWS) {
        let (_, word, _) = verdicts::shown(answer.outcome);
        let why: Vec<String> = answer.causes().iter().map(|cause| self::text(&cause.to_string())).collect();
        let (name, place) = (self::text(&verdicts::name(answer)), self::text(&verdicts::whence(answer)));
        line(format!("| {name} | {word} | {} | {place} |", why.join("<br>")));
    }
    if failed.len() > ROWS {
        line(format!("\n... and {} more.", failed.len() - ROWS));
    }
    for aged in Aged::of(judged, run::now()).lines() {
        line(format!("\n{}", self::text(&aged)));
    }
    text.push('\n');
    text
}

/// Words as Markdown and HTML show them, whatever is in them: names come from strangers.
fn text(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | ',' | '/' | '(' | ')') => text.push(c),
            c if c.is_control() => text.push(char::REPLACEMENT_CHARACTER),
            c if c.is_ascii() => {
                let _written = write!(text, "&#{};", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_markup_in_the_job_summary() {
        assert_eq!(text("<img src=x>"), "&#60;img src&#61;x&#62;");
        assert_eq!(text("a|b\n# c"), "a&#124;b\u{fffd}&#35; c");
        assert_eq!(text("[x](http://e) `y` @z"), "&#91;x&#93;(http&#58;//e) &#96;y&#96; &#64;z");
    }
}
