//! Whether an installer is told to build what has a wheel: `no-binary`, which a cloned project can bring along.
//!
//! Then the sdists of a lock count. Command lines cannot be seen from here: whoever types `--no-binary` has to know.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

/// Where uv and Poetry look, from the lock upwards.
const PROJECT: [&str; 3] = ["pyproject.toml", "uv.toml", "poetry.toml"];
/// The user's own settings, below the configuration folder, and the system's.
const USER: [&str; 2] = ["uv/uv.toml", "pypoetry/config.toml"];
const SYSTEM: [&str; 2] = ["/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml"];
const SETTING: &str = "no-binary";
/// More than any settings file has.
const MAX_DEPTH: usize = 32;

/// Whether a variable or a settings file, of the user or beside the lock, says so; and which.
pub(super) fn told(lock_folder: &Path) -> Option<String> {
    let on =
        |value: &str| !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "f" | "no" | "n" | "off");
    let variable = env::vars_os()
        .filter(|(_, value)| value.to_str().is_none_or(on))
        .filter_map(|(name, _)| name.into_string().ok())
        .find(|name| name.to_ascii_uppercase().contains("NO_BINARY"));
    variable.or_else(|| files(lock_folder).into_iter().find(|file| says(file)).map(|file| file.display().to_string()))
}

fn files(lock_folder: &Path) -> Vec<PathBuf> {
    let folder = lock_folder.canonicalize().unwrap_or_else(|_| lock_folder.to_owned());
    let of_project = folder.ancestors().flat_map(|folder| PROJECT.map(|name| folder.join(name)));
    let configuration = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let configuration = configuration.or_else(|| Some(env::home_dir()?.join(".config")));
    let of_user = configuration.into_iter().flat_map(|folder| USER.map(|name| folder.join(name)));
    of_project.chain(of_user).chain(SYSTEM.map(PathBuf::from)).collect()
}

/// A file that is there and cannot be understood may say anything.
fn says(file: &Path) -> bool {
    if !file.is_file() {
        return false;
    }
    fs::read_to_string(file).map_or(true, |text| match DeTable::parse(&text) {
        Ok(table) => mentioned(table.get_ref(), 0),
        Err(_) => text.contains(SETTING),
    })
}

/// The key anywhere, as keys can be spelled with escapes. A value that switches it off is none.
fn mentioned(table: &DeTable<'_>, depth: usize) -> bool {
    depth == MAX_DEPTH
        || table.iter().any(|(key, value)| {
            let off = match value.get_ref() {
                DeValue::Boolean(on) => !on,
                DeValue::Array(values) => values.is_empty(),
                _ => false,
            };
            let inner = value.get_ref().as_table().is_some_and(|table| mentioned(table, depth + 1));
            inner || !off && key.get_ref().replace('_', "-").starts_with(SETTING)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_that_has_wheels_passed_over_is_found_out_however_it_spells_it() {
        for (text, told) in [
            ("[tool.uv]\nno-binary = true\n", true),
            ("[tool.uv]\n\"no\\u002dbinary\" = true\n", true),
            ("tool = { uv = { no-binary-package = ['a'] } }", true),
            ("[installer]\nno-binary = ':all:'\n", true),
            ("[tool.uv]\nno-binary = false\nno-binary-package = []\n", false),
            ("[project]\nname = 'no-binary'\n", false),
            ("[tool.uv\nno-binary = true", true),
            ("", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("pyproject.toml");
            fs::write(&file, text).unwrap();
            assert_eq!(says(&file), told, "{text}");
        }
        assert!(!says(Path::new("/no/pyproject.toml")));
    }
}
