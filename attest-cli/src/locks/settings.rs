//! Settings that change what an installer takes from a lock, which a cloned project can bring along: what has a wheel and
//! is built nevertheless (`no-binary`: then the sdists of a lock count), and which Python uv looks for.
//!
//! Command lines cannot be seen from here: whoever types `--no-binary` has to know.

use std::{
    env,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use crate::files;

/// Where uv and Poetry look, from the lock upwards.
const PROJECT: [&str; 3] = ["pyproject.toml", "uv.toml", "poetry.toml"];
/// The environment's own settings of pip.
const ENVIRONMENT: &str = ".venv/pip.conf";
/// The user's own settings, below the configuration folder, and the system's.
const USER: [&str; 3] = ["uv/uv.toml", "pypoetry/config.toml", "pip/pip.conf"];
const SYSTEM: [&str; 4] = ["/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/etc/pip.conf", "/etc/xdg/pip/pip.conf"];
/// Files that variables name.
const NAMED: [&str; 2] = ["UV_CONFIG_FILE", "PIP_CONFIG_FILE"];
const NO_BINARY: &str = "no-binary";
/// Settings of uv that have it take, or install, another Python than the one that is found here.
const PYTHON: [&str; 2] = ["python-preference", "managed-python"];
const PYTHON_VARIABLES: [&str; 2] = ["UV_PYTHON_PREFERENCE", "UV_MANAGED_PYTHON"];
/// More than any settings file has.
const MAX_DEPTH: usize = 32;
/// More than any settings file, or script, is long.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Whether a variable or a settings file, of the user or beside the lock, has packages built that have wheels; and which
/// one says so. `script` is the one that the lock is for.
pub(super) fn builds(lock_folder: &Path, script: Option<&Path>) -> Option<String> {
    let variable = env::vars_os()
        .filter(|(_, value)| value.to_str().is_none_or(is_on))
        .filter_map(|(name, _)| name.into_string().ok())
        .find(|name| name.to_ascii_uppercase().contains("NO_BINARY"));
    let inline = || script.filter(|script| says_inline(script)).map(|script| script.display().to_string());
    variable.or_else(inline).or_else(|| {
        let found = files(lock_folder).into_iter().find(|file| says(file, &no_binary));
        found.map(|file| file.display().to_string())
    })
}

/// Whether uv is told to go by other Pythons than those of the system; and who says so.
pub(crate) fn other_python(lock_folder: &Path) -> Option<String> {
    let variable = PYTHON_VARIABLES.iter().find(|name| {
        env::var_os(name).is_some_and(|value| value.to_str().is_none_or(|value| is_on(value) && !is_usual(value)))
    });
    variable.map(|name| (*name).to_owned()).or_else(|| {
        let found = files(lock_folder).into_iter().find(|file| says(file, &python));
        found.map(|file| file.display().to_string())
    })
}

/// The Pythons that the project in a folder says it is for: uv goes by this, and with `--frozen` a lock may say otherwise.
pub(super) fn requires_python(folder: &Path) -> Option<String> {
    let text = String::from_utf8(files::read(&folder.join(PROJECT[0]), MAX_FILE).ok()?).ok()?;
    let table = DeTable::parse(&text).ok()?;
    Some(table.get_ref().get("project")?.get_ref().get("requires-python")?.get_ref().as_str()?.to_owned())
}

fn is_on(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "f" | "no" | "n" | "off")
}

/// Values that have uv take a Python which is there; the managed ones are looked for by whoever asks.
fn is_usual(value: &str) -> bool {
    matches!(value, "managed" | "system" | "only-system")
}

fn files(lock_folder: &Path) -> Vec<PathBuf> {
    let folder = lock_folder.canonicalize().unwrap_or_else(|_| lock_folder.to_owned());
    let of_project = folder.ancestors().flat_map(|folder| PROJECT.map(|name| folder.join(name)));
    let configuration = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let configuration = configuration.or_else(|| Some(env::home_dir()?.join(".config")));
    let of_user = configuration.into_iter().flat_map(|folder| USER.map(|name| folder.join(name)));
    let of_pip = env::home_dir().map(|home| home.join(".pip/pip.conf"));
    let of_environment = env::var_os("VIRTUAL_ENV").map(|active| Path::new(&active).join("pip.conf"));
    let named = NAMED.iter().filter_map(env::var_os).map(PathBuf::from);
    let places = env::var_os("XDG_CONFIG_DIRS").unwrap_or_default();
    let of_places = env::split_paths(&places).flat_map(|folder| USER.map(|name| folder.join(name))).collect::<Vec<_>>();
    of_project
        .chain([folder.join(ENVIRONMENT)])
        .chain(named)
        .chain(of_user)
        .chain(of_pip)
        .chain(of_environment)
        .chain(of_places)
        .chain(SYSTEM.map(PathBuf::from))
        .collect()
}

type Decides<'a> = &'a dyn Fn(&str, &DeValue<'_>) -> bool;

/// A value that switches it off is none.
fn no_binary(key: &str, value: &DeValue<'_>) -> bool {
    let off = match value {
        DeValue::Boolean(on) => !on,
        DeValue::Array(values) => values.is_empty(),
        _ => false,
    };
    !off && key.replace('_', "-").starts_with(NO_BINARY)
}

fn python(key: &str, value: &DeValue<'_>) -> bool {
    let usual = match value {
        DeValue::Boolean(on) => !on,
        DeValue::String(value) => is_usual(value),
        _ => false,
    };
    !usual && PYTHON.contains(&key)
}

/// A file that is there and cannot be understood may say anything; pip's are of another format, and are searched.
fn says(file: &Path, decides: Decides<'_>) -> bool {
    if !file.is_file() {
        return false;
    }
    let text = files::read(file, MAX_FILE).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.is_none_or(|text| told(&text, decides))
}

fn told(text: &str, decides: Decides<'_>) -> bool {
    if let Ok(table) = DeTable::parse(text) {
        return mentioned(table.get_ref(), decides, 0);
    }
    let text = text.to_ascii_lowercase().replace('_', "-");
    [NO_BINARY, PYTHON[0], PYTHON[1]].iter().any(|key| text.contains(key) && decides(key, &DeValue::Boolean(true)))
}

/// The key anywhere, as keys can be spelled with escapes.
fn mentioned(table: &DeTable<'_>, decides: Decides<'_>, depth: usize) -> bool {
    depth == MAX_DEPTH
        || table.iter().any(|(key, value)| {
            let inner = value.get_ref().as_table();
            inner.is_some_and(|table| mentioned(table, decides, depth + 1)) || decides(key.get_ref(), value.get_ref())
        })
}

/// Whether the metadata in a script say so ([inline script
/// metadata](https://packaging.python.org/en/latest/specifications/inline-script-metadata/)). A lock without its script is
/// one that nobody can install from.
fn says_inline(script: &Path) -> bool {
    let Ok(bytes) = files::read(script, MAX_FILE) else {
        return script.exists();
    };
    let text = String::from_utf8_lossy(&bytes);
    let block = text.lines().skip_while(|line| line.trim_end() != "# /// script").skip(1);
    let block = block.take_while(|line| line.starts_with('#') && line.trim_end() != "# ///");
    let toml: String = block.flat_map(|line| [line.strip_prefix("# ").unwrap_or(&line[1..]), "\n"]).collect();
    told(&toml, &no_binary)
}

#[cfg(test)]
mod tests {
    use std::fs;

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
            // As pip has it.
            ("[install]\nNO_BINARY = :all:\n", true),
            ("[install]\nno-deps = yes\nindex-url = https://index.example/simple\n", false),
            ("", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("pyproject.toml");
            fs::write(&file, text).unwrap();
            assert_eq!(says(&file, &no_binary), told, "{text}");
        }
        assert!(!says(Path::new("/no/pyproject.toml"), &no_binary));
    }

    #[test]
    fn a_script_that_has_wheels_passed_over_says_so_in_its_own_head() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("tool.py");
        assert!(!says_inline(&script));
        for (text, told) in [
            (
                "#!/usr/bin/env python\n# /// script\n# dependencies = ['six']\n# [tool.uv]\n# no-binary = true\n# ///\n",
                true,
            ),
            ("# /// script\r\n# [tool.uv]\r\n# no-binary-package = ['six']\r\n# ///\r\n", true),
            ("# /// script\n# [tool.uv\n#no-binary = true\n# ///\n", true),
            ("# /// script\n# dependencies = ['six']\n# ///\nprint('no-binary')\n", false),
            ("print('no-binary = true')\n", false),
        ] {
            fs::write(&script, text).unwrap();
            assert_eq!(says_inline(&script), told, "{text}");
        }
    }

    #[test]
    fn a_project_that_has_uv_fetch_another_python_is_found_out() {
        for (text, told) in [
            ("[tool.uv]\npython-preference = 'only-managed'\n", true),
            ("python-preference = 'system'\n", false),
            ("[tool.uv]\nmanaged-python = true\n", true),
            ("managed-python = false\n", false),
            ("[project]\nrequires-python = '>=3.9'\n", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("uv.toml");
            fs::write(&file, text).unwrap();
            assert_eq!(says(&file, &python), told, "{text}");
        }
    }

    #[test]
    fn the_pythons_of_a_project_are_those_of_its_own_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(requires_python(folder.path()), None);
        fs::write(folder.path().join("pyproject.toml"), "[project]\nrequires-python = '>=3.13'\n").unwrap();
        assert_eq!(requires_python(folder.path()).as_deref(), Some(">=3.13"));
    }
}
