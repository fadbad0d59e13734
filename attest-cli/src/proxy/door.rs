//! Who may come in: whoever knows the token, where there is one, and calls us by a name of ours.
//!
//! A page in the user's browser can send requests to loopback, and with a name that it has its own DNS lead here (rebinding)
//! it could read the answers. A numeric address cannot be rebound, and other names have to be given with `--host`.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};

/// Letters of a token of our own making: 128 bits in hex.
const TOKEN_BYTES: usize = 16;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// First segment of every path.
    token: Option<String>,
    /// Names that clients may call us by, beside addresses and `localhost`.
    hosts: Vec<String>,
}

/// Why somebody may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    #[error("no such path")]
    Token,
    #[error("expected a Host that is this proxy: name it with --host")]
    Host,
    #[error("a page of another site asks")]
    Site,
}

impl Stranger {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Token => StatusCode::NOT_FOUND,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Site => StatusCode::FORBIDDEN,
        }
    }
}

impl Door {
    pub(crate) fn new(token: Option<String>, hosts: Vec<String>) -> Self {
        Self { token, hosts }
    }

    /// With a token that nobody can guess.
    pub(crate) fn secret() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        let token = format!("{:032x}", u128::from_be_bytes(bytes));
        Ok(Self::new(Some(token), Vec::new()))
    }

    /// What every path begins with: `/`, or `/TOKEN/`.
    pub(crate) fn prefix(&self) -> String {
        self.token.as_ref().map_or_else(|| "/".to_owned(), |token| format!("/{token}/"))
    }

    /// The path within, without a slash at its front.
    pub(super) fn admit<'a>(&self, path: &'a str, headers: &HeaderMap) -> Result<&'a str, Stranger> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !self.is_ours(host) {
            return Err(Stranger::Host);
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let same = |site: &str| matches!(site, "none" | "same-origin");
        if headers.contains_key(header::ORIGIN) || !text("sec-fetch-site").is_none_or(same) {
            return Err(Stranger::Site);
        }
        let path = path.strip_prefix('/').ok_or(Stranger::Token)?;
        let Some(token) = &self.token else {
            return Ok(path);
        };
        let (given, rest) = path.split_once('/').unwrap_or((path, ""));
        if is_same(given.as_bytes(), token.as_bytes()) { Ok(rest) } else { Err(Stranger::Token) }
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name) || ours.eq_ignore_ascii_case(host))
    }
}

/// In a time that does not tell how much of it was right.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    given.len() == token.len() && given.iter().zip(token).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_who_knows_the_token_comes_in() {
        let door = Door::new(Some("abc".to_owned()), Vec::new());
        let ours = headers(&[("host", "127.0.0.1:80")]);
        assert_eq!(door.admit("/abc/simple/x/", &ours), Ok("simple/x/"));
        assert_eq!(door.admit("/abc", &ours), Ok(""));
        for path in ["/", "/abd/simple/x/", "/ab/simple/", "/abcd/simple/", "/simple/x/", "*"] {
            assert_eq!(door.admit(path, &ours), Err(Stranger::Token), "{path}");
        }
        let (one, other) = (Door::secret().unwrap(), Door::secret().unwrap());
        assert_ne!(one.prefix(), other.prefix());
        assert_eq!(one.prefix().len(), 2 + 32);
    }

    #[test]
    fn a_web_page_does_not_come_in_by_a_name_of_its_own_nor_from_another_site() {
        let door = Door::new(None, vec!["pypi.corp.example".to_owned()]);
        for host in ["127.0.0.1:8690", "[::1]:8690", "localhost", "LOCALHOST:1", "10.0.0.7", "pypi.corp.example:443"] {
            assert!(door.admit("/", &headers(&[("host", host)])).is_ok(), "{host}");
        }
        for host in ["attacker.example", "127.0.0.1.attacker.example:80", "", "localhost.attacker.example"] {
            assert_eq!(door.admit("/", &headers(&[("host", host)])), Err(Stranger::Host), "{host}");
        }
        assert_eq!(door.admit("/", &HeaderMap::new()), Err(Stranger::Host));
        for stranger in [("origin", "https://attacker.example"), ("sec-fetch-site", "cross-site")] {
            assert_eq!(door.admit("/", &headers(&[("host", "127.0.0.1"), stranger])), Err(Stranger::Site));
        }
        assert!(door.admit("/", &headers(&[("host", "127.0.0.1"), ("sec-fetch-site", "none")])).is_ok());
    }
}
