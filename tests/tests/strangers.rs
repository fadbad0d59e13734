//! What strangers write, in every member that takes any text and in the list of rebuilders, stays text: in every page, badge,
//! feed and answer of the API.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Result, ensure};
use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    note::VerifierKey,
    statement::Subject,
};
use attest_tests::{
    forge::Forge,
    http::{Connection, block_on},
    scene::Scene,
    server::Server,
    stranger, strict,
};

/// A log whose name is hostile, with a list of rebuilders that is, and statements that are.
struct World {
    scene: Scene,
    vkey: VerifierKey,
    list: PathBuf,
    log: Server,
    entries: u64,
}

impl World {
    fn new() -> Result<Self> {
        let scene = Scene::new()?;
        let vkey = scene.init_log("log", "log.example.org/'\"\\\u{202e}><script>alert(6)</script>&amp;")?;
        let names = stranger::TEXTS.iter().map(|text| (*text).to_owned()).chain(["ä".repeat(5_000)]);
        let strangers = names.map(|name| Ok((name, Forge::new()?))).collect::<Result<Vec<_>>>()?;
        let list = scene.write("rebuilders.toml", rebuilders(&strangers)?)?;
        let log = scene.run_log("log", &list)?;
        let name = WheelName::parse("strange-1-py3-none-any.whl")?;
        let payloads = stranger::statements(&Subject { digest: ArtifactDigest::of(b"strange"), name })?.payloads;
        let signed = payloads.into_iter().zip(strangers.iter().cycle());
        let signed = signed.map(|(payload, (_, forge))| forge.sign_payload(payload));
        // A file with a column for each of them.
        let signed = signed.chain(strangers.iter().map(|(_, forge)| forge.reproduced("strange", 2)));
        let signed = signed.collect::<Result<Vec<_>>>()?;
        block_on(async {
            let mut connection = Connection::open(log.url()).await?;
            for envelope in &signed {
                connection.submit(envelope.to_bytes().into()).await?;
            }
            Ok(())
        })?;
        Ok(Self { scene, vkey, list, log, entries: signed.len() as u64 })
    }
}

/// Everything that a list says of a rebuilder is hostile.
fn rebuilders(strangers: &[(String, Forge)]) -> Result<String> {
    // A string of JSON is one of TOML, but for DEL.
    let quoted = |text: &str| serde_json::to_string(text).map(|text| text.replace('\u{7f}', "\\u007f"));
    let hostile = quoted(stranger::TEXTS[0])?;
    let mut list = format!("[operator]\nname = {hostile}\ncontact = {hostile}\n");
    for (name, forge) in strangers {
        let (name, key) = (quoted(name)?, forge.public_key());
        writeln!(list, "[[rebuilder]]\nname = {name}\ngroup = {name}\nurl = {name}\ncontact = {name}\nkey = '{key}'")?;
    }
    Ok(list)
}

#[test]
fn nothing_that_anybody_wrote_becomes_markup_a_link_or_an_order_anywhere() -> Result<()> {
    let world = World::new()?;
    let mirror = {
        let mut mirror = world.scene.mirror_command("mirror", world.log.url(), &world.vkey);
        mirror.args(["--listen", "127.0.0.1:0", "--poll-interval", "1", "--name", "mirror.example/<script>alert(7)"]);
        Server::spawn(mirror.arg("--rebuilders").arg(&world.list))?
    };
    let hostile = "%3Cscript%3Ealert(8)%3C/script%3E%E2%80%AE%00%22";
    let asked = [
        format!("/search/?q={hostile}"),
        format!("/api/v1/search?q={hostile}"),
        "/search/?q=strange".to_owned(),
        "/rebuilders/".to_owned(),
        "/api/v1/rebuilders".to_owned(),
        "/api/v1/openapi.json".to_owned(),
    ];
    for server in [&world.log, &mirror] {
        server.wait_for_the_record(world.entries)?;
        let Some(reading) = strict::read(server.url(), &asked)? else { return Ok(()) };
        let found: Vec<String> = reading.found.iter().map(|one| format!("{}: {}", one.page, one.what)).collect();
        ensure!(found.is_empty(), "{} things are wrong:\n{}", found.len(), found.join("\n"));
        for (kind, least) in
            [("text/html", 70), ("application/json", 100), ("application/atom+xml", 10), ("image/svg+xml", 4)]
        {
            let read = reading.read.get(kind).copied().unwrap_or_default();
            ensure!(read >= least, "only {read} of {kind} were linked: {:?}", reading.read);
        }
    }
    Ok(())
}
