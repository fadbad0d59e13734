//! The words of a command line as pip (optparse) and uv (clap) take them apart: values glued to a letter or behind `=`,
//! letters in one word, long options cut short.

/// Letters that take a value, in some installer.
const VALUED_LETTERS: &str = "rcetbifpPCwL";
/// Long options with a value that stand before the command, or before what `uv run` runs.
const VALUED: [&str; 49] = [
    "--python",
    "--log",
    "--proxy",
    "--retries",
    "--timeout",
    "--exists-action",
    "--trusted-host",
    "--cert",
    "--client-cert",
    "--cache-dir",
    "--use-feature",
    "--use-deprecated",
    "--keyring-provider",
    "--resume-retries",
    "--directory",
    "--project",
    "--config",
    "--config-file",
    "--color",
    "--allow-insecure-host",
    "--python-preference",
    "--python-platform",
    "--extra",
    "--no-extra",
    "--group",
    "--no-group",
    "--only-group",
    "--env-file",
    "--with",
    "--with-editable",
    "--with-requirements",
    "--package",
    "--index",
    "--default-index",
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--upgrade-package",
    "--reinstall-package",
    "--refresh-package",
    "--index-strategy",
    "--resolution",
    "--prerelease",
    "--fork-strategy",
    "--config-setting",
    "--exclude-newer",
    "--link-mode",
    "--no-build-package",
    "--no-binary-package",
];
/// Fewer letters of a long option than this lead to several.
const SHORTEST: usize = 4;

/// One word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// No option.
    Bare(&'a str),
    /// `--name` or `--name=value`.
    Long { name: &'a str, value: Option<&'a str> },
    /// `-q`, `-rFILE`, `-qr FILE`: the letter that takes the value, or the last one.
    Short { letter: char, value: Option<&'a str> },
}

impl<'a> Word<'a> {
    pub(super) fn new(word: &'a str) -> Self {
        if word.starts_with("--") {
            return match word.split_once('=') {
                Some((name, value)) => Self::Long { name, value: Some(value) },
                None => Self::Long { name: word, value: None },
            };
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return Self::Bare(word);
        };
        let valued = letters.char_indices().find(|(_, letter)| VALUED_LETTERS.contains(*letter));
        match valued.or_else(|| letters.char_indices().next_back()) {
            Some((at, letter)) => {
                let value = letters[at + letter.len_utf8()..].trim_start_matches('=');
                Self::Short { letter, value: Some(value).filter(|value| !value.is_empty()) }
            }
            None => Self::Bare(word),
        }
    }

    /// Whether it is one of these long options, perhaps cut short as pip allows.
    pub(super) fn is_long(self, options: &[&str]) -> bool {
        let Self::Long { name, .. } = self else { return false };
        options.iter().any(|option| *option == name || name.len() >= SHORTEST && option.starts_with(name))
    }

    pub(super) fn is_short(self, letters: &str) -> bool {
        matches!(self, Self::Short { letter, .. } if letters.contains(letter))
    }

    /// What stands in the same word.
    pub(super) fn value(self) -> Option<&'a str> {
        match self {
            Self::Bare(_) => None,
            Self::Long { value, .. } | Self::Short { value, .. } => value,
        }
    }

    /// Whether the next word is its value, before the command.
    fn takes_next(self) -> bool {
        self.value().is_none() && (VALUED.iter().any(|option| self.is_long(&[option])) || self.is_short(VALUED_LETTERS))
    }
}

/// Where the words are that are neither options nor their values.
pub(super) fn bare(words: &[&str]) -> Vec<usize> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        match Word::new(word) {
            Word::Bare(_) => found.push(at),
            option => at += usize::from(option.takes_next()),
        }
        at += 1;
    }
    found
}

/// The values of options, in the same word or the next.
pub(super) fn values<'a>(words: &[&'a str], letters: &str, options: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let word = Word::new(word);
        if word.is_short(letters) || word.is_long(options) {
            found.extend(word.value().or_else(|| words.get(at + 1).copied()));
        }
    }
    found
}

/// The module that a Python is told to run, and the words after it: `-m pip`, `-mpip`, `-Im pip`.
pub(super) fn module<'a, 'w>(words: &'w [&'a str]) -> Option<(&'a str, &'w [&'a str])> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty() && !letters.starts_with('-'))?;
        let (place, letter) = letters.char_indices().find(|(_, letter)| "mcWX".contains(*letter)).unwrap_or((0, ' '));
        let glued = letters.get(place + 1..).filter(|glued| !glued.is_empty());
        match (letter, glued) {
            ('m', Some(module)) => return Some((module, &words[at + 1..])),
            ('m', None) => return Some((words.get(at + 1)?, words.get(at + 2..)?)),
            ('c', _) => return None,
            ('W' | 'X', None) => at += 2,
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_options_are_taken_apart_as_installers_do() {
        let short = |letter, value| Word::Short { letter, value };
        assert_eq!(Word::new("-qr"), short('r', None));
        assert_eq!(Word::new("-Uqffolder"), short('f', Some("folder")));
        assert_eq!(Word::new("-p=3"), short('p', Some("3")));
        assert_eq!(Word::new("-q"), short('q', None));
        assert_eq!(Word::new("-"), Word::Bare("-"));
        assert!(Word::new("--extra-index=x").is_long(&["--extra-index-url"]));
        assert!(!Word::new("--no-index").is_long(&["--index"]) && !Word::new("--").is_long(&["--index"]));
    }

    #[test]
    fn the_module_of_a_python_is_found_however_it_is_given() {
        for words in
            [&["-m", "pip", "x"][..], &["-mpip", "x"], &["-Im", "pip", "x"], &["-X", "dev", "-W", "i", "-mpip", "x"]]
        {
            assert_eq!(module(words), Some(("pip", &["x"][..])), "{words:?}");
        }
        assert_eq!(module(&["-c", "x", "-m", "pip"]), None);
        assert_eq!(module(&["script.py", "-m", "pip"]), None);
    }
}
