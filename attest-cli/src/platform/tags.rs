//! [Compatibility tags](https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/): which wheels a
//! Python takes.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use attest_core::artifact::WheelName;
use serde::Deserialize;

/// The tags of one Python, best first.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Vec<String>")]
pub(crate) struct Tags {
    ranks: HashMap<String, usize>,
    /// Every part of every tag.
    parts: HashSet<String>,
}

impl From<Vec<String>> for Tags {
    fn from(tags: Vec<String>) -> Self {
        let parts = tags.iter().flat_map(|tag| tag.split('-')).map(str::to_owned).collect();
        let mut ranks = HashMap::with_capacity(tags.len());
        for (rank, tag) in tags.into_iter().enumerate() {
            ranks.entry(tag).or_insert(rank);
        }
        Self { ranks, parts }
    }
}

impl Tags {
    /// Where a wheel comes among those of one release, smaller is better, by pip's rule: the best tag, then the highest
    /// build number. Nothing where it is not taken.
    pub(crate) fn preference(&self, wheel: &WheelName) -> Option<(usize, Reverse<(u64, String)>)> {
        let build = wheel.build.as_deref().unwrap_or_default();
        let digits = build.len() - build.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
        let build = (build[..digits].parse().unwrap_or_default(), build[digits..].to_owned());
        let best = combinations(wheel).filter_map(|tag| self.ranks.get(&tag.join("-")).copied()).min()?;
        Some((best, Reverse(build)))
    }

    /// Whether this Python takes a wheel.
    pub(crate) fn take(&self, wheel: &WheelName) -> bool {
        combinations(wheel).any(|tag| self.ranks.contains_key(&tag.join("-")))
    }

    /// Whether no installer would take a wheel here. A tag of a kind that is not known here may be taken by an installer
    /// that knows more, unless another part of it says no.
    pub(crate) fn refuse(&self, wheel: &WheelName) -> bool {
        let foreign = |[python, abi, platform]: [&str; 3]| {
            let parts = [(python, is_python(python)), (abi, is_abi(abi)), (platform, is_platform(platform))];
            let surely_not = parts.iter().any(|(part, familiar)| *familiar && !self.parts.contains(*part));
            surely_not || parts.iter().all(|(_, familiar)| *familiar)
        };
        !self.take(wheel) && combinations(wheel).all(foreign)
    }
}

/// Every tag that the sets in a file name stand for.
fn combinations(wheel: &WheelName) -> impl Iterator<Item = [&str; 3]> {
    wheel.python.split('.').flat_map(move |python| {
        wheel.abi.split('.').flat_map(move |abi| wheel.platform.split('.').map(move |platform| [python, abi, platform]))
    })
}

fn is_python(tag: &str) -> bool {
    ["cp", "pp", "py", "ip", "jy", "graalpy"]
        .iter()
        .filter_map(|name| tag.strip_prefix(name))
        .any(|version| !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()))
}

fn is_abi(tag: &str) -> bool {
    let flags =
        |version: &str| version.trim_start_matches(|c: char| c.is_ascii_digit()).bytes().all(|b| b"dmut".contains(&b));
    tag == "none" || tag == "abi3" || tag.starts_with("pypy") || tag.strip_prefix("cp").is_some_and(flags)
}

fn is_platform(tag: &str) -> bool {
    const KINDS: [&str; 9] =
        ["win32", "win_", "macosx_", "manylinux", "musllinux_", "linux_", "android_", "ios_", "pyodide_"];
    tag == "any" || KINDS.iter().any(|kind| tag.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Tags {
        let tags = ["cp311-cp311-manylinux_2_28_x86_64", "cp39-abi3-manylinux_2_17_x86_64", "py3-none-any"];
        Tags::from(tags.map(str::to_owned).to_vec())
    }

    fn wheel(name: &str) -> WheelName {
        WheelName::parse(name).unwrap()
    }

    #[test]
    fn the_wheel_that_pip_would_take_comes_first() {
        let best = [
            "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl",
            "a-1-cp39-abi3-manylinux_2_17_x86_64.whl",
            "a-1-10-py2.py3-none-any.whl",
            "a-1-9b-py3-none-any.whl",
            "a-1-9a-py3-none-any.whl",
            "a-1-py3-none-any.whl",
        ];
        let order = |name: &str| tags().preference(&wheel(name));
        assert!(best.is_sorted_by(|better, worse| order(better) < order(worse)));
        assert!(best.iter().all(|name| order(name).is_some() && !tags().refuse(&wheel(name))));
    }

    #[test]
    fn only_what_no_installer_would_take_is_refused() {
        for (name, refused) in [
            ("a-1-py2-none-any.whl", true),
            ("a-1-cp311-cp311-win_amd64.whl", true),
            ("a-1-cp311-abi3-manylinux_2_17_x86_64.whl", true),
            ("a-1-cp311-cp311-manylinux_2_40_x86_64.whl", true),
            ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", true),
            ("a-1-cp311-cp311t-manylinux_2_28_x86_64.whl", true),
            ("a-1-pp39-pypy39_pp73-manylinux_2_28_x86_64.whl", true),
            // Tags that nobody has thought of yet: an installer may know them.
            ("a-1-cp311-abi4-manylinux_2_28_x86_64.whl", false),
            ("a-1-cp311-cp311-linuxnext_1_x86_64.whl", false),
            ("a-1-xp1-none-any.whl", false),
            // ... but not on another system, and not for another Python.
            ("a-1-cp311-abi4-win_amd64.whl", true),
            ("a-1-cp27-abi4-manylinux_2_28_x86_64.whl", true),
        ] {
            assert_eq!(tags().refuse(&wheel(name)), refused, "{name}");
            assert!(!tags().take(&wheel(name)) && tags().preference(&wheel(name)).is_none(), "{name}");
        }
    }
}
