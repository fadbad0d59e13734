//! How the witnesses do, for `/readyz`, metrics and the page.

use attest_core::{merkle::TreeSize, time::Timestamp};

use super::Fail;

/// How cosigning goes. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigning {
    /// What happens as long as too few cosign.
    pub fail: Fail,
    /// Whether enough of them said at start what they had seen; before that nothing is signed.
    pub started: bool,
    /// Whether the newest signed checkpoint has the cosignatures of a quorum.
    pub quorum_met: bool,
    /// Since when it has not, while it has not.
    pub missing_since: Option<Timestamp>,
    /// Each witness, in the order of the policy.
    pub witnesses: Vec<WitnessStatus>,
}

/// How one witness does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessStatus {
    /// Its name in the policy.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Size that it cosigned last, as far as is known.
    pub size: Option<TreeSize>,
    /// When it last gave a cosignature.
    pub last_ok: Option<Timestamp>,
    /// What was wrong last, while it is wrong.
    pub last_error: Option<String>,
}

impl Cosigning {
    /// What keeps the quorum from being met, in one line; `None` when it is met.
    pub fn trouble(&self) -> Option<String> {
        if self.quorum_met {
            return None;
        }
        let errors: Vec<String> = self
            .witnesses
            .iter()
            .filter_map(|witness| witness.last_error.as_ref().map(|error| format!("{}: {error}", witness.name)))
            .collect();
        let what =
            if self.started { "the quorum of witnesses is not met" } else { "too few witnesses answer to begin" };
        Some(if errors.is_empty() { what.to_owned() } else { format!("{what} ({})", errors.join("; ")) })
    }
}
