//! Programs of others that some tests need. A missing one skips the test with a printed reason; under CI it fails it,
//! because a test that is always skipped tests nothing.

use std::{env, path::PathBuf};

/// The first file of that name in `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether all of these programs are there. Says which one is not.
///
/// # Panics
/// When one is missing and the environment variable `CI` is set.
pub fn have(names: &[&str]) -> bool {
    match names.iter().find(|name| find(name).is_none()) {
        None => true,
        Some(missing) => skip(missing),
    }
}

/// Says that the test is skipped because it needs `what`; always false, so that a test can return on it.
///
/// # Panics
/// When the environment variable `CI` is set.
#[expect(clippy::print_stderr, reason = "the person who runs the tests must see what was not tested")]
pub fn skip(what: &str) -> bool {
    assert!(env::var_os("CI").is_none(), "needs {what}, and CI must not skip");
    eprintln!("skipped: needs {what}");
    false
}

/// Says that the test is skipped because this machine does not allow `what`. Not a failure under CI: nothing that CI could
/// install is missing.
#[expect(clippy::print_stderr, reason = "the person who runs the tests must see what was not tested")]
pub fn not_allowed(what: &str) {
    eprintln!("skipped: this machine does not allow {what}");
}
