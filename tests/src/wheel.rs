//! Small wheels made in memory, and an index on loopback that offers them to pip.

use std::{
    fmt::Write as _,
    fs,
    io::{Cursor, Write as _},
    path::Path,
    process::Command,
};

use anyhow::Result;
use attest_core::{
    artifact::{ArtifactDigest, ProjectName, WheelName},
    statement::Subject,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    command,
    scene::Scene,
    stub::{Reply, Stub},
};

/// A pure wheel with one module.
#[derive(Clone, Debug)]
pub struct Wheel {
    name: WheelName,
    bytes: Vec<u8>,
}

impl Wheel {
    /// `{project}-{version}-py3-none-any.whl` with a module of the project's name that holds `source`.
    ///
    /// # Errors
    /// When project and version make no wheel name.
    pub fn new(project: &str, version: &str, source: &str) -> Result<Self> {
        let info = format!("{project}-{version}.dist-info");
        let metadata = format!("Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n");
        let tags = "Wheel-Version: 1.0\nGenerator: attest-tests (1)\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let files = [
            (format!("{project}.py"), source.to_owned()),
            (format!("{info}/METADATA"), metadata),
            (format!("{info}/WHEEL"), tags.to_owned()),
        ];
        let mut record = String::new();
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in &files {
            let digest = BASE64_URL_SAFE_NO_PAD.encode(ArtifactDigest::of(content.as_bytes()).as_bytes());
            writeln!(record, "{path},sha256={digest},{}", content.len())?;
            zip.start_file(path, SimpleFileOptions::default())?;
            zip.write_all(content.as_bytes())?;
        }
        writeln!(record, "{info}/RECORD,,")?;
        zip.start_file(format!("{info}/RECORD"), SimpleFileOptions::default())?;
        zip.write_all(record.as_bytes())?;
        let name = WheelName::parse(&format!("{project}-{version}-py3-none-any.whl"))?;
        Ok(Self { name, bytes: zip.finish()?.into_inner() })
    }

    /// File name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> ArtifactDigest {
        ArtifactDigest::of(&self.bytes)
    }

    /// As a statement's subject.
    pub fn subject(&self) -> Subject {
        Subject { name: self.name.clone(), digest: self.digest() }
    }

    /// `name==version --hash=sha256:...`, as it stands in a requirements file.
    pub fn requirement(&self) -> String {
        format!("{}=={} --hash=sha256:{}\n", self.name.project.as_str(), self.name.version.as_str(), self.digest())
    }
}

/// A file that an index offers.
#[derive(Clone, Debug)]
pub struct Offered {
    name: String,
    project: ProjectName,
    version: String,
    bytes: Vec<u8>,
}

impl From<&Wheel> for Offered {
    fn from(wheel: &Wheel) -> Self {
        Self {
            name: wheel.name().to_owned(),
            project: wheel.name.project.clone(),
            version: wheel.name.version.as_str().to_owned(),
            bytes: wheel.bytes.clone(),
        }
    }
}

/// The project in `fixtures/inhouse`, built by its own backend: a wheel that rebuilds bit for bit and fetches nothing.
/// `hook` is Python that its `build_wheel` runs first.
///
/// # Errors
/// When python3 cannot build it.
pub fn build_inhouse(scene: &Scene, hook: &str) -> Result<[Offered; 2]> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inhouse");
    for file in ["pyproject.toml", "backend.py", "inhouse.py"] {
        let text = fs::read_to_string(source.join(file))?.replace("    # hook\n", &format!("    {hook}\n"));
        scene.write(&format!("inhouse/{file}"), text)?;
    }
    fs::create_dir_all(scene.path("inhouse/dist"))?;
    let mut python = Command::new("python3");
    python.args(["-c", "import backend; backend.build_wheel('dist'); backend.build_sdist('dist')"]);
    command::run(python.current_dir(scene.path("inhouse")))?.expect(0)?;
    let offered = |name: &str| -> Result<Offered> {
        Ok(Offered {
            name: name.to_owned(),
            project: ProjectName::new("inhouse")?,
            version: "1.0".to_owned(),
            bytes: fs::read(scene.path("inhouse/dist").join(name))?,
        })
    };
    Ok([offered("inhouse-1.0-py3-none-any.whl")?, offered("inhouse-1.0.tar.gz")?])
}

/// An index (PEP 691) with these files and nothing else.
#[derive(Debug)]
pub struct Index {
    stub: Stub,
}

impl Index {
    /// Serves the files.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn serve(files: &[Offered]) -> Result<Self> {
        let files = files.to_vec();
        let stub = Stub::serve(move |request| {
            if let Some(name) = request.path.strip_prefix("/files/") {
                let found = files.iter().find(|file| file.name == name);
                return found.map_or_else(
                    || Reply::status(404),
                    |file| Reply::ok("application/octet-stream", file.bytes.clone()),
                );
            }
            let project = request.path.trim_start_matches("/simple/").trim_end_matches('/');
            let found: Vec<_> = files.iter().filter(|file| file.project.as_str() == project).collect();
            if found.is_empty() { Reply::status(404) } else { page(project, &found) }
        })?;
        Ok(Self { stub })
    }

    /// For `PIP_INDEX_URL`.
    pub fn url(&self) -> String {
        format!("{}simple/", self.stub.url())
    }
}

fn page(project: &str, offered: &[&Offered]) -> Reply {
    let files: Vec<_> = offered
        .iter()
        .map(|file| {
            json!({
                "filename": file.name,
                "url": format!("/files/{}", file.name),
                "hashes": { "sha256": ArtifactDigest::of(&file.bytes).to_string() },
                "size": file.bytes.len(),
                "upload-time": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    let mut versions: Vec<_> = offered.iter().map(|file| file.version.as_str()).collect();
    versions.dedup();
    let page = json!({ "meta": { "api-version": "1.1" }, "name": project, "versions": versions, "files": files });
    Reply::ok("application/vnd.pypi.simple.v1+json", page.to_string())
}
