//! Runs attest as its users do: the real programs, over HTTP, with the real pip and gpg.
//!
//! The tests in `tests/` and the two programs in `src/bin/` (`demo`, `load`) share what is here:
//!
//! | module | what it is |
//! |---|---|
//! | [`programs`] | the two programs under test, built once |
//! | [`command`] | running a program to its end, with a time limit, and judging its exit code |
//! | [`server`] | a running log or mirror that ends with the guard that holds it |
//! | [`scene`] | a temporary place with keys, a policy and a clean environment |
//! | [`tool`], [`gnupg`], [`trace`] | gpg, strace and python3, where they are there |
//! | [`forge`] | signed statements made in memory, as many as wanted |
//! | [`http`], [`replica`] | a keep-alive client, and a reader that re-derives a whole log |
//! | [`stub`] | a server on loopback that answers what a test wants it to |
//! | [`policy`], [`wheel`] | policy files, small wheels and an index that offers them |
//! | [`quorum`] | the usual cast: a log and three rebuilders in two groups |
//! | [`readme`] | the commands that the README tells people to type |
//! | [`load`] | submissions at a given rate, and how long each waited |

pub mod command;
pub mod forge;
pub mod gnupg;
pub mod http;
pub mod load;
pub mod policy;
pub mod programs;
pub mod quorum;
pub mod readme;
pub mod replica;
pub mod scene;
pub mod server;
pub mod stub;
pub mod tool;
pub mod trace;
pub mod wheel;
