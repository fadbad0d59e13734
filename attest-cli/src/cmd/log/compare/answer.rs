//! The answer of `attest log compare`, as a table and as `attest.log-compare/v1`.

use std::path::PathBuf;

use attest_core::{merkle::TreeHead, note::VerifierKey};
use serde::Serialize;

use super::{Link, Proof, View};
use crate::{
    exit::Exit,
    output::{Style, causes, plural},
    run::Run,
};

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    schema: &'static str,
    origin: String,
    vkey: String,
    views: Vec<Line>,
    forks: Vec<Fork>,
    exit: u8,
    #[serde(skip)]
    verdict: Exit,
}

/// One URL.
#[derive(Debug, Serialize)]
struct Line {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    standing: Standing,
    #[serde(skip_serializing_if = "Option::is_none")]
    behind: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// How what a URL shows stands to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Standing {
    /// Of the largest tree, and that goes together with the rest.
    Newest,
    /// The beginning of a larger tree.
    Behind,
    /// Half of a contradiction.
    Forked,
    /// Signed by the log, and not proven to go together with anything.
    Unproven,
    /// No checkpoint of the log.
    Silent,
}

/// A proven contradiction.
#[derive(Debug, Serialize)]
struct Fork {
    sizes: [u64; 2],
    evidence: PathBuf,
}

impl Document {
    pub(super) fn new(log: &VerifierKey, views: &[View], links: &[Link]) -> Self {
        let largest = views.iter().filter_map(|view| Some(view.shown.as_ref().ok()?.1.head().size.get())).max();
        let lined = views.iter().map(|view| line(view, links, largest.unwrap_or(0)));
        let forks = links.iter().filter_map(|link| {
            let sizes = [link.smaller.size.get(), link.larger.size.get()];
            Some(Fork { sizes, evidence: link.proof.evidence()?.to_owned() })
        });
        let forks: Vec<Fork> = forks.collect();
        let answered = views.iter().filter(|view| view.shown.is_ok()).count();
        let open = links.iter().any(|link| matches!(link.proof, Proof::Open(_)));
        let verdict = if !forks.is_empty() {
            Exit::Alarm
        } else if open || answered < 2 {
            Exit::Undecided
        } else {
            Exit::Pass
        };
        Self {
            schema: "attest.log-compare/v1",
            origin: log.name().as_str().to_owned(),
            vkey: log.to_string(),
            views: lined.collect(),
            forks,
            exit: verdict.code(),
            verdict,
        }
    }

    pub(super) const fn exit(&self) -> Exit {
        self.verdict
    }

    pub(super) fn print(&self, run: &Run) -> std::io::Result<()> {
        let out = &run.out;
        if out.is_json() {
            return out.json(self);
        }
        out.line(out.paint(Style::Strong, &self.origin))?;
        let wide = self.views.iter().map(|line| line.url.len()).max().unwrap_or(0);
        for line in &self.views {
            let url = format!("{:wide$}", line.url);
            let (Some(kind), Some(size), Some(root)) = (&line.kind, line.size, &line.root) else {
                let reason = line.reason.as_deref().unwrap_or_default();
                out.line(format_args!("  {url}  {} {reason}", out.paint(Style::Bad, "x")))?;
                continue;
            };
            out.line(format_args!("  {url}  {kind:7}  {size:>10} entries  {root}  {}", line.words()))?;
        }
        for fork in &self.forks {
            let [small, large] = fork.sizes;
            out.line(format_args!(
                "{}: {} signed trees of {small} and {large} entries that cannot both be of one log; evidence: {}",
                out.paint(Style::Bad, "alarm"),
                self.origin,
                fork.evidence.display()
            ))?;
        }
        let answered = self.views.iter().filter(|line| line.size.is_some()).count();
        match self.verdict {
            Exit::Pass => {
                out.line(format_args!("what {} of {} show goes together", answered, plural(self.views.len(), "URL")))
            }
            Exit::Undecided if answered < 2 => {
                out.line(format_args!("{} answered: nothing to compare", plural(answered, "URL")))
            }
            Exit::Undecided => out.line("not all that the log signed is proven to go together"),
            _ => Ok(()),
        }
    }
}

fn line(view: &View, links: &[Link], largest: u64) -> Line {
    let (kind, checkpoint) = match &view.shown {
        Ok(shown) => shown,
        Err(error) => {
            return Line {
                url: view.url.clone(),
                kind: None,
                size: None,
                root: None,
                standing: Standing::Silent,
                behind: None,
                reason: Some(causes(error)),
            };
        }
    };
    let head = checkpoint.head();
    let size = head.size.get();
    let (standing, reason) = standing(head, links, largest);
    Line {
        url: view.url.clone(),
        kind: Some(kind.to_string()),
        size: Some(size),
        root: Some(head.root.to_string()),
        standing,
        behind: (standing == Standing::Behind).then(|| largest - size),
        reason,
    }
}

fn standing(head: TreeHead, links: &[Link], largest: u64) -> (Standing, Option<String>) {
    let mine = || links.iter().filter(|link| link.larger == head || link.smaller == head);
    if mine().any(|link| link.proof.evidence().is_some()) {
        return (Standing::Forked, None);
    }
    let open = mine().find_map(|link| match &link.proof {
        Proof::Open(why) => Some(why.clone()),
        Proof::Holds | Proof::Fork(_) => None,
    });
    match open {
        Some(why) => (Standing::Unproven, Some(why)),
        None if head.size.get() == largest => (Standing::Newest, None),
        None => (Standing::Behind, None),
    }
}

impl Line {
    fn words(&self) -> String {
        match (self.standing, self.behind, &self.reason) {
            (Standing::Newest, ..) => "the newest".to_owned(),
            (Standing::Behind, Some(behind), _) => format!("the beginning of it, {behind} behind"),
            (Standing::Unproven, _, Some(why)) => format!("not proven: {why}"),
            (Standing::Forked, ..) => "contradicts another".to_owned(),
            _ => String::new(),
        }
    }
}
