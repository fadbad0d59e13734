//! A witness on loopback that does as it is told: honest, or wrong in one of the ways that were seen or feared.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use attest_core::{
    note::{KeyId, KeyName, KeyType, SignerKey, VerifierKey},
    time::Timestamp,
    witness::{AddCheckpoint, Cosigned, Refusal, decide, print_size},
};

use crate::fixtures::NOW;

/// What it does to an `add-checkpoint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sequencer) enum Mood {
    Honest,
    /// Accepts connections and never answers.
    Silent,
    /// A byte of the answer now and then.
    Dribbling,
    Status(u16),
    /// A 409 without a size: what some send for a same-size fork.
    EmptyConflict,
    /// A 409 with this size, whatever is asked.
    Claims(u64),
    /// Signs with another key under its name.
    OtherKey,
    /// Signs another text.
    OtherText,
    /// Signs as of another time.
    OtherTime,
    /// The first line that it ever gave, again and again.
    Replays,
    Redirects,
    /// Megabytes.
    Floods,
    Garbage,
}

#[derive(Debug)]
pub(in crate::sequencer) struct Fake {
    pub(in crate::sequencer) vkey: VerifierKey,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    key: SignerKey,
    log: VerifierKey,
    mood: Mutex<Mood>,
    latest: Mutex<Option<Cosigned>>,
    /// What the monitoring endpoint shows instead of the truth.
    shown: Mutex<Option<String>>,
    first: Mutex<Option<String>>,
    stopped: AtomicBool,
    asked: AtomicUsize,
    now: Mutex<u64>,
    /// Sizes that it cosigned.
    sizes: Mutex<VecDeque<u64>>,
}

impl Fake {
    pub(in crate::sequencer) fn new(name: &str, seed: u8, log: &VerifierKey) -> Self {
        let key = SignerKey::from_seed(KeyName::new(name).unwrap(), KeyType::CosignatureV1, [seed; 32]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (vkey, address) = (key.verifier().clone(), listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            key,
            log: log.clone(),
            mood: Mutex::new(Mood::Honest),
            latest: Mutex::default(),
            shown: Mutex::default(),
            first: Mutex::default(),
            stopped: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            now: Mutex::new(NOW),
            sizes: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&serving)) else { continue };
                // A client that hangs up is the client's affair.
                thread::spawn(move || while shared.one(&stream).is_some() {});
            }
        });
        Self { vkey, address, shared }
    }

    pub(in crate::sequencer) fn line(&self, name: &str) -> String {
        format!("witness {name} {} http://{}\n", self.vkey, self.address)
    }

    pub(in crate::sequencer) fn is(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    pub(in crate::sequencer) fn shows(&self, note: String) {
        *self.shared.shown.lock().unwrap() = Some(note);
    }

    pub(in crate::sequencer) fn set_time(&self, now: u64) {
        *self.shared.now.lock().unwrap() = now;
    }

    pub(in crate::sequencer) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// The largest size that it ever cosigned.
    pub(in crate::sequencer) fn size(&self) -> u64 {
        self.shared.sizes.lock().unwrap().iter().copied().max().unwrap_or(0)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl Shared {
    /// One request of a kept-alive connection; `None` at its end.
    fn one(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let answer = if line.starts_with("GET") { self.monitor() } else { self.add(&body) };
        self.send(stream, &answer)
    }

    fn send(&self, mut stream: &TcpStream, answer: &Answer) -> Option<()> {
        let mood = *self.mood.lock().unwrap();
        let mut head = format!("HTTP/1.1 {} x\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
        if (300..400).contains(&answer.status) {
            // To itself: who follows gets what it wanted.
            let _ = write!(head, "Location: /add-checkpoint\r\n");
        }
        head.push_str("\r\n");
        if mood == Mood::Silent {
            while !self.stopped.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            return None;
        }
        stream.write_all(head.as_bytes()).ok()?;
        if mood == Mood::Dribbling {
            for byte in answer.body.as_bytes() {
                stream.write_all(&[*byte]).ok()?;
                thread::sleep(Duration::from_millis(50));
            }
            return Some(());
        }
        stream.write_all(answer.body.as_bytes()).ok()
    }

    fn monitor(&self) -> Answer {
        if let Some(shown) = self.shown.lock().unwrap().clone() {
            return Answer { status: 200, body: shown };
        }
        match &*self.latest.lock().unwrap() {
            Some(latest) => Answer { status: 200, body: latest.note().to_string() },
            None => Answer { status: 404, body: String::new() },
        }
    }

    fn add(&self, body: &[u8]) -> Answer {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let ok = |body: String| Answer { status: 200, body };
        let request = AddCheckpoint::parse(body).unwrap();
        let now = Timestamp::from_secs(*self.now.lock().unwrap());
        let by = |key: &SignerKey, request: AddCheckpoint, now| {
            let anything = AddCheckpoint::parse(format!("old 0\n\n{}", note_of(&request)).as_bytes()).unwrap();
            decide(Some(&self.log), None, anything).unwrap().cosign(key, now).unwrap().body()
        };
        match *self.mood.lock().unwrap() {
            Mood::Status(status) => return Answer { status, body: "no\n".to_owned() },
            Mood::EmptyConflict => return Answer { status: 409, body: String::new() },
            Mood::Claims(size) => return Answer { status: 409, body: format!("{size}\n") },
            Mood::Redirects => return Answer { status: 307, body: String::new() },
            Mood::Floods => return ok("— x AAAA\n".repeat(1 << 18)),
            Mood::Garbage => return ok("<html>it works</html>\n".to_owned()),
            Mood::OtherKey => {
                let name = self.key.verifier().name().clone();
                let other = SignerKey::from_seed(name, KeyType::CosignatureV1, [99; 32]);
                // Under its own id, as a forger would.
                let line = by(&other, request, now);
                return ok(relabelled(&line, self.key.verifier().id()));
            }
            Mood::OtherText => {
                let line = by(&self.key, request, now);
                let mut bytes = line.into_bytes();
                // Another signature: somewhere in its base64.
                let at = bytes.len() - 20;
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                return ok(String::from_utf8(bytes).unwrap());
            }
            Mood::OtherTime => return ok(by(&self.key, request, Timestamp::from_secs(now.secs() - 3_600))),
            Mood::Replays => {
                if let Some(first) = self.first.lock().unwrap().clone() {
                    return ok(first);
                }
            }
            Mood::Honest | Mood::Silent | Mood::Dribbling => {}
        }
        let mut latest = self.latest.lock().unwrap();
        match decide(Some(&self.log), latest.as_ref(), request) {
            Ok(consistent) => {
                let cosigned = consistent.cosign(&self.key, now).unwrap();
                let body = cosigned.body();
                self.sizes.lock().unwrap().push_back(cosigned.head().size.get());
                *latest = Some(cosigned);
                self.first.lock().unwrap().get_or_insert(body.clone());
                ok(body)
            }
            Err(Refusal::Conflict { latest, .. }) => Answer { status: 409, body: print_size(latest) },
            Err(refusal) => Answer { status: refusal.status(), body: refusal.to_string() },
        }
    }
}

struct Answer {
    status: u16,
    body: String,
}

fn note_of(request: &AddCheckpoint) -> String {
    request.to_string().split_once("\n\n").unwrap().1.to_owned()
}

/// The line with another key id.
fn relabelled(line: &str, id: KeyId) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let (start, blob) = line.trim_end().rsplit_once(' ').unwrap();
    let mut blob = STANDARD.decode(blob).unwrap();
    blob[..4].copy_from_slice(id.as_bytes());
    format!("{start} {}\n", STANDARD.encode(blob))
}
