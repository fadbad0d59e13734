//! What people type after `pip install` and `uv pip install`, as far as it goes through the gate.
//!
//! Both dialects are taken. An option that is not here is refused: it could change what gets installed after it was
//! verified. One that only the other installer knows is refused too, never dropped in silence.

use std::path::PathBuf;

use crate::{exit::Failure, pip::Settings};

use super::installer::Kind;

/// `--installer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// uv where the environment or the project is uv's, or an option only uv has; pip where it has one; whichever is there
    #[default]
    Auto,
    /// The pip of the target Python
    Pip,
    /// uv, with its own configuration
    Uv,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Requirements, as pip and uv take them: names, wheels, URLs of wheels.
    #[arg(value_name = "REQUIREMENT", required_unless_present_any = ["requirement", "editable"])]
    pub(super) requirements: Vec<String>,
    /// A requirements file.
    #[arg(short, long, alias = "requirements", value_name = "FILE")]
    pub(super) requirement: Vec<PathBuf>,
    /// Always refused: what is editable was published by nobody.
    #[arg(short, long, value_name = "PATH", hide = true)]
    pub(super) editable: Vec<String>,
    /// What resolves and installs.
    #[arg(long, value_enum, value_name = "INSTALLER", default_value_t)]
    pub(super) installer: Choice,
    /// The Python to install into, or the folder of its environment [default: of the active virtual environment, with uv of .venv, or python3].
    #[arg(short, long, value_name = "PYTHON")]
    pub(super) python: Option<PathBuf>,
    /// Install again what is there already, so that it is the verified file.
    #[arg(long, alias = "reinstall")]
    pub(super) force_reinstall: bool,
    /// Say what would be installed and whether the policy accepts it, and stop there.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) resolution: Resolution,
    #[command(flatten)]
    pub(super) destination: Destination,
}

/// Options that decide which files are taken, and from where.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what a command line has")]
#[command(next_help_heading = "What to take, and from where")]
pub(super) struct Resolution {
    /// A constraints file.
    #[arg(short, long, alias = "constraints", value_name = "FILE")]
    pub(super) constraint: Vec<PathBuf>,
    /// The package index.
    #[arg(short, long, alias = "default-index", value_name = "URL")]
    pub(super) index_url: Option<String>,
    /// Another index.
    #[arg(long, value_name = "URL")]
    pub(super) extra_index_url: Vec<String>,
    /// Another index, as uv has it: asked before the default one.
    #[arg(long, value_name = "[NAME=]URL")]
    pub(super) index: Vec<String>,
    /// A folder or page of files.
    #[arg(short, long, value_name = "URL")]
    pub(super) find_links: Vec<String>,
    /// Only what --find-links finds.
    #[arg(long)]
    pub(super) no_index: bool,
    /// Which of several indexes counts (uv).
    #[arg(long, value_name = "STRATEGY")]
    index_strategy: Option<String>,
    /// How credentials are asked for.
    #[arg(long, value_name = "PROVIDER")]
    keyring_provider: Option<String>,
    /// A host that needs no certificate.
    #[arg(long, alias = "allow-insecure-host", value_name = "HOST")]
    trusted_host: Vec<String>,
    /// A bundle of certificates to trust.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// A client certificate and its key, in one file.
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Newer versions of what is there already: always so, since the gate resolves as for an empty environment.
    #[arg(short = 'U', long)]
    upgrade: bool,
    /// Pre-releases too.
    #[arg(long)]
    pre: bool,
    /// Not what the requirements require.
    #[arg(long)]
    no_deps: bool,
    /// Nothing that was uploaded since.
    #[arg(long, alias = "uploaded-prior-to", value_name = "DATE")]
    exclude_newer: Option<String>,
    /// Always so: every file is held to its hash.
    #[arg(long, hide = true)]
    require_hashes: bool,
    /// Always so: only wheels come through the gate.
    #[arg(long, hide = true, value_name = "NAMES")]
    only_binary: Vec<String>,
    /// Nothing from the installer's cache.
    #[arg(long, alias = "no-cache-dir")]
    no_cache: bool,
}

/// Where files go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where to install")]
pub(super) struct Destination {
    /// A folder in place of an environment.
    #[arg(short, long, value_name = "DIR", conflicts_with_all = ["prefix", "user"])]
    pub(super) target: Option<PathBuf>,
    /// A folder with lib/pythonX.Y/site-packages in it.
    #[arg(long, value_name = "DIR", conflicts_with = "user")]
    pub(super) prefix: Option<PathBuf>,
    /// The user's own site-packages (pip).
    #[arg(long)]
    pub(super) user: bool,
    /// The system's Python, also in a virtual environment.
    #[arg(long)]
    pub(super) system: bool,
    /// Also where the system's package manager says no.
    #[arg(long)]
    pub(super) break_system_packages: bool,
}

impl Args {
    /// Whether some option means something to uv alone.
    pub(super) fn is_for_uv(&self) -> bool {
        !self.resolution.index.is_empty() || self.resolution.index_strategy.is_some()
    }

    /// Refuses options that the chosen installer does not have.
    pub(super) fn fit(&self, kind: Kind) -> Result<(), Failure> {
        let foreign = match kind {
            Kind::Pip if !self.resolution.index.is_empty() => Some("--index"),
            Kind::Pip if self.resolution.index_strategy.is_some() => Some("--index-strategy"),
            Kind::Uv if self.destination.user => Some("--user"),
            _ => None,
        };
        foreign.map_or(Ok(()), |option| {
            let other = if kind == Kind::Pip { Kind::Uv } else { Kind::Pip };
            Err(Failure::usage(format!("{kind} has no {option}"))
                .hint(format!("`--installer {other}` has it, if {other} shall install this")))
        })
    }
}

impl Resolution {
    /// Where files come from, and how they are asked for: the same when resolving and when installing.
    pub(super) fn sources(&self, kind: Kind) -> Vec<String> {
        let mut options = Vec::new();
        let mut add = |name: &str, value: &str| options.extend([name.to_owned(), value.to_owned()]);
        // What pip and uv 0.12 call the same; newer uv still takes it.
        self.index_url.iter().for_each(|url| add("--index-url", url));
        self.extra_index_url.iter().for_each(|url| add("--extra-index-url", url));
        self.index.iter().for_each(|url| add("--index", url));
        self.find_links.iter().for_each(|url| add("--find-links", url));
        self.index_strategy.iter().for_each(|strategy| add("--index-strategy", strategy));
        self.keyring_provider.iter().for_each(|provider| add("--keyring-provider", provider));
        let host = if kind == Kind::Pip { "--trusted-host" } else { "--allow-insecure-host" };
        self.trusted_host.iter().for_each(|name| add(host, name));
        if kind == Kind::Pip {
            self.cert.iter().for_each(|file| add("--cert", &file.to_string_lossy()));
            self.client_cert.iter().for_each(|file| add("--client-cert", &file.to_string_lossy()));
        }
        if self.no_index {
            options.push("--no-index".to_owned());
        }
        if self.no_cache {
            options.push(if kind == Kind::Pip { "--no-cache-dir" } else { "--no-cache" }.to_owned());
        }
        options
    }

    /// pip's settings as these options change them.
    pub(super) fn adjust(&self, settings: &mut Settings) {
        settings.no_index |= self.no_index;
        if let Some(url) = &self.index_url {
            settings.index_url.clone_from(url);
        }
        settings.extra_index_urls.extend(self.extra_index_url.iter().cloned());
        settings.trusted_hosts.extend(self.trusted_host.iter().cloned());
        settings.cert = self.cert.clone().or(settings.cert.take());
        settings.client_cert = self.client_cert.clone().or(settings.client_cert.take());
        settings.keyring_provider = self.keyring_provider.clone().or(settings.keyring_provider.take());
    }

    /// Certificates where they are no options: uv reads these variables.
    pub(super) fn certificates(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let ours = self.cert.iter().map(|file| ("SSL_CERT_FILE", file));
        ours.chain(self.client_cert.iter().map(|file| ("SSL_CLIENT_CERT", file)))
    }

    /// What only the resolver needs to know. `--upgrade` says what it does anyway.
    pub(super) fn choices(&self, kind: Kind) -> Vec<String> {
        let mut options = Vec::new();
        let mut add = |name: &str, value: String| options.extend([name.to_owned(), value]);
        let (constraint, newer) = match kind {
            Kind::Pip => ("--constraint", "--uploaded-prior-to"),
            Kind::Uv => ("--constraints", "--exclude-newer"),
        };
        self.constraint.iter().for_each(|path| add(constraint, path.to_string_lossy().into_owned()));
        self.exclude_newer.iter().for_each(|date| add(newer, date.clone()));
        if self.pre {
            options.extend(
                if kind == Kind::Pip { vec!["--pre"] } else { vec!["--prerelease", "allow"] }
                    .iter()
                    .map(ToString::to_string),
            );
        }
        if self.no_deps {
            options.push("--no-deps".to_owned());
        }
        options
    }
}

impl Destination {
    /// As both installers call it.
    pub(super) fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        for (name, folder) in [("--target", &self.target), ("--prefix", &self.prefix)] {
            options.extend(folder.iter().flat_map(|folder| [name.to_owned(), folder.to_string_lossy().into_owned()]));
        }
        let flags = [(self.user, "--user"), (self.break_system_packages, "--break-system-packages")];
        options.extend(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| (*flag).to_owned()));
        options
    }
}
