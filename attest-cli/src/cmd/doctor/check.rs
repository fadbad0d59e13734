//! One thing that was looked at.

use serde::Serialize;

use crate::{exit::Exit, host};

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum State {
    /// It is there and works.
    Ok,
    /// It is not there, and something is worse without it.
    Missing,
    /// It was set up and does not work, or no command does without it.
    Broken,
    /// It does not answer; it may later.
    Unreachable,
    /// Not looked at, because of `--offline`.
    Unasked,
}

impl State {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Broken => "broken",
            Self::Unreachable => "unreachable",
            Self::Unasked => "not asked",
        }
    }

    /// What it makes of the whole: what is missing by choice is no failure.
    pub(super) const fn exit(self) -> Exit {
        match self {
            Self::Ok | Self::Missing | Self::Unasked => Exit::Pass,
            Self::Broken => Exit::Usage,
            Self::Unreachable => Exit::Undecided,
        }
    }
}

/// What was looked at and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) state: State,
    pub(super) found: String,
    /// What is worse as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) costs: Option<String>,
    /// The command that mends it, or what to do where no command does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Check {
    pub(super) fn new(name: &'static str, state: State, found: impl Into<String>) -> Self {
        Self { name, state, found: found.into(), costs: None, mend: None }
    }

    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Ok, found)
    }

    #[must_use]
    pub(super) fn costs(self, costs: impl Into<String>) -> Self {
        Self { costs: Some(costs.into()), ..self }
    }

    #[must_use]
    pub(super) fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }
}

/// A package of the system, under the names that its managers have for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Package {
    debian: &'static str,
    others: [(&'static str, &'static str); 4],
}

impl Package {
    /// The same name everywhere.
    pub(super) const fn new(name: &'static str) -> Self {
        Self { debian: name, others: [("dnf", name), ("zypper", name), ("pacman", name), ("apk", name)] }
    }

    pub(super) const BUBBLEWRAP: Self = Self::new("bubblewrap");
    pub(super) const GIT: Self = Self::new("git");
    pub(super) const PODMAN: Self = Self::new("podman");
    pub(super) const GNUPG: Self = Self {
        debian: "gnupg",
        others: [("dnf", "gnupg2"), ("zypper", "gpg2"), ("pacman", "gnupg"), ("apk", "gnupg")],
    };
    pub(super) const PYTHON: Self = Self {
        debian: "python3-venv python3-pip",
        others: [
            ("dnf", "python3-pip"),
            ("zypper", "python3-pip"),
            ("pacman", "python-pip"),
            ("apk", "python3 py3-pip"),
        ],
    };

    /// The command that installs it with the manager that this machine has.
    pub(super) fn install(self) -> String {
        let sudo = if host::user().is_some_and(|user| user.starts_with("0:")) { "" } else { "sudo " };
        for (manager, name) in self.others {
            if on_path(manager) {
                let verb = match manager {
                    "pacman" => "-S",
                    "apk" => "add",
                    _ => "install",
                };
                return format!("{sudo}{manager} {verb} {name}");
            }
        }
        if cfg!(target_os = "macos") {
            return format!("brew install {}", self.debian);
        }
        if on_path("apt-get") {
            return format!("{sudo}apt-get install {}", self.debian);
        }
        format!("install {}", self.debian)
    }
}

/// Whether `PATH` has a program of this name.
pub(super) fn on_path(name: &str) -> bool {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(&name).is_file()))
}
