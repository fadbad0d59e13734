//! What is said of a file, in one look: who could rebuild it, and who could not.

use attest_core::api::record::{Cell, FileRow, Standing};

/// The groups by what they say. Each is in one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary<'a> {
    pub(super) reproduced: Vec<&'a str>,
    pub(super) equivalent: Vec<&'a str>,
    /// Reproduced it in a way that is no vote.
    pub(super) no_vote: Vec<&'a str>,
    pub(super) abstained: Vec<&'a str>,
    pub(super) accusing: Vec<&'a str>,
    /// On the list, and said nothing.
    pub(super) silent: Vec<&'a str>,
    /// The votes do not mean the same source.
    pub(super) apart: bool,
    /// Groups whose votes count together ([`FileRow::groups`]).
    pub(super) groups: u64,
}

impl<'a> Summary<'a> {
    pub(super) fn of(row: &'a FileRow, groups: &'a [String]) -> Self {
        let mut summary = Self { apart: !row.agreement.agree, groups: row.groups, ..Self::default() };
        for Cell { group, standing, entry: _ } in &row.cells {
            let list = match standing {
                Standing::Reproduced => &mut summary.reproduced,
                Standing::Equivalent => &mut summary.equivalent,
                Standing::NoVote => &mut summary.no_vote,
                Standing::Abstained => &mut summary.abstained,
                Standing::Contradicted | Standing::ForeignCode => &mut summary.accusing,
                Standing::Withdrawal | Standing::Other => &mut summary.silent,
            };
            list.push(group);
        }
        let said = |group: &&str| row.cells.iter().any(|cell| cell.group == **group);
        summary.silent.extend(groups.iter().map(String::as_str).filter(|group| !said(group)));
        summary
    }

    /// The sentence at the top, without the names.
    pub(super) fn headline(&self) -> &'static str {
        match (self.accusing.len(), self.groups, self.equivalent.len()) {
            (1.., ..) if self.reproduced.is_empty() && self.equivalent.is_empty() => {
                "Something speaks against this file, and no vote for it"
            }
            (1.., ..) => "Reproduced by some, and something speaks against it",
            // Also where one group names two sources, and counts for neither.
            (0, ..) if self.apart => "Rebuilt bit for bit, but not from the same source",
            (0, 0, _) if !self.reproduced.is_empty() => {
                "Rebuilt bit for bit, but contradicted in a way that cannot be judged here"
            }
            (0, 2.., _) => "Independently rebuilt, bit for bit",
            (0, 1, _) => "Rebuilt bit for bit, by one group alone",
            (0, 0, 1..) => "Rebuilt with the same content, not bit for bit",
            (0, 0, 0) if !self.no_vote.is_empty() => "Rebuilt bit for bit, but in no way that counts as a vote",
            (0, 0, 0) if self.abstained.is_empty() => "Nobody has rebuilt this file yet",
            (0, 0, 0) => "Nobody could reproduce this file yet",
        }
    }

    /// Class of the notice around it.
    pub(super) fn class(&self) -> &'static str {
        if !self.accusing.is_empty() {
            "notice bad"
        } else if self.groups == 0 || self.apart {
            "notice"
        } else {
            "notice good"
        }
    }

    /// Standing and groups, for those that there are.
    pub(super) fn parts(&self) -> Vec<(Standing, &[&'a str])> {
        let mut parts = vec![
            (Standing::Reproduced, self.reproduced.as_slice()),
            (Standing::Equivalent, &self.equivalent),
            (Standing::NoVote, &self.no_vote),
            (Standing::Abstained, &self.abstained),
            (Standing::Contradicted, &self.accusing),
        ];
        parts.retain(|(_, groups)| !groups.is_empty());
        parts
    }
}
