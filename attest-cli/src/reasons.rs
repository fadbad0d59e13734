//! The closed list of reasons: every code that a "no" can carry, in any output format, with what it means, whose fault it
//! is and what to do. `docs/reasons.md` is printed from it, SARIF gets its rules from it, and tests hold it to the code.

/// A code and everything that is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Stable, for scripts.
    pub(crate) code: &'static str,
    pub(crate) ends: Ends,
    /// One line for people.
    pub(crate) meaning: &'static str,
    /// Who can be at fault.
    pub(crate) fault: &'static str,
    /// The next step.
    pub(crate) advice: &'static str,
}

/// How a run ends that has it as its worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It only says why a thing is not asked about.
    Passes,
    Refused,
    Undecided,
    Alarm,
    /// Refused by one group, an alarm by two.
    RefusedOrAlarm,
}

pub(crate) const EXEMPT_EXPIRED: &str = "exempt-expired";
pub(crate) const UNPRUNED: &str = "unpruned";

/// From a policy's judgement of a file.
pub(crate) const OF_POLICIES: &[Entry] = &[
    Entry {
        code: "no-statement",
        ends: Ends::Refused,
        meaning: "Nobody whom the policy knows has said anything about this file.",
        fault: "Nobody: it has not been rebuilt yet. Or the file is not the published one.",
        advice: "Rebuild it yourself with `attest rebuild`, ask a rebuilder of your policy to, or exempt it for a while.",
    },
    Entry {
        code: "below-threshold",
        ends: Ends::Refused,
        meaning: "Fewer groups reproduced it than the policy asks for.",
        fault: "Nobody: more rebuilders are needed. Statements that do not count say why in `attest explain`.",
        advice: "See `attest explain`; add your own rebuild with `attest rebuild`, or wait for another group.",
    },
    Entry {
        code: "sources-disagree",
        ends: Ends::Refused,
        meaning: "Enough groups reproduced it, but from different commits or sdists.",
        fault: "The rebuilders did not build the same thing, or the project moved a tag.",
        advice: "Compare the sources that `attest explain` shows, and ask the rebuilders why they differ.",
    },
    Entry {
        code: "required-groups",
        ends: Ends::Refused,
        meaning: "Enough groups reproduced it, but not all that a package rule requires.",
        fault: "Nobody: a required group has not rebuilt it yet.",
        advice: "Ask the required group to rebuild it, or change the rule. `attest explain` shows who did.",
    },
    Entry {
        code: "other-index",
        ends: Ends::Refused,
        meaning: "A package rule names an index, and the file is from elsewhere.",
        fault: "The configuration of indexes, or somebody who uploads under a name of yours elsewhere.",
        advice: "Look at the indexes of your project: which one serves this name?",
    },
    Entry {
        code: "lost-attestation",
        ends: Ends::Refused,
        meaning: "This very file had the votes it needs, and has them no more.",
        fault: "Rebuilders who withdrew their word, keys that no longer vote, or a log that hides statements.",
        advice: "Find out why before you install it: `attest explain` shows withdrawn statements and keys that no longer vote.",
    },
    Entry {
        code: "regression",
        ends: Ends::Refused,
        meaning: "Another version of the project was attested, and this one is not.",
        fault: "Nobody, most of the time: rebuilders are not that far yet. It is also what a hijacked release looks like.",
        advice: "Stay with the attested version, or look at what changed and take it with `attest policy ratchet --accept`.",
    },
    Entry {
        code: "changed-digest",
        ends: Ends::Refused,
        meaning: "The file of this name had other bytes when it was pinned.",
        fault: "An index that serves other bytes under the same name.",
        advice: "One name is one file: find out which index serves the other bytes.",
    },
    Entry {
        code: "pin-expired",
        ends: Ends::Refused,
        meaning: "A pin of the ratchet stood in for missing votes, and has run out.",
        fault: "Nobody: pins end.",
        advice: "See what still lacks votes with `attest policy ratchet`, and decide anew with --expires.",
    },
    Entry {
        code: "contradicted",
        ends: Ends::RefusedOrAlarm,
        meaning: "A rebuilder proved that the same inputs give other bytes, or that the file holds code its source does not.",
        fault: "Whoever published the file, or a rebuilder whose statement is contradicted, or the one who contradicts.",
        advice: "Do not install it. `attest explain` shows the difference; `[[dismiss]]` in your policy overrules one statement.",
    },
    Entry {
        code: "unresolved-contradiction",
        ends: Ends::Undecided,
        meaning: "A rebuilder contradicts a statement that nobody showed.",
        fault: "A log or mirror that withholds the statement, or an outage.",
        advice: "Ask another log or mirror of your policy for the missing statement; try again later.",
    },
    Entry {
        code: "incomplete-view",
        ends: Ends::Undecided,
        meaning: "The policy wants proof that no dissent was withheld, and there is none.",
        fault: "A log or auditor that is behind, or somebody who hides dissent.",
        advice: "Try again later, or name mirrors of the log that your policy has as auditors among its `urls`.",
    },
    Entry {
        code: "two-lists",
        ends: Ends::Alarm,
        meaning: "One key signed two different lists of negatives of one log for one size.",
        fault: "Whoever holds that key.",
        advice: "Keep the signed notes as evidence, tell the signer, and take the auditor out of your policy.",
    },
    Entry {
        code: "wrong-list",
        ends: Ends::Alarm,
        meaning: "A signed list of negatives contradicts an entry that the log proves to have.",
        fault: "The auditors who signed the list.",
        advice: "Keep the signed note as evidence, tell the signers, and take the auditors out of your policy.",
    },
    Entry {
        code: "log-unreachable",
        ends: Ends::Undecided,
        meaning: "A log of the policy did not answer, and the votes at hand are too few without it.",
        fault: "The log, the network, or `--offline` without kept evidence.",
        advice: "Try again later, or list a mirror of the log in your policy.",
    },
    Entry {
        code: "malformed-checkpoint",
        ends: Ends::Undecided,
        meaning: "What came as a log's answer has no checkpoint that this log signed.",
        fault: "The server at that URL, or the key in the policy.",
        advice: "Check URL and key, or ask another mirror of the log. Garbage proves nothing, so this is no alarm.",
    },
    Entry {
        code: "witness-quorum",
        ends: Ends::Undecided,
        meaning: "Too few witness groups cosigned the log's checkpoint.",
        fault: "The log or its witnesses are behind, or the log shows you something it shows nobody else.",
        advice: "Try again when more witnesses have cosigned.",
    },
    Entry {
        code: "stale-checkpoint",
        ends: Ends::Undecided,
        meaning: "The log's checkpoint is older than the policy accepts, or from the future.",
        fault: "The log or its witnesses are behind, somebody shows you the past, or a clock is wrong.",
        advice: "Check your clock and try again later; without a connection, `--offline` applies the policy's offline limit.",
    },
    Entry {
        code: "not-final",
        ends: Ends::Undecided,
        meaning: "A finished log shows another size than its final one.",
        fault: "A mirror that does not hold the whole log, or the policy.",
        advice: "Ask a mirror that holds the whole log, or correct `final` in your policy.",
    },
    Entry {
        code: "final-root",
        ends: Ends::Alarm,
        meaning: "A finished log signed its final size with another root than the policy pins.",
        fault: "The log.",
        advice: "Keep the signed note as evidence, tell the log's operator and witnesses, and trust nothing from this log.",
    },
    Entry {
        code: "fork",
        ends: Ends::Alarm,
        meaning: "The log signed two histories that contradict each other.",
        fault: "The log, or whoever has its key.",
        advice: "Keep the signed notes as evidence, tell the log's operator and witnesses, and trust nothing from this log.",
    },
    Entry {
        code: "bad-proof",
        ends: Ends::Undecided,
        meaning: "A statement that would count is not where the log's answer says it is.",
        fault: "The server that answered.",
        advice: "Ask another mirror of the log.",
    },
    Entry {
        code: "malformed-entry",
        ends: Ends::Undecided,
        meaning: "An entry in a log's answer is no statement.",
        fault: "The server that answered, or the log that took it.",
        advice: "Ask another mirror of the log, and tell the log's operator.",
    },
    Entry {
        code: "policy-expired",
        ends: Ends::Undecided,
        meaning: "The policy is past its `expires`.",
        fault: "Whoever keeps the policy.",
        advice: "Get the current policy, or review yours, then set a new `expires` and raise `serial`.",
    },
    Entry {
        code: "policy-rollback",
        ends: Ends::Alarm,
        meaning: "The policy is older than one that was used here before.",
        fault: "Whoever put the older policy there.",
        advice: "Find out who did; use the newest one.",
    },
    Entry {
        code: "not-attestable",
        ends: Ends::Refused,
        meaning: "The name is not that of a wheel, so there is nothing to vote on.",
        fault: "The input.",
        advice: "Use a wheel, or exempt the file by its sha256 in your policy.",
    },
    Entry {
        code: EXEMPT_EXPIRED,
        ends: Ends::Refused,
        meaning: "An exemption covered this file and has run out.",
        fault: "Nobody: exemptions end.",
        advice: "Review the file again; then renew the exemption with a new `expires`, or drop it.",
    },
];

/// From the gate itself, whatever any policy says.
pub(crate) const OF_THE_GATE: &[Entry] = &[
    Entry {
        code: "no-hash",
        ends: Ends::Refused,
        meaning: "The requirement has no hash: an installer would take whatever the index gives it.",
        fault: "Whoever wrote the lock.",
        advice: "Pin it with hashes: `pip-compile --generate-hashes` or `uv pip compile --generate-hashes`.",
    },
    Entry {
        code: "other-hash",
        ends: Ends::Refused,
        meaning: "A hash that is not sha256 stands beside or instead of it: an installer accepts a file that matches any one.",
        fault: "Whoever wrote the lock; it may be an attack.",
        advice: "Leave only the sha256 hashes.",
    },
    Entry {
        code: "malformed-hash",
        ends: Ends::Refused,
        meaning: "A sha256 that is not 64 lower-case hex digits.",
        fault: "Whoever wrote the lock.",
        advice: "Write the lock anew; a sha256 hash looks like --hash=sha256:HEX.",
    },
    Entry {
        code: "not-pinned",
        ends: Ends::Refused,
        meaning: "The requirement is not pinned to one version.",
        fault: "Whoever wrote the lock.",
        advice: "Pin it to one version with ==.",
    },
    Entry {
        code: "other-name",
        ends: Ends::Refused,
        meaning: "A file is listed for one package, and its name says another.",
        fault: "Whoever wrote the lock; no tool does.",
        advice: "Find out who did, and lock again.",
    },
    Entry {
        code: "two-hashes",
        ends: Ends::Refused,
        meaning: "One file is listed twice, with different hashes.",
        fault: "Whoever wrote the lock; no tool does.",
        advice: "Find out who did, and lock again.",
    },
    Entry {
        code: "second-form",
        ends: Ends::Refused,
        meaning: "A second form of the file has a hash of its own, and an installer may take that one.",
        fault: "Whoever wrote the lock; no tool does.",
        advice: "Find out who did, and lock again.",
    },
    Entry {
        code: "no-file",
        ends: Ends::Refused,
        meaning: "A package is listed without files: an installer could only take one that the lock does not name.",
        fault: "Whoever wrote the lock.",
        advice: "Lock again.",
    },
    Entry {
        code: UNPRUNED,
        ends: Ends::Refused,
        meaning: "Another hash of the same requirement is accepted. Hashes there have no names, so all of them have to be.",
        fault: "Nobody.",
        advice: "`attest lock` writes the file with only the accepted ones.",
    },
    Entry {
        code: "digest-mismatch",
        ends: Ends::Alarm,
        meaning: "The bytes of the file are not those of its pinned digest.",
        fault: "Whoever changed the file or the lock.",
        advice: "Do not install it; get the file again from another source.",
    },
    Entry {
        code: "sdist",
        ends: Ends::Refused,
        meaning: "A source distribution: what gets built from it here was rebuilt by nobody.",
        fault: "The input.",
        advice: "Use a wheel: `--only-binary :all:` in pip, `--no-build` in uv.",
    },
    Entry {
        code: "local",
        ends: Ends::Refused,
        meaning: "A local folder or an editable install: it was published by nobody.",
        fault: "The input.",
        advice: "Verify what was published, and install your own code by itself.",
    },
    Entry {
        code: "vcs",
        ends: Ends::Refused,
        meaning: "A version control checkout: what gets built from it here was rebuilt by nobody.",
        fault: "The input.",
        advice: "Use a published wheel, or install the checkout by itself, if you trust it.",
    },
    Entry {
        code: "not-a-wheel",
        ends: Ends::Refused,
        meaning: "A file that is not a wheel.",
        fault: "The input.",
        advice: "Use a wheel.",
    },
    Entry {
        code: "wheel-name",
        ends: Ends::Refused,
        meaning: "The file name does not follow the grammar of wheel names.",
        fault: "Whoever named the file.",
        advice: "Give it the name under which it was published.",
    },
    Entry {
        code: "marker",
        ends: Ends::Passes,
        meaning: "Its environment marker says that it is not for this machine, so no installer takes it here.",
        fault: "Nobody.",
        advice: "Verify where it is installed.",
    },
    Entry {
        code: "tags",
        ends: Ends::Passes,
        meaning: "A wheel for another Python, ABI or platform.",
        fault: "Nobody.",
        advice: "Verify where it is installed, or everywhere at once with --all-files.",
    },
    Entry {
        code: "unreached",
        ends: Ends::Passes,
        meaning: "Nothing that is installed here requires it.",
        fault: "Nobody.",
        advice: "Verify where it is installed, or everywhere at once with --all-files.",
    },
    Entry {
        code: "wheel-fits",
        ends: Ends::Passes,
        meaning: "A source distribution that is built only where no wheel fits; here one does.",
        fault: "Nobody.",
        advice: "`attest lock` leaves it out, so that it is built nowhere.",
    },
    Entry {
        code: "own",
        ends: Ends::Passes,
        meaning: "The project itself, from its own folder.",
        fault: "Nobody.",
        advice: "Nothing: you are its source.",
    },
];

/// Against what `attest.lock` says was accepted: refused with --locked or a ratchet, otherwise a warning.
pub(crate) const OF_THE_LOCK: &[Entry] = &[
    Entry {
        code: "attestation-lost",
        ends: Ends::Refused,
        meaning: "Groups whose votes were counted for this very file no longer count.",
        fault: "Rebuilders who withdrew their word, keys that no longer vote, or a log that hides statements.",
        advice: "`attest explain` shows why; do not run `attest lock` over it before you know.",
    },
    Entry {
        code: "attestation-withheld",
        ends: Ends::Refused,
        meaning: "A log answered without an entry that it is proven to hold.",
        fault: "The log, or the server that answered for it.",
        advice: "Ask whoever runs the log, and another mirror of it.",
    },
    Entry {
        code: "attesters-changed",
        ends: Ends::Refused,
        meaning: "Groups attested the version before, and not this one.",
        fault: "Nobody, most of the time: rebuilders are not that far yet.",
        advice: "Look who attests it now; `attest lock` takes note of it.",
    },
    Entry {
        code: "not-in-attest-lock",
        ends: Ends::Refused,
        meaning: "With --locked: a file that `attest.lock` does not cover.",
        fault: "Whoever changed the lock and not `attest.lock`.",
        advice: "Run `attest lock`, and review what it changes.",
    },
];

/// Every code.
pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    OF_POLICIES.iter().chain(OF_THE_GATE).chain(OF_THE_LOCK)
}

/// What is said about a code.
pub(crate) fn of(code: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.code == code)
}

/// The next step; a code that is not listed has none, which a test forbids.
pub(crate) fn advice(code: &str) -> &'static str {
    of(code).map_or("", |entry| entry.advice)
}

#[cfg(test)]
mod tests;
