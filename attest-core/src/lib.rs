//! Formats, proofs and trust rules of attest.
//!
//! This crate does no I/O: no files, network, clock, environment or randomness. Time, keys and bytes come in as
//! arguments, so that the server, the CLI and anybody's own verifier share one implementation of every rule.
//!
//! | module | what it implements |
//! |---|---|
//! | [`merkle`] | RFC 6962 hashes, inclusion and consistency proofs |
//! | [`tile`] | C2SP tlog-tiles: paths, tiles, entry bundles |
//! | [`note`], [`checkpoint`], [`cosignature`], [`proof`] | C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof |
//! | [`fork`] | evidence that a log contradicts itself |
//! | [`witness`], [`tlog_policy`] | C2SP tlog-witness: requests, answers, the decision; C2SP tlog-policy |
//! | [`artifact`] | wheel file names, project names, digests, purls |
//! | [`ijson`], [`statement`], [`envelope`], [`key`] | what a rebuilder says, and how it is signed |
//! | [`recipe`] | how a wheel is rebuilt: knobs as data |
//! | [`negatives`] | docs/negatives.md: the list that shows what is withheld |
//! | [`lockfile`] | docs/lock.md: `attest.lock`, evidence beside a project's lock |
//! | [`policy`], [`votes`], [`dissent`], [`verify`] | what counts |
//! | [`escape`] | text of strangers on a terminal |
//! | [`api`] | the JSON of the log's HTTP API |

pub mod api;
pub mod artifact;
pub mod checkpoint;
pub mod cosignature;
pub mod dissent;
pub mod envelope;
pub mod escape;
pub mod fork;
pub mod ijson;
pub mod key;
pub mod lockfile;
pub mod merkle;
pub mod negatives;
pub mod note;
pub mod policy;
pub mod proof;
pub mod recipe;
pub mod statement;
pub mod tile;
pub mod time;
pub mod tlog_policy;
pub mod verify;
pub mod votes;
pub mod witness;
