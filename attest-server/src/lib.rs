//! The transparency log of attest: append, publish, serve, mirror.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`], [`logging`], [`command`] | settings, logs, the commands and their exit codes |
//! | [`run`] | the log as a process |
//! | [`rebuilders`], [`admission`] | who may submit, and the check of what they submit |
//! | [`http`] | the C2SP read API, `/api/v1`, health, errors, limits of connections |
//! | [`fetch`], [`mirror`] | another log's tiles over HTTP, and the replica that verifies before it stores |
//! | [`export`], [`backup`], [`restore`] | verified copies of what was published, and a log made from one |
//! | [`freeze`] | a log that is read-only, and when it may be opened again |
//! | [`fsck`] | every hash, signature and index of a log, checked again |
//! | [`clock`] | the time, as an argument |
//! | [`init`] | making a new log or mirror on disk |
//! | [`store`] | what is durable, and in which order it became so |
//! | [`recover`] | opening a data folder after anything |
//! | [`sequencer`] | the one writer: a committer, a publisher, a sealer |
//! | [`witnesses`] | the witnesses that cosign this log, and how they are asked |
//! | [`witness`] | a witness of other logs |
//! | [`mirror_store`] | the write side of a mirror: verified entries, then the checkpoint over them |
//! | [`negatives`] | the list of what speaks against files: made, signed, audited |
//! | [`record`] | what the published entries say, found by project, file, commit and rebuilder |
//! | [`reader`] | what is published: tiles, bundles, entries, lookups, proofs |

pub mod admission;
pub mod backup;
pub mod clock;
pub mod command;
pub mod config;
pub mod export;
pub mod fetch;
#[cfg(test)]
mod fixtures;
pub mod freeze;
pub mod fsck;
pub mod http;
pub mod init;
pub mod logging;
pub mod metrics;
pub mod mirror;
pub mod mirror_store;
pub mod mirrors;
pub mod negatives;
pub mod quota;
pub mod reader;
pub mod rebuilders;
pub mod record;
pub mod recover;
pub mod restore;
pub mod run;
pub mod sequencer;
pub mod store;
pub mod witness;
pub mod witnesses;
