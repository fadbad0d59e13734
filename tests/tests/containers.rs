//! The images and the compose file with a real engine: what is built is run, shut in as the files say.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use attest_core::{api, note::VerifierKey};
use attest_tests::{
    book, clients, command,
    forge::Forge,
    http::{self, ENVELOPE},
    load,
    podman::{self, Podman},
    scene::{Member, Scene},
    server::Server,
    tool,
};
use serde_json::Value;

const COMPOSE: &str = "1.6.0";

/// What packaging/images says that the image of the server is.
fn server_image(podman: &Podman, scene: &Scene, umask: &str) -> Result<String> {
    let images = book::root().join("packaging/images");
    let mut build = scene.plain(Command::new("sh"));
    build.args(["-c", &format!("umask {umask}; exec '{}' bin server", images.display())]);
    podman.set(&mut build);
    Ok(command::run(&mut build)?.expect(0)?.stdout)
}

/// Programs of tests are not static: the image gets another layer with what they need beside them.
fn with_libraries(podman: &Podman, scene: &Scene, image: &str, program: &str) -> Result<()> {
    let folder = scene.path(&format!("libraries-{image}"));
    let folders = podman::libraries(&scene.path(program), &folder)?;
    let copies: Vec<String> = folders.iter().map(|folder| format!("COPY {folder} /{folder}")).collect();
    if !copies.is_empty() {
        fs::write(folder.join("Containerfile"), format!("FROM localhost/{image}\n{}\n", copies.join("\n")))?;
        podman.build(&folder, image)?;
    }
    Ok(())
}

/// The rebuilder's program alone: what its real image has beside it comes from a registry and a distribution.
fn rebuilder_image(podman: &Podman, scene: &Scene) -> Result<()> {
    let folder = scene.path("attest-image");
    fs::create_dir_all(folder.join("tmp"))?;
    fs::copy(scene.path("bin/attest"), folder.join("attest"))?;
    fs::copy("/etc/ssl/certs/ca-certificates.crt", folder.join("certificates.pem"))?;
    let file = "FROM scratch\nCOPY attest /usr/bin/attest\nCOPY certificates.pem /etc/ssl/certs/ca-certificates.crt\n\
                COPY tmp /tmp\nENTRYPOINT [\"/usr/bin/attest\"]\n";
    fs::write(folder.join("Containerfile"), file)?;
    podman.build(&folder, "attest")?;
    with_libraries(podman, scene, "attest", "bin/attest")
}

#[test]
fn the_servers_image_is_the_same_twice_and_runs_a_log_without_root_or_anything_to_write_to_but_its_volume() -> Result<()>
{
    let Some(podman) = Podman::new()? else { return Ok(()) };
    let scene = Scene::new()?;
    podman::programs(scene.programs(), &scene.path("bin"))?;
    let first = server_image(&podman, &scene, "022")?;
    podman.run(["rmi", "--all", "--force"])?;
    for program in ["bin/attest", "bin/attest-server"] {
        fs::File::options().append(true).open(scene.path(program))?.set_modified(std::time::UNIX_EPOCH)?;
    }
    let second = server_image(&podman, &scene, "077")?;
    ensure!(first == second, "expected the same image, found\n{first}{second}");
    let inspected = podman.run(["image", "inspect", "attest-server"])?.stdout;
    let config = serde_json::from_str::<Value>(&inspected)?[0]["Config"].take();
    ensure!(config["User"] == "65532:65532", "{config}");
    ensure!(config["Env"].as_array().is_some_and(|set| set.len() == 1), "more than PATH is set: {config}");

    with_libraries(&podman, &scene, "attest-server", "bin/attest-server")?;
    let shut_in = "run --rm --read-only --read-only-tmpfs=false --cap-drop=all --security-opt=no-new-privileges --volume=log:/data";
    let words = |more: &str| -> Vec<String> { format!("{shut_in} {more}").split(' ').map(str::to_owned).collect() };
    let init =
        podman.command(words("--network=none localhost/attest-server init --data /data/log --origin log.test/c"));
    let made = command::run(&mut { init })?;
    if made.code() == Some(126) || made.code() == Some(125) {
        tool::not_allowed(&format!("containers: {}", made.stderr.trim()));
        return Ok(());
    }
    let vkey: VerifierKey = made.expect(0)?.stdout.trim().parse()?;

    let forge = Forge::new()?;
    scene.rebuilders("etc/rebuilders.toml", &[Member::new("alice", "alice", &forge.public_key())])?;
    let lists = scene.path("etc").display().to_string();
    // On the loopback of the machine: a network of its own is what the compose file is tried with.
    let run = format!(
        "--network=host --volume={lists}:/etc/attest:ro localhost/attest-server run --data /data/log --listen 127.0.0.1:0 \
         --rebuilders /etc/attest/rebuilders.toml"
    );
    let log = Server::spawn(&mut podman.command(words(&run)))?;
    http::get(log.url(), "/healthz")?.expect(200)?;
    http::get(log.url(), "/readyz")?.expect(200)?;
    submit(log.url(), &forge, &vkey)?;
    ensure!(log.stop()?.success(), "SIGTERM does not end the log in order");

    // Another container, and the log goes on.
    let log = Server::spawn(&mut podman.command(words(&run)))?;
    let checkpoint = http::get(log.url(), "/checkpoint")?.expect(200)?;
    ensure!(size(&checkpoint.body) == Some(1), "expected the log with its entry, found {checkpoint:?}");
    ensure!(log.stop()?.success(), "SIGTERM does not end the log in order");
    ensure!(podman.run(["ps", "--all", "--quiet"])?.stdout.is_empty(), "containers are left");
    Ok(())
}

/// A statement, and the proof that the log has it.
fn submit(url: &str, forge: &Forge, vkey: &VerifierKey) -> Result<()> {
    let envelope = forge.reproduced("packaging", 0)?.to_bytes();
    let answer = http::post(url, api::STATEMENTS, ENVELOPE, envelope.clone())?.expect(201)?;
    load::check(&answer.json()?, &envelope, vkey)
}

/// The second line of a checkpoint.
fn size(checkpoint: &[u8]) -> Option<u64> {
    std::str::from_utf8(checkpoint).ok()?.lines().nth(1)?.parse().ok()
}

#[test]
fn log_witness_mirror_and_rebuilder_of_the_compose_file_find_each_other() -> Result<()> {
    let Some(podman) = Podman::new()? else { return Ok(()) };
    let Some(compose) = clients::pinned("podman-compose", COMPOSE)? else { return Ok(()) };
    let scene = Scene::new()?;
    podman::programs(scene.programs(), &scene.path("bin"))?;
    server_image(&podman, &scene, "022")?;
    with_libraries(&podman, &scene, "attest-server", "bin/attest-server")?;
    rebuilder_image(&podman, &scene)?;

    let mut init = scene.plain(Command::new(book::root().join("packaging/compose-init")));
    init.arg("here").env("ATTEST", scene.programs().cli()).env("ATTEST_SERVER", scene.programs().server());
    command::run(&mut init)?.expect(0)?;
    let here = scene.path("here");
    let forge = Forge::new()?;
    let listed = scene.rebuilders("forge.toml", &[Member::new("forge", "forge", &forge.public_key())])?;
    append(&here.join("etc/rebuilders.toml"), &fs::read_to_string(listed)?)?;
    let [log, mirror, rebuilder] = published(&here.join("compose.yaml"), ["8080", "8082", "8090"])?;
    let env = fs::read_to_string(here.join(".env"))?;
    let vkey = env.lines().find_map(|line| line.strip_prefix("ATTEST_VKEY=")).context("no vkey in .env")?.parse()?;

    let mut up = scene.plain(Command::new(&compose));
    podman.set(up.args(["up", "--detach"]).current_dir(&here));
    let up = command::run(&mut up)?;
    if up.code() != Some(0) {
        // A machine that has podman, and no right to make a network or a container.
        let probe = command::run(&mut podman.command(["run", "--rm", "localhost/attest-server", "--version"]))?;
        ensure!(probe.code() != Some(0), "{}", up.text());
        tool::not_allowed(&format!("containers with a network: {}", probe.stderr.trim()));
        return Ok(());
    }
    let told = || -> String {
        let logs = ["log", "witness", "mirror", "rebuilder"].map(|name| {
            let said = command::run(&mut podman.command(["logs", &format!("attest_{name}_1")]));
            format!("--- {name}\n{}", said.map(|said| said.text()).unwrap_or_default())
        });
        logs.concat()
    };
    // The log finds its witness by name, and the mirror the log.
    let cosigned = |body: &[u8]| String::from_utf8_lossy(body).contains("\u{2014} witness.attest.test ");
    until(|| Ok(cosigned(&http::get(&log, "/checkpoint")?.body))).with_context(told)?;
    http::get(&log, "/readyz")?.expect(200)?;
    submit(&log, &forge, &vkey).with_context(told)?;
    until(|| Ok(size(&http::get(&mirror, "/checkpoint")?.body) == Some(1))).with_context(told)?;
    until(|| Ok(http::get(&rebuilder, "/")?.status == 200)).with_context(told)
}

fn append(path: &Path, text: &str) -> Result<()> {
    let before = fs::read_to_string(path)?;
    Ok(fs::write(path, format!("{before}\n{text}"))?)
}

/// Tests run side by side: free ports in place of those of the file, as URLs.
fn published<const N: usize>(file: &Path, ports: [&str; N]) -> Result<[String; N]> {
    let mut text = fs::read_to_string(file)?;
    let mut urls = [const { String::new() }; N];
    for (url, port) in urls.iter_mut().zip(ports) {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let shown = format!("\"127.0.0.1:{port}:{port}\"");
        ensure!(text.contains(&shown), "expected {shown} in the compose file");
        text = text.replace(&shown, &format!("\"{free}:{port}\""));
        *url = format!("http://{free}/");
    }
    fs::write(file, text)?;
    Ok(urls)
}

/// Waits until it is so; what is not there yet is no error before then.
fn until(is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    loop {
        match is_so() {
            Ok(true) => return Ok(()),
            Err(error) if begun.elapsed() > Duration::from_secs(60) => return Err(error),
            Ok(false) if begun.elapsed() > Duration::from_secs(60) => bail!("not so after a minute"),
            _ => thread::sleep(Duration::from_millis(100)),
        }
    }
}
