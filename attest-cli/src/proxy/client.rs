//! Which installer asks, and whether it compares a file with the digest on the project page.

/// By its `User-Agent`: a client that lies about it only takes the check from itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Pip,
    /// Major and minor version.
    Uv(u32, u32),
    Other,
}

impl Client {
    pub(super) fn named(user_agent: &str) -> Self {
        let (name, rest) = user_agent.split_once('/').unwrap_or((user_agent, ""));
        let version = rest.split([' ', '{']).next().unwrap_or_default();
        let mut parts = version.split('.').map(|part| part.parse().ok());
        match (name, parts.next().flatten(), parts.next().flatten()) {
            ("pip", Some(_), _) => Self::Pip,
            ("uv", Some(major), Some(minor)) => Self::Uv(major, minor),
            _ => Self::Other,
        }
    }

    /// pip always did, uv does from 0.13.0 on (tried with 0.4.30 to 0.12.5, which do not).
    pub(super) fn compares_digests(self) -> bool {
        match self {
            Self::Pip => true,
            Self::Uv(major, minor) => (major, minor) >= (0, 13),
            Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_not_known_to_compare_gets_its_files_from_us() {
        for (agent, compares) in [
            ("pip/26.3 {\"ci\":null}", true),
            ("uv/0.13.9 {\"installer\":{}}", true),
            ("uv/0.13.0", true),
            ("uv/1.0.0", true),
            ("uv/0.12.24 {}", false),
            ("uv/0.4.30", false),
            ("uv/13", false),
            ("poetry/2.5.1 CPython", false),
            ("pip", false),
            ("", false),
            ("Mozilla/5.0 (pip/26.3)", false),
        ] {
            assert_eq!(Client::named(agent).compares_digests(), compares, "{agent}");
        }
    }
}
