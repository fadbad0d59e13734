//! Logins in `~/.netrc`, or the file that `NETRC` names: what pip and uv use for indexes whose URL holds none.

use std::{collections::HashMap, path::PathBuf};

use crate::files;

/// More is no such file.
const MAX_FILE: u64 = 1 << 20;

/// Logins by host.
#[derive(Default)]
pub(crate) struct Netrc {
    hosts: HashMap<String, (String, String)>,
    default: Option<(String, String)>,
}

impl std::fmt::Debug for Netrc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Netrc").field("hosts", &self.hosts.keys()).finish_non_exhaustive()
    }
}

impl Netrc {
    /// The user's; nothing where there is none.
    pub(crate) fn read() -> Self {
        let path = std::env::var_os("NETRC").map(PathBuf::from);
        let path = path.or_else(|| std::env::home_dir().map(|home| home.join(".netrc")));
        let bytes = path.and_then(|path| files::read(&path, MAX_FILE).ok()).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Self {
        let mut netrc = Self::default();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut words = lines.flat_map(str::split_whitespace).peekable();
        while let Some(word) = words.next() {
            let host = match word {
                "machine" => words.next().map(str::to_owned),
                "default" => None,
                _ => continue,
            };
            let (mut login, mut password) = (None, None);
            while let Some(key) = words.next_if(|word| !matches!(*word, "machine" | "default")) {
                match key {
                    "login" => login = words.next(),
                    "password" => password = words.next(),
                    "account" => drop(words.next()),
                    _ => {}
                }
            }
            let Some(found) = login.map(|login| (login.to_owned(), password.unwrap_or_default().to_owned())) else {
                continue;
            };
            match host {
                Some(host) => drop(netrc.hosts.entry(host).or_insert(found)),
                None => netrc.default = Some(found),
            }
        }
        netrc
    }

    /// Of a host.
    pub(super) fn login(&self, host: &str) -> Option<(String, String)> {
        self.hosts.get(host).or(self.default.as_ref()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_s_own_login_comes_before_the_default() {
        let netrc = Netrc::parse(
            "# c\nmachine a.example login ann password s#1\n machine b.example\nlogin bob\ndefault login x password y",
        );
        let login = |host: &str| netrc.login(host).map(|(user, password)| format!("{user}:{password}"));
        assert_eq!(login("a.example").as_deref(), Some("ann:s#1"));
        assert_eq!(login("b.example").as_deref(), Some("bob:"));
        assert_eq!(login("c.example").as_deref(), Some("x:y"));
        assert!(Netrc::parse("machine a.example").login("a.example").is_none());
        assert!(!format!("{netrc:?}").contains("s#1"));
    }
}
