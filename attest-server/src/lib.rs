//! The transparency log of attest: append, publish, serve, mirror.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`], [`logging`], [`command`] | settings, logs, the commands and their exit codes |
//! | [`run`] | the log as a process |
//! | [`rebuilders`], [`admission`] | who may submit, and the check of what they submit |
//! | [`http`] | the C2SP read API, `/api/v1`, health, errors, limits of connections |
//! | [`fetch`], [`mirror`] | another log's tiles over HTTP, and the replica that verifies before it stores |
//! | [`clock`] | the time, as an argument |
//! | [`init`] | making a new log or mirror on disk |
//! | [`store`] | what is durable, and in which order it became so |
//! | [`recover`] | opening a data folder after anything |
//! | [`sequencer`] | the one writer: a committer, a publisher, a sealer |
//! | [`mirror_store`] | the write side of a mirror: verified entries, then the checkpoint over them |
//! | [`reader`] | what is published: tiles, bundles, entries, lookups, proofs |

pub mod admission;
pub mod clock;
pub mod command;
pub mod config;
pub mod fetch;
#[cfg(test)]
mod fixtures;
pub mod http;
pub mod init;
pub mod logging;
pub mod mirror;
pub mod mirror_store;
pub mod reader;
pub mod rebuilders;
pub mod recover;
pub mod run;
pub mod sequencer;
pub mod store;
