//! What a statement says, in plain words.
//!
//! Everything here is the signer's word: nothing of it was checked but the signature. Texts of strangers are shown with
//! what could hide or turn them around written out.

use attest_core::{
    api::record::{EntryView, Standing},
    envelope::{Envelope, StatementId},
    statement::{
        Build, Clock, Difference, DifferenceKind, Environment, FromCommit, Method, Network, Origin, Outcome, Predicate,
        RecipeKind, Refusal, Source, Statement, Tool,
    },
};

use super::visible;

/// Something said, with a word for what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http::pages) struct Fact {
    pub(in crate::http::pages) name: &'static str,
    pub(in crate::http::pages) value: String,
}

impl Fact {
    /// Shown so that digits can be told apart.
    pub(in crate::http::pages) fn is_digest(&self) -> bool {
        matches!(self.value.len(), 40 | 64) && self.value.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// What a statement says.
#[derive(Debug, Default)]
pub(in crate::http::pages) struct Account {
    /// Two or three sentences.
    pub(in crate::http::pages) headline: String,
    /// Where it was built from, and how.
    pub(in crate::http::pages) facts: Vec<Fact>,
    /// The recipe's text, where the statement has it.
    pub(in crate::http::pages) recipe: Option<String>,
    /// Where it was built.
    pub(in crate::http::pages) environment: Vec<Fact>,
    /// Variables of the build.
    pub(in crate::http::pages) variables: Vec<(String, String)>,
    /// What it was built with: purl and digest.
    pub(in crate::http::pages) dependencies: Vec<(String, String)>,
    /// What is different, one sentence each.
    pub(in crate::http::pages) differences: Vec<String>,
    /// Differences that the statement counts and does not list.
    pub(in crate::http::pages) unlisted_differences: u64,
    /// The statement that it takes back.
    pub(in crate::http::pages) withdraws: Option<StatementId>,
    /// The statement that it contradicts.
    pub(in crate::http::pages) contradicts: Option<StatementId>,
}

impl Account {
    /// Of an entry; `None` where it is no statement of a known kind.
    pub(in crate::http::pages) fn of(view: &EntryView) -> Option<Self> {
        let envelope = Envelope::parse(view.envelope.as_ref()?.as_bytes()).ok()?;
        let statement = Statement::parse(envelope.payload()).ok()?;
        let mut account = Self { headline: headline(view, &statement), ..Self::default() };
        match statement.predicate() {
            Predicate::Reproduced(build) => account.build(build),
            Predicate::Equivalent { build, rebuilt, members } => {
                account.fact("Rebuilt file, SHA-256", rebuilt.to_string());
                account.build(build);
                account.differences =
                    members.iter().map(|member| format!("{}: its bytes differ.", visible(&member.path))).collect();
            }
            Predicate::NotReproduced { build, refusal } => account.refusal(build, refusal),
            Predicate::Withdrawn(withdrawal) => {
                account.withdraws = Some(withdrawal.statement_id);
                account.fact("Reason given", visible(&withdrawal.reason));
            }
        }
        Some(account)
    }

    fn fact(&mut self, name: &'static str, value: String) {
        self.facts.push(Fact { name, value });
    }

    fn refusal(&mut self, build: &Build, refusal: &Refusal) {
        let Refusal { outcome, rebuilt, contradicts, differences, differences_total, report } = refusal;
        self.fact("Outcome", outcome_words(*outcome).to_owned());
        if let Some(rebuilt) = rebuilt {
            self.fact("Rebuilt file, SHA-256", rebuilt.sha256.to_string());
        }
        self.build(build);
        if let Some(report) = report {
            self.fact("Whole report, SHA-256", report.sha256.to_string());
        }
        self.contradicts = *contradicts;
        self.differences = differences.iter().map(difference_words).collect();
        let listed = u64::try_from(differences.len()).unwrap_or(u64::MAX);
        self.unlisted_differences = differences_total.saturating_sub(listed);
    }

    fn build(&mut self, build: &Build) {
        self.fact("Signed as", visible(&build.rebuilder.id));
        self.fact("Built from", origin_words(build.origin).to_owned());
        for source in &build.source {
            self.source(source);
        }
        self.fact("How the bytes came about", method_words(build.method).to_owned());
        self.fact("Builds that agreed", build.repeat.to_string());
        self.fact("Time of the build, as stated", visible(&build.rebuilt_at));
        self.fact("Recipe", recipe_words(build.recipe.kind).to_owned());
        self.fact("Recipe, SHA-256", build.recipe.digest.sha256.to_string());
        if let Some(place) = &build.recipe.download_location {
            self.fact("Recipe, where it is said to be", visible(place));
        }
        self.fact("Inputs, SHA-256", build.inputs_digest.sha256.to_string());
        self.fact("Rows of RECORD, SHA-256", build.record_digest.sha256.to_string());
        for byproduct in &build.byproducts {
            self.fact("Also made", format!("{}, SHA-256 {}", visible(&byproduct.name), byproduct.digest.sha256));
        }
        let programs = build.rebuilder.version.iter();
        let programs: Vec<_> = programs.map(|(name, version)| visible(&format!("{name} {version}"))).collect();
        if !programs.is_empty() {
            self.fact("Programs of the rebuilder", programs.join(", "));
        }
        self.recipe = build.recipe.content.as_deref().map(visible_lines);
        self.environment(&build.environment);
        self.dependencies = build
            .resolved_dependencies
            .iter()
            .map(|dependency| (visible(&dependency.uri), dependency.digest.sha256.to_string()))
            .collect();
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Git { uri, r#ref, digest, tree_sha256 } => {
                self.fact("Repository", visible(uri));
                self.fact("Branch or tag", visible(r#ref));
                self.fact("Commit", visible(&digest.git_commit));
                self.fact("Tree of the commit, SHA-256", tree_sha256.to_string());
            }
            Source::Sdist { name, digest, from_commit } => {
                self.fact("Source distribution", visible(name));
                self.fact("Source distribution, SHA-256", digest.sha256.to_string());
                let words = match from_commit {
                    FromCommit::Verified => "It is what the commit beside it gives.",
                    FromCommit::Unverified => "Nobody held it against a commit: code that is only in it is built too.",
                };
                self.fact("Source distribution, where from", words.to_owned());
            }
        }
    }

    fn environment(&mut self, environment: &Environment) {
        let mut fact = |name, value: String| self.environment.push(Fact { name, value });
        fact("Platform", visible(&environment.platform));
        fact("Network", network_words(environment.network).to_owned());
        fact("Clock", clock_words(environment.clock).to_owned());
        fact("Umask", visible(&environment.umask));
        fact("Folder of the source", visible(&environment.build_path));
        fact("Python", tool_words(&environment.python));
        fact("zlib", tool_words(&environment.zlib));
        let optional = [("C compiler", &environment.cc), ("Linker", &environment.ld), ("C library", &environment.libc)];
        for (name, tool) in optional {
            if let Some(tool) = tool {
                fact(name, tool_words(tool));
            }
        }
        if let Some(image) = &environment.container_image {
            fact("Image, SHA-256", image.sha256.to_string());
        }
        let variables = environment.variables.iter();
        self.variables = variables.map(|(name, value)| (visible(name), visible(value))).collect();
    }
}

fn headline(view: &EntryView, statement: &Statement) -> String {
    let file = visible(statement.subject().name.as_str());
    let who = visible(&view.row.by.name);
    match (statement.predicate(), view.row.standing) {
        (_, Standing::Other) => format!(
            "Somebody whose key is not on this log's list of rebuilders signed this, as {who}, about {file}. It counts for \
             nobody who goes by that list."
        ),
        (Predicate::Reproduced(_), Standing::NoVote) => format!(
            "{who} rebuilt {file} and got the very same bytes, but not in the way in which a vote has to be built."
        ),
        (Predicate::Reproduced(_), _) => format!("{who} rebuilt {file} and got the very same bytes."),
        (Predicate::Equivalent { .. }, _) => format!(
            "{who} rebuilt {file} and got the same content. Only parts that describe the package differ; they are listed \
             below."
        ),
        (Predicate::NotReproduced { .. }, Standing::Contradicted) => format!(
            "{who} rebuilt {file} from the very inputs that another statement names, and got other bytes. Both cannot be \
             right."
        ),
        (Predicate::NotReproduced { .. }, Standing::ForeignCode) => format!(
            "{who} rebuilt {file}: the published file has code in it that the rebuilt one has not, and is the same \
             otherwise."
        ),
        (Predicate::NotReproduced { refusal, .. }, _) => format!(
            "{who} could not reproduce {file}: {} This proves nothing against the file, and stops nobody.",
            outcome_words(refusal.outcome)
        ),
        (Predicate::Withdrawn(_), _) => format!("{who} takes an earlier statement about {file} back."),
    }
}

const fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Different => "other bytes came out, the same each time.",
        Outcome::Nondeterministic => "its own builds do not agree with each other.",
        Outcome::BuildFailed => "the build failed.",
        Outcome::SourceNotFound => "no source was found to build from.",
        Outcome::EnvironmentUnknown => "the environment of the published build could not be found.",
    }
}

const fn origin_words(origin: Origin) -> &'static str {
    match origin {
        Origin::Git => "a commit of a git repository",
        Origin::Sdist => "the published source distribution",
    }
}

const fn method_words(method: Method) -> &'static str {
    match method {
        Method::Exact => "The build emitted them.",
        Method::Replayed => "Times, modes, creator or order of the zip's members were set afterwards; nothing else.",
    }
}

const fn recipe_words(kind: RecipeKind) -> &'static str {
    match kind {
        RecipeKind::Inferred => "Found from the published file; it only turns known knobs.",
        RecipeKind::Custom => "Has commands, images or patches of its own: read it before you rely on it.",
    }
}

const fn network_words(network: Network) -> &'static str {
    match network {
        Network::None => "None during the whole build.",
        Network::FetchOnly => "Build requirements were fetched while it ran.",
        Network::Open => "Open.",
    }
}

const fn clock_words(clock: Clock) -> &'static str {
    match clock {
        Clock::Real => "The real time.",
        Clock::SourceDateEpoch => "The real time, with SOURCE_DATE_EPOCH set.",
        Clock::Replayed => "The time of the published build.",
    }
}

fn tool_words(tool: &Tool) -> String {
    let version = visible(&tool.version);
    match &tool.digest {
        None => version,
        Some(digest) => format!("{version}, SHA-256 {}", digest.sha256),
    }
}

fn difference_words(difference: &Difference) -> String {
    let what = match difference.kind {
        DifferenceKind::Content => "its bytes differ.",
        DifferenceKind::OnlyInPublished => "it is only in the published file.",
        DifferenceKind::OnlyInRebuilt => "it is only in the rebuilt file.",
        DifferenceKind::ZipMetadata => "its time, mode or creator in the zip differs.",
        DifferenceKind::Order => "it is at another place in the zip.",
        DifferenceKind::Compression => "it is compressed in another way.",
    };
    format!("{}: {what}", visible(&difference.path))
}

/// A text of several lines, each as [`visible`] shows it.
pub(super) fn visible_lines(text: &str) -> String {
    text.split('\n').map(|line| visible(line.trim_end_matches('\r'))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
