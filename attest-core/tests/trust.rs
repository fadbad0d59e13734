//! docs/TRUST.md, rule by rule: each test goes red when its rule is broken.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/world.rs"]
mod world;

#[path = "trust/attackers.rs"]
mod attackers;
#[path = "trust/builds.rs"]
mod builds;
#[path = "trust/dissent.rs"]
mod dissent;
#[path = "trust/fail_closed.rs"]
mod fail_closed;
#[path = "trust/logs.rs"]
mod logs;
#[path = "trust/negatives.rs"]
mod negatives;
#[path = "trust/policy_file.rs"]
mod policy_file;
#[path = "trust/ratchet.rs"]
mod ratchet;
#[path = "trust/rules.rs"]
mod rules;
#[path = "trust/sources.rs"]
mod sources;
#[path = "trust/votes.rs"]
mod votes;
#[path = "trust/withdrawals.rs"]
mod withdrawals;
#[path = "trust/workers.rs"]
mod workers;
