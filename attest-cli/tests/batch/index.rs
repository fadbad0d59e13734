//! A package index on loopback with small projects, and whatever conduct a test gives each of them.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use attest_core::artifact::ArtifactDigest;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

const BACKEND: &str = include_str!("backend.py");
const PYPROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";

/// Behind a file's name: its attestations (PEP 740), which a page links and does not list.
pub(crate) const PROVENANCE: &str = ".provenance";

/// A project that others are built with: older than they are.
pub(crate) const TOOL: &str = "tool";

/// How a project's page is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Conduct {
    Honest,
    /// Something that is no project page.
    Garbage,
    /// From page to page, for ever.
    RedirectLoop,
    /// To the same page under another path.
    Redirect,
    /// Nothing, for longer than anybody waits.
    Hangs,
    /// The page is right, and the files are other ones.
    OtherBytes,
}

struct Project {
    files: Vec<(String, Vec<u8>)>,
    conduct: Conduct,
}

/// Lives as long as the test.
pub(crate) struct Index {
    pub(crate) url: String,
    projects: Arc<Mutex<HashMap<String, Project>>>,
}

impl Index {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/simple", listener.local_addr().unwrap());
        let projects = Arc::new(Mutex::new(HashMap::new()));
        let serving = Arc::clone(&projects);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serve(&stream, &serving));
            }
        });
        Self { url, projects }
    }

    /// `NAME` 1.0: an sdist whose build takes `sleep` seconds, and the wheel that an honest build of it gives, with the
    /// publisher's surprises in it.
    pub(crate) fn publish(&self, name: &str, sleep: f64, surprises: &[&str]) -> Vec<u8> {
        self.publish_asking(name, "", sleep, surprises)
    }

    /// The same, of a project whose hook asks for requirements: Python's words for them.
    pub(crate) fn publish_asking(&self, name: &str, asks: &str, sleep: f64, surprises: &[&str]) -> Vec<u8> {
        let backend = BACKEND.replace("@NAME@", name).replace("@ASKS@", asks).replace("@SLEEP@", &sleep.to_string());
        let sdist = sdist(name, &backend);
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("backend.py");
        fs::write(&script, backend).unwrap();
        let status = Command::new("python3").arg(script).arg(folder.path()).args(surprises).status().unwrap();
        assert!(status.success());
        let wheel = fs::read(folder.path().join(wheel_of(name))).unwrap();
        self.put(name, vec![(format!("{name}-1.0.tar.gz"), sdist), (wheel_of(name), wheel.clone())]);
        wheel
    }

    pub(crate) fn put(&self, name: &str, files: Vec<(String, Vec<u8>)>) {
        self.projects.lock().unwrap().insert(name.to_owned(), Project { files, conduct: Conduct::Honest });
    }

    /// One more file of a project.
    pub(crate) fn add(&self, name: &str, file: &str, bytes: &[u8]) {
        self.projects.lock().unwrap().get_mut(name).unwrap().files.push((file.to_owned(), bytes.to_vec()));
    }

    /// Replaces a file.
    pub(crate) fn swap(&self, name: &str, file: &str, bytes: &[u8]) {
        let mut projects = self.projects.lock().unwrap();
        let files = &mut projects.get_mut(name).unwrap().files;
        files.iter_mut().find(|(known, _)| known == file).unwrap().1 = bytes.to_vec();
    }

    pub(crate) fn behave(&self, name: &str, conduct: Conduct) {
        self.projects.lock().unwrap().get_mut(name).unwrap().conduct = conduct;
    }

    /// URL of a file.
    pub(crate) fn file(&self, name: &str, file: &str) -> String {
        format!("{}/../files/{name}/{file}", self.url).replace("/simple/..", "")
    }
}

/// An sdist that is built by this backend of its own.
pub(crate) fn sdist(name: &str, backend: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (file, text) in [("pyproject.toml", PYPROJECT), ("backend.py", backend)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        tar.append_data(&mut header, format!("{name}-1.0/{file}"), text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

pub(crate) fn wheel_of(name: &str) -> String {
    format!("{name}-1.0-py3-none-any.whl")
}

/// A lock line with the digest.
pub(crate) fn line(name: &str, wheel: &[u8]) -> String {
    format!("{name}==1.0 --hash=sha256:{}\n", ArtifactDigest::of(wheel))
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
}

fn serve(stream: &TcpStream, projects: &Mutex<HashMap<String, Project>>) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut line) = (String::new(), String::new());
    if reader.read_line(&mut first).is_err() {
        return;
    }
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (status, kind, body) = answer(&parts, projects);
    let location =
        if status == 302 { format!("location: {}\r\n", String::from_utf8_lossy(&body)) } else { String::new() };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\n{location}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    // A client that hangs up has its reasons.
    let mut stream = stream;
    let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn answer(parts: &[&str], projects: &Mutex<HashMap<String, Project>>) -> (u16, &'static str, Vec<u8>) {
    const PAGE: &str = "application/vnd.pypi.simple.v1+json";
    let missing = (404, "text/plain", Vec::new());
    let Some(name) = parts.get(1) else {
        return missing;
    };
    let (files, conduct) = match projects.lock().unwrap().get(*name) {
        Some(project) => (project.files.clone(), project.conduct),
        None => return missing,
    };
    if parts[0] == "files" {
        let Some((_, bytes)) = files.into_iter().find(|(file, _)| Some(&file.as_str()) == parts.get(2)) else {
            return missing;
        };
        let bytes = if conduct == Conduct::OtherBytes { b"other".to_vec() } else { bytes };
        return (200, "application/octet-stream", bytes);
    }
    match conduct {
        Conduct::Garbage => return (200, PAGE, b"<html>welcome to the hotel</html>".to_vec()),
        Conduct::RedirectLoop => return (302, "text/plain", format!("/simple/{name}/").into_bytes()),
        Conduct::Redirect if parts[0] == "simple" => {
            return (302, "text/plain", format!("/moved/{name}/").into_bytes());
        }
        Conduct::Hangs => thread::sleep(Duration::from_secs(10)),
        Conduct::Honest | Conduct::OtherBytes | Conduct::Redirect => {}
    }
    let file = |(file, bytes): &(String, Vec<u8>)| {
        let provenance = format!("{file}{PROVENANCE}");
        let has_provenance = files.iter().any(|(other, _)| *other == provenance);
        json!({
            "filename": file,
            "url": format!("../../files/{name}/{file}"),
            "hashes": { "sha256": ArtifactDigest::of(bytes) },
            "upload-time": if *name == TOOL { "2024-01-01T00:00:00Z" } else { "2024-02-26T00:00:00Z" },
            "provenance": has_provenance.then(|| format!("../../files/{name}/{provenance}")),
        })
    };
    let files: Vec<_> = files.iter().filter(|(file, _)| !file.ends_with(PROVENANCE)).map(file).collect();
    let page = json!({ "meta": { "api-version": "1.1" }, "name": name, "versions": ["1.0"], "files": files });
    (200, PAGE, page.to_string().into_bytes())
}
