//! Witnesses, as programs: a log that they cosign, clients of another making that check it, crashes of either side, and what
//! happens when a log comes back older than they saw it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use attest_core::{
    api::{self, Submitted},
    checkpoint::{Checkpoint, LogCheckpoint, UnverifiedCheckpoint},
    merkle::{Frontier, LeafHash, NodeHash, RootHash, TreeHead, TreeSize},
    note::{KeyName, KeyType, Note, NoteSignature, SignerKey, VerifierKey},
    witness::{AddCheckpoint, SIZE_TYPE, parse_cosignatures},
};
use attest_tests::{
    command,
    forge::Forge,
    http::{self, Answer, Connection, ENVELOPE, block_on},
    replica::Replica,
    scene::{Member, Scene},
    server::Server,
    tool,
};
use hyper::{body::Bytes, header::CONTENT_TYPE};
use tokio::task::JoinSet;

const ORIGIN: &str = "witnessed.example";

/// A witness that keeps its address when it is started again.
struct Witness {
    command: Command,
    server: Option<Server>,
    vkey: VerifierKey,
    url: String,
}

impl Witness {
    /// Starts a new witness of the logs in the file.
    fn start(scene: &Scene, name: &str, logs: &PathBuf) -> Result<Self> {
        let command = |listen: &str| {
            let mut witness = scene.attest_server();
            witness.arg("witness").arg("--data").arg(scene.path(name)).arg("--logs").arg(logs);
            witness.args(["--name", &format!("{name}.example"), "--listen", listen]);
            witness
        };
        let server = Server::spawn(&mut command("127.0.0.1:0"))?;
        let url = server.url().to_owned();
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let identity = fs::read_to_string(scene.path(name).join("witness.id"))?;
        let vkey = identity.split('"').nth(3).context("witness.id has a vkey")?;
        ensure!(server.log().contains(vkey), "the vkey is printed:\n{}", server.log());
        Ok(Self { command: command(&address), server: Some(server), vkey: vkey.parse()?, url })
    }

    fn kill(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), Server::kill)
    }

    fn restart(&mut self) -> Result<()> {
        self.server = Some(Server::spawn(&mut self.command)?);
        Ok(())
    }

    /// Size of the checkpoint that it shows to monitors; zero when it shows none.
    fn size(&self, log: &VerifierKey) -> Result<u64> {
        let answer = http::get(&self.url, &monitoring(log))?;
        if answer.status == 404 {
            return Ok(0);
        }
        let shown = UnverifiedCheckpoint::parse(&answer.expect(200)?.body)?.verify(log)?;
        ensure!(shown.cosignatures(std::slice::from_ref(&self.vkey))?.len() == 1, "shown without its own cosignature");
        Ok(shown.head().size.get())
    }
}

fn monitoring(log: &VerifierKey) -> String {
    // SHA-256 of the origin, by a program that is not attest.
    let script = "import hashlib, sys; print(hashlib.sha256(sys.argv[1].encode()).hexdigest())";
    let hash = Command::new("python3").args(["-c", script, log.name().as_str()]).output();
    let hash = hash.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    format!("/{hash}/checkpoint")
}

/// A log that two witnesses have to cosign.
struct Cosigned {
    scene: Scene,
    forge: Arc<Forge>,
    key: VerifierKey,
    witnesses: [Witness; 2],
    rebuilders: PathBuf,
    policy: PathBuf,
}

impl Cosigned {
    fn new() -> Result<Self> {
        let (scene, forge) = (Scene::new()?, Arc::new(Forge::new()?));
        let key = scene.init_log("log", ORIGIN)?;
        let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
        let logs = scene.write("logs", format!("# watched\nlog {key}\n"))?;
        let witnesses = [Witness::start(&scene, "w1", &logs)?, Witness::start(&scene, "w2", &logs)?];
        let [w1, w2] = &witnesses;
        let policy = scene.write(
            "witnesses",
            format!(
                "log {key}\nwitness w1 {} {}\nwitness w2 {} {}\ngroup both all w1 w2\nquorum both\n",
                w1.vkey, w1.url, w2.vkey, w2.url
            ),
        )?;
        Ok(Self { scene, forge, key, witnesses, rebuilders, policy })
    }

    fn command(&self, data: &str, fail: &str) -> Command {
        let mut run = self.scene.log_command(data, &self.rebuilders);
        run.arg("--witness-policy").arg(&self.policy).args(["--witness-fail", fail]);
        run
    }

    fn log(&self) -> Result<Server> {
        Server::spawn(&mut self.command("log", "closed"))
    }

    fn submit(&self, log: &Server, project: &str, count: u64) -> Result<Vec<(Bytes, Submitted)>> {
        block_on(async {
            let mut connection = Connection::open(log.url()).await?;
            let mut submitted = Vec::new();
            for n in 0..count {
                let envelope = Bytes::from(self.forge.reproduced(project, n)?.to_bytes());
                submitted.push((envelope.clone(), connection.submit(envelope).await?));
            }
            Ok(submitted)
        })
    }
}

#[test]
fn a_log_cosigned_by_two_witnesses_and_mirrored_is_verified_by_a_client_of_another_making() -> Result<()> {
    if !tool::have(&["python3"]) {
        return Ok(());
    }
    let cosigned = Cosigned::new()?;
    let scene = &cosigned.scene;
    let log = cosigned.log()?;
    let submitted = cosigned.submit(&log, "first", 20)?;
    let old = scene.write("old", http::get(log.url(), "/checkpoint")?.expect(200)?.body)?;
    cosigned.submit(&log, "second", 280)?;

    let client = |url: &str, witnesses: &[&VerifierKey], quorum: usize| -> Result<Command> {
        let mut python = scene.plain(Command::new("python3"));
        python.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python/tlog_client.py"));
        python.arg(url).arg(cosigned.key.to_string()).arg("--old").arg(&old);
        for witness in witnesses {
            python.args(["--witness", &witness.to_string()]);
        }
        python.args(["--quorum", &quorum.to_string()]);
        Ok(python)
    };
    let [w1, w2] = [&cosigned.witnesses[0].vkey, &cosigned.witnesses[1].vkey];
    let mut checked = client(log.url(), &[w1, w2], 2)?;
    for (n, (entry, answer)) in submitted.iter().enumerate() {
        let proof = scene.write(&format!("proof{n}"), &answer.proof)?;
        checked.arg("--proof").arg(proof).arg(scene.write(&format!("entry{n}"), entry)?);
    }
    let outcome = command::run(&mut checked)?.expect(0)?;
    ensure!(outcome.stdout.contains("\"size\": 300, \"cosignatures\": 2"), "{}", outcome.stdout);

    let mut mirroring = scene.mirror_command("mirror", log.url(), &cosigned.key);
    mirroring.args(["--listen", "127.0.0.1:0", "--poll-interval", "1"]).arg("--witness-policy").arg(&cosigned.policy);
    let mirror = Server::spawn(&mut mirroring)?;
    until("the mirror has caught up", || {
        let answer = http::get(mirror.url(), "/checkpoint")?;
        Ok(String::from_utf8_lossy(&answer.body).lines().nth(1) == Some("300"))
    })?;
    let identity = fs::read_to_string(scene.path("mirror").join("log.id"))?;
    let own: VerifierKey =
        identity.lines().last().and_then(|line| line.split('"').nth(1)).context("cosigner")?.parse()?;
    command::run(&mut client(mirror.url(), &[&own, w1, w2], 3)?)?.expect(0)?;

    // It is no client that says yes to everything.
    let stranger = signer("w1.example", KeyType::CosignatureV1, 9);
    ensure!(command::run(&mut client(log.url(), &[w1, stranger.verifier()], 2)?)?.expect(0).is_err());
    let forked = sign(&signer(ORIGIN, KeyType::Ed25519, 7), head(3)).note().to_string();
    fs::write(&old, forked)?;
    ensure!(command::run(&mut client(log.url(), &[w1, w2], 2)?)?.expect(0).is_err());
    Ok(())
}

#[test]
fn every_status_of_the_specification_over_http_and_what_monitors_get() -> Result<()> {
    let scene = Scene::new()?;
    let log = signer(ORIGIN, KeyType::Ed25519, 7);
    let logs = scene.write("logs", format!("log {}\n", log.verifier()))?;
    let mut witness = Witness::start(&scene, "w", &logs)?;
    let url = witness.url.clone();
    let post = |body: Vec<u8>| http::post(&url, "/add-checkpoint", "text/plain", body);
    let ask = |old: u64, proof: &[NodeHash], checkpoint: &LogCheckpoint| {
        let request = AddCheckpoint::new(TreeSize::new(old), proof.to_vec(), checkpoint)?;
        post(request.to_string().into_bytes())
    };
    let conflict = |answer: Answer, size: &str| -> Result<()> {
        let answer = answer.expect(409)?;
        ensure!(answer.body == size && answer.headers[CONTENT_TYPE] == SIZE_TYPE, "{answer:?}");
        Ok(())
    };
    let monitored = |status: u16| http::get(&url, &monitoring(log.verifier()))?.expect(status);

    monitored(404)?;
    ask(0, &[], &sign(&signer("other.example", KeyType::Ed25519, 7), head(1)))?.expect(404)?;
    ask(0, &[], &sign(&signer(ORIGIN, KeyType::Ed25519, 8), head(1)))?.expect(403)?;
    let bad = NoteSignature::clone(sign(&log, head(2)).note().signatures().first().context("a line")?);
    let note = Note::new(sign(&log, head(1)).note().text().to_owned(), vec![bad])?;
    post(format!("old 0\n\n{note}").into_bytes())?.expect(403)?;
    for nonsense in ["", "old 0\n", "old 00\n\n", "GET / HTTP/1.1"] {
        post(nonsense.into())?.expect(400)?;
    }
    ask(2, &[], &sign(&log, head(1)))?.expect(400)?;
    conflict(ask(1, &[], &sign(&log, head(1)))?, "0\n")?;
    let (size, root) = (TreeSize::ZERO, RootHash::from_bytes([7; 32]));
    let text = format!("{ORIGIN}\n{size}\n{root}\n");
    let empty = Note::new(text.clone(), vec![log.sign(&text)?])?;
    post(format!("old 0\n\n{empty}").into_bytes())?.expect(422)?;
    let second: NodeHash = LeafHash::of(&[1]).into();
    ask(0, &[second], &sign(&log, head(2)))?.expect(422)?;

    // The empty tree, then one leaf, the same again, two leaves.
    ask(0, &[], &sign(&log, head(0)))?.expect(200)?;
    ask(0, &[], &sign(&log, head(1)))?.expect(200)?;
    let again = ask(1, &[], &sign(&log, head(1)))?.expect(200)?;
    parse_cosignatures(&again.body, sign(&log, head(1)).note().text(), &witness.vkey)?;
    ask(1, &[NodeHash::from_bytes([7; 32])], &sign(&log, head(2)))?.expect(422)?;
    ask(1, &[second], &sign(&log, head(2)))?.expect(200)?;
    conflict(ask(1, &[second], &sign(&log, head(2)))?, "2\n")?;
    conflict(ask(0, &[], &sign(&log, head(1)))?, "2\n")?;
    ensure!(witness.size(log.verifier())? == 2);

    let flood = post(vec![b'a'; AddCheckpoint::MAX_LEN + 1])?;
    ensure!(flood.status == 413 || flood.status == 400, "{flood:?}");
    http::get(&url, "/add-checkpoint")?.expect(405)?;
    http::post(&url, "/sign-subtree", "text/plain", Vec::new())?.expect(404)?;
    http::get(&url, "/../w/witness.key")?.expect(404)?;
    http::get(&url, "/readyz")?.expect(200)?;

    // Not cosigned, kept, and survived.
    let fork = TreeHead { root: RootHash::from_bytes([7; 32]), ..head(2) };
    ask(2, &[], &sign(&log, fork))?.expect(422)?;
    http::get(&url, "/readyz")?.expect(503)?;
    ask(2, &[], &sign(&log, head(2)))?.expect(422)?;
    witness.kill()?;
    witness.restart()?;
    ensure!(witness.size(log.verifier())? == 2);
    ask(2, &[], &sign(&log, head(2)))?.expect(422)?;
    ensure!(fs::read_dir(scene.path("w").join("evidence"))?.count() == 1);
    Ok(())
}

#[test]
fn log_and_witnesses_killed_under_load_lose_nothing_and_the_log_is_never_behind() -> Result<()> {
    const ROUNDS: u64 = 9;
    let mut cosigned = Cosigned::new()?;
    let next = Arc::new(AtomicU64::new(0));
    let mut promised: Vec<(Bytes, Submitted)> = Vec::new();
    let mut log = Some(cosigned.log()?);
    for round in 0..ROUNDS {
        let server = log.take().context("the log runs")?;
        let mut clients = block_on(async {
            let mut clients = JoinSet::new();
            for _ in 0..8 {
                clients.spawn(client(server.url().to_owned(), Arc::clone(&cosigned.forge), Arc::clone(&next)));
            }
            // Which of the three dies, and when, differs from round to round.
            tokio::time::sleep(Duration::from_millis(60 + 37 * round)).await;
            if round % 3 != 0 {
                cosigned.witnesses[usize::try_from(round % 2)?].kill()?;
            }
            if round % 3 != 1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            server.kill()?;
            let mut done = Vec::new();
            while let Some(submitted) = clients.join_next().await {
                done.extend(submitted??);
            }
            Ok(done)
        })?;
        promised.append(&mut clients);
        for witness in &mut cosigned.witnesses {
            if witness.server.is_none() {
                witness.restart()?;
            }
        }
        let seen = cosigned.witnesses.iter().map(|witness| witness.size(&cosigned.key)).collect::<Result<Vec<_>>>()?;
        let server = cosigned.log().with_context(|| format!("start-up in round {round}"))?;
        let newest = seen.into_iter().max().unwrap_or_default();
        until("the log has caught up with its witnesses", || {
            let answer = http::get(server.url(), "/checkpoint")?;
            let size = String::from_utf8_lossy(&answer.body).lines().nth(1).and_then(|size| size.parse().ok());
            Ok(size.is_some_and(|size: u64| size >= newest))
        })?;
        log = Some(server);
    }
    let log = log.context("the log runs")?;
    let replica = block_on(Replica::read(log.url(), &cosigned.key))?;
    let keys: Vec<VerifierKey> = cosigned.witnesses.iter().map(|witness| witness.vkey.clone()).collect();
    ensure!(replica.checkpoint().cosignatures(&keys)?.len() == 2, "the quorum cosigned what is published");
    for (entry, submitted) in &promised {
        let found = replica.entries().get(usize::try_from(submitted.index)?).map(|entry| entry.as_bytes().to_vec());
        ensure!(found.as_deref() == Some(entry.as_ref()), "entry {} was acknowledged and is gone", submitted.index);
        let proof = attest_core::proof::TlogProof::parse(submitted.proof.as_bytes())?;
        let checkpoint = proof.verify(LeafHash::of(entry), &cosigned.key)?;
        ensure!(checkpoint.cosignatures(&keys)?.len() == 2, "a proof without the quorum");
    }
    ensure!(promised.len() as u64 > ROUNDS, "hardly anything was submitted: {}", promised.len());
    println!("{ROUNDS} kills, {} acknowledged statements", promised.len());
    Ok(())
}

#[test]
fn a_log_that_comes_back_older_than_its_witnesses_saw_it_signs_nothing_and_ends_with_4() -> Result<()> {
    let cosigned = Cosigned::new()?;
    let log = cosigned.log()?;
    cosigned.submit(&log, "before", 2)?;
    ensure!(log.stop()?.success());
    copy(&cosigned.scene.path("log"), &cosigned.scene.path("backup"))?;
    let log = cosigned.log()?;
    cosigned.submit(&log, "after", 3)?;
    ensure!(log.stop()?.success());

    for fail in ["closed", "open"] {
        let data = format!("restored-{fail}");
        copy(&cosigned.scene.path("backup"), &cosigned.scene.path(&data))?;
        let restored = command::run(cosigned.command(&data, fail).stdin(Stdio::null()))?.expect(4)?;
        ensure!(restored.stderr.contains("hint:"), "{}", restored.stderr);
        let evidence: Vec<PathBuf> = fs::read_dir(cosigned.scene.path(&data).join("evidence"))?
            .map(|file| file.map(|file| file.path()))
            .collect::<Result<_, _>>()?;
        let [evidence] = evidence.as_slice() else { anyhow::bail!("expected one file, found {evidence:?}") };
        let evidence = fs::read_to_string(evidence)?;
        ensure!(evidence.matches(ORIGIN).count() > 3 && evidence.contains("\\n5\\n"), "{evidence}");
        // And again, whether the witnesses are there or not, as long as the evidence is.
        command::run(&mut cosigned.scene.log_command(&data, &cosigned.rebuilders))?.expect(4)?;
    }
    // The newest state goes on.
    let log = cosigned.log()?;
    cosigned.submit(&log, "later", 1)?;
    Ok(())
}

#[test]
fn readyz_tells_that_the_quorum_is_not_met() -> Result<()> {
    let mut cosigned = Cosigned::new()?;
    let log = cosigned.log()?;
    cosigned.submit(&log, "before", 1)?;
    until("it is ready", || Ok(http::get(log.url(), "/readyz")?.status == 200))?;
    ensure!(log.stop()?.success());
    cosigned.witnesses[1].kill()?;
    let log = cosigned.log()?;
    until("it says who is missing", || {
        let answer = http::get(log.url(), "/readyz")?;
        Ok(answer.status == 503 && String::from_utf8_lossy(&answer.body).contains("w2: "))
    })?;
    http::get(log.url(), "/checkpoint")?.expect(200)?;
    drop(log);

    let log = Server::spawn(&mut cosigned.command("log", "open"))?;
    cosigned.submit(&log, "open", 1)?;
    let answer = http::get(log.url(), "/readyz")?.expect(200)?;
    ensure!(String::from_utf8_lossy(&answer.body).contains("unwitnessed"), "{answer:?}");
    let mut incomplete = cosigned.scene.log_command("log", &cosigned.rebuilders);
    incomplete.arg("--witness-policy").arg(&cosigned.policy);
    command::run(&mut incomplete)?.expect(2)?;
    Ok(())
}

/// Submits one statement after another until the connection breaks.
async fn client(url: String, forge: Arc<Forge>, next: Arc<AtomicU64>) -> Result<Vec<(Bytes, Submitted)>> {
    let mut done = Vec::new();
    let mut connection = Connection::open(&url).await?;
    loop {
        let envelope = Bytes::from(forge.reproduced("killed", next.fetch_add(1, Ordering::Relaxed))?.to_bytes());
        match connection.post(api::STATEMENTS, ENVELOPE, envelope.clone()).await {
            Ok(answer) if answer.status == 201 => done.push((envelope, answer.json()?)),
            // A log that ends, or waits for a witness that does, may say that it does not know.
            Ok(answer) => ensure!(answer.status == 503, "{answer:?}"),
            Err(_) => return Ok(done),
        }
    }
}

fn signer(name: &str, kind: KeyType, seed: u8) -> SignerKey {
    #[expect(clippy::unwrap_used, reason = "names of this file")]
    SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32])
}

fn sign(key: &SignerKey, head: TreeHead) -> LogCheckpoint {
    let origin = key.verifier().name().as_str().to_owned();
    #[expect(clippy::unwrap_used, reason = "heads of this file")]
    Checkpoint { origin, head }.sign(key).unwrap()
}

fn head(size: u8) -> TreeHead {
    let mut tree = Frontier::new();
    (0..size).for_each(|index| tree.append(LeafHash::of(&[index])));
    tree.head()
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..1_200 {
        if holds()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("never: {what}")
}
