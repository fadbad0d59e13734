//! `attest verify --env`: what is installed, compared with what is accepted.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_tests::{
    clients::{self, Client},
    command::{self, Outcome},
    quorum::Quorum,
    tool,
    wheel::{Index, Wheel},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

/// An environment with a wheel that was accepted.
struct Place {
    quorum: Quorum,
    good: Wheel,
    index: Index,
    site: PathBuf,
}

impl Place {
    fn new(client: Client) -> Result<Option<Self>> {
        Self::with(client, Wheel::new("gated", "1.0", "GOOD = True\n")?)
    }

    fn with(client: Client, good: Wheel) -> Result<Option<Self>> {
        let quorum = Quorum::new()?;
        let (folder, program) = (quorum.scene.path("env"), clients::get(client)?);
        let (Some(program), Some(python)) = (program, clients::environment(client, &folder)?) else {
            return Ok(None);
        };
        let site = clients::site_packages(&folder)?;
        let unknown = Wheel::new("unknown", "1.0", "")?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &good)?;
        quorum.write_policy()?;
        let path = quorum.scene.write(&format!("wheels/{}", good.name()), good.bytes())?;
        let mut install = Command::new(&program);
        if client.program() == "uv" {
            install
                .args(["pip", "install", "--no-config", "--offline", "--link-mode", "copy", "--python"])
                .arg(&python);
            install.env("UV_CACHE_DIR", quorum.scene.path("uv-cache"));
        } else {
            install.arg("--python").arg(&python).arg("install");
        }
        command::run(install.args(["--no-deps", "--no-index"]).arg(path))?.expect(0)?;
        // pip itself would be audited too.
        for entry in fs::read_dir(&site)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("pip") {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let index = Index::serve(&[(&good).into(), (&unknown).into()])?;
        Ok(Some(Self { quorum, good, index, site }))
    }

    fn audit(&self, arguments: &[&str]) -> Result<Outcome> {
        command::run(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut verify = self.quorum.scene.attest();
        verify.args(["verify", "--policy", "policy.toml", "--env", "env/bin/python"]).args(arguments);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PIP_") {
                verify.env_remove(name);
            }
        }
        verify.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_INDEX_URL", self.index.url());
        verify
    }
}

#[test]
fn what_is_installed_from_an_accepted_wheel_is_shown_to_be_that_wheel() -> Result<()> {
    for client in [Client::Pip23, Client::Pip26, Client::Uv012, Client::Uv013] {
        let Some(place) = Place::new(client)? else { continue };
        let file = format!("sha256:{}", place.good.digest());
        let outcome = place.audit(&[])?.expect(0)?.expect_words("1 package audited: 1 ok")?.expect_words(&file)?;
        outcome.expect_words("no prevention")?;
        // The lock says which file it has to be, and the installer's own word is enough to ask about.
        place.quorum.scene.write("lock.txt", place.good.requirement())?;
        place.audit(&["lock.txt"])?.expect(0)?;
        place.index.forget();
        let document: Value = serde_json::from_str(&place.audit(&["lock.txt", "--output-format", "json"])?.stdout)?;
        ensure!(document["packages"][0]["outcome"] == "matched" && document["summary"]["matched"] == 1, "{document}");
        ensure!(place.index.requests().is_empty(), "with a lock the index is not asked");
    }
    Ok(())
}

/// No row says which of it came from where.
#[test]
fn code_that_a_wheel_keeps_in_two_places_is_known_by_the_accepted_file_itself() -> Result<()> {
    for client in [Client::Pip26, Client::Uv013] {
        let files = [("gated.py", "GOOD = True\n"), ("gated-1.0.data/purelib/more/gated.py", "MORE = True\n")];
        let Some(place) = Place::with(client, Wheel::holding("gated", "1.0", &files)?)? else { continue };
        place.audit(&[])?.expect(0)?.expect_words("1 package audited: 1 ok")?;
        // Whoever changes a file and its row is found all the same.
        let (module, record) = (place.site.join("more/gated.py"), place.site.join("gated-1.0.dist-info/RECORD"));
        let hash = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(ArtifactDigest::of(bytes).as_bytes());
        let (honest, evil) = (fs::read(&module)?, b"MORE = None\n");
        let rows = fs::read_to_string(&record)?;
        ensure!(rows.contains(&hash(&honest)), "{rows}");
        fs::write(&module, evil)?;
        let size = |bytes: &[u8]| format!("{},{}", hash(bytes), bytes.len());
        fs::write(&record, rows.replace(&size(&honest), &size(evil)))?;
        place.audit(&[])?.expect(1)?.expect_words("what lies here is not what the accepted file installs")?;
    }
    Ok(())
}

#[test]
fn every_change_to_what_is_installed_is_found() -> Result<()> {
    let Some(place) = Place::new(Client::Uv013)? else { return Ok(()) };
    let module = place.site.join("gated.py");
    fs::write(&module, "GOOD = None\n")?;
    place.audit(&[])?.expect(1)?.expect_words("gated.py: its bytes are others")?;
    // Whoever can change a file can change RECORD: then it is the rows that nobody stated.
    let evil = Wheel::new("gated", "1.0", "GOOD = None\n")?;
    let record = place.site.join("gated-1.0.dist-info/RECORD");
    let honest = fs::read_to_string(&record)?;
    let row = |wheel: &Wheel| -> Result<String> {
        let mut unzip = Command::new("python3");
        let script =
            "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('gated-1.0.dist-info/RECORD').decode())";
        let path = place.quorum.scene.write("look.whl", wheel.bytes())?;
        let text = command::run(unzip.args(["-c", script]).arg(path))?.expect(0)?.stdout;
        Ok(text.lines().find(|line| line.starts_with("gated.py")).unwrap_or_default().to_owned())
    };
    fs::write(&record, honest.replace(&row(&place.good)?, &row(&evil)?))?;
    place.audit(&[])?.expect(1)?.expect_words("what lies here is not what the accepted file installs")?;
    fs::write(&record, &honest)?;
    fs::write(&module, "GOOD = True\n")?;
    place.audit(&[])?.expect(0)?;
    fs::write(place.site.join("evil.pth"), "import os\n")?;
    place.audit(&[])?.expect(1)?.expect_words("evil.pth: no package claims it, and Python reads it at every start")?;
    fs::remove_file(place.site.join("evil.pth"))?;
    fs::create_dir(place.site.join("old.egg-info"))?;
    place.audit(&[])?.expect(1)?.expect_words("old.egg-info")?;
    Ok(())
}

#[test]
fn a_package_that_nobody_reproduced_is_unknown() -> Result<()> {
    let Some(place) = Place::new(Client::Uv013)? else { return Ok(()) };
    let Some(uv) = clients::get(Client::Uv013)? else { return Ok(()) };
    let mut install = Command::new(uv);
    install
        .args(["pip", "install", "--no-config", "--no-cache", "--python"])
        .arg(place.quorum.scene.path("env/bin/python"));
    install.args(["--default-index", &place.index.url(), "unknown"]).env("NO_PROXY", "127.0.0.1");
    command::run(&mut install)?.expect(0)?;
    let outcome = place.audit(&[])?.expect(1)?.expect_words("2 packages audited: 1 ok, 1 unknown")?;
    outcome.expect_words("no file of this version is accepted")?;
    // Nobody is asked, so nothing is known; but nothing passes either.
    place.audit(&["--offline"])?.expect(1).or_else(|_| place.audit(&["--offline"])?.expect(3))?;
    Ok(())
}

#[test]
fn nothing_of_the_audited_environment_is_run() -> Result<()> {
    let Some(place) = Place::new(Client::Uv013)? else { return Ok(()) };
    let mark = place.quorum.scene.path("ran");
    let evil = format!("import pathlib; pathlib.Path({:?}).touch()\n", mark.display().to_string());
    fs::write(place.site.join("evil.pth"), &evil)?;
    fs::write(place.site.join("sitecustomize.py"), &evil)?;
    place.audit(&[])?.expect(1)?;
    ensure!(!mark.exists(), "code of the environment ran");
    Ok(())
}

#[test]
fn an_index_that_wants_a_password_is_asked_with_the_one_in_netrc() -> Result<()> {
    let Some(place) = Place::new(Client::Uv013)? else { return Ok(()) };
    place.index.require("ann", "s3cret");
    place.audit(&[])?.expect(1)?.expect_words("1 unknown")?;
    let netrc = place.quorum.scene.write("netrc", "machine 127.0.0.1 login ann password s3cret\n")?;
    let mut verify = place.command(&["-v"]);
    let outcome = command::run(verify.env("NETRC", netrc))?.expect(0)?;
    ensure!(!outcome.text().contains("s3cret"), "the password is shown: {}", outcome.text());
    Ok(())
}

/// TLS before the index, for clients with a certificate; ends with the test.
struct Door(Child);

impl Drop for Door {
    fn drop(&mut self) {
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A certificate for 127.0.0.1 that is its own authority, with its key in the same file.
fn certificate(place: &Place, name: &str) -> Result<PathBuf> {
    let (key, cert) =
        (place.quorum.scene.path(&format!("{name}.key")), place.quorum.scene.path(&format!("{name}.crt")));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"]);
    // A certificate that is presented is none that signs others.
    openssl.arg(&key).args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"]).arg(&cert);
    command::run(&mut openssl)?.expect(0)?;
    let both = fs::read_to_string(&cert)? + &fs::read_to_string(&key)?;
    place.quorum.scene.write(&format!("{name}.pem"), both)
}

#[test]
fn an_index_that_wants_a_client_certificate_is_shown_the_one_that_pip_or_uv_has() -> Result<()> {
    if !tool::have(&["openssl", "python3"]) {
        return Ok(());
    }
    let Some(place) = Place::new(Client::Uv013)? else { return Ok(()) };
    let (server, mine, strange) =
        (certificate(&place, "server")?, certificate(&place, "mine")?, certificate(&place, "strange")?);
    let url = place.index.url();
    let port = url.split(':').nth(2).and_then(|rest| rest.split('/').next()).context("an index has a port")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/tls_door.py");
    let mut door = Command::new("python3");
    door.arg(script).arg(&server).arg(&mine).arg(port).stdout(Stdio::piped());
    let mut door = Door(door.spawn()?);
    let mut line = String::new();
    BufReader::new(door.0.stdout.take().context("its output is piped")?).read_line(&mut line)?;
    let url = url.replace(&format!("http://127.0.0.1:{port}"), &format!("https://127.0.0.1:{}", line.trim()));
    let audit = |variable: &str, certificate: Option<&PathBuf>| -> Result<Outcome> {
        let mut audit = place.command(&[]);
        audit.env("PIP_INDEX_URL", &url).env("PIP_CERT", &server);
        if let Some(certificate) = certificate {
            audit.env(variable, certificate);
        }
        command::run(&mut audit)
    };
    audit("", None)?.expect(1)?.expect_words("1 unknown")?;
    audit("PIP_CLIENT_CERT", Some(&strange))?.expect(1)?.expect_words("1 unknown")?;
    audit("PIP_CLIENT_CERT", Some(&mine))?.expect(0)?.expect_words("1 ok")?;
    audit("SSL_CLIENT_CERT", Some(&mine))?.expect(0)?.expect_words("1 ok")?;
    Ok(())
}

#[test]
fn what_is_exempt_is_known_by_the_file_itself() -> Result<()> {
    let Some(place) = Place::new(Client::Uv013)? else { return Ok(()) };
    let Some(uv) = clients::get(Client::Uv013)? else { return Ok(()) };
    let mut install = Command::new(uv);
    install.args(["pip", "install", "--no-config", "--no-cache", "--link-mode", "copy", "--python"]);
    install.arg(place.quorum.scene.path("env/bin/python"));
    install.args(["--default-index", &place.index.url(), "unknown"]).env("NO_PROXY", "127.0.0.1");
    command::run(&mut install)?.expect(0)?;
    place.audit(&[])?.expect(1)?.expect_words("no file of this version is accepted")?;
    let digest = Wheel::new("unknown", "1.0", "")?.digest();
    let policy = fs::read_to_string(place.quorum.scene.path("policy.toml"))?;
    let exempt = format!("\n[[exempt]]\nsha256 = \"{digest}\"\nreason = \"ours\"\nexpires = 2099-01-01T00:00:00Z\n");
    place.quorum.scene.write("policy.toml", policy + &exempt)?;
    place.audit(&[])?.expect(0)?.expect_words("2 packages audited: 2 ok")?;
    // The file is exempt, and not whatever calls itself so.
    let module = place.site.join("unknown.py");
    fs::write(&module, "EVIL = True\n")?;
    place.audit(&[])?.expect(1)?.expect_words("unknown.py: its bytes are others")?;
    fs::write(&module, "")?;
    // Nobody may be asked for the file, so nothing is known.
    let lock = format!("unknown==1.0 --hash=sha256:{digest}\n{}", place.good.requirement());
    place.quorum.scene.write("lock.txt", lock)?;
    place.audit(&["lock.txt"])?.expect(0)?;
    place.audit(&["lock.txt", "--offline"])?.expect(3)?.expect_words("the file is not at hand")?;
    Ok(())
}
