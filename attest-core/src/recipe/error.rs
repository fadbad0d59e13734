//! Why a text is not a recipe.

use super::{KNOBS, SCHEMA};
use crate::escape::Escaped;

/// Why a text is not a recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// Not TOML, or a field is missing, unknown or of another type.
    #[error("expected a recipe: {}", Escaped(.0.message()))]
    Form(#[from] toml::de::Error),
    /// Another version of the format.
    #[error("expected schema {SCHEMA}, found {found:?}")]
    Schema {
        /// As given.
        found: String,
    },
    /// A clock with a time that belongs to another one, or without its own.
    #[error("expected source-date-epoch with clock SOURCE_DATE_EPOCH, stamp with REPLAYED, neither with REAL")]
    Time,
    /// Runs of a replayed clock that are too many, or empty.
    #[error("expected at most {limit} ticks, each with a count of one or more, found {found}")]
    Ticks {
        /// How many may be.
        limit: usize,
        /// How many are.
        found: usize,
    },
    /// A variable that is no knob.
    #[error("expected only {} under variables, found {found:?}", KNOBS.join(", "))]
    Variable {
        /// Its name.
        found: String,
    },
    /// A knob that is turned to more than a locale or a number.
    #[error("expected a locale or a number for {name}, found {found:?}")]
    VariableValue {
        /// The variable.
        name: String,
        /// Its value.
        found: String,
    },
    /// A zone that names a file.
    #[error("expected zone UTC or a POSIX rule, found {found:?}")]
    Zone {
        /// As given.
        found: String,
    },
    /// A variable that no environment can hold.
    #[error("expected variables by POSIX names, without NUL in their values, found {found:?}")]
    VariableForm {
        /// Its name.
        found: String,
    },
    /// A script, an image or packages: code of the recipe's author.
    #[error("expected a recipe of knobs only, found one with a build.sh of its own")]
    Custom,
    /// It builds something else.
    #[error("expected a recipe for {expected}, found one for {found:?}")]
    Wheel {
        /// The wanted file.
        expected: String,
        /// What the recipe says.
        found: String,
    },
    /// Not a name with a digest.
    #[error("expected an image by digest such as registry.example/name@sha256:HEX, without a tag, found {found:?}")]
    Image {
        /// As given.
        found: String,
    },
    /// Not two bounds.
    #[error("expected versions such as >=1.7,<1.8, found {found:?}")]
    Versions {
        /// As given.
        found: String,
    },
    /// Not a repository's one URL.
    #[error(
        "expected a source's url as https://HOST/PATH, without userinfo, port, .git or trailing slash, found {found:?}"
    )]
    SourceUrl {
        /// As given.
        found: String,
    },
    /// Not a tag.
    #[error("expected a source's tag such as v{{version}}, found {found:?}")]
    SourceTag {
        /// As given.
        found: String,
    },
    /// A name or a version that could be something else, such as an option.
    #[error("expected a package's name and version as plain words, found {found:?}")]
    Package {
        /// As given.
        found: String,
    },
    /// A file name that leads elsewhere.
    #[error("expected a package's file name, found {found:?}")]
    PackageFile {
        /// As given.
        found: String,
    },
    /// Two packages in one file.
    #[error("expected every package's file once, found {found:?} twice")]
    PackageTwice {
        /// The file.
        found: String,
    },
    /// A place that nobody else reaches.
    #[error("expected a package's url over https, found {found:?}")]
    PackageUrl {
        /// As given.
        found: String,
    },
    /// A build requirement that is not a project's name with versions: an option, a path or a URL.
    #[error("expected build requirements by name and version, found {found:?}")]
    Requirement {
        /// As given.
        found: String,
    },
    /// A backend that is not one of the installed or the project's own modules.
    #[error("expected a backend that is a module's name, below paths inside the source, found {found:?}")]
    Backend {
        /// As given.
        found: String,
    },
    /// A path that is no place to build in.
    #[error(
        "expected an absolute path of letters, digits and ._-+ to build in, outside of the system's folders, found {found:?}"
    )]
    Path {
        /// As given.
        found: String,
    },
    /// One folder in the other one.
    #[error("expected paths beside each other, found build {build:?} and environment {environment:?}")]
    NestedPaths {
        /// Of the source.
        build: String,
        /// Of the build requirements.
        environment: String,
    },
    /// Not a name that Python's `tempfile` makes.
    #[error("expected a temporary name: a prefix and eight of a-z, 0-9 and _, found {found:?}")]
    TemporaryName {
        /// As given.
        found: String,
    },
    /// More names than tools make.
    #[error("expected at most {limit} temporary names, found {found}")]
    TemporaryNames {
        /// The limit.
        limit: usize,
        /// How many.
        found: usize,
    },
    /// Not a Python that a build can be done with.
    #[error("expected a Python 3 by two numbers such as 3.8, found {found:?}")]
    Python {
        /// As given.
        found: String,
    },
    /// Not a tag of PEP 425.
    #[error("expected a python-tag such as py2.py3, found {found:?}")]
    PythonTag {
        /// As given.
        found: String,
    },
    /// Not four octal digits.
    #[error("expected a umask of four octal digits such as 0022, found {found:?}")]
    Umask {
        /// As given.
        found: String,
    },
}
