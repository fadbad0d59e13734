//! Wheel file names.

use std::fmt::Write as _;

use super::{ArtifactError, MAX_NAME, ProjectName, Version, excerpt};

/// `{name}-{version}(-{build})?-{python}-{abi}-{platform}.whl`, with the exact text kept.
///
/// The grammar is that of the [binary distribution
/// format](https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention)
/// over ASCII. Names of old wheels (dots and capitals in the project, capitals in tags) parse; a name that two readers
/// could split in two ways does not.
#[derive(Clone, Debug)]
pub struct WheelName {
    text: String,
    /// Normalised from the first part.
    pub project: ProjectName,
    /// The second part.
    pub version: Version,
    /// Part of a file's identity: two builds of one version are two files (docs/TRUST.md 6.5).
    pub build: Option<String>,
    /// Python tags, for example `py2.py3`.
    pub python: String,
    /// ABI tags, for example `abi3`.
    pub abi: String,
    /// Platform tags, for example `any`.
    pub platform: String,
}

impl WheelName {
    /// Parses a file name (no path, no percent-encoding).
    ///
    /// # Errors
    /// One variant per part that does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, ArtifactError> {
        if text.len() > MAX_NAME {
            return Err(ArtifactError::WheelNameLength { found: text.len() });
        }
        let stem = text.strip_suffix(".whl").ok_or_else(|| ArtifactError::WheelSuffix { found: excerpt(text) })?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (project, version, build, tag) = match *parts.as_slice() {
            [project, version, ref tag @ ..] if tag.len() == 3 => (project, version, None, tag),
            [project, version, build, ref tag @ ..] if tag.len() == 3 => (project, version, Some(build), tag),
            _ => {
                return Err(ArtifactError::WheelParts { found: parts.len(), name: excerpt(text) });
            }
        };
        Ok(Self {
            text: text.to_owned(),
            project: escaped_project(project)?,
            version: Version::new(version)?,
            build: build.map(build_tag).transpose()?,
            python: tags("python", tag[0])?,
            abi: tags("abi", tag[1])?,
            platform: tags("platform", tag[2])?,
        })
    }

    /// The file name as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The package URL of this one file ([purl, type `pypi`](https://github.com/package-url/purl-spec)):
    /// `pkg:pypi/requests@2.34.2?file_name=requests-2.34.2-py3-none-any.whl`
    pub fn purl(&self) -> String {
        let mut purl = format!("pkg:pypi/{}@", self.project.as_str());
        percent_encode(self.version.as_str(), &mut purl);
        purl.push_str("?file_name=");
        percent_encode(&self.text, &mut purl);
        purl
    }
}

impl PartialEq for WheelName {
    /// Exact text: other spellings of one name are other files.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for WheelName {}

impl std::fmt::Display for WheelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first part: the specification escapes `-` to `_`; old tools left dots and capitals in it.
fn escaped_project(part: &str) -> Result<ProjectName, ArtifactError> {
    // "__" is refused as installers do: no tool escapes a name to it.
    if part.contains("__") {
        return Err(ArtifactError::WheelProject { found: part.to_owned() });
    }
    ProjectName::new(part).map_err(|_| ArtifactError::WheelProject { found: part.to_owned() })
}

fn build_tag(part: &str) -> Result<String, ArtifactError> {
    let starts_with_digit = part.starts_with(|c: char| c.is_ascii_digit());
    let is_tag = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
    if !starts_with_digit || !part.bytes().all(is_tag) {
        return Err(ArtifactError::WheelBuild { found: part.to_owned() });
    }
    Ok(part.to_owned())
}

fn tags(tag: &'static str, part: &str) -> Result<String, ArtifactError> {
    let is_tag = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !part.split('.').all(is_tag) {
        return Err(ArtifactError::WheelTag { tag, found: part.to_owned() });
    }
    Ok(part.to_owned())
}

/// Everything but the unreserved characters of RFC 3986 section 2.3.
fn percent_encode(text: &str, out: &mut String) {
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_into_its_parts_and_printed_back() {
        for (text, project, version, build, tags) in [
            ("requests-2.34.2-py3-none-any.whl", "requests", "2.34.2", None, ["py3", "none", "any"]),
            (
                "zope.interface-5.4.0-cp27-cp27mu-manylinux1_x86_64.whl",
                "zope-interface",
                "5.4.0",
                None,
                ["cp27", "cp27mu", "manylinux1_x86_64"],
            ),
            ("PyYAML-6.0-1local-py2.py3-none-any.whl", "pyyaml", "6.0", Some("1local"), ["py2.py3", "none", "any"]),
            (
                "torch-2.0.0+cu118-cp310-cp310-linux_x86_64.whl",
                "torch",
                "2.0.0+cu118",
                None,
                ["cp310", "cp310", "linux_x86_64"],
            ),
            (
                "ruamel.yaml.clib-0.2.8-cp312-cp312-manylinux_2_5_x86_64.manylinux1_x86_64.whl",
                "ruamel-yaml-clib",
                "0.2.8",
                None,
                ["cp312", "cp312", "manylinux_2_5_x86_64.manylinux1_x86_64"],
            ),
            ("pytz-2004b-py2.4-none-any.whl", "pytz", "2004b", None, ["py2.4", "none", "any"]),
        ] {
            let name = WheelName::parse(text).unwrap();
            assert_eq!(name.as_str(), text);
            assert_eq!(name.project.as_str(), project);
            assert_eq!(name.version.as_str(), version);
            assert_eq!(name.build.as_deref(), build);
            assert_eq!([&name.python, &name.abi, &name.platform], tags);
        }
    }

    #[test]
    fn a_purl_encodes_what_a_url_would_read_otherwise() {
        let purl = |n: &str| WheelName::parse(n).unwrap().purl();
        assert_eq!(
            purl("requests-2.34.2-py3-none-any.whl"),
            "pkg:pypi/requests@2.34.2?file_name=requests-2.34.2-py3-none-any.whl"
        );
        assert_eq!(
            purl("Foo_Bar-1!2.0+cpu-py3-none-any.whl"),
            "pkg:pypi/foo-bar@1%212.0%2Bcpu?file_name=Foo_Bar-1%212.0%2Bcpu-py3-none-any.whl"
        );
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        use ArtifactError as E;
        type Expected = fn(&ArtifactError) -> bool;
        let table: &[(&str, Expected)] = &[
            ("", |e| matches!(e, E::WheelSuffix { .. })),
            ("a-1-py3-none-any.WHL", |e| matches!(e, E::WheelSuffix { .. })),
            ("a-1-py3-none-any.whl ", |e| matches!(e, E::WheelSuffix { .. })),
            ("a-1.tar.gz", |e| matches!(e, E::WheelSuffix { .. })),
            ("a-1-none-any.whl", |e| matches!(e, E::WheelParts { found: 4, .. })),
            ("a-1-1-py3-none-any-x.whl", |e| matches!(e, E::WheelParts { found: 7, .. })),
            ("a__b-1-py3-none-any.whl", |e| matches!(e, E::WheelProject { .. })),
            ("_a-1-py3-none-any.whl", |e| matches!(e, E::WheelProject { .. })),
            ("../a-1-py3-none-any.whl", |e| matches!(e, E::WheelProject { .. })),
            ("a%2F-1-py3-none-any.whl", |e| matches!(e, E::WheelProject { .. })),
            ("-1-py3-none-any.whl", |e| matches!(e, E::WheelProject { .. })),
            ("a-one-py3-none-any.whl", |e| matches!(e, E::Version { .. })),
            ("a-1\n-py3-none-any.whl", |e| matches!(e, E::Version { .. })),
            ("a-1-x1-py3-none-any.whl", |e| matches!(e, E::WheelBuild { .. })),
            ("a-1-1/2-py3-none-any.whl", |e| matches!(e, E::WheelBuild { .. })),
            ("a-1--py3-none-any.whl", |e| matches!(e, E::WheelBuild { .. })),
            ("a-1-py3.-none-any.whl", |e| matches!(e, E::WheelTag { tag: "python", .. })),
            ("a-1-py3--any.whl", |e| matches!(e, E::WheelTag { tag: "abi", .. })),
            ("a-1-py3-none-any\0.whl", |e| matches!(e, E::WheelTag { tag: "platform", .. })),
            ("a-1-py3-none-\u{430}ny.whl", |e| matches!(e, E::WheelTag { tag: "platform", .. })),
        ];
        for (text, expected) in table {
            let error = WheelName::parse(text).expect_err(text);
            assert!(expected(&error), "{text:?}: {error:?}");
        }
        let long = format!("a-1-py3-none-{}.whl", "x".repeat(255));
        assert!(matches!(WheelName::parse(&long), Err(E::WheelNameLength { found: 272 })));
    }
}
