//! In which form a client wants a project page ([PEP 691](https://peps.python.org/pep-0691/#version-format-selection)).

/// What we can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// The same under its versioned name or as plain HTML: by what the client named.
    Html {
        versioned: bool,
    },
}

impl Form {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/vnd.pypi.simple.v1+json",
            Self::Html { versioned: true } => "application/vnd.pypi.simple.v1+html",
            Self::Html { versioned: false } => "text/html; charset=utf-8",
        }
    }

    /// By the `Accept` header; without one, HTML, as PEP 691 asks for. None: nothing that we can write.
    pub(super) fn wanted(accept: Option<&str>) -> Option<Self> {
        let Some(accept) = accept else {
            return Some(Self::Html { versioned: false });
        };
        let ranges: Vec<(String, u16)> = accept.split(',').filter_map(range).collect();
        let weigh = |names: &[&str]| {
            let named = names.iter().find_map(|name| ranges.iter().find(|(range, _)| range == name));
            named.map_or(0, |(_, weight)| *weight)
        };
        let forms = [
            (
                Self::Json,
                weigh(&[
                    "application/vnd.pypi.simple.v1+json",
                    "application/vnd.pypi.simple.latest+json",
                    "application/*",
                    "*/*",
                ]),
            ),
            (
                Self::Html { versioned: true },
                weigh(&[
                    "application/vnd.pypi.simple.v1+html",
                    "application/vnd.pypi.simple.latest+html",
                    "application/*",
                ]),
            ),
            (Self::Html { versioned: false }, weigh(&["text/html", "text/*", "*/*"])),
        ];
        // The first of equals: JSON says more.
        forms
            .into_iter()
            .rev()
            .filter(|(_, weight)| *weight > 0)
            .max_by_key(|(_, weight)| *weight)
            .map(|(form, _)| form)
    }
}

/// A media range with its weight in thousandths.
fn range(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let thousandths = |weight: &str| {
        let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
        let part = format!("{part:0<3}");
        let part: u16 = part.get(..3)?.parse().ok()?;
        whole.parse::<u16>().ok().filter(|whole| *whole <= 1).map(|whole| (whole * 1000 + part).min(1000))
    };
    Some((name, weight.map_or(Some(1000), thousandths)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installers_get_json_and_browsers_get_html() {
        for (accept, expected) in [
            (
                "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
                Some(Form::Json),
            ),
            (
                "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01",
                Some(Form::Json),
            ),
            ("application/vnd.pypi.simple.v1+json, */*;q=0.1", Some(Form::Json)),
            ("*/*", Some(Form::Json)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Form::Html { versioned: false })),
            ("application/vnd.pypi.simple.v1+html", Some(Form::Html { versioned: true })),
            ("text/html", Some(Form::Html { versioned: false })),
            ("application/vnd.pypi.simple.v2+json", None),
            ("application/vnd.pypi.simple.v1+json;q=0", None),
            ("image/png", None),
        ] {
            assert_eq!(Form::wanted(Some(accept)), expected, "{accept}");
        }
        assert_eq!(Form::wanted(None), Some(Form::Html { versioned: false }));
    }
}
