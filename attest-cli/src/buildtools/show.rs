//! A share, what is missing first, then the tree.

use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use super::{BuildTool, BuildTools, Standing};
use crate::gate::{Judged, Outcome};
use crate::output::{Output, Style, plural};
use crate::rebuild::explain::visible;

/// As much of a digest as tells two files apart at a glance.
const SHORT: usize = 12;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    attested: usize,
    total: usize,
    percent: usize,
    /// Positions in `tools`, most used first.
    missing: Vec<usize>,
    tools: Vec<Entry<'a>>,
    files: Vec<File<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// `passed`, `refused`, ... as for files; `outside` the package index; `not-asked`.
    standing: &'static str,
    used_by: usize,
    uses: &'a BTreeSet<usize>,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    name: &'a str,
    uses: &'a BTreeSet<usize>,
}

impl BuildTool {
    fn attested(&self) -> bool {
        matches!(self.standing, Standing::Judged(Outcome::Passed))
    }

    fn standing(&self) -> &'static str {
        match self.standing {
            Standing::Judged(Outcome::Passed) => "passed",
            Standing::Judged(Outcome::Pinned) => "pinned",
            Standing::Judged(Outcome::Exempt) => "exempt",
            Standing::Judged(Outcome::Undecided) => "undecided",
            Standing::Judged(Outcome::Alarm) => "alarm",
            Standing::Judged(Outcome::Refused | Outcome::NotAttestable | Outcome::NotSelectable) => "refused",
            Standing::Outside => "outside",
            Standing::NotAsked => "not-asked",
        }
    }

    fn name(&self) -> String {
        let digest = self.identity.digest.map(|digest| format!(" sha256:{}", &digest.to_string()[..SHORT]));
        format!("{}{}", visible(&self.identity.name), digest.unwrap_or_default())
    }

    fn words(&self) -> (&'static str, Style) {
        match self.standing {
            Standing::Judged(Outcome::Passed) => ("ok", Style::Good),
            Standing::Judged(Outcome::Pinned) => ("pinned, not attested", Style::Caution),
            Standing::Judged(Outcome::Exempt) => ("exempt, not attested", Style::Caution),
            Standing::Judged(Outcome::Undecided) => ("undecided", Style::Caution),
            Standing::Judged(Outcome::Alarm) => ("alarm", Style::Bad),
            Standing::Judged(Outcome::Refused | Outcome::NotAttestable | Outcome::NotSelectable) => {
                ("not attested", Style::Bad)
            }
            Standing::Outside => ("outside the package index: attested by nobody", Style::Caution),
            Standing::NotAsked => ("not asked: too many", Style::Caution),
        }
    }
}

impl BuildTools {
    /// What is not attested, most used first: where the next rebuild counts most.
    fn missing(&self) -> Vec<usize> {
        let mut missing: Vec<usize> = (0..self.tools.len()).filter(|id| !self.tools[*id].attested()).collect();
        missing.sort_by_key(|id| (std::cmp::Reverse(self.tools[*id].used_by), &self.tools[*id].identity));
        missing
    }

    /// Never rounded up: 100 is all of them.
    fn percent(&self, missing: usize) -> usize {
        (self.tools.len() - missing) * 100 / self.tools.len().max(1)
    }

    /// For tools.
    pub(crate) fn document<'a>(&'a self, judged: &'a Judged<'_>) -> Document<'a> {
        let missing = self.missing();
        let entry = |tool: &'a BuildTool| Entry {
            name: &tool.identity.name,
            sha256: tool.identity.digest.map(|digest| digest.to_string()),
            standing: tool.standing(),
            used_by: tool.used_by,
            uses: &tool.uses,
        };
        Document {
            attested: self.tools.len() - missing.len(),
            total: self.tools.len(),
            percent: self.percent(missing.len()),
            missing,
            tools: self.tools.iter().map(entry).collect(),
            files: judged
                .answers
                .iter()
                .zip(&self.files)
                .map(|(answer, uses)| File { name: &answer.item.name, uses })
                .collect(),
        }
    }

    /// For people.
    pub(crate) fn print(&self, judged: &Judged<'_>, out: &Output) -> io::Result<()> {
        let missing = self.missing();
        if self.tools.is_empty() {
            return out.line("build tools: no vote tells what was built with");
        }
        let (total, percent) = (self.tools.len(), self.percent(missing.len()));
        out.line(format_args!("build tools: {percent} % attested ({} of {total})", total - missing.len()))?;
        for id in &missing {
            let tool = &self.tools[*id];
            let (words, style) = tool.words();
            let used = plural(tool.used_by, "build");
            out.line(format_args!("  {}  {}  (in {used})", tool.name(), out.paint(style, words)))?;
        }
        let mut seen = BTreeSet::new();
        for (answer, uses) in judged.answers.iter().zip(&self.files).filter(|(_, uses)| !uses.is_empty()) {
            out.line(out.paint(Style::Strong, &answer.item.name))?;
            self.print_below(uses, 1, &mut seen, out)?;
        }
        Ok(())
    }

    /// A tool's own tools are shown where it comes first: build tools build each other.
    fn print_below(
        &self,
        uses: &BTreeSet<usize>,
        depth: usize,
        seen: &mut BTreeSet<usize>,
        out: &Output,
    ) -> io::Result<()> {
        for id in uses {
            let tool = &self.tools[*id];
            let (words, style) = tool.words();
            let first = seen.insert(*id);
            let again = if first || tool.uses.is_empty() { "" } else { " (see above)" };
            out.line(format_args!("{:1$}{2}  {3}{again}", "", depth * 2, tool.name(), out.paint(style, words)))?;
            if first {
                self.print_below(&tool.uses, depth + 1, seen, out)?;
            }
        }
        Ok(())
    }
}
