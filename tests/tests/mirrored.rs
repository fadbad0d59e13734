//! A mirror shows what its log shows: every page, badge, feed and answer of the API, byte for byte, but for what says who
//! serves it and whose signatures are below the checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use attest_tests::{
    chronicle::Chronicle,
    http::{Connection, block_on},
    server::Server,
};
use hyper::{body::Bytes, header::CONTENT_TYPE};
use serde_json::Value;

/// More pages than this are a loop of links.
const MOST: usize = 3_000;

/// Members of JSON that may differ; where there is a note or a proof, its signatures may.
const MEMBERS: [&str; 8] = [
    "/role",
    "/vkeys",
    "/checkpoint/note",
    "/checkpoint/published",
    "/checkpoint/witnesses",
    // Which mirrors a server was told of, how it does, and who signed the lists of negatives that it has.
    "/mirrors",
    "/health",
    "/negatives",
];

/// Lines of pages that may differ, by the beginning of the page's path.
const LINES: [(&str, &str); 17] = [
    // Which kind of server it is.
    ("/", "<a class=\"brand\""),
    ("/log/", "<p class=\"lead\">"),
    ("/log/", "<p class=\"notice"),
    // When this server published the checkpoint, and whose signatures it has below it.
    ("/", "<dt>Published</dt>"),
    ("/", "<dt>Witnesses</dt>"),
    ("/log/", "<dt>First served here</dt>"),
    ("/log/", "<p>None signed this checkpoint."),
    ("/log/", "<p class=\"soft\">They saw that this tree"),
    ("/log/", "<ul class=\"plain\">"),
    ("/log/", "<li><bdi>"),
    ("/log/", "<pre tabindex=\"0\"><code class=\"whole\">"),
    // How this server does.
    ("/log/", "<dt>Statements</dt>"),
    ("/log/", "<dt>Last checkpoint</dt>"),
    ("/log/", "<dt>Not sealed into files yet</dt>"),
    ("/log/", "<dt>Not on these pages yet</dt>"),
    ("/log/", "<pre tabindex=\"0\"><code>"),
    ("/entry/", "<li>The checkpoint of that size has lines of"),
];

/// What both servers answered.
type Answers = BTreeMap<String, (String, [Bytes; 2])>;

#[test]
fn every_page_and_answer_of_a_mirror_is_that_of_its_log_but_for_who_serves_it() -> Result<()> {
    let chronicle = Chronicle::new()?;
    chronicle.wait_for_the_record()?;
    let (mirror, size) = (chronicle.mirror()?, chronicle.size()?);
    mirror.wait_for_the_record(size)?;
    let mut asked: Vec<String> = chronicle.sights.iter().map(|(_, path)| path.clone()).collect();
    let others = ["/api/v1/entries", "/api/v1/projects", "/api/v1/rebuilders", "/api/v1/disagreements", "/checkpoint"];
    asked.extend(others.map(str::to_owned));
    asked.extend(["0", "entries"].map(|kind| format!("/tile/{kind}/000.p/{size}")));
    let answers = block_on(everything(&chronicle.log, &mirror, asked))?;
    ensure!(answers.len() > 500, "only {} addresses are linked", answers.len());
    compare(&answers)?;

    // It follows: what is said later is the same there as well, and on the pages that were there before.
    let size = chronicle.go_on(1)?;
    chronicle.log.wait_for_the_record(size)?;
    mirror.wait_for_the_record(size)?;
    let mut answers = Answers::new();
    block_on(async {
        let mut connections = connect(&chronicle.log, &mirror).await?;
        let newest = format!("/entry/{}/", size - 1);
        for path in ["/", "/entries/", "/entry/0/", &newest, "/project/later/", "/feed.atom", "/api/v1/log"] {
            ask(&mut connections, path, &mut answers).await?;
        }
        Ok(())
    })?;
    compare(&answers)
}

/// Nothing differs that may not.
fn compare(answers: &Answers) -> Result<()> {
    let mut wrong = Vec::new();
    for (path, (kind, [from_log, from_mirror])) in answers {
        let differences = differences(path, kind, from_log, from_mirror).with_context(|| path.clone())?;
        wrong.extend(differences.into_iter().map(|difference| format!("{path}: {difference}")));
    }
    ensure!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

async fn connect(log: &Server, mirror: &Server) -> Result<[Connection; 2]> {
    Ok([Connection::open(log.url()).await?, Connection::open(mirror.url()).await?])
}

/// What both answer to one request; the paths that it leads to.
async fn ask([log, mirror]: &mut [Connection; 2], path: &str, answers: &mut Answers) -> Result<Vec<String>> {
    let (left, right) = (log.page(path).await?, mirror.page(path).await?);
    let kind = left.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    ensure!(left.status == 200, "{path}: {} from the log", left.status);
    ensure!(right.status == 200, "{path}: {} from the mirror", right.status);
    for name in ["content-type", "cache-control", "content-security-policy", "access-control-allow-origin"] {
        ensure!(left.headers.get(name) == right.headers.get(name), "{path}: another {name}");
    }
    let is_page = kind.starts_with("text/html");
    let found = if is_page { links(path, std::str::from_utf8(&left.body)?) } else { Vec::new() };
    answers.insert(path.to_owned(), (kind, [left.body, right.body]));
    Ok(found)
}

/// What both answer wherever links lead to from `/` and from `asked`.
async fn everything(log: &Server, mirror: &Server, asked: Vec<String>) -> Result<Answers> {
    let mut connections = connect(log, mirror).await?;
    let mut answers = Answers::new();
    let mut waiting = vec!["/".to_owned()];
    waiting.extend(asked);
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    while let Some(path) = waiting.pop() {
        ensure!(answers.len() < MOST, "more than {MOST} pages");
        let found = ask(&mut connections, &path, &mut answers).await?;
        waiting.extend(found.into_iter().filter(|link| seen.insert(link.clone())));
    }
    Ok(answers)
}

/// Where a page leads on its own site.
fn links(path: &str, page: &str) -> Vec<String> {
    let hrefs = page.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let hrefs = hrefs.map(|link| link.split('#').next().unwrap_or_default().replace("&#38;", "&"));
    let own = hrefs.filter(|link| !link.is_empty() && !link.contains(':'));
    own.map(|link| {
        let mut folders: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
        folders.pop();
        for part in link.split('/') {
            match part {
                ".." => drop(folders.pop()),
                "." => {}
                part => folders.push(part),
            }
        }
        // What stood for a folder ends like one.
        let end = if link.ends_with("..") || link.ends_with('.') { "/" } else { "" };
        folders.join("/") + end
    })
    .collect()
}

/// What differs and may not.
fn differences(path: &str, kind: &str, log: &[u8], mirror: &[u8]) -> Result<Vec<String>> {
    if log == mirror {
        return Ok(Vec::new());
    }
    let kind = kind.split(';').next().unwrap_or_default();
    let texts = (std::str::from_utf8(log), std::str::from_utf8(mirror));
    match (kind, texts) {
        ("text/html", (Ok(log), Ok(mirror))) => Ok(lines(path, log, mirror)),
        ("application/json", (Ok(log), Ok(mirror))) => {
            let mut found = Vec::new();
            members("", &serde_json::from_str(log)?, &serde_json::from_str(mirror)?, &mut found);
            Ok(found)
        }
        // A checkpoint, or a proof that ends in one.
        ("text/plain", (Ok(log), Ok(mirror))) if path == "/checkpoint" || path.ends_with("/entry.tlog-proof") => {
            Ok(signatures(log, mirror).err().map(|error| error.to_string()).into_iter().collect())
        }
        _ => Ok(vec![format!("{} bytes of {kind}, and {} others", log.len(), mirror.len())]),
    }
}

/// The lines that only one of two texts has.
fn only<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    let other: BTreeSet<&str> = other.lines().collect();
    one.lines().filter(|line| !other.contains(line)).collect()
}

/// A page without the lists of negatives that its server has: each makes its own, when it comes to that.
fn without_lists(page: &str) -> String {
    let mut inside = false;
    let mut kept = String::with_capacity(page.len());
    for line in page.lines() {
        inside |= line.starts_with("<details><summary>List of everything");
        if !inside {
            kept.extend([line, "\n"]);
        }
        inside &= !line.ends_with("</details>");
    }
    kept
}

fn lines(path: &str, log: &str, mirror: &str) -> Vec<String> {
    let (log, mirror) = (&*without_lists(log), &*without_lists(mirror));
    let is_note = |line: &str| is_signature(line.trim_start_matches("<details open>"));
    let may = |line: &str| {
        is_note(line)
            || line.starts_with("</ul>")
            || LINES.iter().any(|(page, start)| path.starts_with(page) && line.trim_start().starts_with(start))
    };
    let found = only(log, mirror).into_iter().chain(only(mirror, log)).filter(|line| !may(line));
    found.map(str::to_owned).collect()
}

fn is_signature(line: &str) -> bool {
    line.starts_with("— ")
}

/// Two notes that differ in signatures alone.
fn signatures(log: &str, mirror: &str) -> Result<()> {
    match only(log, mirror).into_iter().chain(only(mirror, log)).find(|line| !is_signature(line)) {
        Some(line) => bail!("a line beside the signatures: {line}"),
        None => Ok(()),
    }
}

fn members(place: &str, log: &Value, mirror: &Value, found: &mut Vec<String>) {
    match (log, mirror) {
        (left, right) if left == right => {}
        (Value::String(left), Value::String(right)) if place.ends_with("/proof") || place == "/checkpoint/note" => {
            found.extend(signatures(left, right).err().map(|error| format!("{place}: {error}")));
        }
        _ if MEMBERS.contains(&place) => {}
        (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
            for (name, member) in left {
                members(&format!("{place}/{name}"), member, &right[name], found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                members(&format!("{place}/{at}"), left, right, found);
            }
        }
        (left, right) => found.push(format!("{place}: {left} and {right}")),
    }
}
