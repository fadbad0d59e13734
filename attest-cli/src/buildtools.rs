//! `attest verify --build-deps`: the same question about everything that the rebuilders built with, and about what that
//! was built with in turn.
//!
//! A wheel that ten parties reproduced with one compromised setuptools is reproducibly compromised. What lies outside the
//! package index (interpreter, compiler, libc, image) is an unattested leaf: nobody has said anything about it yet, and
//! the share says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version},
    envelope::{Envelope, StatementId},
    statement::{Build, Statement, Tool},
    verify::{Wanted, WantedName},
};

use crate::{
    gate::{self, Answer, Judged, Outcome, Word},
    item::{Item, Place, Question},
    layers::Layers,
    run::Run,
};

pub(crate) mod show;

/// Build tools of build tools of build tools: deeper than any real chain.
const MAX_DEPTH: usize = 16;
/// More are not asked about; they show as not asked.
const MAX_TOOLS: usize = 4096;
const PURL: &str = "pkg:pypi/";

/// What a tool is known by: its name is whatever a statement said, its digest is the thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    name: String,
    digest: Option<ArtifactDigest>,
}

/// What is known about a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A file of the index: what the policies say.
    Judged(Outcome),
    /// Not from the index: nobody makes statements about it.
    Outside,
    /// Beyond a limit.
    NotAsked,
}

/// Something that a build was made with.
#[derive(Debug)]
pub(crate) struct BuildTool {
    identity: Identity,
    standing: Standing,
    /// What it was built with itself.
    uses: BTreeSet<usize>,
    /// How many tools and files were built with it.
    used_by: usize,
}

/// Everything that was built with, each once.
#[derive(Debug, Default)]
pub(crate) struct BuildTools {
    tools: Vec<BuildTool>,
    known: BTreeMap<Identity, usize>,
    /// For each answer of the gate, what the file was built with.
    files: Vec<BTreeSet<usize>>,
    /// The worst that was found about any of them.
    alarm: bool,
}

impl BuildTools {
    /// Asks level by level, each file once.
    pub(crate) fn ask(judged: &Judged<'_>, layers: &Layers, run: &Run) -> anyhow::Result<Self> {
        let mut tools = Self::default();
        let mut fresh = Vec::new();
        for builds in judged.answers.iter().map(builds_of(judged)) {
            let uses = tools.add(&builds, &mut fresh);
            tools.files.push(uses);
        }
        for _ in 0..MAX_DEPTH {
            if fresh.is_empty() {
                break;
            }
            let (ids, items): (Vec<usize>, Vec<Item>) = std::mem::take(&mut fresh).into_iter().unzip();
            let judged = gate::judge(&items, layers, run)?;
            let builds_of = builds_of(&judged);
            for (id, answer) in ids.into_iter().zip(&judged.answers) {
                tools.tools[id].standing = Standing::Judged(answer.outcome);
                tools.alarm |= answer.outcome == Outcome::Alarm;
                let uses = tools.add(&builds_of(answer), &mut fresh);
                tools.tools[id].uses = uses;
            }
            tools.alarm |= !judged.gathered.alarms.is_empty();
        }
        Ok(tools)
    }

    /// Whether anything is proven to be wrong with a tool: then it is with what it built, too.
    pub(crate) fn alarm(&self) -> bool {
        self.alarm
    }

    /// What these builds were made with; what is new and can be asked about is added to `fresh`.
    fn add(&mut self, builds: &[Build], fresh: &mut Vec<(usize, Item)>) -> BTreeSet<usize> {
        let mut uses = BTreeSet::new();
        for build in builds {
            for dependency in &build.resolved_dependencies {
                let digest = dependency.digest.sha256;
                let item = item(&dependency.uri, digest);
                let name = item.as_ref().map_or_else(|| dependency.uri.clone(), |item| item.name.clone());
                uses.insert(self.intern(Identity { name, digest: Some(digest) }, item, fresh));
            }
            for (kind, tool) in outside(build) {
                let digest = tool.digest.map(|digest| digest.sha256);
                uses.insert(self.intern(Identity { name: format!("{kind} {}", tool.version), digest }, None, fresh));
            }
            if let Some(image) = build.environment.container_image {
                uses.insert(self.intern(
                    Identity { name: "container image".to_owned(), digest: Some(image.sha256) },
                    None,
                    fresh,
                ));
            }
        }
        for id in &uses {
            self.tools[*id].used_by += 1;
        }
        uses
    }

    fn intern(&mut self, identity: Identity, item: Option<Item>, fresh: &mut Vec<(usize, Item)>) -> usize {
        if let Some(id) = self.known.get(&identity) {
            return *id;
        }
        let id = self.tools.len();
        let standing = if item.is_some() { Standing::NotAsked } else { Standing::Outside };
        if id < MAX_TOOLS {
            fresh.extend(item.map(|item| (id, item)));
        }
        self.tools.push(BuildTool { identity: identity.clone(), standing, uses: BTreeSet::new(), used_by: 0 });
        self.known.insert(identity, id);
        id
    }
}

/// Programs and libraries that every wheel, or a wheel with compiled code, was made with.
fn outside(build: &Build) -> impl Iterator<Item = (&'static str, &Tool)> {
    let environment = &build.environment;
    let named = [
        ("python", Some(&environment.python)),
        ("zlib", Some(&environment.zlib)),
        ("libc", environment.libc.as_ref()),
        ("cc", environment.cc.as_ref()),
        ("ld", environment.ld.as_ref()),
    ];
    named.into_iter().filter_map(|(kind, tool)| Some((kind, tool?)))
}

/// The question about one build requirement; nothing where its purl is not one of the index.
fn item(uri: &str, digest: ArtifactDigest) -> Option<Item> {
    let (name, version) = uri.strip_prefix(PURL)?.split_once('@')?;
    let (project, version) = (ProjectName::new(name).ok()?, Version::new(version).ok()?);
    let name = format!("{} {}", project.as_str(), version.as_str());
    let wanted = Box::new(Wanted { digest, name: WantedName::Release { project, version } });
    let place = Place::file(Path::new("build requirements"));
    Some(Item::new(name, place, Question::File { wanted, url: None }))
}

/// The builds that an answer's votes speak of. Their signatures were checked when they became votes.
fn builds_of<'a>(judged: &'a Judged<'_>) -> impl Fn(&Answer<'_>) -> Vec<Build> + 'a {
    let logged = judged.gathered.evidence.logs.iter().flat_map(|view| &view.entries).map(|entry| &entry.envelope);
    let envelopes = logged.chain(&judged.gathered.evidence.unlogged).filter_map(|bytes| Envelope::parse(bytes).ok());
    let builds: BTreeMap<StatementId, Build> = envelopes
        .filter_map(|envelope| {
            let statement = Statement::parse(envelope.payload()).ok()?;
            Some((envelope.statement_id(), statement.predicate().build()?.clone()))
        })
        .collect();
    move |answer| {
        let verdicts = answer.judgements.iter().filter_map(|judgement| match &judgement.word {
            Word::Verdict { verdict, .. } => Some(verdict),
            Word::Exempt(_) => None,
        });
        let voted: BTreeSet<StatementId> =
            verdicts.flat_map(|verdict| &verdict.findings().votes).map(|vote| vote.statement).collect();
        voted.iter().filter_map(|id| builds.get(id).cloned()).collect()
    }
}
