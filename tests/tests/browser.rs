//! The pages as a person sees them: a real browser, wide and narrow, light and dark, by keyboard, without scripts.

use anyhow::{Result, ensure};
use attest_tests::{
    browser::{self, Browser},
    chronicle::Chronicle,
    scene::Scene,
};
use serde_json::Value;

/// Looks at a site, in which nothing may be wrong; how many pages that were.
fn look(chromium: &Browser, url: &str, sights: &[(&str, String)]) -> Result<usize> {
    let said = chromium.look(url, &browser::screenshots()?, sights)?;
    let report: Value = serde_json::from_str(&said)?;
    let found = report["found"].as_array().into_iter().flatten();
    let found: Vec<String> = found.map(|one| format!("{}: {}", one["page"], one["what"])).collect();
    ensure!(found.is_empty(), "{} things are wrong:\n{}", found.len(), found.join("\n"));
    Ok(report["pages"].as_array().map_or(0, Vec::len))
}

#[test]
fn every_page_holds_up_in_a_browser_whatever_the_log_says() -> Result<()> {
    let Some(chromium) = Browser::find()? else { return Ok(()) };
    let chronicle = Chronicle::new()?;
    chronicle.wait_for_the_record()?;
    let pages = look(&chromium, chronicle.log.url(), &chronicle.sights)?;
    ensure!(pages > 30, "only {pages} pages are linked");
    Ok(())
}

#[test]
fn a_log_in_which_nothing_happened_yet_has_pages_that_say_so() -> Result<()> {
    let Some(chromium) = Browser::find()? else { return Ok(()) };
    let scene = Scene::new()?;
    scene.init_log("log", "log.example.org/empty")?;
    let log = scene.run_log("log", &scene.write("rebuilders.toml", "rebuilder = []\n")?)?;
    log.wait_for_the_record(0)?;
    let sights = [
        ("empty home", "/"),
        ("empty projects", "/projects/"),
        ("empty entries", "/entries/"),
        ("empty rebuilders", "/rebuilders/"),
        ("empty disagreements", "/disagreements/"),
        ("empty log", "/log/"),
        ("nothing found", "/search/?q=nobody-ever"),
    ];
    look(&chromium, log.url(), &sights.map(|(name, path)| (name, path.to_owned())))?;
    Ok(())
}
