//! The likely fix of a difference, from `fixes.toml`.

use serde::{Deserialize, Serialize};

use super::cause::{Cause, Diagnosis};
use super::symptom::Kind;

const TABLE: &str = include_str!("fixes.toml");

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    cause: Cause,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    tools: Vec<String>,
    epoch: Option<bool>,
    #[serde(rename = "do")]
    action: String,
    why: String,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    fix: Vec<Row>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fix {
    /// Against what.
    pub(crate) cause: Cause,
    /// What to do.
    #[serde(rename = "do")]
    pub(crate) action: String,
    /// Why it helps.
    pub(crate) why: String,
    /// Who says so.
    pub(crate) source: String,
}

/// What decides between fixes, beside the difference itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circumstances {
    /// Tools at work, in lower case.
    pub(crate) tools: Vec<String>,
    /// Whether `SOURCE_DATE_EPOCH` was set.
    pub(crate) epoch: bool,
}

/// The table, read.
#[derive(Debug)]
pub(crate) struct Fixes(Vec<Row>);

impl Fixes {
    /// Reads the table that is part of the program.
    pub(crate) fn load() -> Result<Self, toml::de::Error> {
        toml::from_str::<Table>(TABLE).map(|table| Self(table.fix))
    }

    /// The first row that fits, which is the most special one.
    pub(crate) fn of(&self, one: &Diagnosis, circumstances: &Circumstances) -> Option<Fix> {
        let row = self.0.iter().find(|row| row.fits(one, circumstances))?;
        let (action, why, source) = (row.action.clone(), row.why.clone(), row.source.clone());
        Some(Fix { cause: row.cause, action, why, source })
    }
}

impl Row {
    fn fits(&self, one: &Diagnosis, circumstances: &Circumstances) -> bool {
        let kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| *kind == name(one.symptom.kind));
        let ends = |ends: &[String], name: &str| ends.is_empty() || ends.iter().any(|end| name.ends_with(end.as_str()));
        let member = ends(&self.members, &one.symptom.member) && ends(&self.files, &one.symptom.file);
        let at_work = |tool: &String| circumstances.tools.iter().any(|found| found.contains(tool.as_str()));
        let tool = self.tools.is_empty() || self.tools.iter().any(at_work);
        let epoch = self.epoch.is_none_or(|epoch| epoch == circumstances.epoch);
        self.cause == one.cause && kind && member && tool && epoch
    }
}

/// As the table and the JSON output write it.
pub(crate) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Content => "CONTENT",
        Kind::OnlyInFirst => "ONLY_IN_FIRST",
        Kind::OnlyInSecond => "ONLY_IN_SECOND",
        Kind::Order => "ORDER",
        Kind::Time => "TIME",
        Kind::Mode => "MODE",
        Kind::Owner => "OWNER",
        Kind::Compression => "COMPRESSION",
        Kind::Container => "CONTAINER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::cause::Evidence;
    use crate::check::symptom::Symptom;

    const KINDS: [Kind; 9] = [
        Kind::Content,
        Kind::OnlyInFirst,
        Kind::OnlyInSecond,
        Kind::Order,
        Kind::Time,
        Kind::Mode,
        Kind::Owner,
        Kind::Compression,
        Kind::Container,
    ];

    fn diagnosis(cause: Cause, kind: Kind, member: &str) -> Diagnosis {
        let (file, member) = ("dist/demo-1.0-py3-none-any.whl".to_owned(), member.to_owned());
        let symptom = Symptom { file, member, kind, detail: Vec::new(), trace: None };
        Diagnosis { symptom, cause, evidence: Evidence::None }
    }

    #[test]
    fn every_row_names_kinds_that_exist_a_reason_and_where_it_is_from() {
        let table = Fixes::load().unwrap();
        let known = KINDS.map(name);
        for row in &table.0 {
            assert!(row.kinds.iter().all(|kind| known.contains(&kind.as_str())), "{row:?}");
            assert!(!row.action.is_empty() && !row.why.is_empty() && !row.source.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn every_cause_has_a_fix_for_changed_content() {
        let table = Fixes::load().unwrap();
        for cause in [
            Cause::Path,
            Cause::Temporary,
            Cause::Environment,
            Cause::Time,
            Cause::Umask,
            Cause::HashSeed,
            Cause::Order,
            Cause::Locale,
            Cause::Zone,
            Cause::Home,
            Cause::User,
            Cause::Host,
            Cause::Cpus,
            Cause::Load,
            Cause::Repeat,
            Cause::Unknown,
        ] {
            let fix = table.of(&diagnosis(cause, Kind::Content, "demo/a.py"), &Circumstances::default());
            assert_eq!(fix.map(|fix| fix.cause), Some(cause));
        }
    }

    #[test]
    fn the_fix_depends_on_the_tool_the_member_and_the_epoch() {
        let table = Fixes::load().unwrap();
        let fix = |cause, kind, member: &str, tool: &str, epoch| {
            let circumstances = Circumstances { tools: vec![tool.to_owned()], epoch };
            table.of(&diagnosis(cause, kind, member), &circumstances).unwrap().action
        };
        assert!(fix(Cause::Path, Kind::Content, "a.so", "setuptools (82)", false).contains("CFLAGS"));
        assert!(fix(Cause::Path, Kind::Content, "a.so", "maturin (1.16.0)", false).contains("RUSTFLAGS"));
        assert!(fix(Cause::Path, Kind::Content, "a.py", "setuptools (82)", false).contains("relative"));
        assert!(fix(Cause::Time, Kind::Time, "a.py", "", false).starts_with("export SOURCE_DATE_EPOCH"));
        assert!(fix(Cause::Time, Kind::Time, "a.py", "", true).contains("newer tool"));
    }
}
