//! Other versions of the tools that write a wheel's metadata.

use attest_core::recipe::{PythonVersion, Recipe};

use super::Candidate;
use crate::rebuild::infer::with_pins;
use crate::rebuild::wheel::Wheel;

/// A version of setuptools.
type Release = (u16, u16, u16);

/// Where what setuptools writes changed, one release of each kind; of several the one that came with Python or with a
/// distribution (68.1: Fedora 39, 65.5: Python 3.11, 59.6: Ubuntu 22.04, 58.1: Python 3.10, 56.0: Python 3.8,
/// 45.2: Ubuntu 20.04, 41.2: Python 3.8.0).
const SETUPTOOLS: [Release; 14] = [
    (69, 5, 1),
    (68, 2, 2),
    (68, 0, 0),
    (66, 1, 1),
    (65, 5, 0),
    (62, 1, 0),
    (60, 10, 0),
    (59, 6, 0),
    (58, 1, 0),
    (56, 2, 0),
    (56, 0, 0),
    (52, 0, 0),
    (45, 2, 0),
    (41, 2, 0),
];
/// `wheel` beside a setuptools that does not need it any more still writes the wheel.
const WHEELS: [&str; 5] = ["0.45.1", "0.43.0", "0.42.0", "0.38.4", "0.37.1"];

/// `Platform`, `License` and `Summary` without a value are left out from here on.
const WITHOUT_UNKNOWN: Release = (62, 2, 0);
/// `Home-page` without a value is left out, and `entry_points.txt` ends without an empty line.
const WITHOUT_UNKNOWN_HOME: Release = (60, 10, 0);
/// `Author` without a value is left out.
const WITHOUT_UNKNOWN_AUTHOR: Release = (56, 2, 0);
/// `License-File` names every licence.
const WITH_LICENSE_FILE: Release = (57, 0, 0);
/// Names of files that setuptools takes for licences.
const LICENCES: [&str; 4] = ["LICEN", "COPYING", "NOTICE", "AUTHORS"];

/// What to try instead of `recipe`, most likely first. `built_with` is the setuptools that was tried already.
pub(super) fn candidates(
    recipe: &Recipe,
    built_with: Option<&str>,
    published: &Wheel,
    pythons: &[PythonVersion],
) -> Vec<Candidate> {
    let pinned = |project: &str, version: String| {
        let pin = format!("{project}=={version}");
        let mut other = recipe.clone();
        other.requirements.build = with_pins(&recipe.requirements.build, &[pin]);
        Candidate { what: format!("{project} {version}"), recipe: other }
    };
    let mut all = Vec::new();
    if recipe.generator.starts_with("bdist_wheel") {
        let bounds = Bounds::read(published);
        let known = built_with.and_then(parse);
        let fits = |version: &Release| bounds.hold(*version) && known.is_none_or(|known| *version < known);
        let versions = SETUPTOOLS.into_iter().filter(fits);
        all.extend(versions.map(|(major, minor, patch)| pinned("setuptools", format!("{major}.{minor}.{patch}"))));
    } else if recipe.generator.starts_with("setuptools") {
        all.extend(WHEELS.map(|version| pinned("wheel", version.to_owned())));
    }
    let on = |python: &PythonVersion| Candidate {
        what: format!("Python {python}"),
        recipe: Recipe { python: Some(*python), ..recipe.clone() },
    };
    all.extend(pythons.iter().map(on));
    all
}

fn parse(version: &str) -> Option<Release> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let mut next = || parts.next().unwrap_or(Some(0));
    Some((next()?, next()?, next()?))
}

/// Which setuptools can have written a wheel's metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds {
    from: Release,
    before: Release,
}

impl Bounds {
    fn read(wheel: &Wheel) -> Self {
        let mut bounds = Self { from: (0, 0, 0), before: (u16::MAX, 0, 0) };
        let text = |name: &str| wheel.metadata(name).map(|member| String::from_utf8_lossy(&member.content));
        let metadata = text("METADATA").unwrap_or_default();
        let header = || metadata.lines().take_while(|line| !line.is_empty());
        let unknown = |field: &str| header().any(|line| line == format!("{field}: UNKNOWN"));
        let lacks = |field: &str| !header().any(|line| line.starts_with(&format!("{field}:")));
        bounds.cut(["Platform", "License", "Summary"].into_iter().any(unknown), lacks("Platform"), WITHOUT_UNKNOWN);
        let blank = text("entry_points.txt").map(|text| text.ends_with("\n\n"));
        bounds.cut(unknown("Home-page") || blank == Some(true), blank == Some(false), WITHOUT_UNKNOWN_HOME);
        bounds.cut(unknown("Author"), false, WITHOUT_UNKNOWN_AUTHOR);
        let base = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let licence =
            |name: &str| wheel.is_metadata(name) && LICENCES.iter().any(|known| base(name).starts_with(known));
        let licensed = wheel.members().iter().any(|member| licence(&member.name));
        bounds.cut(licensed && lacks("License-File"), !lacks("License-File"), WITH_LICENSE_FILE);
        bounds
    }

    /// `at` is where a habit changed, `old` and `new` whether the wheel shows it.
    fn cut(&mut self, old: bool, new: bool, at: Release) {
        if old {
            self.before = self.before.min(at);
        } else if new {
            self.from = self.from.max(at);
        }
    }

    /// Marks that contradict each other say nothing.
    fn hold(self, version: Release) -> bool {
        self.from >= self.before || (self.from <= version && version < self.before)
    }
}

#[cfg(test)]
mod tests;
