//! The pages as a person sees them: a real browser, wide and narrow, light and dark, by keyboard, without scripts.

use anyhow::{Result, ensure};
use attest_tests::{
    browser::{self, Browser},
    chronicle::Chronicle,
};
use serde_json::Value;

#[test]
fn every_page_holds_up_in_a_browser_whatever_the_log_says() -> Result<()> {
    let Some(chromium) = Browser::find()? else { return Ok(()) };
    let chronicle = Chronicle::new()?;
    chronicle.wait_for_the_record()?;
    let said = chromium.look(chronicle.log.url(), &browser::screenshots()?, &chronicle.sights)?;
    let report: Value = serde_json::from_str(&said)?;
    let (pages, found) = (report["pages"].as_array(), report["found"].as_array());
    ensure!(pages.is_some_and(|pages| pages.len() > 30), "the pages are not linked: {said}");
    let found: Vec<String> =
        found.into_iter().flatten().map(|one| format!("{}: {}", one["page"], one["what"])).collect();
    ensure!(found.is_empty(), "{} things are wrong:\n{}", found.len(), found.join("\n"));
    Ok(())
}
