//! The list of negatives, end to end: a log, two mirrors as auditors, a policy that wants to know everything, and somebody
//! who hides something (docs/TRUST.md 4.4).

use std::{fmt::Write as _, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use attest_core::{
    api::{ARTIFACTS, Found, FoundNegatives, LOOKUP, Lookup, NEGATIVES, NegativesQuery},
    negatives::{ShardId, subject_of_entry},
    note::VerifierKey,
    statement::{Predicate, Statement, Withdrawal},
};
use attest_tests::{
    command,
    http::{self},
    quorum::Quorum,
    server::Server,
    stub::{Reply, Request, Stub},
    wheel::Wheel,
};

/// A log, two mirrors that audit it, and a wheel that two groups reproduced.
struct Audited {
    quorum: Quorum,
    mirrors: [Server; 2],
    auditors: [VerifierKey; 2],
    wheel: Wheel,
}

impl Audited {
    fn new() -> Result<Self> {
        let quorum = Quorum::new()?;
        let wheel = Wheel::new("audited", "1.0", "print('audited')\n")?;
        quorum.scene.write(wheel.name(), wheel.bytes())?;
        quorum.vote(&[&quorum.alice, &quorum.carol], &wheel)?;
        let run = |data| quorum.scene.run_mirror(data, quorum.log.url(), &quorum.vkey);
        let mirrors = [run("mirror-1")?, run("mirror-2")?];
        let auditors = [auditor(&mirrors[0])?, auditor(&mirrors[1])?];
        let audited = Self { quorum, mirrors, auditors, wheel };
        audited.until_listed(2)?;
        Ok(audited)
    }

    /// Waits until both mirrors signed one list of at least so many entries.
    fn until_listed(&self, size: u64) -> Result<()> {
        for mirror in &self.mirrors {
            until(|| Ok(listed(mirror.url())?.is_some_and(|listed| listed >= size)))?;
        }
        Ok(())
    }

    /// Writes `policy.toml`: the log asked at these addresses, and both auditors needed.
    fn policy(&self, urls: &[String]) -> Result<()> {
        let mut policy = self.quorum.policy_at(self.quorum.log.url());
        policy.log = Some((self.quorum.vkey.clone(), urls.to_vec()));
        let mut text =
            policy.text()?.replace("negatives = \"best-effort\"", "negatives = \"complete\"\nauditor-threshold = 2");
        for (name, vkey) in ["a", "b"].iter().zip(&self.auditors) {
            writeln!(text, "\n[[auditor]]\nname = \"auditor-{name}\"\ngroup = \"mirror-{name}\"\nvkey = \"{vkey}\"")?;
        }
        self.quorum.scene.write("policy.toml", text)?;
        Ok(())
    }

    fn urls(&self) -> Vec<String> {
        let servers = std::iter::once(&self.quorum.log).chain(&self.mirrors);
        servers.map(|server| server.url().trim_end_matches('/').to_owned()).collect()
    }

    fn verify(&self) -> Result<command::Outcome> {
        command::run(&mut self.quorum.verification(self.wheel.name()))
    }

    /// Carol takes her vote back.
    fn withdraw(&self) -> Result<u64> {
        let vote = self.quorum.carol.vote_on(self.wheel.subject(), self.wheel.record_digest())?;
        let withdrawal =
            Withdrawal { statement_id: vote.statement_id(), reason: "built on the wrong machine".to_owned() };
        let statement = Statement::new(self.wheel.subject(), Predicate::Withdrawn(withdrawal))?;
        self.quorum.submit(&self.quorum.carol.sign(&statement)?)
    }
}

/// The key that a mirror signs its lists with: the last one on its page.
fn auditor(mirror: &Server) -> Result<VerifierKey> {
    let page = http::get(mirror.url(), "/")?.expect(200)?.body;
    let page = String::from_utf8(page.to_vec())?;
    let keys: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("verifier key  ")).collect();
    ensure!(keys.len() == 3, "the log's key, the mirror's and the auditor's: {page}");
    Ok(keys[2].parse()?)
}

/// How many entries the list of a server is about.
fn listed(server: &str) -> Result<Option<u64>> {
    let answer = http::get(server, NEGATIVES)?;
    if answer.status == 404 {
        return Ok(None);
    }
    let found: FoundNegatives = serde_json::from_slice(&answer.expect(200)?.body)?;
    let opened = found.into_edition().context("not a list")?.open()?;
    Ok(Some(opened.note().listing().head().size.get()))
}

/// Passes everything on to a server, but for what speaks against a file: that it hides.
fn hiding(server: &str) -> Result<Stub> {
    let server = server.to_owned();
    let stripped = move |request: &Request| -> Result<Reply> {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        let answer = match method {
            "POST" => http::post(&server, path, "application/json", request.body.clone())?,
            _ => http::get(&server, path)?,
        };
        let status = answer.status.as_u16();
        let body = answer.decoded()?;
        if status != 200 || !(path == LOOKUP || path.starts_with(ARTIFACTS)) {
            return Ok(Reply::ok("application/json", body).with_status(status));
        }
        let mut found: Found = serde_json::from_slice(&body)?;
        for artifact in &mut found.artifacts {
            artifact.entries.retain(|entry| subject_of_entry(entry.envelope.as_bytes()).is_none());
        }
        Ok(Reply::ok("application/json", serde_json::to_vec(&found)?))
    };
    Stub::serve(move |request| stripped(request).unwrap_or_else(|_| Reply::status(502)))
}

fn until(mut happened: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..600 {
        if happened()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("waited in vain")
}

#[test]
fn what_is_listed_must_be_shown_and_what_is_shown_decides() -> Result<()> {
    let audited = Audited::new()?;
    let urls = audited.urls();
    audited.policy(&urls)?;
    audited.verify()?.expect(0)?;
    let explain = |code: i32| -> Result<String> {
        let mut explain = audited.quorum.scene.attest();
        explain.args(["explain", audited.wheel.name(), "--policy", "policy.toml"]);
        Ok(command::run(&mut explain)?.expect(code)?.text())
    };
    let text = explain(0)?;
    ensure!(text.contains("complete, all of its first 2 entries") && text.contains("mirror-a, mirror-b"), "{text}");

    // One auditor is not the quorum. What both signed before is at hand, and would do for as long as nothing is added.
    std::fs::remove_dir_all(audited.quorum.scene.path("data/evidence"))?;
    audited.policy(&urls[..2])?;
    audited.verify()?.expect(3)?;

    // Carol withdraws. A log that hides it, by itself and as every mirror that is asked, makes the view incomplete.
    let withdrawn = audited.withdraw()?;
    audited.until_listed(withdrawn + 1)?;
    let liars: Vec<Stub> = urls.iter().map(|url| hiding(url)).collect::<Result<_>>()?;
    let lying: Vec<String> = liars.iter().map(|stub| stub.url().trim_end_matches('/').to_owned()).collect();
    audited.policy(&lying)?;
    let outcome = audited.verify()?.expect(3)?;
    ensure!(outcome.text().contains("not handed over"), "{}", outcome.text());
    let text = explain(3)?;
    ensure!(text.contains("not complete") && text.contains("incomplete-view"), "{text}");
    // With one honest mirror among them, it is had from there: hiding was of no use.
    audited.policy(&[lying[0].clone(), lying[1].clone(), urls[2].clone()])?;
    audited.verify()?.expect(1)?;
    audited.policy(&urls)?;
    audited.verify()?.expect(1)?;
    Ok(())
}

#[test]
fn a_whole_lock_is_known_from_one_answer_and_each_shard_from_its_digest() -> Result<()> {
    let audited = Audited::new()?;
    let withdrawn = audited.withdraw()?;
    audited.until_listed(withdrawn + 1)?;
    let mirror = audited.mirrors[0].url();
    let digests: Vec<_> = (0..100)
        .map(|n| Wheel::new("other", &format!("{n}"), "").map(|wheel| wheel.digest()))
        .collect::<Result<_>>()?;
    let digests = [digests, vec![audited.wheel.digest()]].concat();
    let mut shards: Vec<_> = digests.iter().map(ShardId::of).collect();
    shards.sort_unstable();
    shards.dedup();
    let query = NegativesQuery { shards, size: None };
    let found: FoundNegatives = http::get(mirror, &format!("{NEGATIVES}?{query}"))?.expect(200)?.json()?;
    let opened = found.into_edition().context("not a list")?.open()?;
    let view = opened.complete(&digests)?;
    ensure!(view.records().len() == 1 && view.records()[0].index.get() == withdrawn, "{view:?}");
    for key in [&audited.quorum.vkey, &audited.auditors[0]] {
        ensure!(view.note().is_signed_by(key)?, "{key} did not sign:\n{}", view.note());
    }
    // As a static server has it, and cacheable for ever.
    let shard = opened.table().get(ShardId::of(&audited.wheel.digest()));
    let answer = http::get(mirror, &format!("/negatives/{shard}"))?.expect(200)?;
    ensure!(answer.body.len() == 40, "one record");
    let caching = answer.headers.get("cache-control").and_then(|value| value.to_str().ok()).unwrap_or_default();
    ensure!(caching.contains("immutable"), "{caching}");
    // The lookup of the same lock, to compare.
    let lookup = serde_json::to_vec(&Lookup { digests })?;
    let found: Found = http::post(mirror, LOOKUP, "application/json", lookup)?.expect(200)?.json()?;
    let negatives = found.artifacts.iter().flat_map(|artifact| &artifact.entries);
    let negatives = negatives.filter(|entry| subject_of_entry(entry.envelope.as_bytes()).is_some());
    ensure!(negatives.count() == 1, "the lookup and the list are of one log");
    Ok(())
}
