//! The parsers and their seeds, as the tests of attest-core have them.

#[path = "../../attest-core/tests/support/properties.rs"]
pub mod properties;
#[path = "../../attest-core/tests/support/seeds.rs"]
pub mod seeds;
