//! Where a command would get files from beside the proxy, as far as that can be told before it runs: on its command line, in files of
//! requirements, in the head of a script, in the project that it installs.

use std::path::Path;

use anyhow::Context as _;

use super::{Kind, LockFile, Words, folder};
use crate::{exit::Failure, files, locks::requirements::Requirements, proxy::installer::is_place};

/// What a project says about itself.
pub(super) const PROJECT: &str = "pyproject.toml";
/// The biggest of them, and the biggest script.
const MAX_FILE: u64 = 16 << 20;
/// The first line of what a script says about itself
/// ([PEP 723](https://peps.python.org/pep-0723/)).
const INLINE: &str = "# /// script";
/// Variables with files of requirements in them.
const FILES: [&str; 6] = [
    "PIP_REQUIREMENT",
    "PIP_CONSTRAINT",
    "PIP_BUILD_CONSTRAINT",
    "UV_CONSTRAINT",
    "UV_OVERRIDE",
    "UV_BUILD_CONSTRAINT",
];
/// Variables that lead to another project, and so to another lock.
const PROJECTS: [&str; 4] = ["UV_PROJECT", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY", "PDM_PROJECT"];

/// Refuses every second source.
pub(super) fn refuse(words: &Words<'_>) -> anyhow::Result<()> {
    if let Some(source) = words.second_source() {
        let hint = "give every index to the proxy: attest proxy --index NAME=URL -- CMD";
        return Err(Failure::usage(format!("{source:?} is a second source of files, beside the proxy"))
            .hint(hint)
            .into());
    }
    match words.kind() {
        Kind::Index => {
            refuse_sources(words)?;
            refuse_sources_of_projects(words)?;
        }
        Kind::Lock(LockFile::Uv) => {
            refuse_inline(words)?;
            refuse_added(words)?;
        }
        Kind::Lock(_) | Kind::WritesLock(_) | Kind::Unknown => {}
    }
    refuse_elsewhere(words)
}

/// A requirements file can name an index of its own, which pip then asks too.
fn refuse_sources(words: &Words<'_>) -> anyhow::Result<()> {
    let named: Vec<String> = FILES.iter().filter_map(|name| std::env::var(name).ok()).collect();
    let named = named.iter().flat_map(|files| files.split_whitespace());
    for file in words.requirement_files().into_iter().chain(named).map(Path::new) {
        let is = |end: &str| file.extension().is_some_and(|found| found == end);
        if is("toml") && file.file_name().is_some_and(|name| name != PROJECT) {
            let message = format!("{} is a second source of files, beside the proxy", file.display());
            let hint = "a lock says itself where its files are: `attest verify` it, then install from it";
            return Err(Failure::usage(message).hint(hint).into());
        }
        if is_stream(file) {
            let message = format!("{} can be read once only, so that nobody sees what is in it", file.display());
            return Err(Failure::usage(message).hint("write the requirements into a file").into());
        }
        if !file.is_file() || is("toml") || is("py") || is("cfg") {
            continue;
        }
        // What we do not understand may be a source.
        let read = Requirements::read(file).context("whether the command has a second source of files")?;
        if let Some((place, source)) = read.sources.first() {
            let message = format!("{place}: {source} is a second source of files, beside the proxy");
            let hint = "take it out of the file, and give it to the proxy with --index NAME=URL";
            return Err(Failure::usage(message).hint(hint).into());
        }
    }
    Ok(())
}

/// What `uv run` adds to a lock comes through the proxy, unless the file says where else it is: nobody looks afterwards at what
/// came into that environment.
fn refuse_added(words: &Words<'_>) -> anyhow::Result<()> {
    for file in words.added_files().into_iter().map(Path::new) {
        if is_stream(file) {
            let message = format!("{} can be read once only, so that nobody sees what is in it", file.display());
            return Err(Failure::usage(message).hint("write the requirements into a file").into());
        }
        // What we do not understand may be a source.
        let read = Requirements::read(file).context("whether the command has a second source of files")?;
        let place = read.items.iter().find(|item| is_place(&item.name)).map(|item| (&item.place, &item.name));
        if let Some((place, source)) = place.or(read.sources.first().map(|(place, source)| (place, source))) {
            let message = format!("{place}: {source} is a second source of files, beside the proxy");
            let hint = "take it out of the file, and give it to the proxy with --index NAME=URL";
            return Err(Failure::usage(message).hint(hint).into());
        }
    }
    Ok(())
}

/// Standard input, or a pipe of a shell: `<(...)`.
fn is_stream(file: &Path) -> bool {
    file == Path::new("-") || file.exists() && !file.is_file() && !file.is_dir()
}

/// What was verified is the lock here, for the Python that installs here.
fn refuse_elsewhere(words: &Words<'_>) -> anyhow::Result<()> {
    if !matches!(words.kind(), Kind::Lock(_)) {
        return Ok(());
    }
    let variable = PROJECTS.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let Some(found) = words.elsewhere().or(variable) else { return Ok(()) };
    let message = format!("with {found:?} it is not the verified lock that decides what gets installed");
    let hint = "change into the project's folder, make its environment first, and leave it out";
    Err(Failure::usage(message).hint(hint).into())
}

/// uv takes what a script requires from its own head, or from a lock of its own beside it, and not from the verified one.
fn refuse_inline(words: &Words<'_>) -> anyhow::Result<()> {
    let Some(script) = words.script() else { return Ok(()) };
    let path = Path::new(script);
    if script.contains("://") || is_stream(path) {
        let message = format!("{script:?} is read when it runs, so that nobody sees before what it requires");
        return Err(Failure::usage(message).hint("write it into a file of the project").into());
    }
    let text = match files::read(path, MAX_FILE) {
        Ok(text) => text,
        // uv looks for a head in no other file, and most words are commands.
        Err(_) if !is_source(path) => return Ok(()),
        Err(error) => return Err(error).context("whether the script says itself what it requires"),
    };
    let script = path;
    // uv takes a line to begin behind either of them.
    if !String::from_utf8_lossy(&text).split(['\r', '\n']).any(|line| line.trim_end() == INLINE) {
        return Ok(());
    }
    let message =
        format!("{} says itself what it requires (PEP 723), and uv.lock does not have that", script.display());
    let hint = format!(
        "`uv lock --script {0}` and `attest verify {0}.lock`, or put what it requires into the project",
        script.display()
    );
    Err(Failure::usage(message).hint(hint).into())
}

/// `job.py`, `job.pyw`, where there is such a file.
fn is_source(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    path.is_file() && ["py", "pyw"].iter().any(|source| end.eq_ignore_ascii_case(source))
}

/// `[tool.uv.sources]` of a project that uv installs from its folder or reads requirements of: a checkout, a URL, another index.
fn refuse_sources_of_projects(words: &Words<'_>) -> anyhow::Result<()> {
    if !words.reads_sources() {
        return Ok(());
    }
    let folders = words.own_code().into_iter().filter_map(folder).map(|folder| folder.join(PROJECT));
    let named = words.requirement_files().into_iter().map(Path::new).filter(|file| file.ends_with(PROJECT));
    for file in folders.chain(named.map(Path::to_owned)) {
        if let Some(source) = project_table(&file).as_ref().and_then(second_source) {
            let message = format!("{}: [tool.uv.sources] has {source}: a second source of files", file.display());
            let hint = "`uv pip install --no-sources`, with the index given to the proxy: --index NAME=URL";
            return Err(Failure::usage(message).hint(hint).into());
        }
    }
    Ok(())
}

/// `NAME = { git = ... }`; a folder or another member of the workspace is the user's own.
fn second_source(project: &toml::Table) -> Option<String> {
    let sources = project.get("tool")?.get("uv")?.get("sources")?.as_table()?;
    let is_other = |source: &toml::Value| {
        let keys = ["git", "url", "index"];
        keys.into_iter().find(|key| source.get(key).is_some()).map(str::to_owned)
    };
    sources.iter().find_map(|(name, source)| {
        // One source for each marker may be a list.
        let mut each = source.as_array().map_or(std::slice::from_ref(source), Vec::as_slice).iter();
        each.find_map(is_other).map(|key| format!("{name} from `{key}`"))
    })
}

/// What a `pyproject.toml` holds; nothing where it cannot be read.
pub(super) fn project_table(file: &Path) -> Option<toml::Table> {
    let bytes = files::read(file, MAX_FILE).ok()?;
    toml::from_str(&String::from_utf8_lossy(&bytes)).ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn refused(line: &str) -> bool {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        refuse(&Words::new(&words)).is_err()
    }

    #[cfg(unix)]
    #[test]
    fn what_can_be_read_once_only_is_told_from_files() {
        assert!(is_stream(Path::new("-")) && is_stream(Path::new("/dev/null")));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.txt");
        assert!(!is_stream(&file) && !is_stream(folder.path()));
        std::fs::write(&file, "").unwrap();
        assert!(!is_stream(&file));
    }

    #[test]
    fn a_script_that_says_itself_what_it_requires_is_told_from_one_that_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let inline = script("inline.py", "#!/usr/bin/env python\n# /// script\n# dependencies = ['six']\n# ///\n");
        let plain = script("plain.py", "print('# /// script')\n");
        assert!(refused(&format!("uv run {inline}")) && refused(&format!("uv run -q {inline} --flag")));
        assert!(!refused(&format!("uv run {plain}")) && !refused("uv run pytest") && !refused("uv sync"));
        let after_a_return = script("return.py", "import six\r# /// script\n# dependencies = ['six']\n# ///\n");
        assert!(refused(&format!("uv run {after_a_return}")));
        let long = folder.path().join("long.py");
        std::fs::File::create(&long).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(refused(&format!("uv run {}", long.display())), "nobody saw its head");
    }

    #[test]
    fn what_is_added_to_a_lock_has_no_source_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.txt");
        for (text, is_refused) in [
            ("six==1.17.0\nidna\n", false),
            ("--index-url https://evil.example/simple\nsix\n", true),
            ("six @ https://evil.example/six-1-py3-none-any.whl\n", true),
            ("-e git+https://evil.example/six\n", true),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(refused(&format!("uv run --with-requirements {} pytest", file.display())), is_refused, "{text}");
        }
        assert!(refused("uv run --with-requirements - pytest"));
    }

    #[test]
    fn a_script_that_comes_when_it_runs_is_seen_by_nobody_before() {
        for line in ["uv run -", "uv run https://host.example/job.py", "uv run --with six - --flag"] {
            assert!(refused(line), "{line}");
        }
    }

    #[test]
    fn sources_of_a_project_that_is_installed_are_second_sources_and_folders_are_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().display().to_string();
        let file = place.path().join(PROJECT);
        let asks = [
            format!("uv pip install -e {path}"),
            format!("uv pip install {path}[x]"),
            format!("uv pip install -r {path}/{PROJECT}"),
        ];
        for (sources, is_refused) in [
            ("six = { git = 'https://host/six' }", true),
            ("six = { url = 'https://host/six.whl' }", true),
            ("six = [{ path = 'six' }, { index = 'other', marker = 'x' }]", true),
            ("six = { path = 'six' }\nidna = { workspace = true }", false),
        ] {
            std::fs::write(&file, format!("[project]\nname = 'x'\n[tool.uv.sources]\n{sources}\n")).unwrap();
            for line in &asks {
                assert_eq!(refused(line), is_refused, "{line}: {sources}");
            }
            assert!(!refused(&format!("uv pip install --no-sources {path}")), "{sources}");
            // pip does not know them.
            assert!(!refused(&format!("pip install {path}")), "{sources}");
        }
    }
}
