//! How long the tests try that get better the longer they try: `ATTEST_EFFORT=N` multiplies their rounds. docs/DURABILITY.md
//! has the runs that were made.

use std::env;

/// `rounds`, multiplied by `ATTEST_EFFORT` where it is set.
///
/// # Panics
/// When it is set to something else than a number from 1 on.
pub fn times(rounds: u64) -> u64 {
    let Some(effort) = env::var_os("ATTEST_EFFORT") else { return rounds };
    let effort = effort.to_str().and_then(|effort| effort.parse().ok()).filter(|effort: &u64| *effort > 0);
    rounds * effort.expect("ATTEST_EFFORT: expected a number from 1 on")
}
