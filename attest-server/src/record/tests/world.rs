//! A published tree that grows as a test says, and statements about it.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, sync::Arc};

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, Signature, StatementId, pae},
    key::ed25519::SecretKey,
    merkle::{Frontier, TreeSize},
    recipe::Recipe,
    statement::{
        Build, Clock, Difference, DifferenceKind, Digest, Environment, FromCommit, GitDigest, Method, Network, Origin,
        Outcome, Predicate, Rebuilder, RecipeKind, RecipeRef, Refusal, Source, Statement, Subject, Tool, Withdrawal,
        inputs_digest,
    },
    tile::Entry,
    time::Timestamp,
};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::{
    fixtures::NOW,
    reader::{Published, Reader},
    rebuilders::Rebuilders,
    record::{
        FILE,
        book::Book,
        query::{Moment, Which},
        schema,
    },
    store::{
        index::Index,
        record::Record as Stored,
        tiles::TileStore,
        tree::{LogTree, Staged},
    },
};

pub(in crate::record) const VKEY: &str = "example.com/log+00000000+AAAA";

/// A log that publishes what it is given at once.
pub(in crate::record) struct World {
    pub(in crate::record) dir: tempfile::TempDir,
    tree: Arc<LogTree>,
    frontier: Frontier,
    published: watch::Sender<Arc<Published>>,
}

impl World {
    pub(in crate::record) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        TileStore::create(dir.path()).unwrap();
        let (tiles, index) = (TileStore::open(dir.path()), Index::open(dir.path()).unwrap());
        let (tree, frontier) = LogTree::load(tiles, index, TreeSize::ZERO, Vec::new()).unwrap();
        let time = Timestamp::from_secs(NOW);
        let empty = Published { note: String::new(), head: frontier.head(), time };
        Self { dir, tree: Arc::new(tree), frontier, published: watch::Sender::new(Arc::new(empty)) }
    }

    pub(in crate::record) fn of(entries: &[Vec<u8>]) -> Self {
        let mut world = Self::new();
        world.log(entries);
        world
    }

    pub(in crate::record) fn log(&mut self, entries: &[Vec<u8>]) {
        let records: Vec<_> =
            entries.iter().map(|entry| Arc::new(Stored::of_entry(Entry::new(entry.clone()).unwrap()))).collect();
        self.frontier = self.tree.extend(&records, Staged::new(&self.frontier, &records));
        let (head, time) = (self.frontier.head(), Timestamp::from_secs(NOW));
        self.published.send_replace(Arc::new(Published { note: String::new(), head, time }));
    }

    pub(in crate::record) fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.tree), self.published.subscribe())
    }

    pub(in crate::record) fn path(&self) -> PathBuf {
        self.dir.path().join(FILE)
    }

    /// Opens the record and brings it up to date, with so many entries in a transaction.
    pub(in crate::record) fn follow(&self, list: &Rebuilders, at_once: usize) -> Book {
        let mut book = Book::open(&self.path(), VKEY, &self.reader()).unwrap().expect("a record of this log");
        book.attribute(&self.reader(), list).unwrap();
        self.catch_up(&mut book, at_once, self.published.borrow().head.size.get());
        book
    }

    pub(in crate::record) fn catch_up(&self, book: &mut Book, at_once: usize, upto: u64) {
        while book.covered().get() < upto {
            let first = book.covered().get();
            let below = upto.min(first + at_once as u64);
            let reader = self.reader();
            let index = attest_core::merkle::LeafIndex::new;
            let entries: Vec<_> =
                (first..below).map(|at| Entry::new(reader.entry(index(at)).unwrap()).unwrap()).collect();
            book.add(&reader, &entries).unwrap();
        }
    }

    /// Asks as a view does.
    pub(in crate::record) fn ask<T>(&self, ask: impl FnOnce(&Moment<'_>) -> T) -> T {
        let (connection, reader) = (schema::open_to_read(&self.path()).unwrap(), self.reader());
        ask(&Moment::new(&connection, &reader).unwrap())
    }

    /// Every row of every table.
    pub(in crate::record) fn dump(&self) -> String {
        let connection = schema::open_to_read(&self.path()).unwrap();
        let tables = ["covered", "party", "author", "project", "release", "file", "source", "entry", "tally"];
        let mut text = String::new();
        for table in tables.iter().chain(&["disagreement"]) {
            dump(&connection, table, &mut text);
        }
        text
    }

    /// Everything that can be asked, without the numbers of the tables.
    pub(in crate::record) fn answers(&self) -> String {
        self.ask(|moment| {
            let mut text = String::new();
            let mut push = |what: &str, answer: serde_json::Value| writeln!(text, "{what}: {answer:#}").unwrap();
            let json = |answer: serde_json::Result<serde_json::Value>| answer.unwrap();
            push("counts", json(serde_json::to_value(moment.counts().unwrap())));
            push("days", json(serde_json::to_value(moment.days(Timestamp::from_secs(NOW)).unwrap())));
            push("entries", json(serde_json::to_value(moment.newest(Which::All, None, 10_000).unwrap())));
            push("disagreements", json(serde_json::to_value(moment.disagreements(None).unwrap())));
            for project in moment.projects(None).unwrap().items {
                let releases = moment.releases(&project.project).unwrap().0;
                for release in &releases {
                    let view = moment.release(&project.project, &release.version, None).unwrap();
                    push("release", json(serde_json::to_value(view)));
                }
                push("releases", json(serde_json::to_value(releases)));
                push("project", json(serde_json::to_value(project)));
            }
            for one in moment.rebuilders().unwrap() {
                push("disagreements", json(serde_json::to_value(moment.disagreements_of(&one.row.id).unwrap().0)));
                push("rebuilder", json(serde_json::to_value(one.row)));
            }
            text
        })
    }
}

fn dump(connection: &Connection, table: &str, text: &mut String) {
    let mut query = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns = query.column_count();
    let mut rows = query.query([]).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let values: Vec<_> = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap()).collect();
        lines.push(format!("{table}: {values:?}\n"));
    }
    lines.sort_unstable();
    text.extend(lines);
}

/// A rebuilders file of these, by the numbers of their keys: name, group.
pub(in crate::record) fn list(of: &[(u8, &str)]) -> Rebuilders {
    let text = of.iter().fold(String::from("rebuilder = []\n"), |mut text, (seed, group)| {
        if text.starts_with("rebuilder") {
            text.clear();
        }
        let key = SecretKey::from_seed([*seed; 32]).public();
        writeln!(
            text,
            "[[rebuilder]]\nname = 'r{seed}'\ngroup = '{group}'\nurl = 'https://r{seed}.example'\ncontact = 'x'\nkey = \
             '{key}'"
        )
        .unwrap();
        text
    });
    Rebuilders::parse(&text, std::path::Path::new("")).unwrap()
}

/// Knobs only, so that what is built by it votes.
const RECIPE: &str = r#"schema = "https://w3id.org/attest/recipe/v1"
wheel = "WHEEL"
generator = "bdist_wheel (0.NUMBER)"
guesses = []

[backend]
name = "setuptools.build_meta"
path = []

[requirements]
build = []

[time]
clock = "REAL"
zone = "UTC"

[files]
umask = "0022"
modes = "RAW"

[variables]
LC_ALL = "C.UTF-8"
PYTHONHASHSEED = "0"
"#;

/// Something that somebody says of a file.
#[derive(Clone)]
pub(in crate::record) struct Saying {
    pub(in crate::record) file: String,
    pub(in crate::record) digest: ArtifactDigest,
    pub(in crate::record) recipe: u8,
    pub(in crate::record) time: String,
    pub(in crate::record) repeat: u32,
    pub(in crate::record) git: bool,
    pub(in crate::record) network: Network,
    /// `rebuilder.id` of whoever signs.
    pub(in crate::record) id: Option<String>,
}

impl Saying {
    /// Of a file, with the digest of its name.
    pub(in crate::record) fn of(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            digest: ArtifactDigest::of(file.as_bytes()),
            recipe: 0,
            time: "2026-11-10T12:00:00Z".to_owned(),
            repeat: 2,
            git: false,
            network: Network::None,
            id: None,
        }
    }

    pub(in crate::record) fn reproduced(&self, signer: u8) -> Vec<u8> {
        self.signed(signer, Predicate::Reproduced(self.build(signer)))
    }

    /// Got `rebuilt` instead, and names a statement that it contradicts.
    pub(in crate::record) fn different(&self, signer: u8, rebuilt: &str, contradicts: Option<&[u8]>) -> Vec<u8> {
        let difference = Difference { path: "a/b.txt".to_owned(), kind: DifferenceKind::Content };
        self.refused(signer, rebuilt, contradicts.map(id), difference)
    }

    pub(in crate::record) fn foreign_code(&self, signer: u8) -> Vec<u8> {
        let difference = Difference { path: "a/evil.py".to_owned(), kind: DifferenceKind::OnlyInPublished };
        self.refused(signer, "without it", None, difference)
    }

    fn refused(&self, signer: u8, rebuilt: &str, contradicts: Option<StatementId>, one: Difference) -> Vec<u8> {
        let refusal = Refusal {
            outcome: Outcome::Different,
            rebuilt: Some(ArtifactDigest::of(rebuilt.as_bytes()).into()),
            contradicts,
            differences: vec![one],
            differences_total: 1,
            report: None,
        };
        self.signed(signer, Predicate::NotReproduced { build: self.build(signer), refusal })
    }

    pub(in crate::record) fn withdrawn(&self, signer: u8, entry: &[u8]) -> Vec<u8> {
        let withdrawal = Withdrawal { statement_id: id(entry), reason: "a mistake".to_owned() };
        self.signed(signer, Predicate::Withdrawn(withdrawal))
    }

    fn signed(&self, signer: u8, predicate: Predicate) -> Vec<u8> {
        let subject = Subject { name: WheelName::parse(&self.file).unwrap(), digest: self.digest };
        let payload = Statement::new(subject, predicate).unwrap().to_bytes();
        let signature = SecretKey::from_seed([signer; 32]).sign(&pae(&payload));
        Envelope::new(payload, Signature::Ed25519(signature)).unwrap().to_bytes()
    }

    fn build(&self, signer: u8) -> Build {
        let digest = |what: &str| Digest { sha256: ArtifactDigest::of(format!("{what} {}", self.file).as_bytes()) };
        let source = if self.git {
            let commit = ArtifactDigest::of(self.file.as_bytes()).to_string()[..40].to_owned();
            vec![Source::Git {
                uri: "git+https://example.org/it".to_owned(),
                r#ref: "refs/tags/v1".to_owned(),
                digest: GitDigest { git_commit: commit },
                tree_sha256: digest("tree").sha256,
            }]
        } else {
            vec![Source::Sdist {
                name: "it-1.tar.gz".to_owned(),
                digest: digest("sdist"),
                from_commit: FromCommit::Unverified,
            }]
        };
        let text = RECIPE.replace("WHEEL", &self.file).replace("NUMBER", &self.recipe.to_string());
        let recipe = Digest { sha256: ArtifactDigest::of(text.as_bytes()) };
        let tool = |version: &str| Tool { version: version.to_owned(), digest: None };
        let id = self.id.clone().unwrap_or_else(|| format!("https://r{signer}.example"));
        Build {
            rebuilder: Rebuilder { id, version: BTreeMap::new() },
            origin: if self.git { Origin::Git } else { Origin::Sdist },
            inputs_digest: inputs_digest(&source, recipe, &[]),
            source,
            recipe: RecipeRef {
                kind: RecipeKind::Inferred,
                digest: recipe,
                content: Some(text.clone()),
                download_location: None,
            },
            method: Method::Exact,
            environment: Environment {
                platform: "linux/x86_64".to_owned(),
                variables: Recipe::parse(&text).unwrap().all_variables(),
                umask: "0022".to_owned(),
                build_path: "/build/src".to_owned(),
                clock: Clock::Real,
                network: self.network,
                python: tool("3.12.4"),
                zlib: tool("1.3.1"),
                cc: None,
                ld: None,
                libc: None,
                container_image: None,
            },
            resolved_dependencies: Vec::new(),
            record_digest: digest("RECORD"),
            rebuilt_at: self.time.clone(),
            repeat: self.repeat,
            byproducts: Vec::new(),
        }
    }
}

/// Of the statement in an entry.
pub(in crate::record) fn id(entry: &[u8]) -> StatementId {
    Envelope::parse(entry).unwrap().statement_id()
}
