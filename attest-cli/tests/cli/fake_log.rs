//! A log of a few entries in this process, honest or not.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use attest_core::{
    api,
    artifact::ArtifactDigest,
    checkpoint::Checkpoint,
    envelope::Envelope,
    merkle::{Frontier, LeafHash, LeafIndex, NodeHash, TreeSize},
    note::{KeyName, KeyType, SignerKey},
    statement::Statement,
    tile::{self, Entry, TileError},
};

const ORIGIN: &str = "log.test/fake";

/// What the log does when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    Honest,
    /// 503.
    Overloaded,
    /// Bytes that no log answers.
    Garbage,
    /// Signs with another key of the same name.
    OtherKey,
    /// Shows only its first entries.
    Shows(usize),
    /// Puts something else in place of its first entry, and signs that.
    Forked,
    /// Serves tiles that are not of its tree.
    BrokenTiles,
    /// Says another index than the one that it proves.
    WrongIndex,
    /// Proves another entry than the one that was sent.
    ForeignProof,
    /// Leaves out what it was asked about.
    Omits,
    /// 403.
    Refuses,
    /// Answers as a witness: its checkpoint under the hash of the origin, and nothing else.
    Witnesses,
}

#[derive(Debug)]
struct State {
    entries: Vec<Vec<u8>>,
    conduct: Conduct,
    lookups: usize,
}

/// Lives as long as the test.
pub(crate) struct FakeLog {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl FakeLog {
    pub(crate) fn start(entries: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { entries, conduct: Conduct::Honest, lookups: 0 }));
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serve(stream, &serving));
            }
        });
        Self { url, state }
    }

    pub(crate) fn vkey() -> String {
        signer(101).verifier().to_string()
    }

    pub(crate) fn behave(&self, conduct: Conduct) {
        self.state.lock().unwrap().conduct = conduct;
    }

    pub(crate) fn append(&self, entry: Vec<u8>) {
        self.state.lock().unwrap().entries.push(entry);
    }

    /// Its entries, for a mirror of it.
    pub(crate) fn copied(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().entries.clone()
    }

    pub(crate) fn entries(&self) -> usize {
        self.state.lock().unwrap().entries.len()
    }

    pub(crate) fn lookups(&self) -> usize {
        self.state.lock().unwrap().lookups
    }
}

/// A URL where nobody listens.
pub(crate) fn nobody() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

fn signer(seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(ORIGIN).unwrap(), KeyType::Ed25519, [seed; 32])
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    let (mut line, mut length) = (String::new(), 0);
    if reader.read_line(&mut first).is_err() {
        return;
    }
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, answer) = state.lock().unwrap().answer(path, &body);
    let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    // A client that hangs up has its reasons.
    let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer));
}

impl State {
    fn answer(&mut self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        match self.conduct {
            Conduct::Overloaded => return (503, problem(503, "too much to do")),
            Conduct::Refuses => {
                return (403, problem(403, "this key is not on the list of rebuilders"));
            }
            Conduct::Witnesses => {
                let place = format!("/{}/checkpoint", ArtifactDigest::of(ORIGIN.as_bytes()));
                return if path == place {
                    (200, self.checkpoint().into_bytes())
                } else {
                    (404, problem(404, "nothing here"))
                };
            }
            Conduct::Garbage => return (200, b"<html>welcome to the hotel</html>".to_vec()),
            _ => {}
        }
        if path == "/checkpoint" {
            return (200, self.checkpoint().into_bytes());
        }
        if path == api::LOOKUP {
            self.lookups += 1;
            let asked: api::Lookup = serde_json::from_slice(body).unwrap();
            return json(&self.found(&asked.digests));
        }
        if let Some(asked) = path.strip_prefix(api::ARTIFACTS).and_then(|rest| rest.strip_prefix('/')) {
            let digest = asked.split('?').next().unwrap_or_default().parse().unwrap();
            return json(&self.found(&[digest]));
        }
        if path == api::STATEMENTS {
            return self.submitted(body);
        }
        if path.starts_with("/tile/entries/000") {
            let entries = self.entries.iter().map(|entry| Entry::new(entry.clone()).unwrap());
            return (200, tile::encode_bundle(&entries.collect::<Vec<_>>()));
        }
        if path.starts_with("/tile/0/000") {
            let mut hashes: Vec<NodeHash> = self.leaves().into_iter().map(NodeHash::from).collect();
            if self.conduct == Conduct::BrokenTiles {
                hashes[0] = NodeHash::from(LeafHash::of(b"something else"));
            }
            return (200, tile::encode_tile(&hashes));
        }
        (404, problem(404, "nothing here"))
    }

    fn leaves(&self) -> Vec<LeafHash> {
        let shown = match self.conduct {
            Conduct::Shows(count) => count,
            _ => self.entries.len(),
        };
        let mut leaves: Vec<LeafHash> = self.entries[..shown].iter().map(|entry| LeafHash::of(entry)).collect();
        if self.conduct == Conduct::Forked {
            leaves[0] = LeafHash::of(b"another history");
        }
        leaves
    }

    fn checkpoint(&self) -> String {
        let mut frontier = Frontier::new();
        self.leaves().into_iter().for_each(|leaf| frontier.append(leaf));
        let key = signer(if self.conduct == Conduct::OtherKey { 102 } else { 101 });
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), head: frontier.head() };
        checkpoint.sign(&key).unwrap().note().to_string()
    }

    fn path(&self, index: usize) -> Vec<NodeHash> {
        let leaves = self.leaves();
        let size = TreeSize::new(leaves.len() as u64);
        let hashes: Vec<NodeHash> = leaves.into_iter().map(NodeHash::from).collect();
        tile::prove_inclusion::<TileError>(LeafIndex::new(index as u64), size, |_| Ok(hashes.clone())).unwrap()
    }

    fn found(&self, digests: &[ArtifactDigest]) -> api::Found {
        let omits = self.conduct == Conduct::Omits;
        let about = |digest: &ArtifactDigest| api::FoundArtifact {
            sha256: *digest,
            entries: (0..self.leaves().len())
                .filter(|index| subject(&self.entries[*index]) == *digest)
                .map(|index| api::FoundEntry {
                    index: index as u64,
                    envelope: String::from_utf8(self.entries[index].clone()).unwrap(),
                    proof: self.path(index).iter().map(ToString::to_string).collect(),
                })
                .collect(),
            more_from: None,
        };
        api::Found { checkpoint: self.checkpoint(), artifacts: digests.iter().filter(|_| !omits).map(about).collect() }
    }

    fn submitted(&mut self, body: &[u8]) -> (u16, Vec<u8>) {
        let envelope = Envelope::parse(body).unwrap();
        let id = envelope.statement_id();
        let known = self.entries.iter().position(|entry| Envelope::parse(entry).unwrap().statement_id() == id);
        let index = known.unwrap_or_else(|| {
            self.entries.push(body.to_vec());
            self.entries.len() - 1
        });
        let proven = if self.conduct == Conduct::ForeignProof { 0 } else { index };
        let path: Vec<String> = self.path(proven).iter().map(|hash| format!("{hash}\n")).collect();
        let checkpoint = self.checkpoint();
        let answer = api::Submitted {
            index: if self.conduct == Conduct::WrongIndex { index as u64 + 1 } else { index as u64 },
            statement_id: id,
            proof: format!("c2sp.org/tlog-proof@v1\nindex {proven}\n{}\n{checkpoint}", path.concat()),
            envelope: known.map(|index| String::from_utf8(self.entries[index].clone()).unwrap()),
        };
        json(&answer)
    }
}

fn subject(entry: &[u8]) -> ArtifactDigest {
    Statement::parse(Envelope::parse(entry).unwrap().payload()).unwrap().subject().digest
}

fn json(answer: &impl serde::Serialize) -> (u16, Vec<u8>) {
    (200, serde_json::to_vec(answer).unwrap())
}

fn problem(status: u16, detail: &str) -> Vec<u8> {
    let problem = api::Problem {
        title: "no".to_owned(),
        status,
        detail: detail.to_owned(),
        hint: Some("ask the operator".to_owned()),
        request_id: None,
    };
    serde_json::to_vec(&problem).unwrap()
}
