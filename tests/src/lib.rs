//! Runs attest as its users do: the real programs, over HTTP, with the real pip and gpg.
//!
//! The tests in `tests/` and the programs in `src/bin/` (`demo`, `load`, `mirror-load`) share what is here:
//!
//! | module | what it is |
//! |---|---|
//! | [`programs`] | the two programs under test, built once |
//! | [`command`] | running a program to its end, with a time limit, and judging its exit code |
//! | [`server`] | a running log or mirror that ends with the guard that holds it |
//! | [`scene`] | a temporary place with keys, a policy and a clean environment |
//! | [`book`] | README and docs: pages, links, and blocks of commands |
//! | [`fault`] | system calls that fail when a test wants them to |
//! | [`clients`] | pip, uv and Poetry, in pinned versions |
//! | [`tool`], [`gnupg`], [`trace`] | gpg, strace and python3, where they are there |
//! | [`forge`] | signed statements made in memory, as many as wanted |
//! | [`http`], [`replica`] | a keep-alive client, and a reader that re-derives a whole log |
//! | [`specimen`], [`small_disk`] | a log to be broken; a disk to be filled |
//! | [`stub`], [`door`] | a server on loopback that answers what a test wants it to, and one that passes on and listens |
//! | [`podman`] | containers that are gone with the test |
//! | [`policy`], [`wheel`], [`index`] | policy files, small wheels, and an index that offers them, well behaved or hostile |
//! | [`quorum`] | the usual cast: a log and three rebuilders in two groups |
//! | [`chronicle`], [`browser`] | a log in which everything has happened, and a browser to look at it |
//! | [`reader`], [`readme`] | who types what the pages say; the commands that the README tells people to type |
//! | [`stranger`], [`strict`] | statements that are hostile wherever they can be; pages, badges and feeds under strict parsers |
//! | [`static_log`] | a log of any size as files, for mirrors |
//! | [`promise`], [`random`], [`effort`] | what a log acknowledged and whether it is kept; how long to try |
//! | [`loop_disk`], [`recording`] | what a power cut leaves: on a disk of its own, or by a trace of what was written |
//! | [`load`] | submissions at a given rate, and how long each waited |

pub mod book;
pub mod browser;
pub mod chronicle;
pub mod clients;
pub mod command;
pub mod door;
pub mod effort;
pub mod fault;
pub mod forge;
pub mod gnupg;
pub mod http;
pub mod index;
pub mod keyring;
pub mod load;
pub mod loop_disk;
pub mod podman;
pub mod policy;
pub mod programs;
pub mod promise;
pub mod quorum;
pub mod random;
pub mod reader;
pub mod readme;
pub mod recording;
pub mod replica;
pub mod scene;
pub mod server;
pub mod small_disk;
pub mod specimen;
pub mod static_log;
pub mod stranger;
pub mod strict;
pub mod stub;
pub mod tool;
pub mod trace;
pub mod wheel;
