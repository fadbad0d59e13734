//! The recipe of a rebuild: its form is attest-core's, because a verifier checks that an inferred one is knobs only.

pub(crate) use attest_core::recipe::{Backend, Files, Modes, Recipe, RecipeError, Requirements, SCHEMA, Time, Umask};
