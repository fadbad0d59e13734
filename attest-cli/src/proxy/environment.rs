//! The variables with which a command finds the proxy, and no second source beside it.

use std::{ffi::OsString, process::Command};

use reqwest::Url;

/// Variables that name another source of files than the proxy.
const SOURCES: [&str; 15] = [
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_INDEX_URL",
    "PIP_PROXY",
    "PIP_PYPI_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
    "UV_OFFLINE",
    // Read in spite of UV_NO_CONFIG.
    "UV_CONFIG_FILE",
    // An index of its own for some projects.
    "UV_TORCH_BACKEND",
];
/// pip's word for "no configuration file".
const NO_FILE: &str = "/dev/null";

/// What the command is given.
#[derive(Debug)]
pub(super) struct Environment {
    set: Vec<(&'static str, String)>,
    /// Variables of the user's that are taken away, which changes what gets found.
    pub(super) removed: Vec<&'static str>,
}

impl Environment {
    /// `index` is the proxy's `simple/`. `resolves`: the command asks an index; what installs from a lock is not pointed at
    /// the proxy, whose address it would write into the lock.
    pub(super) fn new(index: &Url, resolves: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let host = index.host_str().unwrap_or_default().to_owned();
        let mut set = Vec::new();
        let mut removed = Vec::new();
        if resolves {
            let url = index.to_string();
            set.push(("PIP_INDEX_URL", url.clone()));
            // Files of pip's configuration may name more indexes and folders, which no variable takes away.
            set.push(("PIP_CONFIG_FILE", NO_FILE.to_owned()));
            set.push(("UV_DEFAULT_INDEX", url.clone()));
            set.push(("UV_NO_CONFIG", "1".to_owned()));
            // uv before 0.4.23.
            set.push(("UV_INDEX_URL", url));
            // Not PIP_TRUSTED_HOST: without it pip keeps nothing that came over plain http, and so nothing that is blocked later.
            let named = SOURCES.into_iter().filter(|name| variable(name).is_some_and(|value| !value.is_empty()));
            removed.extend(named.filter(|name| !set.iter().any(|(set, _)| set == name)));
        }
        for name in ["NO_PROXY", "no_proxy"] {
            let before = variable(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty());
            set.push((name, before.map_or_else(|| host.clone(), |before| format!("{before},{host}"))));
        }
        Self { set, removed }
    }

    pub(super) fn apply(&self, command: &mut Command) {
        for name in &self.removed {
            command.env_remove(name);
        }
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(resolves: bool, given: &[(&str, &str)]) -> Environment {
        let index = Url::parse("http://127.0.0.1:4000/token/simple/").unwrap();
        Environment::new(&index, resolves, |name| {
            given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn every_other_source_is_taken_away() {
        let given = [
            ("PIP_EXTRA_INDEX_URL", "https://evil.example"),
            ("UV_FIND_LINKS", "/wheels"),
            ("UV_CONFIG_FILE", "evil.toml"),
        ];
        let environment = environment(true, &given);
        let mut command = Command::new("true");
        environment.apply(&mut command);
        for (name, _) in given {
            assert!(command.get_envs().any(|(found, value)| found == name && value.is_none()), "{name}");
        }
        assert_eq!(environment.removed.len(), 3);
    }

    #[test]
    fn the_proxy_is_not_asked_for_through_another_one() {
        let environment = environment(true, &[("NO_PROXY", "corp.example")]);
        assert!(environment.set.contains(&("NO_PROXY", "corp.example,127.0.0.1".to_owned())));
        assert!(environment.set.contains(&("no_proxy", "127.0.0.1".to_owned())));
    }

    #[test]
    fn what_installs_from_a_lock_is_not_pointed_at_the_proxy() {
        let environment = environment(false, &[("UV_INDEX", "https://corp.example")]);
        assert!(environment.removed.is_empty());
        assert!(environment.set.iter().all(|(name, _)| name.eq_ignore_ascii_case("no_proxy")));
    }
}
