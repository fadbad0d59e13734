//! What a rebuild leaves: the record that a statement is made from, and the folder around it.

use std::io;

use attest_core::artifact::ArtifactDigest;
use attest_core::recipe::Recipe;
use attest_core::statement::{Environment, Tool};

use super::{Case, Workshop, guided};
use crate::rebuild::attempt::Attempt;
use crate::rebuild::build::end_of_log;
use crate::rebuild::buildinfo::BuildInfo;
use crate::rebuild::diffoscope;
use crate::rebuild::finding::Finding;
use crate::rebuild::inventory::Inventory;
use crate::rebuild::lineage::Lineage;
use crate::rebuild::recipes::Given;
use crate::rebuild::record::{self, BuildRecord, RecordedFile, Report, Verdict};
use crate::rebuild::result::{Content, ResultError, ResultFolder};
use crate::rebuild::source::Source;
use crate::rebuild::target::Published;
use crate::sandbox::Isolation;

/// How much of a build's output is kept, from its end.
const MAX_LOG: u64 = 4 << 20;
/// Beside the result folders: every build requirement, as `SHA256/NAME`.
const DEPENDENCIES: &str = "dependencies";

impl Workshop {
    /// Keeps all that a rebuild leaves.
    pub(super) fn write(
        &self,
        case: &Case<'_>,
        source: &Source,
        attempt: &Attempt,
        (finding, lineage): (&Finding, &Lineage),
    ) -> anyhow::Result<ResultFolder> {
        let Case { published, claim, log, .. } = case;
        let inventory = attempt.inventory.as_ref().unwrap_or(case.inventory);
        let text = match &attempt.given {
            Some(given) => given.text().to_owned(),
            None => attempt.recipe.to_toml()?,
        };
        let script = attempt.given.as_ref().and_then(Given::script);
        let bound = attempt.given.as_ref().filter(|given| given.script().is_some()).and_then(Given::lock);
        self.recipes.keep(&text, script, bound.map(ToString::to_string).as_deref())?;
        let output = finding.output(attempt.telling(published));
        let mut record = record(case, source, attempt, finding);
        record.contradicts = claim.and_then(|claim| guided::contradicted(claim, &record, &text, finding));
        let more = output.filter(|_| self.options.diffoscope && !finding.verdict.is_equal());
        let diffoscope = more.and_then(|output| self.ask_diffoscope(published, output, case.progress));
        let content = Content {
            record,
            recipe: &text,
            script,
            lock: attempt.lock.to_text(),
            buildinfo: serde_json::to_vec_pretty(&BuildInfo::new(inventory, &attempt.lock))?,
            log: end_of_log(log, MAX_LOG)?,
            report: Report {
                verdict: finding.verdict,
                explanation: &finding.explanation,
                differences: &finding.differences,
                lineage,
                native: finding.native.as_ref(),
            },
            diffoscope,
            wheel: output,
        };
        let archive = self.options.results.join(DEPENDENCIES);
        let unkept = |error| ResultError::Write { path: archive.clone(), source: io::Error::other(error) };
        attempt.lock.archive(&archive).map_err(unkept)?;
        let folder = self.place(&published.name);
        Ok(ResultFolder::write(&folder, content)?)
    }

    /// What diffoscope says; nothing where it fails, which costs nobody a verdict.
    fn ask_diffoscope(&self, published: &Published, rebuilt: &[u8], progress: &dyn Fn(&str)) -> Option<Vec<u8>> {
        progress("asking diffoscope");
        let room = (self.inventory.isolation, &self.pip.settings().interpreter);
        let said = published.pinned.bytes(&self.index).and_then(|bytes| diffoscope::compare(room, &bytes, rebuilt));
        said.map_err(|error| progress(&format!("diffoscope has nothing to say: {error:#}"))).ok()
    }
}

/// What the statement will say, but for a contradiction.
fn record(case: &Case<'_>, source: &Source, attempt: &Attempt, finding: &Finding) -> BuildRecord {
    let published = case.published;
    let inventory = attempt.inventory.as_ref().unwrap_or(case.inventory);
    let first = attempt.telling(published);
    let output = finding.output(first);
    BuildRecord {
        schema: record::SCHEMA.to_owned(),
        attest: env!("CARGO_PKG_VERSION").to_owned(),
        subject: RecordedFile { name: published.name.as_str().to_owned(), sha256: published.wheel.digest() },
        verdict: finding.verdict,
        rebuilt: first
            .zip(output)
            .map(|(built, output)| RecordedFile { name: built.name.clone(), sha256: ArtifactDigest::of(output) }),
        emitted: first.filter(|_| finding.replayed.is_some()).map(|built| ArtifactDigest::of(&built.bytes)),
        equivalent: finding.equivalent.clone(),
        origin: source.origin(),
        source: source.statement(),
        recipe_kind: attempt.recipe_kind(),
        environment: environment(inventory, &attempt.recipe, published.wheel.is_pure()),
        resolved_dependencies: attempt.lock.dependencies(),
        record_digest: published.wheel.record_digest(),
        rebuilt_at: crate::run::now().to_string(),
        repeat: if matches!(finding.verdict, Verdict::Nondeterministic | Verdict::BuildFailed) { 1 } else { 2 },
        differences_total: finding.differences.len() as u64,
        differences: finding.for_statement(),
        contradicts: None,
        files: Vec::new(),
    }
}

/// For the statement. A compiler only says something about a wheel with compiled code.
fn environment(inventory: &Inventory, recipe: &Recipe, pure: bool) -> Environment {
    let image = recipe.custom.as_ref().and_then(|custom| custom.image.as_ref());
    // An image has tools of its own, and its digest stands for all of them.
    let of_image = || Tool { version: "of the container image".to_owned(), digest: None };
    let ours = |tool: &Tool| image.map_or_else(|| tool.clone(), |_| of_image());
    let tool = |name| inventory.tool(name).filter(|_| !pure && image.is_none());
    Environment {
        platform: inventory.platform.clone(),
        variables: recipe.all_variables(),
        umask: recipe.files.umask.into(),
        build_path: if inventory.isolation == Isolation::None {
            "temporary".to_owned()
        } else {
            recipe.build_path().to_owned()
        },
        clock: recipe.time.clock,
        network: inventory.network,
        python: ours(&inventory.python),
        zlib: ours(&inventory.zlib),
        cc: tool("cc"),
        ld: tool("ld"),
        libc: inventory.libc.clone().filter(|_| image.is_none()),
        container_image: image.map(|image| image.digest().into()),
    }
}
