//! `attest-server` as its users meet it: the real program, over HTTP.

#![expect(clippy::unwrap_used, reason = "tests")]

mod abuse;
mod client;
mod fake;
mod fetch;
mod limits;
mod lookup;

mod mirror;
mod negatives;
mod openapi;
mod operate;
mod pages;
mod process;
mod read;
mod record;
mod statement;
mod submit;
