//! The book: its commands are run, its reference is what the programs say, and its links lead somewhere.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use attest_core::statement::Statement;
use attest_tests::{
    book::{self, Block, Mark, typed},
    command,
    reader::{Project, Reader},
    scene::Scene,
    tool,
};
use serde_json::Value;

/// Blocks that other tests run, or that are the tests, by the name in their mark.
const ELSEWHERE: [(&str, &str); 4] = [
    ("ci", "`.ci/run`, and tests/tests/journey.rs for the demo"),
    ("getting", "`.ci/wheel-installs`, with the built wheel"),
    ("gpg", "tests/tests/gpg.rs"),
    ("journey", "tests/tests/journey.rs"),
];

/// What a scenario's user has before the first block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    /// The programs, and a package index.
    Nothing,
    /// A project with locks, a policy, and a log that has the votes.
    Project,
    /// The same, in a virtual environment with pip.
    Environment,
}

/// Each is played in a folder of its own.
const SCENARIOS: [(&str, With); 19] = [
    ("first", With::Nothing),
    ("use", With::Nothing),
    ("rebuild", With::Nothing),
    ("maintain", With::Nothing),
    ("recipe", With::Nothing),
    ("log", With::Nothing),
    ("rebuilder", With::Project),
    ("quorum", With::Project),
    ("verify", With::Project),
    ("policy", With::Project),
    ("lock", With::Project),
    ("install", With::Project),
    ("proxy", With::Environment),
    ("pipeline", With::Project),
    ("offline", With::Project),
    ("private", With::Project),
    ("ratchet", With::Project),
    ("sync", With::Project),
    ("watch", With::Project),
];

#[test]
fn the_first_answer_and_the_quick_start_of_users_are_as_they_stand() -> Result<()> {
    play(&["first", "use"])
}

#[test]
fn the_quick_starts_of_rebuilders_and_maintainers_with_their_pages_are_as_they_stand() -> Result<()> {
    play(&["rebuild", "maintain", "recipe"])
}

#[test]
fn the_pages_for_operators_and_the_runbook_are_as_they_stand() -> Result<()> {
    play(&["log"])
}

#[test]
fn the_pages_for_users_and_the_one_about_rebuilders_are_as_they_stand() -> Result<()> {
    let names: Vec<_> = SCENARIOS.iter().filter(|(_, with)| *with != With::Nothing).map(|(name, _)| *name).collect();
    play(&names)
}

/// Runs scenarios, which share downloads and environments, and the log where they need one. `ATTEST_SCENARIO` names the only
/// one that is wanted.
fn play(names: &[&str]) -> Result<()> {
    let only = std::env::var("ATTEST_SCENARIO").ok();
    let names: Vec<_> = names.iter().copied().filter(|name| only.as_deref().is_none_or(|only| only == *name)).collect();
    if names.is_empty() || !tool::have(&["python3", "git", "curl", "make", "openssl"]) || !index_is_reached()? {
        return Ok(());
    }
    let blocks = book::blocks()?;
    let (scene, cache) = (Scene::new()?, tempfile::tempdir()?);
    let needed = SCENARIOS.iter().any(|(name, with)| *with != With::Nothing && names.contains(name));
    let project = if needed { Project::new()? } else { None };
    for name in names {
        let part: Vec<&Block> = blocks.iter().filter(|block| block.mark.scenario() == Some(name)).collect();
        ensure!(!part.is_empty(), "no page has a block of {name:?}");
        let with = SCENARIOS.iter().find(|(known, _)| *known == name).map(|(_, with)| *with);
        let mut reader = match (with.context("a scenario is in the list")?, &project) {
            (With::Nothing, _) => Reader::new(&scene, name, cache.path())?,
            (With::Project, Some(project)) => project.reader(name, cache.path())?,
            (With::Environment, Some(project)) => project.in_environment(name, cache.path())?,
            (With::Project | With::Environment, None) => return Ok(()),
        };
        part.into_iter().try_for_each(|block| reader.perform(block)).with_context(|| format!("scenario {name:?}"))?;
        reader.leave()?;
    }
    Ok(())
}

fn index_is_reached() -> Result<bool> {
    let fetched = tempfile::tempdir()?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "idna==3.20", "--dest"]);
    let reached = command::run(pip.arg(fetched.path()))?.code() == Some(0);
    Ok(reached || tool::skip("a network with a package index"))
}

/// Writes a page, or compares it with what is there.
fn reviewed(page: &str, text: &str) -> Result<()> {
    let path = book::root().join(page);
    if std::env::var_os("ATTEST_UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().context("a page is in a folder")?)?;
        fs::write(&path, text)?;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    ensure!(found == text, "{page} is made from the code: run with ATTEST_UPDATE_SNAPSHOTS=1, and review what changed");
    Ok(())
}

const MADE: &str = "<!-- made by tests/tests/docs.rs: ATTEST_UPDATE_SNAPSHOTS=1 makes it anew -->\n";

#[test]
fn the_reference_is_what_the_programs_say() -> Result<()> {
    let scene = Scene::new()?;
    for (name, program) in [("attest", scene.programs().cli()), ("attest-server", scene.programs().server())] {
        let mut page = format!("# {name}\n\n{MADE}");
        help(program, name, &[], &mut page)?;
        reviewed(&format!("docs/reference/{name}.md"), &page)?;
    }
    Ok(())
}

/// A section for a command, and one for each below it.
fn help(program: &Path, name: &str, path: &[String], page: &mut String) -> Result<()> {
    ensure!(path.len() < 5, "expected no command this deep: {path:?}");
    let mut asked = Command::new(program);
    asked.args(path).arg("--help").env("NO_COLOR", "1").env_remove("COLUMNS");
    let text = command::run(&mut asked)?.expect(0)?.stdout;
    let title = [&[name.to_owned()], path].concat().join(" ");
    let own = text.split("\nOptions of every command:\n").next().filter(|_| !path.is_empty()).unwrap_or(&text);
    writeln!(page, "\n## {title}\n\n```text\n{}\n```", own.trim_end())?;
    for sub in subcommands(&text) {
        help(program, name, &[path, &[sub]].concat(), page)?;
    }
    Ok(())
}

/// Names in the lists of commands: below `Commands:`, or below the groups of the overview.
fn subcommands(text: &str) -> Vec<String> {
    let (mut inside, mut names) = (false, Vec::new());
    for line in text.lines() {
        if !line.starts_with(' ') {
            inside = line.ends_with(':') && !line.starts_with("Options") && !line.starts_with("Arguments");
            inside &= line == "Commands:" || !text.contains("\nCommands:");
            inside &= !line.starts_with("Examples");
        } else if let Some(rest) =
            line.strip_prefix("  ").filter(|rest| inside && !rest.starts_with([' ', '-', '[', '<']))
        {
            let name = rest.split(' ').next().unwrap_or_default();
            if name != "help" && rest.contains("  ") && !line.starts_with("  $") {
                names.push(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn the_list_of_schemas_is_that_of_the_files() -> Result<()> {
    let mut rows = String::new();
    let mut files: Vec<_> = fs::read_dir(book::root().join("schemas"))?.collect::<std::io::Result<_>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        let schema: Value = serde_json::from_slice(&fs::read(file.path())?).with_context(|| name.clone())?;
        let text = |key: &str| schema[key].as_str().unwrap_or_default().replace('|', "\\|").replace('\n', " ");
        let (title, description) = (text("title"), text("description"));
        writeln!(rows, "| [{name}](../../schemas/{name}) | {title} | {description} |")?;
    }
    let head =
        "JSON Schema 2020-12, held to the types of the program by tests.\n\n| file | of | what |\n|---|---|---|\n";
    reviewed("docs/reference/schemas.md", &format!("# Schemas\n\n{MADE}\n{head}{rows}"))
}

#[test]
fn every_block_of_commands_says_whether_it_is_run() -> Result<()> {
    let (mut run, mut shown) = (String::new(), String::new());
    for block in book::blocks()? {
        // What is done where, and what is remarked, tells nobody which block it is.
        let first = block.text.lines().find(|line| !line.starts_with("cd ") && !line.starts_with("export "));
        let first = first.and_then(|line| line.split("  #").next()).unwrap_or_default().trim_end().replace('|', "\\|");
        let place = format!("{}: `{first}`", block.page);
        match &block.mark {
            Mark::Run(name, _) | Mark::File(name, _) => {
                let elsewhere = ELSEWHERE.iter().find(|(known, _)| known == name).map(|(_, place)| *place);
                let by = match elsewhere {
                    Some(place) => place.to_owned(),
                    None if SCENARIOS.iter().any(|(known, _)| known == name) => {
                        format!("tests/tests/docs.rs, scenario `{name}`")
                    }
                    None => bail!("{}:{}: nothing runs the scenario {name:?}", block.page, block.line),
                };
                writeln!(run, "| {place} | {by} |")?;
            }
            Mark::Shown(reason) => writeln!(shown, "| {place} | {reason} |")?,
        }
    }
    let page = format!(
        "# Which commands of these pages are run\n\n{MADE}\nEvery block of commands says in a comment which test runs it as it \
         stands, or why none does. Only ports, keys, and addresses and folders of the system that a page can but give an example \
         of are others there (`tests/src/reader.rs`). What is in no block, or not run, is asked of the program with `--help` \
         behind it, so that no page names a flag that is not there.\n\n## Run by the tests\n\n| block | by |\n|---|---|\n{run}\n## Not run\n\n| block | why |\n|---|---|\n{shown}"
    );
    reviewed("docs/reference/commands.md", &page)
}

/// Also where a block cannot be run, and in the text: what it types is asked of the program itself, up to the `--help` that is
/// put behind it.
#[test]
fn every_command_on_every_page_is_one_that_the_program_takes() -> Result<()> {
    let scene = Scene::new()?;
    let mut seen = BTreeSet::new();
    for page in book::pages()?.into_iter().filter(|page| !page.starts_with("docs/reference/")) {
        for (line, text) in typed(&page)? {
            let Some((program, words)) = book::of_ours(&text) else { continue };
            if !seen.insert((program, words.clone())) {
                continue;
            }
            let program = if program == "attest" { scene.programs().cli() } else { scene.programs().server() };
            let outcome = command::run(Command::new(program).args(&words).arg("--help"))?;
            if outcome.code() != Some(0) && !book::is_placeholder(&outcome.stderr) {
                outcome.expect(0).with_context(|| format!("{page}:{line}: {text}"))?;
            }
        }
    }
    ensure!(seen.len() > 150, "the pages show commands: found {}", seen.len());
    Ok(())
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() -> Result<()> {
    let listed: BTreeSet<String> = book::listed()?.into_iter().map(|page| format!("docs/{page}")).collect();
    for page in book::pages()?.into_iter().filter(|page| page != "README.md") {
        ensure!(listed.contains(&page), "docs/SUMMARY.md does not have {page}");
    }
    for page in book::pages()?.into_iter().chain(["docs/SUMMARY.md".to_owned()]) {
        let folder = book::root().join(&page);
        let folder = folder.parent().context("a page is in a folder")?;
        for link in book::links(&book::read(&page)?) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let to = if file.is_empty() { book::root().join(&page) } else { folder.join(file) };
            ensure!(to.exists(), "{page} links to {link}, which is not there");
            if !heading.is_empty() {
                let to = to.canonicalize()?;
                let to = to.strip_prefix(book::root().canonicalize()?)?.to_string_lossy().into_owned();
                ensure!(book::headings(&to)?.iter().any(|found| found == heading), "{page}: no heading {link}");
            }
        }
    }
    Ok(())
}

#[test]
fn every_picture_is_small_says_in_words_what_it_shows_and_needs_nothing_else() -> Result<()> {
    let pages: String = book::pages()?.iter().map(|page| book::read(page)).collect::<Result<_>>()?;
    ensure!(!pages.contains("![]("), "a picture on a page has no words for those who do not see it");
    let mut found = 0;
    for entry in fs::read_dir(book::root().join("docs/pictures"))? {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        ensure!(text.len() < 8192, "{name} has {} bytes", text.len());
        for needed in ["<title id=\"title\">", "<desc id=\"desc\">", "role=\"img\"", "prefers-color-scheme: dark"] {
            ensure!(text.contains(needed), "{name}: expected {needed}");
        }
        for foreign in ["<script", "<image", "<foreignObject", "href", "url(", "@import", "onload"] {
            ensure!(!text.contains(foreign), "{name} has {foreign}");
        }
        ensure!(pages.contains(&format!("pictures/{name}")), "no page shows {name}");
        found += 1;
    }
    ensure!(found >= 4, "expected pictures, found {found}");
    Ok(())
}

#[test]
fn the_examples_of_the_predicates_are_statements_of_their_type() -> Result<()> {
    for name in ["reproduced", "equivalent", "not-reproduced", "withdrawn"] {
        let page = format!("docs/predicates/{name}.md");
        let blocks = book::fenced(&page)?;
        let example = blocks.iter().find(|block| block.language == "json").context("a specification has an example")?;
        let text = example.lines.join("\n");
        Statement::parse(text.as_bytes()).with_context(|| format!("{page}:{}", example.line))?;
        ensure!(text.contains(&format!("\"https://w3id.org/attest/{name}/v1\"")), "{page} shows another type");
    }
    Ok(())
}
