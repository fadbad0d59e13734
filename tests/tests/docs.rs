//! The book: its commands are run, its reference is what the programs say, and its links lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use attest_tests::{
    book::{self, Block, Mark},
    command,
    scene::Scene,
    server::Server,
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

#[test]
fn the_first_answer_and_the_quick_start_of_users_are_as_they_stand() -> Result<()> {
    play(&["first", "use"])
}

#[test]
fn the_quick_starts_of_rebuilders_and_maintainers_are_as_they_stand() -> Result<()> {
    play(&["rebuild", "maintain", "recipe"])
}

#[test]
fn the_quick_starts_of_operators_and_the_runbook_are_as_they_stand() -> Result<()> {
    play(&["log"])
}

/// Runs scenarios, each in a place of its own but for downloads and environments, which they share.
fn play(names: &[&str]) -> Result<()> {
    if !tool::have(&["python3", "git"]) {
        return Ok(());
    }
    let fetched = tempfile::tempdir()?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "idna==3.20", "--dest"]);
    let reached = command::run(pip.arg(fetched.path()))?.code() == Some(0);
    if !reached && !tool::skip("a network with a package index") {
        return Ok(());
    }
    let blocks = book::blocks()?;
    let cache = tempfile::tempdir()?;
    for name in names {
        let mine = |block: &&Block| matches!(&block.mark, Mark::Run(found) | Mark::Serve(found) if found == name);
        let part: Vec<&Block> = blocks.iter().filter(mine).collect();
        ensure!(!part.is_empty(), "no page has a block of {name:?}");
        perform(&part, cache.path()).with_context(|| format!("scenario {name:?}"))?;
    }
    Ok(())
}

fn perform(blocks: &[&Block], cache: &Path) -> Result<()> {
    let scene = Scene::new()?;
    for (name, program) in [("attest", scene.attest()), ("attest-server", scene.attest_server())] {
        let words: Vec<_> = std::iter::once(program.get_program()).chain(program.get_args()).collect();
        let words: Vec<_> = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let script = scene.write(&format!("bin/{name}"), format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    // Tests run side by side, so a page's port is another one here.
    let mut ports = BTreeMap::new();
    let mut servers = Vec::new();
    for block in blocks {
        let text = with_ports(&block.text, &mut ports)?;
        let mut shell = scene.plain(Command::new("sh"));
        shell.env("XDG_CACHE_HOME", cache);
        shell.env("PATH", format!("{}:{}", scene.path("bin").display(), std::env::var("PATH")?));
        let told = || format!("{}:{}", block.page, block.line);
        if matches!(block.mark, Mark::Serve(_)) {
            servers.push(Server::spawn(shell.args(["-e", "-c", &format!("exec {text}")])).with_context(told)?);
        } else {
            command::run(shell.args(["-e", "-c", &text]))?.expect(0).with_context(told)?;
        }
    }
    servers.into_iter().rev().try_for_each(|server| server.stop().map(drop))
}

fn with_ports(text: &str, ports: &mut BTreeMap<&'static str, String>) -> Result<String> {
    let mut text = text.to_owned();
    for shown in ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082"] {
        if !ports.contains_key(shown) {
            ports.insert(shown, TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string());
        }
        text = text.replace(shown, &ports[shown]);
    }
    Ok(text)
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
    let scenarios = ["first", "use", "rebuild", "maintain", "recipe", "log"];
    for block in book::blocks()? {
        let first = block.text.lines().next().unwrap_or_default().trim_end().replace('|', "\\|");
        let place = format!("{}: `{first}`", block.page);
        match &block.mark {
            Mark::Run(name) | Mark::Serve(name) => {
                let elsewhere = ELSEWHERE.iter().find(|(known, _)| known == name).map(|(_, place)| *place);
                let by = match elsewhere {
                    Some(place) => place.to_owned(),
                    None if scenarios.contains(&name.as_str()) => format!("tests/tests/docs.rs, scenario `{name}`"),
                    None => bail!("{}:{}: nothing runs the scenario {name:?}", block.page, block.line),
                };
                writeln!(run, "| {place} | {by} |")?;
            }
            Mark::Shown(reason) => writeln!(shown, "| {place} | {reason} |")?,
        }
    }
    let page = format!(
        "# Which commands of these pages are run\n\n{MADE}\nEvery block of shell commands says in a comment which test runs it as it \
         stands, or why none does.\n\n## Run by the tests\n\n| block | by |\n|---|---|\n{run}\n## Not run\n\n| block | why |\n|---|---|\n{shown}"
    );
    reviewed("docs/reference/commands.md", &page)
}

/// Also where a block cannot be run: what it types exists.
#[test]
fn every_flag_on_every_page_is_one_that_its_command_has() -> Result<()> {
    let mut sections = BTreeMap::new();
    for name in ["attest", "attest-server"] {
        for section in book::read(&format!("docs/reference/{name}.md"))?.split("\n## ").skip(1) {
            let (title, text) = section.split_once('\n').context("a section has a title")?;
            sections.insert(title.to_owned(), text.to_owned());
        }
    }
    let every = sections.get("attest").context("the reference has the overview")?.clone();
    let global =
        ["--data-dir", "--asked-within", "--frozen", "--locked", "--quiet", "--verbose", "--color", "--no-progress"];
    let mut checked = 0;
    for block in book::blocks()? {
        let text = block.text.replace("\\\n", " ");
        for line in text.lines() {
            let line = line.split(" #").next().unwrap_or_default();
            for part in line.split(['|', ';', '&', '(', ')']).map(str::trim) {
                let words: Vec<&str> = part.split_whitespace().map(|word| word.trim_matches(['[', ']', '"'])).collect();
                let named = (1..=words.len()).rev().find_map(|count| sections.get_key_value(&words[..count].join(" ")));
                let Some((title, _)) = named else { continue };
                // Flags may stand before the last word of a command.
                let below = sections.iter().filter(|(other, _)| other.starts_with(title.as_str()));
                let text: String = below.map(|(_, text)| text.as_str()).collect();
                let own = words.iter().take_while(|word| **word != "--");
                for flag in own.filter(|word| word.starts_with("--") && word.len() > 2) {
                    let flag = flag.split('=').next().unwrap_or_default();
                    let known = text.contains(flag) || every.contains(flag) || global.contains(&flag);
                    ensure!(known, "{}:{}: `{title}` has no {flag}: {line}", block.page, block.line);
                    checked += 1;
                }
            }
        }
    }
    ensure!(checked > 50, "the pages show flags: found {checked}");
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
        for link in book::links(&book::read(&page)?).into_iter().filter(|link| !link.is_empty()) {
            ensure!(folder.join(&link).exists(), "{page} links to {link}, which is not there");
        }
    }
    Ok(())
}
