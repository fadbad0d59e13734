//! What a worker and the coordinator say to each other, over HTTP:
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/take` | 200 and a [`Task`], or 204: nothing to do |
//! | `POST /v1/jobs/J-A/ping` | 204, or 409: the job is answered or never was yours |
//! | `PUT /v1/jobs/J-A/files/NAME` | 204; the file's bytes are the body |
//! | `POST /v1/jobs/J-A/answer` with [`Answered`] | 204, 409, or 422: the result is none |
//! | `POST /v1/jobs/J-A/end` with [`Ended`] | 204 or 409 |
//!
//! Every request has `Authorization: Bearer TOKEN`; a token names its worker. 507 means that the coordinator's disk is
//! full and 503 that it cannot now: all of it can be sent again at any time.

use attest_core::artifact::ArtifactDigest;
use serde::{Deserialize, Serialize};

use super::job::{Given, Wish};

pub(crate) const TAKE: &str = "/v1/take";
pub(crate) const JOBS: &str = "/v1/jobs";

/// Most files of a result.
pub(crate) const MAX_FILES: usize = 64;
/// Most bytes of a result: the wheel and a few files about it.
pub(crate) const MAX_RESULT: u64 = 1 << 30;
/// Most bytes of any other request.
pub(crate) const MAX_MESSAGE: usize = 64 << 10;

/// A job, as a worker gets it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    pub(crate) given: Given,
    pub(crate) wish: Wish,
}

/// All files were sent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answered {
    /// Digest of `build.json`.
    pub(crate) build: ArtifactDigest,
}

/// There is no result.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ended {
    /// Whether the worker stops, which is not the job's fault.
    pub(crate) given_back: bool,
    /// In words.
    pub(crate) why: String,
}

/// A name that is only a name: it becomes a path.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte);
    (1..=255).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_name() {
        for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "/etc/passwd", "a\0b", "\u{e4}", &"a".repeat(256)] {
            assert!(!is_plain(name), "{name:?}");
        }
        for name in ["build.json", "demo-1!1.0+local-py3-none-any.whl"] {
            assert!(is_plain(name), "{name:?}");
        }
    }
}
