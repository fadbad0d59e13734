//! Passwords from a keyring, as pip and uv have them with `--keyring-provider subprocess`: the program `keyring` of `PATH`
//! is asked, where the user's configuration says so.
//!
//! It is asked about an index that is configured and about nothing else: for the password of the user that the index's URL
//! names, or, once the index says that it wants a login, for whatever login the keyring has. First by the index's URL, then
//! by its host, as both installers do. What it answers is neither printed nor handed to a program.

use std::{
    env,
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
};

use reqwest::Url;
use serde::Deserialize;

use crate::pip::Settings;

/// What both installers call the provider that is a program. The others are a module of pip's own Python, or none.
const SUBPROCESS: &str = "subprocess";
const PROGRAM: &str = "keyring";
/// uv's own, which pip does not read.
const VARIABLE: &str = "UV_KEYRING_PROVIDER";

/// Who we are at an index. Not printed, not by mistake either.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// The user's keyring, where it may be asked.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    program: &'static str,
}

impl Keyring {
    /// By pip's settings, or by uv's variable; none where neither says so.
    pub(crate) fn configured(settings: &Settings) -> Option<Self> {
        let by_uv = || env::var(VARIABLE).is_ok_and(|provider| provider == SUBPROCESS);
        (settings.keyring_provider.as_deref() == Some(SUBPROCESS) || by_uv()).then_some(Self { program: PROGRAM })
    }

    /// Because an installer's command line says so: `--keyring-provider subprocess`.
    pub(crate) fn in_words(words: &[&str]) -> Option<Self> {
        let option = "--keyring-provider";
        let one = words
            .iter()
            .any(|word| word.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')) == Some(SUBPROCESS));
        let two = words.windows(2).any(|pair| pair == [option, SUBPROCESS]);
        (one || two).then_some(Self { program: PROGRAM })
    }

    fn login(&self, index: &Url, user: Option<&str>) -> Option<Login> {
        let host = index.host_str()?;
        let host = index.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let url = index.as_str();
        // Keyrings compare it letter for letter: pip adds a slash, uv asks as it is written.
        [url, url.trim_end_matches('/'), &host].into_iter().find_map(|service| self.ask(service, user))
    }

    fn ask(&self, service: &str, user: Option<&str>) -> Option<Login> {
        let mut keyring = Command::new(self.program);
        match user {
            // Every version of it knows this.
            Some(user) => keyring.args(["get", service, user]),
            None => keyring.args(["--mode=creds", "--output=json", "get", service]),
        };
        keyring.env("PYTHONIOENCODING", "utf-8").stdin(Stdio::null()).stderr(Stdio::null());
        let answer = keyring.output().ok().filter(|answer| answer.status.success())?;
        let text = String::from_utf8(answer.stdout).ok()?;
        match user {
            Some(user) => {
                let password = text.trim_end_matches(['\r', '\n']).to_owned();
                Some(Login { user: user.to_owned(), password })
            }
            None => serde_json::from_str::<Said>(&text)
                .ok()
                .map(|said| Login { user: said.username, password: said.password }),
        }
    }
}

#[derive(Deserialize)]
struct Said {
    username: String,
    password: String,
}

/// The login of one index that a keyring has, asked for at most once, and only when it is needed.
#[derive(Clone, Debug)]
pub(crate) struct Sought {
    keyring: Option<Keyring>,
    /// Without credentials.
    index: Url,
    user: Option<String>,
    found: Arc<OnceLock<Option<Login>>>,
}

impl Sought {
    /// Of an index as it is configured.
    pub(crate) fn new(keyring: Option<Keyring>, index: &Url) -> Self {
        let user = Some(super::decoded(index.username())).filter(|user| !user.is_empty());
        let mut plain = index.clone();
        // Neither fails on a URL with a host.
        let _ = plain.set_username("");
        let _ = plain.set_password(None);
        // Who has the whole login needs no other.
        let keyring = keyring.filter(|_| index.password().is_none());
        Self { keyring, index: plain, user, found: Arc::default() }
    }

    /// As if a keyring had answered.
    #[cfg(test)]
    pub(super) fn holding(index: &Url, login: Login) -> Self {
        Self { found: Arc::new(OnceLock::from(Some(login))), ..Self::new(None, index) }
    }

    /// Before anything is asked: where the index's URL names a user without a password.
    pub(crate) fn at_once(&self) -> Option<Login> {
        self.user.as_ref().and_then(|_| self.login())
    }

    /// What was found already: asks nobody, and waits for nobody who does.
    pub(crate) fn known(&self) -> Option<Login> {
        self.found.get().cloned().flatten()
    }

    /// When the index wants a login. Waits for the keyring, and for its owner where that is locked.
    pub(crate) fn login(&self) -> Option<Login> {
        let keyring = self.keyring.as_ref()?;
        self.found.get_or_init(|| keyring.login(&self.index, self.user.as_deref())).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_is_asked_only_where_somebody_says_so() {
        let settings =
            |provider: Option<&str>| Settings { keyring_provider: provider.map(str::to_owned), ..Settings::none() };
        assert!(Keyring::configured(&settings(Some("subprocess"))).is_some());
        for other in [None, Some("auto"), Some("import"), Some("disabled"), Some("Subprocess"), Some("")] {
            assert!(Keyring::configured(&settings(other)).is_none(), "{other:?}");
        }
        assert!(Keyring::in_words(&["pip", "install", "--keyring-provider", "subprocess", "x"]).is_some());
        assert!(Keyring::in_words(&["uv", "pip", "install", "--keyring-provider=subprocess"]).is_some());
        for words in [&["--keyring-provider", "disabled"][..], &["--keyring-provider"], &["subprocess"]] {
            assert!(Keyring::in_words(words).is_none(), "{words:?}");
        }
    }

    #[test]
    fn who_has_a_password_or_no_keyring_asks_nobody_and_nothing_is_printed() {
        let url = |text: &str| Url::parse(text).unwrap();
        let whole = Sought::new(Some(Keyring { program: PROGRAM }), &url("https://ann:s3cret@host.example/simple/"));
        assert!(whole.login().is_none() && whole.at_once().is_none());
        let nowhere = Sought::new(None, &url("https://ann@host.example/simple/"));
        assert!(nowhere.login().is_none() && nowhere.at_once().is_none());
        let login = Login { user: "ann".to_owned(), password: "s3cret".to_owned() };
        assert_eq!(format!("{login:?}"), "Login { .. }");
        assert!(!format!("{whole:?}").contains("s3cret"));
    }
}
