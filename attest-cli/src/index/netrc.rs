//! Credentials by host, as curl, git, pip and uv read them: the file that `NETRC` names, or `~/.netrc`
//! ([format](https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html)).
//!
//! An entry `default` is not used: it would give one password to every host that is asked.

use std::{env, fs, path::PathBuf};

/// A file of this size has a thousand hosts.
const MAX_FILE: u64 = 1024 * 1024;

/// Who we are at a host.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    host: String,
    login: String,
    password: String,
}

/// What the user's file says. Not printed, not by mistake either.
#[derive(Clone, Default)]
pub(crate) struct Netrc(Vec<Entry>);

impl std::fmt::Debug for Netrc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Netrc").field(&self.0.len()).finish()
    }
}

impl Netrc {
    /// The account's, empty where there is none.
    pub(crate) fn of_account() -> Self {
        let named = env::var_os("NETRC").map(PathBuf::from);
        let Some(path) = named.or_else(|| env::home_dir().map(|home| home.join(".netrc"))) else {
            return Self::default();
        };
        let small = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_FILE);
        let text = if small { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines = text.lines();
        // Whether the words that follow are about a host that has a name.
        let mut named = false;
        while let Some(line) = lines.next() {
            let mut words = line.split_whitespace();
            while let Some(word) = words.next() {
                match word {
                    _ if word.starts_with('#') => break,
                    // A macro ends with an empty line.
                    "macdef" => {
                        lines.by_ref().take_while(|line| !line.trim().is_empty()).for_each(drop);
                        break;
                    }
                    "default" => named = false,
                    "machine" => {
                        let host = words.next().unwrap_or_default().to_owned();
                        entries.push(Entry { host, login: String::new(), password: String::new() });
                        named = true;
                    }
                    "login" | "password" | "account" => {
                        let value = words.next().unwrap_or_default();
                        if let Some(entry) = entries.last_mut().filter(|_| named) {
                            match word {
                                "login" => value.clone_into(&mut entry.login),
                                "password" => value.clone_into(&mut entry.password),
                                _ => {}
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        Self(entries)
    }

    /// Login and password at a host.
    pub(crate) fn at(&self, host: &str) -> Option<(&str, &str)> {
        let entry = self.0.iter().find(|entry| entry.host.eq_ignore_ascii_case(host))?;
        Some((&entry.login, &entry.password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_host_and_none_is_for_everybody() {
        let text = "# ours\nmachine a.example login ann password s3cret\nmacdef init\n machine evil.example login x\n\n\
                    machine b.example\n  login bob\n  account x\n  password pw#1\ndefault login anyone password leak\n";
        let netrc = Netrc::parse(text);
        assert_eq!(netrc.at("A.example"), Some(("ann", "s3cret")));
        assert_eq!(netrc.at("b.example"), Some(("bob", "pw#1")));
        assert_eq!((netrc.at("evil.example"), netrc.at("c.example")), (None, None));
        assert!(!format!("{netrc:?}").contains("s3cret"));
    }
}
