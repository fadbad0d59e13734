//! A rebuilder: private machines that rebuild what they are told to, and say in public what came out.
//!
//! | module | what it does |
//! |---|---|
//! | [`card`] | who this is: the introduction that policies and logs import |
//! | [`settings`], [`folder`] | how it works, and where it keeps what |
//! | [`job`], [`journal`], [`queue`] | what is to be built; survives being killed at any moment |
//! | [`inbox`] | how commands reach a coordinator that runs |
//! | [`feed`] | where jobs come from by themselves |
//! | [`wire`], [`worker`] | builds, holds no key |
//! | [`doors`], [`intake`] | take results, and believe nothing of them that can be computed |
//! | [`notary`] | signs and submits; accusations only on a person's word |
//! | [`coordinator`], [`server`], [`status`] | one process that holds it together, and shows it |
//!
//! docs/rebuilder.md says what holds after which crash.

pub(crate) mod card;
pub(crate) mod coordinator;
pub(crate) mod doors;
pub(crate) mod feed;
pub(crate) mod folder;
pub(crate) mod inbox;
pub(crate) mod intake;
pub(crate) mod job;
pub(crate) mod journal;
pub(crate) mod notary;
pub(crate) mod queue;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod status;
pub(crate) mod wire;
pub(crate) mod worker;
