//! `build.lock`: what builds a project, by digest. A requirements file that pip and uv install from with
//! `--require-hashes`, with what it was made from in comments:
//!
//! ```text
//! # attest build.lock v1
//! # requires: setuptools>=77
//! # with: cibuildwheel
//! # image: quay.io/pypa/manylinux_2_28_x86_64@sha256:4444444444444444444444444444444444444444444444444444444444444444
//! setuptools==82.0.1 \
//!     --hash=sha256:5fc45236b9446107ff2415ce77c807cee2862cb6fac22b8a73826d0693b0980e
//! ```

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Context as _;
use attest_core::artifact::ArtifactDigest;

use crate::exit::{Exit, Failure};
use crate::index::Index;
use crate::pip::Pip;
use crate::pip::pin::{self, Pin};

/// The first line.
const HEAD: &str = "# attest build.lock v1";
/// The biggest lock that is read.
pub(crate) const MAX_LOCK: u64 = 4 << 20;

/// What builds a project.
#[derive(Clone, Debug)]
pub(crate) struct BuildLock {
    /// `build-system.requires` when the lock was made.
    pub(crate) requires: Vec<String>,
    /// Tools that were named beside it.
    pub(crate) with: Vec<String>,
    /// Images by digest.
    pub(crate) images: Vec<String>,
    /// Exact versions and the digests that their files may have, by name.
    pub(crate) pins: Vec<Pin>,
}

/// Why a lock no longer holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Drift {
    /// pyproject.toml asks for what the locked versions are not.
    #[error("the locked versions do not satisfy what is asked for now: {said}")]
    Unsatisfied {
        /// The resolver's words.
        said: String,
    },
    /// Something is needed that is not locked.
    #[error("{project} {version} is needed and not locked")]
    Missing {
        /// Which.
        project: String,
        /// What a resolver would take.
        version: String,
    },
    /// No file on the index has a locked digest.
    #[error("{project} {version}: no file on the index has the locked sha256 {digest}")]
    Gone {
        /// Which.
        project: String,
        /// Which.
        version: String,
        /// The locked one.
        digest: ArtifactDigest,
    },
}

impl BuildLock {
    /// Resolves requirements and tools: the newest that fit, wheels only.
    pub(crate) fn resolve(pip: &Pip, requires: &[String], with: &[String], images: &[String]) -> anyhow::Result<Self> {
        let all: Vec<_> = requires.iter().chain(with).cloned().collect();
        let mut pins = resolve(pip, &all)?;
        pins.sort_by(|left, right| left.project.cmp(&right.project));
        Ok(Self { requires: requires.to_vec(), with: with.to_vec(), images: images.to_vec(), pins })
    }

    /// Reads what [`BuildLock`] prints.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(text.lines().next() == Some(HEAD), "expected {HEAD:?} in the first line");
        let field = |name: &str| -> Vec<String> {
            let of = |line: &str| Some(line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
            text.lines().filter_map(of).collect()
        };
        let pins = pin::from_lock(text)?;
        if let Some(bare) = pins.iter().find(|pin| pin.digests.is_empty()) {
            anyhow::bail!("expected a hash for {} {}", bare.project.as_str(), bare.version);
        }
        Ok(Self { requires: field("requires"), with: field("with"), images: field("image"), pins })
    }

    /// Whether the lock still gives what `requires` asks for, from files that are still there.
    ///
    /// # Errors
    /// Exit 3 where the index cannot be asked, or has nothing at all that fits.
    pub(crate) fn drift(&self, pip: &Pip, index: &Index, requires: &[String]) -> anyhow::Result<Vec<Drift>> {
        let wanted: Vec<_> = requires.iter().chain(&self.with).cloned().collect();
        let pinned = self.pins.iter().map(|pin| format!("{}=={}", pin.project.as_str(), pin.version));
        let all: Vec<_> = wanted.iter().cloned().chain(pinned).collect();
        let now = match resolve(pip, &all) {
            Ok(now) => now,
            Err(error) => {
                // Without the pins it must go, or the lock is not what is wrong.
                let open = |error: anyhow::Error| {
                    Failure::new(Exit::Undecided, format!("cannot resolve what pyproject.toml asks for: {error:#}"))
                };
                resolve(pip, &wanted).map_err(open)?;
                return Ok(vec![Drift::Unsatisfied { said: format!("{error:#}") }]);
            }
        };
        let mut drift = Vec::new();
        for found in &now {
            let (project, version) = (found.project.as_str().to_owned(), found.version.clone());
            let Some(locked) = self.pins.iter().find(|pin| pin.project == found.project) else {
                drift.push(Drift::Missing { project, version });
                continue;
            };
            // A resolver lists the files that it would take; the index lists all.
            let listed = index.project(&found.project).unwrap_or_default();
            let known: BTreeSet<_> =
                found.digests.iter().copied().chain(listed.iter().filter_map(|file| file.digest)).collect();
            let gone = locked.digests.iter().filter(|digest| !known.contains(digest));
            drift.extend(gone.map(|digest| Drift::Gone {
                project: project.clone(),
                version: locked.version.clone(),
                digest: *digest,
            }));
        }
        Ok(drift)
    }
}

fn resolve(pip: &Pip, lines: &[String]) -> anyhow::Result<Vec<Pin>> {
    for line in lines {
        crate::rebuild::environment::check_requirement(line)?;
    }
    pip.resolve(lines, None).with_context(|| format!("expected versions for {}", lines.join(", ")))
}

impl fmt::Display for BuildLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        for (name, lines) in [("requires", &self.requires), ("with", &self.with), ("image", &self.images)] {
            for line in lines {
                writeln!(f, "# {name}: {line}")?;
            }
        }
        for pin in &self.pins {
            write!(f, "{}=={}", pin.project.as_str(), pin.version)?;
            let digests: BTreeSet<_> = pin.digests.iter().map(ToString::to_string).collect();
            for digest in digests {
                write!(f, " \\\n    --hash=sha256:{digest}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "# attest build.lock v1\n# requires: setuptools>=77\n# with: cibuildwheel\n\
        # image: example.org/m@sha256:4444444444444444444444444444444444444444444444444444444444444444\n\
        setuptools==82.0.1 \\\n    --hash=sha256:5fc45236b9446107ff2415ce77c807cee2862cb6fac22b8a73826d0693b0980e\n";

    #[test]
    fn a_lock_prints_as_it_reads() {
        let lock = BuildLock::parse(LOCK).unwrap();
        assert_eq!(lock.to_string(), LOCK);
        assert_eq!((lock.requires.len(), lock.with.len(), lock.images.len(), lock.pins.len()), (1, 1, 1, 1));
    }

    #[test]
    fn what_a_project_pins_itself_is_no_line_of_the_lock() {
        let text = LOCK.replace("setuptools>=77", "setuptools==82.0.1");
        let lock = BuildLock::parse(&text).unwrap();
        assert_eq!((lock.requires[0].as_str(), lock.pins.len()), ("setuptools==82.0.1", 1));
    }

    #[test]
    fn a_lock_without_its_first_line_or_without_hashes_is_refused() {
        for text in
            ["", "setuptools==1\n", "# attest build.lock v1\nsetuptools==82.0.1\n", "# attest build.lock v1\n-e .\n"]
        {
            assert!(BuildLock::parse(text).is_err(), "{text}");
        }
    }
}
