//! `attest` as a user runs it, against a log in this process that can be down, stale, forked, or talk nonsense.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod buildtools;
mod compare;
mod damage;
mod doctor;
mod exceptions;
mod fake_log;
mod formats;
mod includes;
mod input;
mod installs;
mod logs;
mod months;
mod policies;
mod proofs;
mod ratchet;
mod rebuilder;
mod schemas;
mod screens;
mod signing;
mod world;
