//! Where files may come from, as the installers are configured: part of the question, so it is said.
//!
//! Only for people: what decides is the address that each file really has. An extra index that serves a project of the
//! same name is caught there, by its digest.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::output::Output;

use super::{
    arguments::Args,
    installer::{Installer, Kind},
};

/// Options that name sources, as both installers spell them in their configuration.
const KEYS: [&str; 5] = ["index-url", "default-index", "extra-index-url", "index", "find-links"];

/// An address, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    key: String,
    url: String,
    said_by: String,
}

/// Says what adds sources beside the main index, and what is configured for the other installer alone.
pub(super) fn tell(installer: &Installer, args: &Args, out: &Output) {
    let used = match installer {
        Installer::Pip(pip) => of_pip_settings(pip.sources()),
        Installer::Uv(_) => of_uv(),
    };
    for source in &used {
        let text = format!("files may come from {} ({})", source.url, source.said_by);
        if is_main(&source.key) { out.detail(text) } else { out.note(text) }
    }
    let kind = installer.kind();
    let (other, others) = if kind == Kind::Pip { (Kind::Uv, of_uv()) } else { (Kind::Pip, of_pip()) };
    let given = args.resolution.index_url.iter().chain(&args.resolution.extra_index_url).chain(&args.resolution.index);
    let given: Vec<&String> = given.chain(&args.resolution.find_links).collect();
    let known = |source: &Source| {
        used.iter().any(|used| same(&used.url, &source.url)) || given.iter().any(|given| same(given, &source.url))
    };
    for source in others.iter().filter(|source| !known(source)) {
        out.note(format_args!(
            "{other} alone would ask {} ({}): {kind} does not read that",
            source.url, source.said_by
        ));
    }
}

/// A URL as it may be printed and compared.
pub(super) fn without_credentials(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            // Neither fails where there was something to take away.
            let _ = parsed.set_username("");
            let _ = parsed.set_password(None);
            parsed.into()
        }
        _ => url.to_owned(),
    }
}

/// `--index-url URL` as it may be printed.
pub(super) fn of_option(option: &str) -> String {
    option
        .split_once(' ')
        .map_or_else(|| option.to_owned(), |(name, url)| format!("{name} {}", without_credentials(url)))
}

/// An option of a requirements file as another file may have it: pip looks for a folder beside the file first.
pub(super) fn from_elsewhere(option: &str, file: &Path) -> String {
    let beside = |name: &str, value: &str| {
        let folder = file.parent()?.join(value).canonicalize().ok()?;
        (matches!(name, "-f" | "--find-links") && !value.contains("://"))
            .then(|| format!("{name} {}", folder.display()))
    };
    option.split_once(' ').and_then(|(name, value)| beside(name, value)).unwrap_or_else(|| option.to_owned())
}

fn same(one: &str, other: &str) -> bool {
    // uv lets an index have a name.
    let plain = |url: &str| {
        let url = url.split_once('=').filter(|(name, _)| !name.contains(['/', ':'])).map_or(url, |(_, url)| url);
        without_credentials(url).trim_end_matches('/').to_owned()
    };
    plain(one) == plain(other)
}

fn is_main(key: &str) -> bool {
    matches!(key, "index-url" | "default-index")
}

fn sources(key: &str, value: &str, said_by: &str) -> Vec<Source> {
    let source = |url: &str| {
        let (name, url) = url.split_once('=').filter(|(name, _)| !name.contains(['/', ':'])).unwrap_or(("", url));
        let said_by = if name.is_empty() { said_by.to_owned() } else { format!("{name}, {said_by}") };
        Source { key: key.to_owned(), url: without_credentials(url), said_by }
    };
    value.split_whitespace().map(source).collect()
}

fn of_pip_settings(settings: &[(String, String)]) -> Vec<Source> {
    let source = |(name, value): &(String, String)| {
        let key = name.rsplit('.').next().unwrap_or(name);
        if KEYS.contains(&key) { sources(key, value, &format!("pip's {name}")) } else { Vec::new() }
    };
    settings.iter().flat_map(source).collect()
}

/// Without asking pip, which may not be there: its variables and its files.
fn of_pip() -> Vec<Source> {
    let mut found = of_variables("PIP_", &["INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS"]);
    let config = config_home().map(|folder| folder.join("pip/pip.conf"));
    let named = env::var_os("PIP_CONFIG_FILE").map(PathBuf::from);
    let of_environment = env::var_os("VIRTUAL_ENV").map(|folder| PathBuf::from(folder).join("pip.conf"));
    let files =
        [Some(PathBuf::from("/etc/pip.conf")), Some("/etc/xdg/pip/pip.conf".into()), config, of_environment, named];
    for file in files.into_iter().flatten() {
        if let Ok(text) = fs::read_to_string(&file) {
            found.extend(of_ini(&text, &file));
        }
    }
    found
}

fn of_ini(text: &str, file: &Path) -> Vec<Source> {
    let (mut section, mut key, mut found) = (String::new(), String::new(), Vec::new());
    for line in text.lines() {
        let continued = line.starts_with(char::is_whitespace);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_ascii_lowercase();
            continue;
        }
        let value = match line.split_once(['=', ':']).filter(|_| !continued) {
            Some((name, value)) => {
                key = name.trim().to_ascii_lowercase().replace('_', "-");
                value
            }
            None => line,
        };
        if matches!(section.as_str(), "global" | "install") && KEYS.contains(&key.as_str()) {
            found.extend(sources(&key, value, &file.display().to_string()));
        }
    }
    found
}

/// uv's variables, and the configuration that it finds: the project's, the user's, the system's.
fn of_uv() -> Vec<Source> {
    let names = ["DEFAULT_INDEX", "INDEX_URL", "INDEX", "EXTRA_INDEX_URL", "FIND_LINKS"];
    let mut found = of_variables("UV_", &names);
    let here = env::current_dir().unwrap_or_default();
    let mut project = here.ancestors().flat_map(|up| [up.join("uv.toml"), up.join("pyproject.toml")]);
    let project = project.find_map(|file| Some((of_uv_file(&file)?, file)));
    let shared = [config_home().map(|folder| folder.join("uv/uv.toml")), Some("/etc/uv/uv.toml".into())];
    let shared = shared.into_iter().flatten().filter_map(|file| Some((of_uv_file(&file)?, file)));
    let all: Vec<_> = match env::var_os("UV_CONFIG_FILE").map(PathBuf::from) {
        Some(file) => of_uv_file(&file).map(|table| (table, file)).into_iter().collect(),
        None if env::var_os("UV_NO_CONFIG").is_some() => Vec::new(),
        None => project.into_iter().chain(shared).collect(),
    };
    for (table, file) in &all {
        let of_pip = table.get("pip").and_then(toml::Value::as_table);
        for table in [Some(table), of_pip].into_iter().flatten() {
            found.extend(of_table(table, &file.display().to_string()));
        }
    }
    found
}

/// The settings of a uv.toml, or those of uv in a pyproject.toml.
fn of_uv_file(file: &Path) -> Option<toml::Table> {
    let mut table: toml::Table = fs::read_to_string(file).ok()?.parse().ok()?;
    if file.file_name()? != "pyproject.toml" {
        return Some(table);
    }
    let mut tool = table.remove("tool")?.try_into::<toml::Table>().ok()?;
    tool.remove("uv")?.try_into().ok()
}

fn of_table(table: &toml::Table, said_by: &str) -> Vec<Source> {
    let url = |value: &toml::Value| match value {
        toml::Value::String(url) => Some(url.clone()),
        toml::Value::Table(index) => index.get("url")?.as_str().map(str::to_owned),
        _ => None,
    };
    let urls = |value: &toml::Value| match value {
        toml::Value::Array(all) => all.iter().filter_map(url).collect(),
        one => url(one).into_iter().collect::<Vec<_>>(),
    };
    let of_key = |key: &str| table.get(key).map(|value| (key.to_owned(), urls(value)));
    KEYS.iter()
        .filter_map(|key| of_key(key))
        .flat_map(|(key, urls)| urls.into_iter().flat_map(move |url| sources(&key, &url, said_by)).collect::<Vec<_>>())
        .collect()
}

fn of_variables(prefix: &str, names: &[&str]) -> Vec<Source> {
    let of_name = |name: &&str| {
        let variable = format!("{prefix}{name}");
        let key = name.to_ascii_lowercase().replace('_', "-");
        env::var(&variable).map(|value| sources(&key, &value, &variable)).unwrap_or_default()
    };
    names.iter().flat_map(of_name).collect()
}

fn config_home() -> Option<PathBuf> {
    let named = env::var_os("XDG_CONFIG_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| env::home_dir().map(|home| home.join(".config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        assert_eq!(without_credentials("https://ann:s3cret@x.example/simple/"), "https://x.example/simple/");
        assert_eq!(without_credentials("https://t0ken@x.example/simple"), "https://x.example/simple");
        assert_eq!(without_credentials("./folder"), "./folder");
        let found = sources("index", "corp=https://ann:s3cret@x.example/simple https://y.example/", "UV_INDEX");
        assert_eq!(
            found.iter().map(|source| source.url.as_str()).collect::<Vec<_>>(),
            ["https://x.example/simple", "https://y.example/"]
        );
        assert_eq!(found[0].said_by, "corp, UV_INDEX");
    }

    #[test]
    fn sources_are_found_in_the_files_of_both_installers() {
        let ini = "[global]\nindex_url = https://a.example/simple\n[install]\nextra-index-url =\n    https://b.example/simple\n    https://c.example\ntimeout: 3\n[list]\nfind-links = /x\n";
        let urls: Vec<String> = of_ini(ini, Path::new("pip.conf")).into_iter().map(|source| source.url).collect();
        assert_eq!(urls, ["https://a.example/simple", "https://b.example/simple", "https://c.example"]);
        let table: toml::Table =
            "find-links = ['/w']\n[[index]]\nname = 'corp'\nurl = 'https://d.example'\n".parse().unwrap();
        let urls: Vec<String> = of_table(&table, "uv.toml").into_iter().map(|source| source.url).collect();
        assert_eq!(urls, ["https://d.example", "/w"]);
    }
}
