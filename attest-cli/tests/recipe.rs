//! Recipes and statements as things that others replay: `attest rebuild --recipe` and `--statement`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use attest_core::artifact::ArtifactDigest;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

#[path = "schema/document.rs"]
mod document;
#[path = "recipe/podman.rs"]
mod podman;

const BACKEND: &str = include_str!("rebuild/backend.py");
const PYPROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";
const WHEEL: &str = "demo-1.0-py3-none-any.whl";
const SDIST: &str = "demo-1.0.tar.gz";
/// Takes podman's place: runs what it is told to in the unpacked image, with the mounts it is told of.
const ENGINE: &str = include_str!("recipe/engine.sh");
const HOST_SCRIPT: &str = "#!/bin/sh\nset -eu\npython backend.py \"$OUT\"\n";

fn sha256(bytes: &[u8]) -> String {
    ArtifactDigest::of(bytes).to_string()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Says why a test does nothing; in CI that is a failure.
fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "expected to run in CI: {reason}");
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

fn has_bubblewrap() -> bool {
    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-all", "--ro-bind", "/", "/", "true"]).stderr(Stdio::null());
    bwrap.status().is_ok_and(|status| status.success())
}

/// A project with an in-tree backend, its sdist, and the wheel that an honest build of it gives.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        Self::with(&[], |backend| backend)
    }

    fn with(more: &[(&str, &[u8])], change: impl Fn(String) -> String) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        let mut backend = BACKEND.to_owned();
        for (mark, value) in [("@MISCHIEF@", "none"), ("@PORT@", "1"), ("@PATHS@", "[]"), ("@MARK@", "mark")] {
            backend = backend.replace(mark, value);
        }
        let backend = change(backend);
        fs::write(project.path("backend.py"), &backend).unwrap();
        let made = Command::new("python3").arg(project.path("backend.py")).arg(project.path("")).status().unwrap();
        assert!(made.success());
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let wheel = fs::read(project.path(WHEEL)).unwrap();
        let own: [(&str, &[u8]); 3] =
            [("pyproject.toml", PYPROJECT.as_bytes()), ("backend.py", backend.as_bytes()), ("made.whl", &wheel)];
        for (name, content) in own.iter().chain(more) {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1_700_000_000);
            tar.append_data(&mut header, format!("demo-1.0/{name}"), *content).unwrap();
        }
        fs::write(project.path(SDIST), tar.into_inner().unwrap().finish().unwrap()).unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn attest(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_attest"))
            .args(arguments)
            .current_dir(self.path(""))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("PIP_NO_INDEX", "1")
            .output()
            .unwrap()
    }

    fn rebuild(&self, arguments: &[&str]) -> Output {
        let usual = ["rebuild", WHEEL, "--source", SDIST, "--output-dir", "results"];
        self.attest(&[&usual, arguments].concat())
    }

    /// Writes a recipe into a folder: knobs, then `custom` with the script's digest.
    fn recipe(&self, folder: &str, script: &str, custom: &str) {
        fs::create_dir_all(self.path(folder)).unwrap();
        let text = recipe(script, custom);
        fs::write(self.path(folder).join("recipe.toml"), text).unwrap();
        fs::write(self.path(folder).join("build.sh"), script).unwrap();
    }

    /// Puts a wheel without any code into the folder `dependencies`, and returns its line in a lock.
    fn dependency(&self, name: &str, requires: &str) -> String {
        let program = "import sys, zipfile\nname, requires, path = sys.argv[1:]\nwith zipfile.ZipFile(path, 'w') as z:\n    for file, text in [('METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n{requires}'), ('WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'), ('RECORD', '')]:\n        z.writestr(zipfile.ZipInfo(f'{name}-1.0.dist-info/{file}'), text)\n";
        let file = format!("{}-1.0-py3-none-any.whl", name.replace('-', "_"));
        let made = Command::new("python3")
            .args(["-c", program, &name.replace('-', "_"), requires])
            .arg(self.path(&file))
            .status()
            .unwrap();
        assert!(made.success());
        let digest = sha256(&fs::read(self.path(&file)).unwrap());
        fs::create_dir_all(self.path("dependencies").join(&digest)).unwrap();
        fs::rename(self.path(&file), self.path("dependencies").join(&digest).join(&file)).unwrap();
        format!("{name}==1.0 --hash=sha256:{digest}\n")
    }

    fn result(&self) -> PathBuf {
        self.path("results").join(WHEEL.trim_end_matches(".whl"))
    }

    fn record(&self) -> Value {
        serde_json::from_slice(&fs::read(self.result().join("build.json")).unwrap()).unwrap()
    }

    /// Signs the result, and says what the statement says.
    fn sign(&self, file: &str) -> Value {
        if !self.path("key").exists() {
            assert!(self.attest(&["key", "generate", "-o", "key"]).status.success());
        }
        let result = self.result();
        let output = self.attest(&["sign", result.to_str().unwrap(), "--signer", "key", "-o", file, "--accuse"]);
        assert!(output.status.success(), "{}", text(&output));
        let envelope: Value = serde_json::from_slice(&fs::read(self.path(file)).unwrap()).unwrap();
        let mut decoder =
            Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        decoder.stdin.take().unwrap().write_all(envelope["payload"].as_str().unwrap().as_bytes()).unwrap();
        serde_json::from_slice(&decoder.wait_with_output().unwrap().stdout).unwrap()
    }
}

fn knobs() -> String {
    format!(
        r#"schema = "https://w3id.org/attest/recipe/v1"
wheel = "{WHEEL}"
generator = "fixture 1"
guesses = []

[backend]
name = "backend"
path = ["."]

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
"#
    )
}

fn recipe(script: &str, custom: &str) -> String {
    format!(
        "# A comment counts: the digest is of these bytes.\n{}\n[custom]\nbuild-sh = \"{}\"\n{custom}",
        knobs(),
        sha256(script.as_bytes())
    )
}

#[test]
fn a_script_is_run_in_the_room_and_its_result_is_custom_with_the_recipe_byte_for_byte() {
    let project = Project::new();
    let script = format!(
        "{HOST_SCRIPT}test \"$(umask)\" = 0022\ntest \"$LC_ALL\" = C.UTF-8\ntest -d \"$WHEELS\"\ntest -d \"$PACKAGES\"\n! touch \"$0\" 2>/dev/null\n"
    );
    project.recipe("recipe", &script, "");
    let output = project.rebuild(&["--recipe", "recipe"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let (record, text) = (project.record(), recipe(&script, ""));
    assert_eq!(record["recipeKind"], "CUSTOM");
    assert_eq!(fs::read_to_string(project.result().join("recipe.toml")).unwrap(), text);
    assert_eq!(fs::read_to_string(project.result().join("build.sh")).unwrap(), script);
    // It was kept, and is replayed by its digest alone.
    fs::remove_dir_all(project.path("recipe")).unwrap();
    let digest = format!("sha256:{}", sha256(text.as_bytes()));
    let output = project.rebuild(&["--recipe", &digest]);
    assert_eq!(output.status.code(), Some(0), "{}", self::text(&output));
}

#[test]
fn a_recipe_that_does_not_hold_together_or_is_for_another_wheel_runs_nothing() {
    let project = Project::new();
    project.recipe("swapped", HOST_SCRIPT, "");
    fs::write(project.path("swapped/build.sh"), "#!/bin/sh\ntouch /build/out/evil\n").unwrap();
    project.recipe("tagged", HOST_SCRIPT, "image = \"registry.example/demo:latest\"\n");
    fs::create_dir(project.path("other")).unwrap();
    fs::write(project.path("other/recipe.toml"), knobs().replace("demo-1.0-", "demo-2.0-")).unwrap();
    for (recipe, expected) in [
        ("swapped/recipe.toml", "expected build.sh with sha256"),
        ("tagged/recipe.toml", "without a tag"),
        ("other/recipe.toml", "expected a recipe for demo-1.0-py3-none-any.whl"),
        ("project", "expected the source to have a recipe of its own"),
        ("missing.toml", "missing.toml"),
    ] {
        let output = project.rebuild(&["--recipe", recipe]);
        assert_eq!(output.status.code(), Some(3), "{recipe}: {}", text(&output));
        assert!(text(&output).contains(expected), "{recipe}: {}", text(&output));
        assert!(!project.result().exists(), "{recipe}");
    }
    let output = project.rebuild(&["--recipe", "file:///etc/passwd"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn a_recipe_of_the_project_itself_is_followed_where_it_is_asked_for() {
    let own = recipe(HOST_SCRIPT, "");
    let project = Project::with(
        &[(".attest/recipe.toml", own.as_bytes()), (".attest/build.sh", HOST_SCRIPT.as_bytes())],
        |backend| backend,
    );
    let output = project.rebuild(&["--recipe", "project"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(project.record()["recipeKind"], "CUSTOM");
}

#[test]
fn variables_of_a_recipe_are_set_inside_and_never_where_the_room_is_made() {
    if !has_bubblewrap() {
        return skip("bwrap does not work here");
    }
    let project = Project::new();
    let library = project.path("evil.so");
    fs::write(&library, "no library").unwrap();
    // Inside there is no such file; whatever is told to load it outside finds one that is no library.
    let variables = format!("LD_PRELOAD = \"{}\"\nGREETING = \"it's $HOME\"\n", library.display());
    let script = format!("{HOST_SCRIPT}test \"$GREETING\" = \"it's \\$HOME\"\n");
    fs::create_dir(project.path("recipe")).unwrap();
    let text_of_recipe = recipe(&script, "").replace("[variables]\n", &format!("[variables]\n{variables}"));
    fs::write(project.path("recipe/recipe.toml"), text_of_recipe).unwrap();
    fs::write(project.path("recipe/build.sh"), script).unwrap();
    let output = project.rebuild(&["--recipe", "recipe"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    // Without a script the same variables go to the hooks: CUSTOM, since they can bring code.
    fs::write(project.path("knobs.toml"), knobs().replace("[variables]\n", &format!("[variables]\n{variables}")))
        .unwrap();
    let output = project.rebuild(&["--recipe", "knobs.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(project.record()["recipeKind"], "CUSTOM");
    let log = fs::read_to_string(project.result().join("build.log")).unwrap();
    assert!(log.contains("cannot open shared object file"), "{log}");
    assert!(!log.contains("file too short") && !log.contains("invalid ELF header"), "{log}");
}

#[test]
fn what_a_hook_asks_for_beyond_the_recipe_is_said_and_not_fetched() {
    let project = Project::with(&[], |backend| {
        backend + "\n\ndef get_requires_for_build_wheel(config_settings=None):\n    return [\"extra-tool>=1\"]\n"
    });
    fs::write(project.path("recipe.toml"), knobs()).unwrap();
    let output = project.rebuild(&["--recipe", "recipe.toml"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("ask for extra-tool>=1, which the recipe does not have"), "{}", text(&output));
    assert_eq!(project.record()["verdict"], "BUILD_FAILED");
}

#[test]
fn a_recipe_of_knobs_with_a_backend_or_requirement_that_the_source_does_not_ask_for_is_custom() {
    let own = "\n\ndef get_requires_for_build_wheel(config_settings=None):\n    return [\"extra-tool>=1\"]\n";
    let other = Project::new();
    let other = fs::read(other.path("backend.py")).unwrap();
    let project = Project::with(&[("tests.py", &other)], |backend| backend + own);
    let (tool, library) =
        (project.dependency("extra-tool", "Requires-Dist: library>=1\n"), project.dependency("library", ""));
    let foreign = project.dependency("foreign", "Requires-Dist: extra-tool\n");
    let knobs = knobs().replace("build = []", "build = [\"extra-tool>=1\"]");
    let kind = |recipe: &str, lock: &str| {
        fs::write(project.path("recipe.toml"), recipe).unwrap();
        fs::write(project.path("build.lock"), lock).unwrap();
        let output = project.rebuild(&["--recipe", "recipe.toml", "--dependencies", "dependencies"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        (project.record()["recipeKind"].as_str().unwrap().to_owned(), text(&output))
    };
    let asked = format!("{tool}{library}");
    assert_eq!(kind(&knobs, &asked).0, "INFERRED");
    // Anybody may upload a package that writes the published wheel.
    let (found, said) = kind(&knobs, &format!("{tool}{foreign}{library}"));
    assert!(
        found == "CUSTOM" && said.contains("build requirement foreign, which the source does not ask for"),
        "{said}"
    );
    let named = knobs.replace("\"extra-tool>=1\"", "\"extra-tool>=1\", \"foreign==1.0\"");
    assert_eq!(kind(&named, &format!("{tool}{foreign}{library}")).0, "CUSTOM");
    let (found, said) = kind(&knobs.replace("name = \"backend\"", "name = \"tests\""), &asked);
    assert!(found == "CUSTOM" && said.contains("backend tests, which the source does not ask for"), "{said}");
}

#[test]
fn a_script_cannot_lead_us_to_a_wheel_outside_its_room() {
    let project = Project::new();
    let place = project.path("");
    let script = format!("#!/bin/sh\ncd /build && rm -rf out && ln -s '{}' out\n", place.display());
    project.recipe("recipe", &script, "");
    let output = project.rebuild(&["--recipe", "recipe"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("found something else"), "{}", text(&output));
}

#[test]
fn a_true_statement_holds_whoever_signed_it_and_a_false_one_is_contradicted() {
    let project = Project::new();
    assert_eq!(project.rebuild(&[]).status.code(), Some(0));
    let statement = project.sign("true.json");
    assert!(statement["predicateType"].as_str().unwrap().ends_with("/reproduced/v1"));
    let replay = |file: &str| project.rebuild(&["--statement", file]);
    let output = replay("true.json");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("HOLDS"), "{}", text(&output));
    let answer = |file: &str, standing: &str| {
        let replayed = project.rebuild(&["--statement", file, "--output-format", "json"]);
        let document = document::of(&replayed, "replay");
        let mut result = document["result"].clone();
        assert!(result.get("target").is_none(), "it is the statement that names the file");
        result["target"] = WHEEL.into();
        document::held(&result, "rebuild", "/$defs/result");
        assert_eq!(document["standing"], standing);
        document
    };
    assert!(answer("true.json", "HOLDS")["contradicts"].is_null());

    // A publisher who adds a line to the wheel, and a signer who says that it came out of the same build.
    let honest = fs::read(project.path(WHEEL)).unwrap();
    let mut evil = honest.clone();
    let at = evil.windows(7).position(|window| window == b"reached").unwrap();
    evil[at] = b'p';
    fs::write(project.path(WHEEL), &evil).unwrap();
    let output =
        project.attest(&["rebuild", WHEEL, "--source", SDIST, "--output-dir", "results", "--statement", "true.json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("expected the file that the statement is about"), "{}", text(&output));
    fs::write(project.path(WHEEL), &evil).unwrap();
    assert_eq!(project.rebuild(&[]).status.code(), Some(1));
    let mut record = project.record();
    record["verdict"] = json!("EXACT");
    record["rebuilt"]["sha256"] = record["subject"]["sha256"].clone();
    record["differences"] = json!([]);
    record["differencesTotal"] = json!(0);
    fs::write(project.result().join("build.json"), record.to_string()).unwrap();
    fs::write(project.result().join(WHEEL), &evil).unwrap();
    let lie = project.sign("false.json");

    let output = replay("false.json");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("DOES NOT HOLD"), "{}", text(&output));
    assert!(answer("false.json", "FAILS")["contradicts"].is_string());
    let contradicts = project.record()["contradicts"].as_str().unwrap().to_owned();
    // Not without a person's word.
    let result = project.result();
    let refused = project.attest(&["sign", result.to_str().unwrap(), "--signer", "key", "-o", "accusation.json"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("--accuse") && !project.path("accusation.json").exists());
    let accusation = project.sign("accusation.json");
    assert_eq!(accusation["predicate"]["contradicts"], contradicts);
    assert_eq!(accusation["predicate"]["inputsDigest"], lie["predicate"]["inputsDigest"]);
    assert_eq!(accusation["predicate"]["outcome"], "DIFFERENT");
    // An honest DIFFERENT statement holds too, and contradicts nothing.
    let output = replay("accusation.json");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(project.record().get("contradicts").is_none());
}

#[test]
fn a_statement_that_is_not_one_or_lives_in_a_file_url_is_refused() {
    let project = Project::new();
    fs::write(project.path("garbage.json"), "{}").unwrap();
    fs::write(project.path("huge.json"), vec![b' '; 1 << 20]).unwrap();
    for statement in ["garbage.json", "huge.json", "missing.json", "file:///etc/passwd"] {
        let output = project.rebuild(&["--statement", statement]);
        assert_eq!(output.status.code(), Some(2), "{statement}: {}", text(&output));
    }
}

/// A web server for the files of a folder, as long as the test runs.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let name = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
            let answer = fs::read(folder.join(name));
            let status = if answer.is_ok() { "200 OK" } else { "404 Not Found" };
            let body = answer.unwrap_or_default();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    format!("http://{address}")
}

#[test]
fn a_recipe_and_a_statement_on_a_web_server_are_held_to_their_digests() {
    let project = Project::new();
    project.recipe("recipe", HOST_SCRIPT, "");
    let server = serve(project.path(""));
    let digest = sha256(recipe(HOST_SCRIPT, "").as_bytes());
    let url = format!("{server}/recipe/recipe.toml");
    let output = project.rebuild(&["--recipe", &format!("{url}#sha256={digest}")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains(&format!("recipe: sha256:{digest}")), "{}", text(&output));
    project.sign("statement.json");
    let output = project.rebuild(&["--recipe", &format!("{url}#sha256={}", "0".repeat(64))]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    fs::write(project.path("huge.toml"), vec![b'#'; 1 << 20]).unwrap();
    let output = project.rebuild(&["--recipe", &format!("{server}/huge.toml")]);
    assert!(text(&output).contains("expected at most 262144 bytes"), "{}", text(&output));
    // Where nobody vouches for the way: only with a digest.
    let output = project.rebuild(&["--recipe", "http://recipes.example/recipe.toml"]);
    assert!(text(&output).contains("expected https, or the recipe's digest"), "{}", text(&output));

    let statement = format!("{server}/statement.json");
    let output = project.rebuild(&["--statement", &statement]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    // The script is not in the statement: without the recipe that was kept it has to be given, and with the right digest.
    fs::remove_dir_all(project.path("cache/attest/recipes")).unwrap();
    let output = project.rebuild(&["--statement", &statement]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("give it as --recipe"), "{}", text(&output));
    let output = project.rebuild(&["--statement", &statement, "--recipe", &url]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    project.recipe("recipe", "#!/bin/sh\nexit 1\n", "");
    let output = project.rebuild(&["--statement", &statement, "--recipe", &url]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains(&format!("expected the recipe with sha256 {digest}")), "{}", text(&output));
    // Another source than the statement's.
    fs::copy(Project::with(&[("more", b"")], |backend| backend).path(SDIST), project.path(SDIST)).unwrap();
    let output = project.rebuild(&["--statement", &statement]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("expected the source that the statement names"), "{}", text(&output));
}

/// Programs of this machine, with the libraries that they need, as a layer.
fn layer(programs: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut files: Vec<String> = Vec::new();
    for program in programs {
        let ldd = Command::new("ldd").arg(program).output().unwrap();
        let listed = String::from_utf8(ldd.stdout).unwrap();
        files.push((*program).to_owned());
        files.extend(listed.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
    }
    files.sort();
    files.dedup();
    for file in files {
        let content = fs::read(&file).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(0);
        tar.append_data(&mut header, &file[1..], content.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// The image of a shell and `cp`.
fn image(folder: &Path) -> String {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(folder.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    let blob = |bytes: &[u8]| {
        let digest = sha256(bytes);
        fs::write(blobs.join(&digest), bytes).unwrap();
        json!({ "digest": format!("sha256:{digest}"), "size": bytes.len(), "mediaType": "application/vnd.oci.image.layer.v1.tar" })
    };
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config =
        json!({ "os": "linux", "architecture": architecture, "config": { "Env": ["PATH=/bin", "IN_IMAGE=yes"] } });
    let config = blob(config.to_string().as_bytes());
    let layer = blob(&layer(&["/bin/sh", "/bin/cp"]));
    let manifest = blob(json!({ "config": config, "layers": [layer] }).to_string().as_bytes());
    format!("registry.example/demo@{}", manifest["digest"].as_str().unwrap())
}

#[test]
fn a_script_runs_in_an_image_from_a_local_layout_without_any_engine() {
    if !has_bubblewrap() {
        return skip("bwrap does not work here");
    }
    let project = Project::new();
    let image = image(&project.path("layout"));
    // What this machine has is not there, what the image sets is.
    let script = "#!/bin/sh\nset -eu\ntest ! -e /usr/bin/env\ntest ! -e /etc\ntest \"$IN_IMAGE\" = yes\ntest \"$PATH\" = /bin\n\
                  cp made.whl \"$OUT/demo-1.0-py3-none-any.whl\"\n";
    project.recipe("recipe", script, &format!("image = \"{image}\"\n"));
    let output = project.rebuild(&["--recipe", "recipe", "--image-layout", "layout"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let record = project.record();
    let digest = image.rsplit(':').next().unwrap();
    assert_eq!(record["environment"]["containerImage"]["sha256"], digest);
    assert_eq!(record["environment"]["network"], "NONE");
    // Without the layout: an engine, or the way out.
    fs::create_dir(project.path("bin")).unwrap();
    let with_engine = |script: &str| {
        let engine = project.path("bin/podman");
        fs::write(&engine, script).unwrap();
        fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(&engine, project.path("bin/docker")).unwrap();
        let mut places = vec![project.path("bin")];
        places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
        command
            .args(["rebuild", WHEEL, "--source", SDIST, "--output-dir", "results", "--recipe", "recipe", "--fresh"])
            .current_dir(project.path(""))
            .env("XDG_CACHE_HOME", project.path("cache"))
            .env("PIP_NO_INDEX", "1")
            .env("PATH", std::env::join_paths(places).unwrap())
            .env("IMAGE_ROOT", project.path("cache/attest/images").join(digest).join("root"));
        command.output().unwrap()
    };
    let none = with_engine("#!/bin/sh\nexit 1\n");
    assert_eq!(none.status.code(), Some(3), "{}", text(&none));
    assert!(text(&none).contains("--image-layout"), "{}", text(&none));
    let built = with_engine(ENGINE);
    assert_eq!(built.status.code(), Some(0), "{}", text(&built));
    assert_eq!(project.record()["environment"]["containerImage"]["sha256"], digest);
    // An engine whose `--network=none` is none.
    let open = with_engine(&ENGINE.replace("lo: 0", "eth0: 0"));
    assert_eq!(open.status.code(), Some(3), "{}", text(&open));
    assert!(text(&open).contains("a container without network, found eth0"), "{}", text(&open));
}

#[test]
fn a_real_wheel_is_rebuilt_from_its_printed_recipe_and_from_a_lock_that_is_used_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let attest = |arguments: &[&str], index: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
        command.args(arguments).current_dir(folder.path()).env("XDG_CACHE_HOME", path("cache"));
        if !index {
            command.env("PIP_NO_INDEX", "1").env("XDG_CACHE_HOME", path("other-cache"));
        }
        command.output().unwrap()
    };
    let printed = attest(&["rebuild", "--print-recipe", "idna==3.20"], true);
    if !printed.status.success() {
        return skip("pip cannot reach an index with idna 3.20");
    }
    fs::write(path("recipe.toml"), &printed.stdout).unwrap();
    let output = attest(&["rebuild", "idna==3.20", "--recipe", "recipe.toml"], true);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let result = path("attest-results/idna-3.20-py3-none-any");
    assert_eq!(fs::read(result.join("recipe.toml")).unwrap(), printed.stdout);
    let lock = fs::read_to_string(result.join("build.lock")).unwrap();

    // Another hash than the index has: not taken, whatever its version.
    let hash = lock.trim_end().rsplit(':').next().unwrap();
    fs::write(path("build.lock"), lock.replace(hash, &"0".repeat(64))).unwrap();
    let output = attest(&["rebuild", "idna==3.20", "--recipe", "recipe.toml"], true);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("found that the index has it with sha256"), "{}", text(&output));

    // An index that has lost the requirement: it is in an archive of dependencies, by digest.
    fs::write(path("build.lock"), &lock).unwrap();
    let find = |name: &str| {
        let kept = fs::read_dir(path("cache/attest/files")).unwrap().map(|entry| entry.unwrap().path());
        kept.flat_map(|folder| fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().path())
            .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(name))
            .unwrap()
    };
    let (wheel, sdist, requirement) = (find("idna-3.20-"), find("idna-3.20.tar"), find("flit_core"));
    fs::create_dir_all(path("dependencies").join(hash)).unwrap();
    fs::copy(&requirement, path("dependencies").join(hash).join(requirement.file_name().unwrap())).unwrap();
    let (wheel, sdist) = (wheel.to_str().unwrap(), sdist.to_str().unwrap());
    let offline = ["rebuild", wheel, "--source", sdist, "--recipe", "recipe.toml", "--fresh"];
    let output = attest(&offline, false);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("--dependencies"), "{}", text(&output));
    let output = attest(&[&offline[..], &["--dependencies", "dependencies"]].concat(), false);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    // An archive that lies about a digest.
    fs::write(path("dependencies").join(hash).join(requirement.file_name().unwrap()), "evil").unwrap();
    fs::remove_dir_all(path("other-cache")).unwrap();
    let output = attest(&[&offline[..], &["--dependencies", "dependencies"]].concat(), false);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}
