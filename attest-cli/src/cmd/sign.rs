//! `attest sign RESULT_DIR --signer S [-o FILE]`: from a rebuild's result folder, never from a bare wheel.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use attest_core::{
    dissent::foreign_code,
    envelope::{Envelope, StatementId, VerifiedStatement},
    key::PublicKey,
    statement::{Build, MAX_RECIPE, Network, Predicate, Rebuilder, RecipeKind, Statement},
};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    files::{self, Mode},
    rebuild::result::ResultFolder,
    run::Run,
    signer::{Signer, SignerError, SignerSpec},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What `attest rebuild` wrote.
    result: PathBuf,
    /// Who signs.
    #[arg(long, value_name = "FILE|gpg:FINGERPRINT")]
    signer: SignerSpec,
    #[command(flatten)]
    named: Named,
    /// Sign a result that contradicts somebody's statement, or that finds code in the published file which its source does
    /// not have: whoever lists your key cannot install the file then.
    #[arg(long)]
    accuse: bool,
    /// The signed statement [default: among your own statements, where `self` of a policy finds it].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a signer says about themselves.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Named {
    /// The URI that names you as a rebuilder [default: the fingerprint of the key].
    #[arg(long, value_name = "URI")]
    rebuilder: Option<String>,
    /// Where your by-digest folder is served: statements then say where their recipe is, as URL/sha256/DIGEST.
    #[arg(long, value_name = "URL")]
    results_url: Option<String>,
    /// Where the recipe is, where that is no by-digest folder: a URI, such as its file's in a repository.
    #[arg(long, value_name = "URI", conflicts_with = "results_url")]
    recipe_url: Option<String>,
}

/// Who makes statements of results.
#[derive(Debug)]
pub(crate) struct Author {
    signer: Signer,
    rebuilder: Rebuilder,
    recipes: Option<Recipes>,
}

/// Where statements say that their recipe is.
#[derive(Debug)]
enum Recipes {
    /// In a by-digest folder that is served there.
    Below(String),
    At(String),
}

impl Author {
    /// Opens the key.
    pub(crate) fn open(signer: &SignerSpec, named: &Named) -> Result<Self, SignerError> {
        let signer = Signer::open(signer)?;
        let rebuilder = Rebuilder {
            id: named.rebuilder.clone().unwrap_or_else(|| signer.public().fingerprint()),
            version: BTreeMap::from([("attest".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
        };
        let below = named.results_url.as_ref().map(|url| Recipes::Below(url.trim_end_matches('/').to_owned()));
        let recipes = below.or_else(|| named.recipe_url.clone().map(Recipes::At));
        Ok(Self { signer, rebuilder, recipes })
    }

    /// The key.
    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Its half that everybody may know.
    pub(crate) fn public(&self) -> &PublicKey {
        self.signer.public()
    }

    /// What is to be signed about a result. The same result gives the same statement, whenever it is asked.
    pub(crate) fn statement(&self, result: &ResultFolder) -> anyhow::Result<Statement> {
        let (subject, mut predicate) = result.statement_parts(self.rebuilder.clone())?;
        if let (Some(recipes), Some(build)) = (&self.recipes, build_mut(&mut predicate)) {
            build.recipe.download_location = Some(match recipes {
                Recipes::Below(url) => format!("{url}/sha256/{}", build.recipe.digest.sha256),
                Recipes::At(uri) => uri.clone(),
            });
        }
        Ok(Statement::new(subject, predicate)?)
    }
}

/// An envelope that was verified after it was made.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) envelope: Envelope,
    pub(crate) verified: VerifiedStatement,
}

impl Signed {
    /// Signs a statement.
    pub(crate) fn make(statement: &Statement, signer: &Signer) -> Result<Self, SignerError> {
        let (envelope, verified) = signer.seal(statement.to_bytes())?;
        Ok(Self { envelope, verified })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    file: &'a Path,
    statement_id: String,
    subject: &'a str,
    sha256: String,
    predicate: &'static str,
    signer: String,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let author = Author::open(&args.signer, &args.named)?;
    let result = ResultFolder::open(&args.result)?;
    let statement = author.statement(&result)?;
    check_accusation(&statement, args.accuse)?;
    warn_if_never_a_vote(&statement, run);
    let made = Signed::make(&statement, author.signer())?;
    let path = keep(&made, args.output.as_deref(), run)?;
    report(&made, &path, run)?;
    Ok(Exit::Pass)
}

/// docs/TRUST.md 4.5: why a statement is an accusation, which waits for a person's word.
pub(crate) fn accusation(predicate: &Predicate) -> Option<&'static str> {
    let Predicate::NotReproduced { refusal, .. } = predicate else {
        return None;
    };
    if refusal.contradicts.is_some() {
        return Some("it contradicts another rebuilder's statement");
    }
    foreign_code(refusal).map(|_| "it says that the published file holds code that its source does not have")
}

fn check_accusation(statement: &Statement, meant: bool) -> anyhow::Result<()> {
    let Some(why) = accusation(statement.predicate()).filter(|_| !meant) else {
        return Ok(());
    };
    let name = statement.subject().name.as_str();
    let failure = Failure::usage(format!(
        "this result accuses {name}: {why}; once it is signed, whoever lists your key cannot install that file until you \
         withdraw it"
    ));
    Err(failure.hint("look at report.json, rebuild it on another machine, then sign with --accuse").into())
}

/// docs/TRUST.md 3.3: what a build could fetch may not be there for the next one, and a recipe that is not in the statement
/// cannot be seen to turn only knobs.
fn warn_if_never_a_vote(statement: &Statement, run: &Run) {
    let Some(build) = statement.predicate().build() else { return };
    if build.environment.network != Network::None {
        run.out.warning("this build had a network: the statement can be read by everybody, but it is never a vote");
    }
    if build.recipe.content.is_none() && build.recipe.download_location.is_none() {
        run.out.warning(format_args!(
            "the recipe has more than the {MAX_RECIPE} bytes that a statement holds, and this one does not say where it is: this is \
             never a vote"
        ));
        run.out.hint("--results-url or --recipe-url says where");
    } else if build.recipe.kind == RecipeKind::Inferred && build.recipe.content.is_none() {
        run.out.warning(format_args!(
            "the recipe has more than the {MAX_RECIPE} bytes that a statement holds: it can be fetched by its digest, but this is never a vote"
        ));
    }
}

fn build_mut(predicate: &mut Predicate) -> Option<&mut Build> {
    match predicate {
        Predicate::Reproduced(build) | Predicate::Equivalent { build, .. } | Predicate::NotReproduced { build, .. } => {
            Some(build)
        }
        Predicate::Withdrawn(_) => None,
    }
}

/// Writes an envelope: whole, or not at all. Without a file it goes where a policy's `self` looks for it.
pub(crate) fn keep(signed: &Signed, output: Option<&Path>, run: &Run) -> anyhow::Result<PathBuf> {
    let bytes = signed.envelope.to_bytes();
    if let Some(path) = output {
        files::create(path, &bytes, Mode::Shared)?;
        return Ok(path.to_owned());
    }
    let path = own_place(signed.verified.statement(), run)?;
    // The same statement by the same key again: nothing is lost.
    files::replace(&path, &bytes, Mode::Shared)?;
    Ok(path)
}

/// Where one's own statements are kept, and `self` of a policy looks for them.
pub(crate) fn own_place(statement: &Statement, run: &Run) -> anyhow::Result<PathBuf> {
    let id = StatementId::of_payload(&statement.to_bytes()).to_string();
    let subject = statement.subject().name.as_str();
    Ok(run.places()?.statements()?.join(format!("{subject}.{}.json", &id[..16])))
}

/// Says what was signed.
pub(crate) fn report(signed: &Signed, path: &Path, run: &Run) -> anyhow::Result<()> {
    let statement = signed.verified.statement();
    let subject = statement.subject().name.as_str();
    let says = says(statement.predicate());
    let by = signed.verified.signer().fingerprint();
    if run.out.is_json() {
        let document = Document {
            schema: "attest.signed/v1",
            file: path,
            statement_id: signed.verified.id().to_string(),
            subject,
            sha256: statement.subject().digest.to_string(),
            predicate: says,
            signer: by,
        };
        run.out.json(&document)?;
    } else {
        run.out.line(path.display())?;
        run.out.note(format_args!("{subject} {says}, signed by {by}"));
        run.out.detail(format_args!("statement {}", signed.verified.id()));
    }
    Ok(())
}

/// What a statement says, in one word.
pub(crate) const fn says(predicate: &Predicate) -> &'static str {
    match predicate {
        Predicate::Reproduced(_) => "reproduced",
        Predicate::Equivalent { .. } => "equivalent",
        Predicate::NotReproduced { .. } => "not-reproduced",
        Predicate::Withdrawn(_) => "withdrawn",
    }
}
