//! Why an item does not pass, in the one form that every output format tells: a code of a closed list, a line for people,
//! the next step, and the line of the policy that decided.

use std::fmt;

use attest_core::verify::Reason;

use crate::{
    gate::{Answer, Judgement, Outcome, Word},
    item::{Form, Question, Unattestable},
    layers::Layer,
    reasons,
};

/// One thing that stands between an item and its installation.
#[derive(Clone, Debug)]
pub(crate) struct Cause<'a> {
    /// Of [`reasons`].
    pub(crate) code: &'static str,
    /// One line, without who decided.
    pub(crate) message: String,
    /// The next step.
    pub(crate) hint: &'static str,
    /// The policy that decided; none where a rule of the gate did, whatever any policy says.
    pub(crate) decided: Option<Decided<'a>>,
}

/// A policy, and its line where one decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) line: Option<usize>,
}

impl fmt::Display for Decided<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.layer.path.display()),
            None => write!(f, "{} policy", self.layer.owner),
        }
    }
}

/// The line for people, and where it was decided.
impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.decided.as_ref().map_or(Ok(()), |decided| write!(f, " ({decided})"))
    }
}

impl<'a> Cause<'a> {
    /// Of a policy's verdict.
    pub(crate) fn of(reason: &Reason, layer: &'a Layer) -> Self {
        Self {
            code: reason.code(),
            message: reason.to_string(),
            hint: reason.hint(),
            decided: Some(Decided { layer, line: reason.policy_line() }),
        }
    }

    /// Of the gate itself.
    fn ours(code: &'static str, message: String) -> Self {
        Self::hinted(code, message, reasons::advice(code))
    }

    fn hinted(code: &'static str, message: String, hint: &'static str) -> Self {
        Self { code, message, hint, decided: None }
    }
}

impl<'p> Answer<'p> {
    fn is_sdist(&self) -> bool {
        self.item.package.as_ref().is_some_and(|package| package.form == Form::Sdist)
    }

    /// Everything that stands in the way, the most severe first in each policy. What an installer would not take here has
    /// one too, although it stops nothing.
    pub(crate) fn causes(&self) -> Vec<Cause<'p>> {
        match &self.item.question {
            Question::Refused(error) => {
                vec![Cause::hinted(error.code(), error.to_string(), error.hint())]
            }
            Question::NotAttestable(error) => vec![Cause::ours(error.code(), error.to_string())],
            Question::NotSelectable(elsewhere) => vec![Cause::ours(elsewhere.code(), elsewhere.to_string())],
            // No policy has a word on it but to exempt it.
            Question::File { .. } if self.outcome == Outcome::NotAttestable && self.is_sdist() => {
                vec![Cause::ours(Unattestable::Sdist.code(), Unattestable::Sdist.to_string())]
            }
            Question::File { .. } => {
                let mut causes: Vec<Cause<'p>> = self.judgements.iter().flat_map(Judgement::causes).collect();
                if self.unpruned {
                    let message = "another hash of this requirement is accepted, but an installer may take either";
                    causes.push(Cause::ours(reasons::UNPRUNED, message.to_owned()));
                }
                causes
            }
        }
    }
}

impl<'p> Judgement<'p> {
    /// Why this policy says no; empty where it does not.
    pub(crate) fn causes(&self) -> Vec<Cause<'p>> {
        let Word::Verdict { verdict, expired } = &self.word else {
            return Vec::new();
        };
        let layer = self.layer;
        let mut causes: Vec<Cause<'p>> = verdict.reasons().iter().map(|reason| Cause::of(reason, layer)).collect();
        if let (Some(expired), false) = (expired, verdict.is_accepted()) {
            let decided = Some(Decided { layer, line: Some(expired.line()) });
            let message = expired.expires().map_or_else(String::new, |end| format!(" at {end}"));
            let message = format!("its exemption ran out{message}: {}", expired.reason());
            causes.push(Cause { decided, ..Cause::ours(reasons::EXEMPT_EXPIRED, message) });
        }
        causes
    }
}
