//! `/file/SHA256/`: one file. Who could rebuild it, from what, who could not, and what it comes to.

use std::sync::Arc;

use askama::Template;
use attest_core::api::record::{EntryView, FileView, Threshold};
use axum::{
    extract::{Request, State},
    response::Response,
};

use super::summary::Summary;
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
        let sha256 = asked.digest(1)?;
        asked.must_be(&format!("file/{sha256}/"))?;
        let nothing = || Wrong::NotFound {
            what: "Nobody has said anything about a file of that digest to this log.",
            near: Vec::new(),
        };
        let view = views::file(site, sha256)?.ok_or_else(nothing)?;
        let mut groups: Vec<String> = views::rebuilders(site)?.items.into_iter().map(|row| row.group).collect();
        groups.sort_unstable();
        groups.dedup();
        Ok(FilePage::new(&frame.at(Section::Projects), &view, &groups).render()?)
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
    pub(super) fn new(frame: &'a Frame, view: &'a FileView, groups: &'a [String]) -> Self {
        let statements = view.statements.iter().map(|entry| (entry, Account::of(entry))).collect();
        let thresholds = verdicts(&view.thresholds);
        Self { frame, view, summary: Summary::of(&view.row, groups), thresholds, statements }
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
