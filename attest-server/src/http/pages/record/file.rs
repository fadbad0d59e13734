//! `/file/SHA256/`: one file. Who could rebuild it, from what, who could not, and what it comes to.

use std::sync::Arc;

use askama::Template;
use attest_core::api::{
    self,
    record::{EntryView, FileView, Threshold},
};
use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{json, summary::Summary};
use crate::http::{
    Site,
    pages::{
        answer,
        frame::{Frame, Section},
        look::Look,
        shown,
        signed::account::Account,
        wrong::Wrong,
    },
    views,
};

pub(super) async fn file(State(site): State<Arc<Site>>, request: Request) -> Response {
    answer::show(site, request, |site, asked, frame| {
        let (sha256, before) = (asked.digest(1)?, asked.index(3)?);
        asked.must_be_page(&format!("file/{sha256}"), before)?;
        let nothing = || Wrong::NotFound {
            what: "Nobody has said anything about a file of that digest to this log.",
            near: Vec::new(),
        };
        let view = views::file(site, sha256, before)?.ok_or_else(nothing)?;
        let (groups, json) = (views::groups(site)?, json(&format!("{}/{sha256}", api::record::FILES), before));
        Ok(FilePage::new(&frame.at(Section::Projects), &view, &groups, Place { is_first: before.is_none(), json })
            .render()?)
    })
    .await
}

#[derive(Debug, Template)]
#[template(path = "file.html")]
pub(super) struct FilePage<'a> {
    frame: &'a Frame,
    view: &'a FileView,
    summary: Summary<'a>,
    thresholds: Vec<Verdict<'a>>,
    statements: Vec<(&'a EntryView, Option<Account>)>,
    is_first: bool,
    json: String,
}

/// Which page of a list it is, and where tools get it, from the root.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) is_first: bool,
    pub(super) json: String,
}

/// The answer at one threshold, or at several in a row.
#[derive(Debug)]
struct Verdict<'a> {
    first: u64,
    last: u64,
    accepted: bool,
    reason: Option<&'a str>,
}

impl<'a> FilePage<'a> {
    /// `groups` are those on the list.
    pub(super) fn new(frame: &'a Frame, view: &'a FileView, groups: &'a [String], place: Place) -> Self {
        let statements = view.statements.items.iter().map(|entry| (entry, Account::of(entry))).collect();
        let thresholds = verdicts(&view.thresholds);
        let Place { is_first, json } = place;
        Self { frame, view, summary: Summary::of(&view.row, groups), thresholds, statements, is_first, json }
    }

    fn newest(&self) -> Option<&'static str> {
        (!self.is_first).then_some("../../")
    }

    fn older(&self) -> Option<String> {
        let next = self.view.statements.next.as_ref()?;
        Some(if self.is_first { format!("./before/{next}/") } else { format!("../{next}/") })
    }

    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "templates call methods with references"
    )]
    const fn verdict(&self, accepted: &bool) -> Look {
        if *accepted { Look::REPRODUCED } else { Look::ABSTAINED }
    }

    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn differences(&self, account: &Account) -> String {
        let listed = account.differences.len() as u64;
        shown::plural(&listed.saturating_add(account.unlisted_differences), "difference")
    }
}

/// Says once what is the same at several thresholds.
fn verdicts(thresholds: &[Threshold]) -> Vec<Verdict<'_>> {
    let mut verdicts: Vec<Verdict<'_>> = Vec::new();
    for Threshold { threshold, accepted, reason } in thresholds {
        let reason = reason.as_deref();
        match verdicts.last_mut() {
            Some(last) if last.accepted == *accepted && last.reason == reason => last.last = *threshold,
            _ => verdicts.push(Verdict { first: *threshold, last: *threshold, accepted: *accepted, reason }),
        }
    }
    verdicts
}
