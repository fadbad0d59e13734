//! What a wheel's [tags](https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/) mean for a rebuild
//! on this machine with this Python.
//!
//! A room is Linux, so wheels for macOS and Windows are not attestable at all; those for other machines, libraries or Pythons
//! are attestable elsewhere. None is skipped in silence: each has a reason, so that it can be counted (docs/TRUST.md 1.4).

use std::collections::BTreeMap;

use attest_core::artifact::WheelName;

use super::elf::Elf;
use crate::pip::Interpreter;

/// The machine and the Python that would build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Here {
    /// `x86_64`
    machine: String,
    musl: bool,
    /// The minor version of Python 3.
    minor: u32,
}

/// How a wheel can be rebuilt here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// `none-any`: one file for everybody.
    Pure,
    /// Compiled code for this machine and Python.
    Native,
}

/// Why a wheel cannot be rebuilt here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Unfit {
    /// Not Linux: no room can build it.
    #[error("for {system}, where nothing is rebuilt")]
    System {
        /// `macOS`
        system: String,
    },
    /// Linux on other processors.
    #[error("for {found} (this machine is {here})")]
    Machine {
        /// Of the wheel.
        found: String,
        /// Of this machine.
        here: String,
    },
    /// The other C library.
    #[error("for {found} (this machine has {})", if *found == "musl" { "glibc" } else { "musl" })]
    Libc {
        /// Of the wheel.
        found: &'static str,
    },
    /// Another Python, which can be named with `--python`.
    #[error("for {found} (this Python is cp3{here}; name another one with --python)")]
    Python {
        /// `cp312-cp312`
        found: String,
        /// The minor version of this one.
        here: u32,
    },
}

/// Whether a wheel is named for everybody.
pub(crate) fn is_pure(name: &WheelName) -> bool {
    name.abi == "none" && name.platform == "any"
}

/// `2 for macOS, 1 for Windows`
pub(crate) fn count(reasons: &[Unfit]) -> String {
    if let [reason] = reasons {
        return reason.to_string();
    }
    let mut counts: BTreeMap<&Unfit, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ")
}

impl Here {
    /// A Python of this machine: the program that loads it says which C library it has.
    pub(crate) fn of(interpreter: &Interpreter) -> Self {
        let minor = interpreter.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0);
        let bytes = std::fs::read(&interpreter.executable).unwrap_or_default();
        let loader = Elf::read(&bytes).ok().and_then(|elf| Some(elf.section(".interp")?.content().to_vec()));
        let musl = loader.is_some_and(|loader| loader.starts_with(b"/lib/ld-musl"));
        Self { machine: std::env::consts::ARCH.to_owned(), musl, minor }
    }

    /// Whether a wheel can be rebuilt here, by its name alone: one of its tags has to fit.
    pub(crate) fn fit(&self, name: &WheelName) -> Result<Fit, Unfit> {
        if is_pure(name) {
            return Ok(Fit::Pure);
        }
        let mut reason = None;
        if !name
            .platform
            .split('.')
            .any(|tag| self.platform(tag).map_err(|why| reason.get_or_insert(why).clone()).is_ok())
            && let Some(reason) = reason
        {
            return Err(reason);
        }
        let fits = |abi: &str| name.python.split('.').any(|python| self.python(python, abi));
        if name.abi.split('.').any(fits) {
            return Ok(Fit::Native);
        }
        Err(Unfit::Python { found: format!("{}-{}", name.python, name.abi), here: self.minor })
    }

    fn platform(&self, tag: &str) -> Result<(), Unfit> {
        let system = |system: &str| Err(Unfit::System { system: system.to_owned() });
        let (family, rest) = tag.split_once('_').unwrap_or((tag, ""));
        match family {
            "any" => Ok(()),
            "linux" => self.machine(rest),
            "manylinux" | "musllinux" => {
                // PEP 600 and PEP 656: two numbers before the machine.
                let machine = rest.splitn(3, '_').nth(2).unwrap_or_default();
                self.machine(machine)?;
                self.libc(if family == "musllinux" { "musl" } else { "glibc" })
            }
            "manylinux1" | "manylinux2010" | "manylinux2014" => {
                self.machine(rest)?;
                self.libc("glibc")
            }
            "macosx" => system("macOS"),
            "win32" | "win" => system("Windows"),
            other => system(other),
        }
    }

    fn machine(&self, found: &str) -> Result<(), Unfit> {
        if found == self.machine {
            return Ok(());
        }
        Err(Unfit::Machine { found: found.to_owned(), here: self.machine.clone() })
    }

    fn libc(&self, found: &'static str) -> Result<(), Unfit> {
        if (found == "musl") == self.musl { Ok(()) } else { Err(Unfit::Libc { found }) }
    }

    /// Whether this Python makes wheels of such a tag.
    fn python(&self, python: &str, abi: &str) -> bool {
        let minor = |tag: &str, prefix: &str| tag.strip_prefix(prefix).and_then(|minor| minor.parse::<u32>().ok());
        let this = |tag: &str| minor(tag, "cp3") == Some(self.minor);
        let not_newer = |tag: &str, prefix: &str| minor(tag, prefix).is_some_and(|minor| minor <= self.minor);
        match abi {
            "none" => python == "py3" || this(python) || not_newer(python, "py3"),
            "abi3" => not_newer(python, "cp3"),
            abi => this(python) && (this(abi) || abi.strip_suffix('m').is_some_and(this)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(minor: u32, musl: bool) -> Here {
        Here { machine: "x86_64".to_owned(), musl, minor }
    }

    fn fit(tags: &str) -> Result<Fit, Unfit> {
        here(11, false).fit(&WheelName::parse(&format!("demo-1.0-{tags}.whl")).unwrap())
    }

    #[test]
    fn wheels_for_everybody_and_for_this_machine_can_be_rebuilt() {
        for tags in ["py3-none-any", "py2.py3-none-any", "cp39-none-any"] {
            assert_eq!(fit(tags), Ok(Fit::Pure), "{tags}");
        }
        for tags in [
            "cp311-cp311-linux_x86_64",
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp38-abi3-manylinux_2_28_x86_64",
            "cp311-abi3-manylinux_2_34_x86_64",
            "py3-none-manylinux2014_x86_64",
            "py2.py3-none-manylinux1_x86_64",
            "py38-none-linux_x86_64",
            // One of several tags is enough.
            "cp311-cp311-macosx_11_0_arm64.linux_x86_64",
        ] {
            assert_eq!(fit(tags), Ok(Fit::Native), "{tags}");
        }
    }

    #[test]
    fn wheels_for_macos_and_windows_are_not_attestable_at_all() {
        for (tags, system) in [
            ("cp311-cp311-macosx_11_0_arm64", "macOS"),
            ("cp311-cp311-macosx_10_9_universal2", "macOS"),
            ("cp311-cp311-win_amd64", "Windows"),
            ("cp311-cp311-win32", "Windows"),
            ("cp311-cp311-ios_13_0_arm64_iphoneos", "ios"),
        ] {
            let unfit = fit(tags).unwrap_err();
            assert_eq!(unfit, Unfit::System { system: system.to_owned() }, "{tags}");
        }
    }

    #[test]
    fn wheels_for_other_machines_libraries_and_pythons_are_for_elsewhere() {
        for (tags, reason) in [
            ("cp311-cp311-manylinux2014_aarch64", "for aarch64 (this machine is x86_64)"),
            ("cp311-cp311-manylinux_2_17_i686", "for i686 (this machine is x86_64)"),
            ("cp311-cp311-linux_armv7l", "for armv7l (this machine is x86_64)"),
            ("cp311-cp311-musllinux_1_2_x86_64", "for musl (this machine has glibc)"),
            ("cp312-cp312-linux_x86_64", "for cp312-cp312 (this Python is cp311; name another one with --python)"),
            ("cp312-abi3-linux_x86_64", "for cp312-abi3 (this Python is cp311; name another one with --python)"),
            (
                "pp311-pypy311_pp73-linux_x86_64",
                "for pp311-pypy311_pp73 (this Python is cp311; name another one with --python)",
            ),
            ("cp311-cp311t-linux_x86_64", "for cp311-cp311t (this Python is cp311; name another one with --python)"),
            ("py312-none-linux_x86_64", "for py312-none (this Python is cp311; name another one with --python)"),
        ] {
            let unfit = fit(tags).unwrap_err();
            assert_eq!(unfit.to_string(), reason);
        }
        let musl = WheelName::parse("demo-1.0-cp311-cp311-musllinux_1_2_x86_64.whl").unwrap();
        assert_eq!(here(11, true).fit(&musl), Ok(Fit::Native));
    }

    #[test]
    fn reasons_are_counted() {
        let reasons = ["macosx_11_0_arm64", "macosx_10_9_x86_64", "win32"]
            .map(|tag| fit(&format!("cp311-cp311-{tag}")).unwrap_err());
        let expected = "1 for Windows, where nothing is rebuilt, 2 for macOS, where nothing is rebuilt";
        assert_eq!(count(&reasons), expected);
    }
}
