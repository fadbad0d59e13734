//! A log in which everything has happened: agreement and doubt about real wheels, a contradiction, foreign code, statements
//! taken back, and signers that write scripts and control characters wherever they may write anything.

use anyhow::{Context, Result, bail};
use attest_core::{
    api::record,
    artifact::{ArtifactDigest, WheelName},
    envelope::{Envelope, StatementId},
    note::VerifierKey,
    statement::{
        Build, Difference, DifferenceKind, Digest, Equivalence, FromCommit, GitDigest, Origin, Outcome, Predicate,
        Refusal, Source, Statement, Subject, Withdrawal, inputs_digest,
    },
};

use crate::{
    forge::Forge,
    http::{self, Connection, block_on},
    scene::{Member, Scene},
    server::Server,
    stranger,
};

/// Statements that are hostile: a page of them, of every kind.
const HOSTILE: usize = 8;

/// Projects of which the home page says how many are rebuilt: one of each way, and one of which nothing is known.
const COVERED: &str = "fastapi\nidna\nbabel\njinja2\nalabaster\nblinker\nnobody-ever\n";

/// Names and digests of published wheels and of their sdists.
const WHEELS: &str = include_str!("../fixtures/wheels.csv");

/// The log, running, and who wrote what.
#[derive(Debug)]
pub struct Chronicle {
    /// Where it all is.
    pub scene: Scene,
    /// The log.
    pub log: Server,
    /// Its key.
    pub vkey: VerifierKey,
    /// Paths of pages where something special is to be seen, each with its name.
    pub sights: Vec<(&'static str, String)>,
    /// Of the university.
    alice: Forge,
    /// Of the university too.
    bob: Forge,
    /// Of the company.
    carol: Forge,
    /// Of the distribution; writes whatever the format lets it.
    dave: Forge,
}

/// A published wheel and its sdist.
struct Published {
    subject: Subject,
    sdist: ArtifactDigest,
}

impl Chronicle {
    /// Starts a log and lets it all happen.
    ///
    /// # Errors
    /// When the log does not come up or refuses something.
    pub fn new() -> Result<Self> {
        let scene = Scene::new()?;
        let (alice, bob, carol, dave) = (Forge::new()?, Forge::new()?, Forge::new()?, Forge::new()?);
        let vkey = scene.init_log("log", "log.example.org/chronicle")?;
        let members = [
            Member::new("alice", "university", &alice.public_key()),
            Member::new("bob", "university", &bob.public_key()),
            Member::new("carol", "company", &carol.public_key()),
            Member::new("dave", "distribution", &dave.public_key()),
        ];
        let rebuilders = scene.rebuilders("rebuilders.toml", &members)?;
        let coverage = scene.write("coverage.txt", COVERED)?;
        let log = Server::spawn(scene.log_command("log", &rebuilders).arg("--coverage").arg(coverage))?;
        let mut chronicle = Self { scene, log, vkey, sights: Vec::new(), alice, bob, carol, dave };
        chronicle.happen()?;
        Ok(chronicle)
    }

    /// Waits until the record covers what is published: it follows, a moment behind.
    ///
    /// # Errors
    /// When it does not within half a minute, or cannot be asked.
    pub fn wait_for_the_record(&self) -> Result<()> {
        self.log.wait_for_the_record(self.size()?)
    }

    /// How many entries are published.
    ///
    /// # Errors
    /// When the log cannot be asked.
    pub fn size(&self) -> Result<u64> {
        let log: record::LogView = http::get(self.log.url(), record::LOG)?.expect(200)?.json()?;
        Ok(log.checkpoint.size)
    }

    /// A mirror of it that shows what it shows.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn mirror(&self) -> Result<Server> {
        let mut mirror = self.scene.mirror_command("mirror", self.log.url(), &self.vkey);
        mirror.args(["--listen", "127.0.0.1:0", "--poll-interval", "1"]);
        mirror.arg("--rebuilders").arg(self.scene.path("rebuilders.toml"));
        Server::spawn(mirror.arg("--coverage").arg(self.scene.path("coverage.txt")))
    }

    /// One more statement, by Bob about the release of that number; how many entries there are then.
    ///
    /// # Errors
    /// When the log refuses it.
    pub fn go_on(&self, number: u64) -> Result<u64> {
        let indexes = self.submit(&[self.bob.reproduced("later", number)?])?;
        Ok(indexes.last().context("expected an index")? + 1)
    }

    fn happen(&mut self) -> Result<()> {
        let wheels = published()?;
        let [first, second, third, fourth, fifth, others @ ..] = wheels.as_slice() else {
            bail!("expected more wheels in the fixture");
        };
        self.agreement(others)?;
        self.contradiction(first)?;
        self.foreign_code(second)?;
        self.withdrawal(third)?;
        self.equivalence(fourth)?;
        self.hostility(fifth)
    }

    /// What most of a log is: the same said by one, two or three groups, and attempts that failed.
    fn agreement(&mut self, wheels: &[Published]) -> Result<()> {
        const FAILURES: [Outcome; 4] =
            [Outcome::BuildFailed, Outcome::SourceNotFound, Outcome::EnvironmentUnknown, Outcome::Nondeterministic];
        let (alice, bob, carol, dave) = (&self.alice, &self.bob, &self.carol, &self.dave);
        let mut said = Vec::new();
        for (number, wheel) in wheels.iter().enumerate() {
            said.push(reproduced(alice, wheel, number % 3 == 0)?);
            if number % 2 == 0 {
                said.push(reproduced(carol, wheel, number % 3 == 0)?);
            }
            if number % 4 == 0 {
                said.push(reproduced(dave, wheel, false)?);
            }
            if number % 5 == 0 {
                said.push(failed(bob, wheel, FAILURES[number / 5 % FAILURES.len()])?);
            }
        }
        self.submit(&said)?;
        let seen = wheels.iter().find(|wheel| wheel.subject.name.project.as_str() == "requests");
        let subject = &seen.or(wheels.first()).context("expected a wheel")?.subject;
        let (project, version) = (subject.name.project.as_str(), subject.name.version.as_str());
        self.sights.extend([
            ("home", "/".to_owned()),
            ("project", format!("/project/{project}/")),
            ("release", format!("/project/{project}/{version}/")),
            ("file", format!("/file/{}/", subject.digest)),
            ("disagreements", "/disagreements/".to_owned()),
            ("search", "/search/?q=f".to_owned()),
            ("rebuilder", format!("/rebuilder/{}/", self.carol.rebuilder_id())),
            ("log", "/log/".to_owned()),
        ]);
        Ok(())
    }

    /// Alice reproduced it; with the same inputs Carol got something else.
    fn contradiction(&mut self, wheel: &Published) -> Result<()> {
        let claim = reproduced(&self.alice, wheel, false)?;
        let build = build(wheel, false);
        let dissent = self.carol.contradiction(wheel.subject.clone(), build, claim.statement_id())?;
        let indexes = self.submit(&[claim, dissent])?;
        self.see("contradicted", wheel);
        self.sights.extend(indexes.last().map(|index| ("accusation", format!("/entry/{index}/"))));
        Ok(())
    }

    /// Carol built everything but one module.
    fn foreign_code(&mut self, wheel: &Published) -> Result<()> {
        let path = format!("{}/_telemetry.py", wheel.subject.name.project.as_str());
        let refusal = different(vec![Difference { path, kind: DifferenceKind::OnlyInPublished }]);
        let said = [reproduced(&self.alice, wheel, false)?, not_reproduced(&self.carol, wheel, refusal)?];
        self.submit(&said)?;
        self.see("foreign code", wheel);
        Ok(())
    }

    /// Alice takes back what she said, and says it again from git.
    fn withdrawal(&mut self, wheel: &Published) -> Result<()> {
        let claim = reproduced(&self.alice, wheel, false)?;
        let taken_back = withdrawn(&self.alice, wheel, claim.statement_id(), "that machine had a cache of wheels")?;
        let again = reproduced(&self.alice, wheel, true)?;
        self.submit(&[claim, taken_back, again])?;
        self.see("withdrawn", wheel);
        Ok(())
    }

    /// Everything but a file of random numbers.
    fn equivalence(&mut self, wheel: &Published) -> Result<()> {
        let name = &wheel.subject.name;
        let info = format!("{}-{}.dist-info", name.project.as_str().replace('-', "_"), name.version.as_str());
        let members = ["RECORD", "sboms/auditwheel.cdx.json"].map(|member| Equivalence {
            path: format!("{info}/{member}"),
            published: ArtifactDigest::of(member.as_bytes()),
            rebuilt: ArtifactDigest::of(info.as_bytes()),
        });
        let equivalent = Predicate::Equivalent {
            build: build(wheel, false),
            rebuilt: ArtifactDigest::of(b"all but that"),
            members: members.to_vec(),
        };
        let said = self.carol.sign(&Statement::new(wheel.subject.clone(), equivalent)?)?;
        self.submit(&[said])?;
        self.see("equivalent", wheel);
        Ok(())
    }

    /// Dave writes what no page may believe, in every member that takes any text.
    fn hostility(&mut self, wheel: &Published) -> Result<()> {
        let strange = stranger::statements(&wheel.subject)?.payloads.into_iter().take(HOSTILE);
        let said = strange.map(|payload| self.dave.sign_payload(payload)).collect::<Result<Vec<_>>>()?;
        let indexes = self.submit(&said)?;
        self.see("hostile", wheel);
        self.sights.extend(indexes.first().map(|index| ("hostile entry", format!("/entry/{index}/"))));
        Ok(())
    }

    fn see(&mut self, what: &'static str, wheel: &Published) {
        self.sights.push((what, format!("/file/{}/", wheel.subject.digest)));
    }

    fn submit(&self, envelopes: &[Envelope]) -> Result<Vec<u64>> {
        block_on(async {
            let mut connection = Connection::open(self.log.url()).await?;
            let mut indexes = Vec::with_capacity(envelopes.len());
            for envelope in envelopes {
                indexes.push(connection.submit(envelope.to_bytes().into()).await?.index);
            }
            Ok(indexes)
        })
    }
}

fn published() -> Result<Vec<Published>> {
    let row = |line: &str| -> Result<Published> {
        let mut columns = line.split(',');
        let mut column = || columns.next().context("expected three columns");
        let (name, digest, sdist) = (WheelName::parse(column()?)?, column()?.parse()?, column()?.parse()?);
        Ok(Published { subject: Subject { name, digest }, sdist })
    };
    WHEELS.lines().skip(1).map(row).collect()
}

fn build(wheel: &Published, from_git: bool) -> Build {
    let name = &wheel.subject.name;
    let (project, version) = (name.project.as_str(), name.version.as_str());
    let source = if from_git {
        let git_commit = wheel.sdist.to_string()[..40].to_owned();
        vec![Source::Git {
            uri: format!("git+https://forge.example.org/{project}/{project}"),
            r#ref: format!("refs/tags/v{version}"),
            digest: GitDigest { git_commit },
            tree_sha256: ArtifactDigest::of(project.as_bytes()),
        }]
    } else {
        vec![Source::Sdist {
            name: format!("{}-{version}.tar.gz", project.replace('-', "_")),
            digest: Digest { sha256: wheel.sdist },
            from_commit: FromCommit::Unverified,
        }]
    };
    let build = Forge::build_of(name);
    Build {
        origin: if from_git { Origin::Git } else { Origin::Sdist },
        inputs_digest: inputs_digest(&source, build.recipe.digest, &build.resolved_dependencies),
        source,
        ..build
    }
}

fn reproduced(forge: &Forge, wheel: &Published, from_git: bool) -> Result<Envelope> {
    forge.sign(&Statement::new(wheel.subject.clone(), Predicate::Reproduced(build(wheel, from_git)))?)
}

fn failed(forge: &Forge, wheel: &Published, outcome: Outcome) -> Result<Envelope> {
    let rebuilt = matches!(outcome, Outcome::Nondeterministic).then(|| ArtifactDigest::of(b"the first of two").into());
    let refusal =
        Refusal { outcome, rebuilt, contradicts: None, differences: Vec::new(), differences_total: 0, report: None };
    not_reproduced(forge, wheel, refusal)
}

fn different(differences: Vec<Difference>) -> Refusal {
    Refusal {
        outcome: Outcome::Different,
        rebuilt: Some(ArtifactDigest::of(b"something else").into()),
        contradicts: None,
        differences_total: differences.len() as u64,
        differences,
        report: None,
    }
}

fn not_reproduced(forge: &Forge, wheel: &Published, refusal: Refusal) -> Result<Envelope> {
    let predicate = Predicate::NotReproduced { build: build(wheel, false), refusal };
    forge.sign(&Statement::new(wheel.subject.clone(), predicate)?)
}

fn withdrawn(forge: &Forge, wheel: &Published, statement_id: StatementId, reason: &str) -> Result<Envelope> {
    let predicate = Predicate::Withdrawn(Withdrawal { statement_id, reason: reason.to_owned() });
    forge.sign(&Statement::new(wheel.subject.clone(), predicate)?)
}
