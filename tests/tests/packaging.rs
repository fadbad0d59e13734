//! What operators copy: the units, the settings and the proxy configuration of packaging/, tried as they are.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use attest_core::{api, tile::Entry};
use attest_tests::{
    command,
    forge::Forge,
    http::{self, ENVELOPE},
    load,
    scene::{Member, Scene},
    server::Server,
    tool,
};

fn packaged(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Replaces what a test cannot have; fails when it is not there any more.
fn replaced(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.contains(from), "{from:?} is not in the packaged file");
    Ok(text.replace(from, to))
}

#[test]
fn the_units_are_valid_and_shut_in() -> Result<()> {
    if !tool::have(&["systemd-analyze"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let binary = scene.programs().server().display().to_string();
    for (unit, instance) in [
        ("attest-server.service", "attest-server.service"),
        ("attest-mirror@.service", "attest-mirror@example.service"),
        ("attest-witness.service", "attest-witness.service"),
    ] {
        let text = packaged(unit)?;
        let path = scene.write(instance, replaced(&text, "/usr/bin/attest-server", &binary)?)?;
        let verify = command::run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path))?;
        let complained = verify.stderr.contains(instance);
        ensure!(verify.code() == Some(0) && !complained, "{unit}: {}", verify.stderr);
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=yes", "--no-pager", "--threshold=15"]).arg(&path);
        command::run(&mut security)?.expect(0).with_context(|| format!("{unit} is more exposed than 1.5 of 10"))?;
        // docs/operating.md: after an error of the disk, an alarm or a wrong setting a person starts it again.
        ensure!(text.contains("\nRestartPreventExitStatus=2 4 SIGABRT\n"), "{unit}");
    }
    Ok(())
}

#[test]
fn the_rebuilders_units_are_valid_and_the_one_with_the_key_is_shut_in() -> Result<()> {
    if !tool::have(&["systemd-analyze"]) {
        return Ok(());
    }
    let scene = Scene::new()?;
    let binary = scene.programs().cli().display().to_string();
    // A worker makes namespaces and mounts in them, for the rooms that strangers' code is shut in.
    for (unit, exposure) in [("attest-rebuilder.service", "15"), ("attest-rebuilder-worker.service", "50")] {
        let path = scene.write(unit, replaced(&packaged(unit)?, "/usr/bin/attest", &binary)?)?;
        let verify = command::run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path))?;
        ensure!(verify.code() == Some(0) && !verify.stderr.contains(unit), "{unit}: {}", verify.stderr);
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=yes", "--no-pager", "--threshold", exposure]).arg(&path);
        command::run(&mut security)?.expect(0).with_context(|| format!("{unit} is more exposed than it has to be"))?;
    }
    Ok(())
}

/// nginx with the packaged configuration; ended when dropped.
struct Proxy {
    child: Child,
    url: String,
}

impl Proxy {
    fn start(scene: &Scene, upstream: &str) -> Result<Self> {
        let folder = scene.path("nginx");
        fs::create_dir_all(&folder)?;
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = scene.write("nginx/nginx.conf", configuration(&folder, upstream, &free.to_string())?)?;
        let nginx = || {
            let mut nginx = Command::new("nginx");
            nginx.arg("-p").arg(&folder).arg("-c").arg(&config).arg("-e").arg(folder.join("error.log"));
            nginx
        };
        let test = command::run(nginx().arg("-t"))?;
        ensure!(test.code() == Some(0), "nginx -t: {}", test.stderr);
        let child = nginx().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let proxy = Self { child, url: format!("http://{free}/") };
        let started = Instant::now();
        while TcpStream::connect(free).is_err() {
            if started.elapsed() > Duration::from_secs(30) {
                bail!("nginx does not listen: {}", fs::read_to_string(folder.join("error.log"))?);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its workers notice that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The packaged configuration on a free port, without TLS and with its files in `folder`.
fn configuration(folder: &Path, upstream: &str, listen: &str) -> Result<String> {
    let packaged = packaged("nginx.conf")?;
    let kept: Vec<&str> = packaged.lines().filter(|line| !line.contains("ssl_certificate")).collect();
    let mut text = kept.join("\n");
    for (from, to) in [
        ("listen 443 ssl http2;", format!("listen {listen};")),
        ("listen [::]:443 ssl http2;", String::new()),
        ("/var/cache/nginx/attest", folder.join("cache").display().to_string()),
        ("server 127.0.0.1:8080;", format!("server {upstream};")),
    ] {
        text = replaced(&text, from, &to)?;
    }
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", folder.join(kind).display()))
        .concat();
    Ok(format!(
        "{user}daemon off;\nmaster_process off;\npid {};\nevents {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n\
         {temporary}{text}\n}}\n",
        folder.join("pid").display()
    ))
}

/// A log with the packaged settings.
fn log(scene: &Scene, forge: &Forge, flags: &[&str]) -> Result<Server> {
    scene.rebuilders("rebuilders.toml", &[Member::new("alice", "alice", &forge.public_key())])?;
    let config: PathBuf = scene.write("server.toml", packaged("server.toml")?)?;
    let mut run = scene.attest_server();
    run.arg("run").arg("--config").arg(config).arg("--data").arg(scene.path("log"));
    Server::spawn(run.args(["--listen", "127.0.0.1:0"]).args(flags))
}

fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

#[test]
fn behind_nginx_a_log_takes_proves_and_shows_what_it_shows_without() -> Result<()> {
    if !tool::have(&["nginx"]) {
        return Ok(());
    }
    let (scene, forge) = (Scene::new()?, Forge::new()?);
    let vkey = scene.init_log("log", "packaging.example")?;
    let server = log(&scene, &forge, &[])?;
    let proxy = Proxy::start(&scene, authority(server.url()))?;
    let url = proxy.url.as_str();

    for n in 0..3 {
        let envelope = forge.reproduced("packaging", n)?.to_bytes();
        let answer = http::post(url, api::STATEMENTS, ENVELOPE, envelope.clone())?.expect(201)?;
        load::check(&answer.json()?, &envelope, &vkey)?;
    }
    let checkpoint = http::get(url, "/checkpoint")?.expect(200)?;
    ensure!(checkpoint.headers["cache-control"] == "no-store", "the checkpoint may be stored");
    for path in ["/tile/0/000.p/3", "/tile/entries/000.p/3"] {
        let (direct, proxied) = (http::get(server.url(), path)?, http::get(url, path)?.expect(200)?);
        ensure!(direct.body == proxied.body, "{path} is another one behind the proxy");
        for header in ["cache-control", "etag"] {
            ensure!(direct.headers.get(header) == proxied.headers.get(header), "{path}: {header}");
        }
        ensure!(direct.headers.get("content-encoding") == proxied.headers.get("content-encoding"), "{path}");
        ensure!(direct.decoded()? == proxied.decoded()?, "{path}");
    }
    // One spelling of every path, behind the proxy too.
    for (path, status) in [
        ("/tile/0/%30%30%30.p/3", "400"),
        ("/tile/../checkpoint", "400"),
        ("/%63heckpoint", "404"),
        ("//checkpoint", "404"),
        ("/tile/0/x000/000.p/3", "400"),
    ] {
        let answer = raw(url, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    let oversized = vec![b'a'; Entry::MAX_LEN + 1];
    http::post(url, api::STATEMENTS, ENVELOPE, oversized)?.expect(413)?;
    http::post(url, api::STATEMENTS, ENVELOPE, vec![b'a'; 200_000])?.expect(413)?;
    http::get(url, "/metrics")?.expect(200)?;

    // What never changes is there while the log is down; what must be fresh is not made up.
    server.stop()?;
    http::get(url, "/tile/0/000.p/3")?.expect(200)?;
    http::get(url, "/checkpoint")?.expect(502)?;
    Ok(())
}

#[test]
fn behind_nginx_clients_count_by_their_own_address_whatever_they_claim() -> Result<()> {
    if !tool::have(&["nginx"]) {
        return Ok(());
    }
    let (scene, forge) = (Scene::new()?, Forge::new()?);
    scene.init_log("log", "packaging.example")?;
    let server = log(&scene, &forge, &["--address-reads", "1"])?;
    let proxy = Proxy::start(&scene, authority(server.url()))?;
    let limited = (0..250).any(|n| {
        let lie =
            format!("GET /checkpoint HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.{n}\r\nconnection: close\r\n\r\n");
        raw(&proxy.url, &lie).is_ok_and(|answer| {
            let head = answer.to_lowercase();
            answer.starts_with("HTTP/1.1 429 ") && head.contains("\r\nretry-after: ")
        })
    });
    ensure!(limited, "a client that claims many addresses was never refused");
    Ok(())
}

fn raw(url: &str, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(authority(url))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
