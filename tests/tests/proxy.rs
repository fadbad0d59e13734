//! The proxy over HTTP, with indexes that lie, break and hang, and clients that mean no good. Real installers: proxy_clients.rs.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use attest_core::artifact::ArtifactDigest;
use attest_tests::{
    command,
    index::{Fault, Form, Index, Metadata},
    keyring::{self, Keyring},
    quorum::Quorum,
    server::Server,
    wheel::{Offered, Wheel},
};
use serde_json::{Value, json};

/// A project of which 1.0 passes, 2.0 has one vote of two, and 3.0 none.
struct Stand {
    quorum: Quorum,
    good: Wheel,
    half: Wheel,
    index: Index,
}

impl Stand {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let good = Wheel::requiring("gated", "1.0", "GOOD = True\n", &["other"])?;
        let half = Wheel::new("gated", "2.0", "GOOD = False\n")?;
        let none = Wheel::new("gated", "3.0", "")?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &good)?;
        quorum.vote(&[&quorum.alice], &half)?;
        quorum.write_policy()?;
        let index = Index::serve(&[(&good).into(), (&half).into(), (&none).into()])?;
        Ok(Self { quorum, good, half, index })
    }

    /// A proxy before this index, and before more of them.
    fn proxy(&self, more: &[&str]) -> Result<Server> {
        let mut proxy = self.quorum.scene.attest();
        proxy.args(["proxy", "--policy", "policy.toml", "--listen", "127.0.0.1:0"]);
        proxy.args(["--python", "/nonexistent", "--index", &format!("main={}", self.index.url())]);
        Server::spawn(proxy.args(more))
    }

    fn offer(&self, wheel: &Wheel) -> Result<()> {
        self.quorum.vote(&[&self.quorum.alice, &self.quorum.carol], wheel)?;
        self.index.add(wheel);
        Ok(())
    }
}

/// An answer as it came over the wire: head and body.
struct Raw {
    head: String,
    body: Vec<u8>,
}

impl Raw {
    fn status(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
        Some(self.head.lines().find(|found| line(found))?.split_once(':')?.1.trim())
    }

    fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on a connection of its own.
fn ask(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Raw> {
    let authority = server.url().trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let mut stream = TcpStream::connect(&authority)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request.extend(["Host: ", &authority, "\r\n"]);
    }
    for (name, value) in headers {
        request.extend([*name, ": ", *value, "\r\n"]);
    }
    stream.write_all(format!("{request}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    // A connection that is broken off in the middle is an answer too.
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("expected an answer")?;
    Ok(Raw { head: String::from_utf8_lossy(&answer[..end]).into_owned(), body: answer[end + 4..].to_vec() })
}

fn get(server: &Server, path: &str) -> Result<Raw> {
    ask(server, "GET", path, &[("Accept", "application/vnd.pypi.simple.v1+json")])
}

/// Whether the proxy says so on standard error, now or in a moment.
fn says(proxy: &Server, words: &str) -> Result<()> {
    for _ in 0..100 {
        if proxy.log().contains(words) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("expected {words:?} in {}", proxy.log())
}

/// File names of the project page.
fn names(server: &Server, project: &str) -> Result<Vec<String>> {
    let page = get(server, &format!("/simple/{project}/"))?.json()?;
    let files = page["files"].as_array().context("expected files")?;
    Ok(files.iter().filter_map(|file| Some(file["filename"].as_str()?.to_owned())).collect())
}

fn path_of(wheel: &Wheel) -> String {
    format!("/files/gated/{}/{}", wheel.digest(), wheel.name())
}

#[test]
fn what_does_not_pass_is_hidden_and_refused_with_the_reason_and_nothing_of_it_is_kept() -> Result<()> {
    let stand = Stand::new()?;
    stand.index.set_metadata(Metadata::Hashed);
    let proxy = stand.proxy(&[])?;
    let page = get(&proxy, "/simple/gated/")?;
    ensure!(page.header("cache-control").is_some_and(|value| value.contains("max-age=0")), "{}", page.head);
    let page = page.json()?;
    ensure!(page["versions"] == json!(["1.0"]) && page["meta"]["api-version"] == "1.1", "{page}");
    let file = &page["files"][0];
    ensure!(file["filename"] == stand.good.name() && file["size"] == stand.good.bytes().len(), "{page}");
    ensure!(file["upload-time"] == "2026-01-01T00:00:00Z" && file["core-metadata"]["sha256"].is_string(), "{page}");

    let served = get(&proxy, &path_of(&stand.good))?;
    ensure!(served.body == stand.good.bytes() && served.header("cache-control") == Some("no-store"), "{}", served.head);
    let refused = get(&proxy, &path_of(&stand.half))?;
    ensure!(refused.status().starts_with("HTTP/1.1 403 Blocked by attest policy: "), "{}", refused.status());
    ensure!(refused.header("content-type") == Some("application/problem+json"), "{}", refused.head);
    ensure!(refused.header("cache-control") == Some("no-store"), "{}", refused.head);
    let problem = refused.json()?;
    ensure!(problem["code"] == "below-threshold" && problem["title"] == "Blocked by attest policy", "{problem}");
    ensure!(problem["detail"].as_str().is_some_and(|detail| detail.contains("attest explain sha256:")), "{problem}");
    // A resolver reads it of files that it never installs.
    let metadata = get(&proxy, &format!("{}.metadata", path_of(&stand.half)))?;
    ensure!(metadata.text() == stand.half.metadata(), "{}", metadata.text());
    // Bytes under a digest or name that the index does not list are nobody's business.
    for path in [path_of(&stand.half).replace("2.0", "1.0"), format!("/files/gated/{}/x.whl", stand.good.digest())] {
        ensure!(get(&proxy, &path)?.status().contains("404"), "{path}");
    }
    says(&proxy, "hidden: gated 3.0")?;
    says(&proxy, "1.0 is the newest that is shown")
}

#[test]
fn html_is_filtered_as_json_is_in_and_out() -> Result<()> {
    let stand = Stand::new()?;
    stand.index.set_form(Form::Html);
    let proxy = stand.proxy(&[])?;
    ensure!(names(&proxy, "gated")? == [stand.good.name()], "from HTML");
    let page = ask(&proxy, "GET", "/simple/gated/", &[("Accept", "text/html")])?;
    ensure!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{}", page.head);
    let page = page.text();
    ensure!(page.matches("<a ").count() == 1 && page.contains(&stand.good.digest().to_string()), "{page}");
    stand.index.break_it("gated", Fault::Page("text/html".to_owned(), b"<a href='x>gated-1.0".to_vec()));
    let proxy = stand.proxy(&[])?;
    ensure!(get(&proxy, "/simple/gated/")?.status().contains("502"), "a page that is not understood is none");
    Ok(())
}

#[test]
fn head_range_redirects_and_negotiation_are_as_installers_expect() -> Result<()> {
    let stand = Stand::new()?;
    let proxy = stand.proxy(&[])?;
    let (path, size) = (path_of(&stand.good), stand.good.bytes().len());
    let head = ask(&proxy, "HEAD", &path, &[])?;
    ensure!(head.body.is_empty() && head.header("content-length") == Some(&size.to_string()), "{}", head.head);
    ensure!(head.header("accept-ranges") == Some("bytes"), "{}", head.head);
    let part = ask(&proxy, "GET", &path, &[("Range", "bytes=-22")])?;
    ensure!(part.status().contains("206") && part.body == stand.good.bytes()[size - 22..], "{}", part.head);
    let beyond = ask(&proxy, "GET", &path, &[("Range", "bytes=999999-")])?;
    ensure!(beyond.status().contains("416"), "{}", beyond.head);
    for (path, to) in [("/simple/Gated/", "../gated/"), ("/simple/gated", "gated/"), ("/simple/GA.TED", "ga-ted/")] {
        let moved = get(&proxy, path)?;
        ensure!(moved.status().contains("301") && moved.header("location") == Some(to), "{path}: {}", moved.head);
    }
    let none = ask(&proxy, "GET", "/simple/gated/", &[("Accept", "image/png")])?;
    ensure!(none.status().contains("406"), "{}", none.head);
    for path in ["/simple/", "/simple/absent/", "/simple/../gated/", "/simple/%2e%2e/", "/nothing", "/files/gated/x/y"]
    {
        ensure!(get(&proxy, path)?.status().contains("404"), "{path}");
    }
    ensure!(ask(&proxy, "POST", "/simple/gated/", &[])?.status().contains("405"), "read only");
    Ok(())
}

#[test]
fn metadata_is_the_pinned_one_or_none() -> Result<()> {
    let stand = Stand::new()?;
    let path = format!("{}.metadata", path_of(&stand.good));
    for metadata in [Metadata::Hashed, Metadata::Missing, Metadata::Lying] {
        stand.index.set_metadata(metadata);
        let proxy = stand.proxy(&[])?;
        // Where the index breaks its word, it comes from the wheel.
        ensure!(get(&proxy, &path)?.text() == stand.good.metadata(), "{metadata:?}");
    }
    stand.index.set_metadata(Metadata::Unhashed);
    let proxy = stand.proxy(&[])?;
    let page = get(&proxy, "/simple/gated/")?.json()?;
    ensure!(page["files"][0].get("core-metadata").is_none(), "nothing vouches for it: {page}");
    Ok(())
}

#[test]
fn a_file_host_that_sends_other_bytes_is_refused_for_good() -> Result<()> {
    let stand = Stand::new()?;
    let mut evil = stand.good.bytes().to_vec();
    *evil.last_mut().context("bytes")? ^= 1;
    for other in [evil, stand.good.bytes()[1..].to_vec(), [stand.good.bytes(), b"more"].concat()] {
        stand.index.break_it(stand.good.name(), Fault::Tampered(other));
        let proxy = stand.proxy(&[])?;
        let refused = get(&proxy, &path_of(&stand.good))?;
        ensure!(refused.status().starts_with("HTTP/1.1 403 Blocked by attest policy: "), "{}", refused.status());
        ensure!(refused.json()?["code"] == "digest-mismatch", "{}", refused.text());
    }
    Ok(())
}

#[test]
fn a_slow_file_is_handed_on_and_its_end_only_when_it_is_the_pinned_one() -> Result<()> {
    let stand = Stand::new()?;
    // Larger than several of the pieces in which it is handed on: no compression makes it less.
    let noise = |seed: u32| -> String {
        (0..20_000).map(|n| ArtifactDigest::of(format!("{seed} {n}").as_bytes()).to_string()).collect()
    };
    let wheel = |version: &str, seed| Wheel::new("gated", version, &format!("X = '{}'\n", noise(seed)));
    let (slow, tampered) = (wheel("0.8", 1)?, wheel("0.9", 2)?);
    let mut other = tampered.bytes().to_vec();
    *other.last_mut().context("bytes")? ^= 1;
    for big in [&slow, &tampered] {
        ensure!(big.bytes().len() > 600_000, "{}", big.bytes().len());
        stand.offer(big)?;
    }
    stand.index.break_it(slow.name(), Fault::Slow(Duration::from_secs(8)));
    stand.index.break_it(tampered.name(), Fault::SlowlyTampered(Duration::from_secs(8), other));
    let proxy = stand.proxy(&[])?;
    let (slow_end, tampered_end) = std::thread::scope(|scope| {
        let slow = scope.spawn(|| get(&proxy, &path_of(&slow)));
        let tampered = get(&proxy, &path_of(&tampered));
        (slow.join(), tampered)
    });
    let slow_end = slow_end.map_err(|_| anyhow::anyhow!("panic"))??;
    ensure!(slow_end.body == slow.bytes(), "the whole file, in the end");
    let tampered_end = tampered_end?;
    let came = tampered_end.body.len();
    if tampered_end.status().contains("200") {
        ensure!(came < tampered.bytes().len(), "without its end: {came}");
    }
    ensure!(get(&proxy, &path_of(&tampered))?.status().contains("403"), "and from then on refused");
    Ok(())
}

#[test]
fn an_index_that_lies_is_not_believed() -> Result<()> {
    let stand = Stand::new()?;
    let name = stand.good.name();
    let evil = Wheel::new("gated", "1.0", "EVIL = True\n")?;
    for (fault, why) in [
        (Fault::Says(json!({ "hashes": { "md5": "d41d8cd98f00b204e9800998ecf8427e" } })), "no sha256"),
        (Fault::ListedTwice(json!({ "hashes": { "sha256": evil.digest().to_string() } })), "lists it twice"),
        (Fault::Says(json!({ "filename": "../../gated-1.0-py3-none-any.whl" })), "not a file name of this project"),
        (Fault::Says(json!({ "size": u64::MAX })), "no index says"),
        (Fault::Says(json!({ "url": "file:///etc/passwd" })), "no index says"),
    ] {
        stand.index.break_it(name, fault);
        let proxy = stand.proxy(&[])?;
        ensure!(names(&proxy, "gated")?.is_empty(), "{why}");
        says(&proxy, why)?;
    }
    // It says that the file is one that nobody rebuilt.
    stand.index.break_it(name, Fault::Says(json!({ "hashes": { "sha256": evil.digest().to_string() } })));
    ensure!(names(&stand.proxy(&[])?, "gated")?.is_empty(), "another file");
    // A second hash beside the good one, by which pip would take any file.
    let both = json!({ "sha256": stand.good.digest().to_string(), "sha512": "ab".repeat(64) });
    stand.index.break_it(name, Fault::Says(json!({ "hashes": both })));
    let page = get(&stand.proxy(&[])?, "/simple/gated/")?.json()?;
    ensure!(page["files"][0]["hashes"].as_object().is_some_and(|hashes| hashes.len() == 1), "{page}");
    Ok(())
}

#[test]
fn a_project_never_falls_through_to_a_second_index() -> Result<()> {
    let stand = Stand::new()?;
    let public = Wheel::new("gated", "99.0", "PUBLIC = True\n")?;
    let only = Wheel::new("public", "1.0", "")?;
    for wheel in [&public, &only] {
        stand.quorum.vote(&[&stand.quorum.alice, &stand.quorum.carol], wheel)?;
    }
    let second = Index::serve(&[(&public).into(), (&only).into()])?;
    let more = format!("public={}", second.url());
    let proxy = stand.proxy(&["--index", &more])?;
    ensure!(names(&proxy, "gated")? == [stand.good.name()], "the first index has it");
    ensure!(names(&proxy, "public")? == [only.name()], "the first index does not");
    ensure!(get(&proxy, "/index/public/simple/gated/")?.text().contains("99.0"), "the second by its name");
    for fault in [
        Fault::Status(500),
        Fault::Status(403),
        Fault::Redirect("/simple/gated/".to_owned()),
        Fault::Redirect(format!("{}absent/", second.url())),
        Fault::Page("text/plain".to_owned(), Vec::new()),
        Fault::Page("application/vnd.pypi.simple.v1+json".to_owned(), b"{".to_vec()),
    ] {
        stand.index.break_it("gated", fault.clone());
        second.forget();
        let answer = get(&stand.proxy(&["--index", &more])?, "/simple/gated/")?;
        ensure!(answer.status().starts_with("HTTP/1.1 502 attest proxy: "), "{fault:?}: {}", answer.status());
        ensure!(
            second.requests().iter().all(|asked| asked.path == "/simple/absent/"),
            "{fault:?}: it was asked for it"
        );
    }
    Ok(())
}

#[test]
fn strangers_stay_outside() -> Result<()> {
    let stand = Stand::new()?;
    let proxy = stand.proxy(&["--token", "0123456789abcdef", "--host", "pypi.corp.example"])?;
    let inside = "/0123456789abcdef/simple/gated/";
    ensure!(get(&proxy, inside)?.status().contains("200"), "with the token");
    for path in ["/simple/gated/", "/0123456789abcdee/simple/gated/", "/"] {
        ensure!(get(&proxy, path)?.status().contains("404"), "{path}");
    }
    let json = ("Accept", "application/vnd.pypi.simple.v1+json");
    ensure!(ask(&proxy, "GET", inside, &[json, ("Host", "pypi.corp.example")])?.status().contains("200"), "its name");
    ensure!(ask(&proxy, "GET", inside, &[json, ("Host", "attacker.example")])?.status().contains("421"), "rebinding");
    ensure!(
        ask(&proxy, "GET", inside, &[json, ("Origin", "https://attacker.example")])?.status().contains("403"),
        "a page"
    );
    Ok(())
}

#[test]
fn many_who_ask_for_one_page_cost_one_question_and_those_who_hang_cost_nobody_anything() -> Result<()> {
    let stand = Stand::new()?;
    let proxy = stand.proxy(&[])?;
    let authority = proxy.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let hanging: Vec<TcpStream> = (0..200)
        .map(|n| {
            let mut stream = TcpStream::connect(&authority)?;
            stream.write_all(if n % 2 == 0 { b"GET /simple/ga" } else { b"\x16\x03\x01\x00garbage\r\n\r\n" })?;
            Ok(stream)
        })
        .collect::<Result<_>>()?;
    let shown = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| names(&proxy, "gated"))).collect();
        asking
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("panic"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    ensure!(shown.iter().all(|names| *names == [stand.good.name()]), "{shown:?}");
    ensure!(stand.index.requests().len() == 1, "{:?}", stand.index.requests());
    drop(hanging);
    Ok(())
}

#[test]
fn credentials_of_an_index_stay_between_it_and_the_proxy() -> Result<()> {
    let stand = Stand::new()?;
    let elsewhere = Index::serve(&[(&stand.good).into()])?;
    stand
        .index
        .break_it(stand.good.name(), Fault::Redirect(format!("{}../files/{}", elsewhere.url(), stand.good.name())));
    let with_login = stand.index.url().replace("http://", "http://ann:s3cret%2F@");
    let mut proxy = stand.quorum.scene.attest();
    proxy.args(["proxy", "--policy", "policy.toml", "--listen", "127.0.0.1:0", "--python", "/nonexistent"]);
    let proxy = Server::spawn(proxy.args(["--index", &format!("main={with_login}")]))?;
    let page = get(&proxy, "/simple/gated/")?;
    ensure!(!page.text().contains("s3cret") && !page.text().contains("ann"), "{}", page.text());
    let basic = "Basic YW5uOnMzY3JldC8=";
    ensure!(stand.index.requests().iter().all(|asked| asked.header("authorization") == Some(basic)), "as ann");
    ensure!(get(&proxy, &path_of(&stand.good))?.body == stand.good.bytes(), "through the redirect");
    ensure!(elsewhere.requests().iter().all(|asked| asked.header("authorization").is_none()), "not to another host");
    stand.index.break_it("gated", Fault::Status(401));
    for path in ["/", "/status", "/metrics", "/simple/absent/"] {
        ensure!(!get(&proxy, path)?.text().contains("s3cret"), "{path}");
    }
    ensure!(!proxy.log().contains("s3cret"), "{}", proxy.log());
    Ok(())
}

#[test]
fn what_was_kept_back_is_on_a_page_in_metrics_and_in_json() -> Result<()> {
    let stand = Stand::new()?;
    let mark = stand.quorum.scene.path("mark");
    stand.index.add(Offered::sdist("gated", "3.0", &mark)?);
    let proxy = stand.proxy(&[])?;
    names(&proxy, "gated")?;
    get(&proxy, &path_of(&stand.good))?;
    get(&proxy, &path_of(&stand.half))?;
    let status = get(&proxy, "/status")?.json()?;
    ensure!(status["schema"] == "attest.proxy/v1" && status["files"] == 1, "{status}");
    let project = &status["projects"]["gated"];
    ensure!(project["shown"] == 1 && project["hidden"] == 3 && project["withheld"]["version"] == "3.0", "{status}");
    let metrics = get(&proxy, "/metrics")?.text();
    ensure!(metrics.contains("attest_proxy_refused_total{code=\"below-threshold\"} 1"), "{metrics}");
    let page = get(&proxy, "/")?;
    ensure!(
        page.header("content-security-policy").is_some_and(|csp| csp.contains("default-src 'none'")),
        "{}",
        page.head
    );
    ensure!(page.text().contains("gated-2.0-py3-none-any.whl"), "{}", page.text());
    Ok(())
}

#[test]
fn clients_that_compare_digests_may_be_sent_to_the_index_s_own_files() -> Result<()> {
    let stand = Stand::new()?;
    let proxy = stand.proxy(&["--index-only"])?;
    let url = |agent: &str| -> Result<String> {
        let json = ("Accept", "application/vnd.pypi.simple.v1+json");
        let page = ask(&proxy, "GET", "/simple/gated/", &[json, ("User-Agent", agent)])?.json()?;
        Ok(page["files"][0]["url"].as_str().context("a URL")?.to_owned())
    };
    ensure!(url("pip/26.3 {}")?.starts_with("http://") && url("uv/0.13.9")?.starts_with("http://"), "they compare");
    ensure!(
        url("uv/0.12.24")?.starts_with("../../files/") && url("poetry/2.5.1")?.starts_with("../../"),
        "they do not"
    );
    Ok(())
}

#[test]
fn without_a_policy_nothing_is_served_and_a_log_that_is_down_hides_everything() -> Result<()> {
    let stand = Stand::new()?;
    let mut bare = stand.quorum.scene.attest();
    bare.args(["proxy", "--index", &format!("main={}", stand.index.url()), "--", "true"]);
    command::run(&mut bare)?.expect(2)?.expect_words("policy init")?;
    let nowhere = stand.quorum.policy_at("http://127.0.0.1:1/").text()?;
    stand.quorum.scene.write("policy.toml", nowhere)?;
    let proxy = stand.proxy(&[])?;
    ensure!(names(&proxy, "gated")?.is_empty(), "undecided is not passed");
    let refused = get(&proxy, &path_of(&stand.good))?;
    ensure!(refused.status().starts_with("HTTP/1.1 403 Blocked by attest policy: "), "{}", refused.status());
    Ok(())
}

#[test]
fn a_command_gets_the_proxy_as_its_only_index_and_its_exit_code_is_passed_on() -> Result<()> {
    let stand = Stand::new()?;
    let around = |command: &[&str]| -> Result<command::Outcome> {
        let mut proxy = stand.quorum.scene.attest();
        proxy.args(["proxy", "--policy", "policy.toml", "--python", "/nonexistent"]);
        proxy.args(["--index", &format!("main={}", stand.index.url()), "--report", "report.json", "--"]).args(command);
        proxy.env("PIP_EXTRA_INDEX_URL", "https://evil.example/").env("NO_PROXY", "corp.example");
        command::run(&mut proxy)
    };
    around(&["sh", "-c", "exit 42"])?.expect(42)?;
    around(&["sh", "-c", "kill -KILL $$"])?.expect(137)?;
    around(&["no-such-program-here"])?.expect(2)?;
    let told = around(&[
        "sh",
        "-c",
        "echo $PIP_INDEX_URL $UV_DEFAULT_INDEX $NO_PROXY $PIP_CONFIG_FILE [$PIP_EXTRA_INDEX_URL]",
    ])?;
    let told = told.expect(0)?;
    let words: Vec<&str> = told.stdout.split_whitespace().collect();
    ensure!(
        words[0].starts_with("http://127.0.0.1:") && words[0].ends_with("/simple/") && words[0] == words[1],
        "{words:?}"
    );
    ensure!(words[0].len() > "http://127.0.0.1:1/simple/".len() + 32, "a token that nobody guesses: {words:?}");
    ensure!(words[2..] == ["corp.example,127.0.0.1", "/dev/null", "[]"], "{words:?}");
    ensure!(told.stderr.contains("PIP_EXTRA_INDEX_URL"), "{}", told.stderr);
    let report: Value = serde_json::from_slice(&std::fs::read(stand.quorum.scene.path("report.json"))?)?;
    ensure!(report["schema"] == "attest.proxy/v1", "{report}");
    for second in [
        vec!["pip", "install", "--extra-index-url", "https://evil.example/", "gated"],
        vec!["pip", "install", "https://evil.example/x-1-py3-none-any.whl"],
        vec!["uv", "add", "gated"],
        vec!["uv", "lock"],
    ] {
        around(&second)?.expect(2)?;
    }
    stand.quorum.scene.write("r.txt", "--extra-index-url https://evil.example/\ngated\n")?;
    around(&["pip", "install", "-r", "r.txt"])?.expect(2)?.expect_words("second source")?;
    Ok(())
}

#[test]
fn a_signal_reaches_the_command_and_its_end_is_waited_for() -> Result<()> {
    let stand = Stand::new()?;
    let mut proxy = stand.quorum.scene.attest();
    proxy.args(["proxy", "--policy", "policy.toml", "--python", "/nonexistent"]);
    proxy.args(["--index", &format!("main={}", stand.index.url()), "--"]);
    proxy.args(["sh", "-c", "trap 'exit 7' INT TERM; echo listening on $PIP_INDEX_URL; while :; do sleep 0.05; done"]);
    // The command's first line tells that it runs.
    for signal in ["-INT", "-TERM"] {
        let mut around = Server::spawn(&mut proxy)?;
        command::run(Command::new("kill").args([signal, &around.pid().to_string()]))?.expect(0)?;
        ensure!(around.wait()?.code() == Some(7), "the command's own end: {}", around.log());
    }
    Ok(())
}

#[test]
fn a_proxy_leaves_nothing_behind_and_takes_away_what_a_killed_one_left() -> Result<()> {
    let stand = Stand::new()?;
    let left = || stand.quorum.scene.temporary();
    let end = |proxy: &mut Server, signal: &str| -> Result<Option<i32>> {
        command::run(Command::new("kill").args([signal, &proxy.pid().to_string()]))?.expect(0)?;
        Ok(proxy.wait()?.code())
    };
    for signal in ["-TERM", "-INT"] {
        let mut proxy = stand.proxy(&[])?;
        ensure!(get(&proxy, &path_of(&stand.good))?.status().contains(" 200 ") && left()?.len() == 1, "{:?}", left()?);
        ensure!(end(&mut proxy, signal)? == Some(0) && left()?.is_empty(), "{signal}: {:?}", left()?);
    }
    // Nobody can tidy up after that, until the next one starts. What is alive keeps what it has.
    stand.proxy(&[])?.kill()?;
    let dead = left()?;
    ensure!(dead.len() == 1, "{dead:?}");
    let (mut first, mut second) = (stand.proxy(&[])?, stand.proxy(&[])?);
    ensure!(left()?.len() == 2 && !left()?.contains(&dead[0]), "{:?}", left()?);
    ensure!(get(&first, &path_of(&stand.good))?.body == stand.good.bytes(), "its files are still there");
    ensure!(end(&mut first, "-TERM")? == Some(0) && end(&mut second, "-TERM")? == Some(0) && left()?.is_empty());
    // Around a command: however that ends.
    for (command, code) in [("exit 0", 0), ("exit 5", 5), ("kill -KILL $$", 137)] {
        let mut around = stand.quorum.scene.attest();
        around.args(["proxy", "--policy", "policy.toml", "--python", "/nonexistent"]);
        around.args(["--index", &format!("main={}", stand.index.url()), "--", "sh", "-c", command]);
        command::run(&mut around)?.expect(code)?;
        ensure!(left()?.is_empty(), "{command}: {:?}", left()?);
    }
    Ok(())
}

#[test]
fn a_keyring_is_asked_for_the_index_alone_and_only_where_the_user_says_so() -> Result<()> {
    let stand = Stand::new()?;
    stand.index.require(keyring::USER, keyring::SECRET);
    let scene = &stand.quorum.scene;
    let url = stand.index.url();
    let keyring = Keyring::new(scene, &url)?;
    let proxy = |index: &str, variable: Option<(&str, &str)>| -> Result<Server> {
        let mut proxy = scene.attest();
        proxy.args(["-v", "proxy", "--policy", "policy.toml", "--listen", "127.0.0.1:0", "--python", "/nonexistent"]);
        proxy.env("PATH", keyring.path(None)?).env("NETRC", "/nonexistent").envs(variable);
        Server::spawn(proxy.args(["--index", &format!("main={index}")]))
    };
    // Who did not say so is not surprised by a program that opens the keyring.
    let without = proxy(&url, None)?;
    ensure!(!get(&without, "/simple/gated/")?.status().contains(" 200 ") && keyring.asked().is_empty());
    let named = url.replace("http://", "http://ann@");
    for (index, variable) in
        [(&url, ("PIP_KEYRING_PROVIDER", "subprocess")), (&named, ("UV_KEYRING_PROVIDER", "subprocess"))]
    {
        let proxy = proxy(index, Some(variable))?;
        ensure!(names(&proxy, "gated")? == [stand.good.name()], "{variable:?}: {}", proxy.log());
        ensure!(get(&proxy, &path_of(&stand.good))?.body == stand.good.bytes(), "{variable:?}");
        let asked = keyring.asked();
        ensure!(asked.len() == 1 && !asked[0].contains(keyring::SECRET), "{asked:?}");
        ensure!(!proxy.log().contains(keyring::SECRET), "{}", proxy.log());
    }
    // A file host that asks for a login is no index of ours.
    let elsewhere = Index::serve(&[(&stand.good).into()])?;
    elsewhere.require(keyring::USER, keyring::SECRET);
    let there = format!("{}../files/{}", elsewhere.url(), stand.good.name());
    stand.index.break_it(stand.good.name(), Fault::Redirect(there));
    let proxy = proxy(&url, Some(("PIP_KEYRING_PROVIDER", "subprocess")))?;
    ensure!(!get(&proxy, &path_of(&stand.good))?.status().contains(" 200 "), "nobody knows a password for it");
    ensure!(elsewhere.requests().iter().all(|asked| asked.header("authorization").is_none()), "nor is one sent");
    ensure!(keyring.asked().len() == 1);
    Ok(())
}
