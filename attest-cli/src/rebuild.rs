//! Rebuilding a published wheel from its source, bit for bit.
//!
//! | module | what it does |
//! |---|---|
//! | [`workshop`] | one rebuild from its target to its result |
//! | [`target`] | finds the published wheel, digest first |
//! | [`source`], [`sdist`], [`git`], [`tree`] | find what it was built from, and read it without trusting it |
//! | [`platform`] | says which wheels can be rebuilt here, and why not the others |
//! | [`zip`], [`wheel`], [`rows`] | read wheels without trusting them |
//! | [`normal`] | gives a wheel a container that depends on nothing but its content |
//! | [`infer`], [`zone`] | work out how the wheel was built: a recipe |
//! | [`search`], [`pythons`] | try other tools where only generated metadata differs |
//! | [`inventory`], [`buildinfo`] | record the room before any project code runs in it |
//! | [`environment`] | locks, installs and archives what the build needs |
//! | [`attempt`], [`build`] | run the project's hooks as a recipe says, twice, without network |
//! | [`recipes`], [`follow`] | find a recipe that somebody wrote, and do as it says |
//! | [`script`], [`image`] | run a recipe's own script, in an image where it names one |
//! | [`claim`] | read somebody's statement, to replay it |
//! | [`lineage`] | says where the source comes from: whether the sdist is what a commit gives |
//! | [`replay`] | sets the zip metadata that a recipe's container has, and nothing else |
//! | [`compare`], [`difference`], [`equivalence`], [`explain`], [`finding`] | say what came out |
//! | [`elf`], [`traces`] | read compiled code: how two builds of it differ, and where one was built |
//! | [`native`] | what a wheel with compiled code says about the machine that built it |
//! | [`diffoscope`] | asks diffoscope for more words |
//! | [`record`], [`report`], [`result`] | keep it, so that it can be read and signed |
//!
//! There are two phases. The fetch phase has a network and runs no project code; everything that a project can influence
//! runs in the [room](crate::sandbox), without one.

pub(crate) mod attempt;
pub(crate) mod build;
pub(crate) mod buildinfo;
pub(crate) mod claim;
pub(crate) mod compare;
pub(crate) mod difference;
pub(crate) mod diffoscope;
pub(crate) mod elf;
pub(crate) mod environment;
pub(crate) mod equivalence;
pub(crate) mod explain;
pub(crate) mod finding;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod follow;
pub(crate) mod git;
pub(crate) mod image;
pub(crate) mod infer;
pub(crate) mod inventory;
pub(crate) mod lineage;
pub(crate) mod native;
pub(crate) mod normal;
pub(crate) mod platform;
pub(crate) mod pythons;
pub(crate) mod recipes;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod result;
pub(crate) mod rows;
pub(crate) mod script;
pub(crate) mod sdist;
pub(crate) mod search;
pub(crate) mod source;
pub(crate) mod target;
pub(crate) mod traces;
pub(crate) mod tree;
pub(crate) mod wheel;
pub(crate) mod workshop;
pub(crate) mod zip;
pub(crate) mod zone;
