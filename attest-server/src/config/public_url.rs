//! Where a site is for everybody else.

use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Deserializer};

/// An http or https URL without query and fragment, with a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// Not the URL of a site.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an http or https URL without user, query, fragment and apostrophe, such as https://log.example.org/, found {found:?}"
)]
pub struct PublicUrlError {
    found: String,
}

impl PublicUrl {
    /// The URL of what has this path below the site's root.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
                // It stands in commands that people copy, between quotation marks.
                && !url.as_str().contains('\'')
        };
        let url = Url::parse(text).ok().filter(plain).ok_or_else(|| PublicUrlError { found: text.to_owned() })?;
        Ok(Self(format!("{}/", url.as_str().trim_end_matches('/'))))
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_has_one_spelling_and_is_no_place_to_hide_anything_in() {
        for (text, joined) in [
            ("https://log.example.org", "https://log.example.org/entry/5/"),
            ("https://log.example.org/", "https://log.example.org/entry/5/"),
            ("http://LOG.example.org:8080/attest", "http://log.example.org:8080/attest/entry/5/"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().join("entry/5/"), joined);
        }
        for text in [
            "",
            "log.example.org",
            "javascript:alert(1)",
            "https://a@b/",
            "https://b/?q",
            "https://b/#f",
            "ftp://b/",
            "https://b/it's",
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(PublicUrlError { found: text.to_owned() }));
        }
    }
}
