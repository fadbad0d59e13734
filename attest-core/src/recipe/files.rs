//! `[files]`: what the source tree looks like on disk.

use serde::{Deserialize, Serialize};

use super::RecipeError;

/// What the source tree looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Files {
    /// Four octal digits.
    pub umask: Umask,
    /// How the modes of the sdist are applied.
    pub modes: Modes,
    /// What ends the lines of text that the build writes; absent: a line feed, as everywhere but on Windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_ends: Option<LineEnds>,
    /// On what system the build's zip entries say that they were made; absent: Unix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip_system: Option<ZipSystem>,
}

/// What ends lines where the writer does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineEnds {
    /// As Python does on Windows for files opened as text without `newline`.
    Crlf,
}

/// What Python's `zipfile.ZipInfo` puts into `create_system` (APPNOTE 4.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ZipSystem {
    /// 0, as on Windows.
    Windows,
}

/// How the modes of an sdist's files are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Modes {
    /// As Python's tarfile `data` filter: nobody else may write, and who may not execute as owner may not at all.
    Filtered,
    /// As archived.
    Raw,
    /// As `os.stat` shows files on Windows: everybody may read and write.
    Windows,
}

impl Modes {
    /// The mode a file gets on disk.
    pub fn apply(self, archived: u32) -> u32 {
        let mode = archived & 0o777;
        match self {
            Self::Raw => mode | 0o400,
            Self::Windows => 0o666,
            Self::Filtered => {
                let mode = (mode & !0o022) | 0o600;
                if mode & 0o100 == 0 { mode & !0o111 } else { mode }
            }
        }
    }
}

/// A file mode creation mask. Text: four octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Umask(u32);

impl Umask {
    /// Only permission bits are kept.
    pub fn new(bits: u32) -> Self {
        Self(bits & 0o777)
    }

    /// The mask.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl From<Umask> for String {
    fn from(umask: Umask) -> Self {
        format!("{:04o}", umask.0)
    }
}

impl TryFrom<String> for Umask {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if text.len() == 4 && text.starts_with('0') => Ok(Self(bits)),
            _ => Err(RecipeError::Umask { found: text }),
        }
    }
}
