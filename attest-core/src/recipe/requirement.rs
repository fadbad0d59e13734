//! Which requirement lines name a project on the index, and nothing else.

use crate::artifact::{ProjectName, Version};

/// How the names of files end that pip takes from the current folder, whatever `--only-binary` says, and builds there
/// where they are sources.
const ARCHIVES: [&str; 13] = [
    ".whl",
    ".zip",
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".tlz",
    ".tar.lz",
    ".tar.lzma",
    ".egg",
];

/// Whether a line is a requirement of [PEP 508](https://peps.python.org/pep-0508/) by name and version, which an index
/// resolves: no address (`https:...`, `name @ ...`), path, archive or option. pip and uv fetch an address, and pip builds
/// what it finds there, with a network and outside of any room.
pub fn is_plain_requirement(line: &str) -> bool {
    let (what, marker) = line.split_once(';').unwrap_or((line, ""));
    let inside = |allowed: &'static str| move |c: char| c.is_ascii_alphanumeric() || allowed.contains(c);
    let bare = what.split('[').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let whole = what.trim_end().to_ascii_lowercase();
    what.starts_with(|first: char| first.is_ascii_alphanumeric())
        && what.chars().all(inside("-_. []<>=!~,+*()"))
        && marker.chars().all(inside("-_. '\"()<>=!~,+*"))
        && !line.contains("--")
        && !line.contains(" -")
        && !ARCHIVES.iter().any(|end| bare.ends_with(end) || whole.ends_with(end))
}

/// A plain requirement, as far as it is compared with what was installed.
#[derive(Debug)]
pub(crate) struct Plain {
    /// Which project.
    pub(crate) project: ProjectName,
    /// Every version that it names exactly, whatever ranges stand beside; those and wildcards are a resolver's question.
    pub(crate) pins: Vec<Version>,
    /// Whether a marker may leave it out.
    pub(crate) conditional: bool,
}

impl Plain {
    /// Reads a line; nothing where it is no plain requirement, or names no project.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        if !is_plain_requirement(line) {
            return None;
        }
        let (what, marker) = line.split_once(';').unwrap_or((line, ""));
        let end = what.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(what.len());
        let (name, rest) = what.split_at(end);
        let versions = rest.split_once(']').map_or(rest, |(_, versions)| versions);
        let exact = |clause: &str| {
            let clause = clause.trim_matches([' ', '(', ')']);
            let version = clause.strip_prefix("===").or_else(|| clause.strip_prefix("=="))?;
            Version::new(version.trim()).ok()
        };
        Some(Self {
            project: ProjectName::new(name).ok()?,
            pins: versions.split(',').filter_map(exact).collect(),
            conditional: !marker.trim().is_empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Plain, is_plain_requirement};

    #[test]
    fn a_pin_is_an_exact_version_whatever_stands_beside_it() {
        let read = |line: &str| {
            let plain = Plain::parse(line)?;
            let pins: Vec<_> = plain.pins.iter().map(|pin| pin.as_str().to_owned()).collect();
            Some((plain.project.as_str().to_owned(), pins, plain.conditional))
        };
        let plain = |name: &str, pins: &[&str], conditional| {
            Some((name.to_owned(), pins.iter().map(|pin| (*pin).to_owned()).collect::<Vec<_>>(), conditional))
        };
        assert_eq!(read("Flit_Core ==3.9.0"), plain("flit-core", &["3.9.0"], false));
        assert_eq!(read("demo[a, b] (== 1!2.0+x.1)"), plain("demo", &["1!2.0+x.1"], false));
        assert_eq!(read("demo===1.0; python_version < '3'"), plain("demo", &["1.0"], true));
        assert_eq!(read("demo (!=2, ==1.0)"), plain("demo", &["1.0"], false));
        assert_eq!(read("demo[a]==1.0,===1.1,>0"), plain("demo", &["1.0", "1.1"], false));
        for line in ["demo==1.*", "demo!=1.0,>=1", "demo>=1", "demo", "demo~=1.0"] {
            assert_eq!(read(line), plain("demo", &[], false), "{line}");
        }
        assert_eq!(read("demo @ https://example.org/demo"), None);
        assert_eq!(read("demo-"), None);
    }

    #[test]
    fn names_with_versions_extras_and_markers_are_plain() {
        for line in [
            "setuptools",
            "setuptools>=61.0,!=71.*",
            "setuptools (>=40)",
            "setuptools_scm[toml, rich] >= 6.2",
            "hatch-vcs~=0.3",
            "demo===1.0+local.1",
            "demo==1!2.0.post1",
            "tomli>=1; python_version < '3.11' and (os_name == \"nt\" or extra == 'x')",
            "ruamel.yaml==0.17.*",
        ] {
            assert!(is_plain_requirement(line), "{line}");
        }
    }

    #[test]
    fn what_an_installer_takes_for_an_address_a_path_or_an_option_is_not() {
        for line in [
            "https://example.org/evil-1.0.tar.gz",
            "http:evil",
            "file:///tmp/evil.tar.gz",
            "file:evil",
            "git+https://example.org/evil",
            "evil @ https://example.org/evil",
            "evil@file:///tmp/evil",
            "evil/",
            "evil/evil",
            "evil\\evil",
            // In the folder that attest is run in lies the very sdist that is built.
            "demo-1.0.tar.gz",
            "demo-1.0.TGZ ; python_version > '3'",
            "demo-1.0.tar.gz[extra]",
            "demo==1.zip",
            "demo-1.0-py3-none-any.whl",
            "./evil",
            "-e .",
            "--index-url=https:",
            "x --hash=sha256:0",
            "x -r evil",
            "x ; python_version > '3' -r evil",
            "x\n-r evil",
            "x # y",
            "x ; https://example.org/evil",
            "${HOME}",
            "x==${V}",
            "",
            " x",
        ] {
            assert!(!is_plain_requirement(line), "{line:?}");
        }
    }
}
