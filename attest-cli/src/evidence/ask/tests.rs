use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use attest_core::{
    api,
    checkpoint::Checkpoint,
    merkle::Frontier,
    negatives::{Listing, Table},
    note::{KeyName, KeyType, SignerKey},
    verify::Connection,
};

use super::{
    super::{Asking, Gathered, Means, cache::Cache, gather},
    *,
};
use crate::output::Manner;

fn key() -> SignerKey {
    SignerKey::from_seed(KeyName::new("log.test").unwrap(), KeyType::Ed25519, [7; 32])
}

/// A log without entries that answers so to a path and a body, and the paths that it was asked for.
pub(super) fn liar(
    answer: impl Fn(&str, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Source, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (paths, answer) = (Arc::clone(&asked), Arc::new(answer));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (paths, answer) = (Arc::clone(&paths), Arc::clone(&answer));
            thread::spawn(move || serve(stream, &paths, &*answer));
        }
    });
    (Source { log: key().verifier().clone(), urls: vec![url], audited: true }, asked)
}

fn serve(mut stream: TcpStream, paths: &Mutex<Vec<String>>, answer: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).unwrap();
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = first.split(' ').nth(1).unwrap().to_owned();
    paths.lock().unwrap().push(path.clone());
    let (status, body) = answer(&path, &body).map_or((503, Vec::new()), |body| (200, body));
    write!(stream, "HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())
        .and_then(|()| stream.write_all(&body))
        .unwrap();
}

fn ask_it(source: Source, digest: ArtifactDigest) -> Gathered {
    ask_about(source, &[digest])
}

pub(super) fn ask_about(source: Source, digests: &[ArtifactDigest]) -> Gathered {
    let folder = tempfile::tempdir().unwrap();
    let out = Output::new(Manner::default());
    let (history, cache) = (History::new(folder.path()), Cache::new(folder.path()));
    let (data, connection, asking) = (folder.path(), Connection::Online, Asking::Anew);
    let means = Means { history: &history, cache: &cache, data, connection, asking, out: &out };
    gather(&[source], &[], digests, &means).unwrap()
}

fn checkpoint() -> String {
    checkpoint_of(Frontier::new().head())
}

pub(super) fn checkpoint_of(head: TreeHead) -> String {
    Checkpoint { origin: "log.test".to_owned(), head }.sign(&key()).unwrap().note().to_string()
}

/// What is signed twice is proven whatever else the signer withholds.
#[test]
fn the_lists_of_a_log_that_answers_nothing_else_are_judged_too() {
    let listing = Listing::new(KeyName::new("log.test").unwrap(), Frontier::new().head(), 0, &Table::empty());
    let note = listing.unwrap().sign(&key()).unwrap().to_string().into_bytes();
    let edition = Edition { note, table: Table::empty().to_bytes(), shards: Vec::new(), checkpoints: Vec::new() };
    let list = serde_json::to_vec(&api::FoundNegatives::of(&edition)).unwrap();
    let (source, _) = liar(move |path, _| path.starts_with(api::NEGATIVES).then(|| list.clone()));
    let gathered = ask_it(source, ArtifactDigest::of(b"file"));
    assert_eq!(gathered.evidence.unreachable.len(), 1);
    assert_eq!(gathered.evidence.negatives, [edition]);
}

#[test]
fn a_file_has_one_next_page_however_often_the_answer_names_it() {
    let digest = ArtifactDigest::of(b"file");
    let found = move |count, more_from| {
        let artifact = api::FoundArtifact { sha256: digest, entries: Vec::new(), more_from };
        serde_json::to_vec(&api::Found { checkpoint: checkpoint(), artifacts: vec![artifact; count] }).ok()
    };
    let (source, asked) = liar(move |path, _| match path {
        api::LOOKUP => found(1_000, Some(0)),
        path if path.starts_with(api::ARTIFACTS) => found(1, None),
        _ => None,
    });
    assert_eq!(ask_it(source, digest).asked.len(), 1);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|path| path.starts_with(api::ARTIFACTS)).count(), 1, "{asked:?}");
}
