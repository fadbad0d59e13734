//! What verdicts go by: the policies, and the logs that they name.

use attest_core::{checkpoint::UnverifiedCheckpoint, note::VerifierKey, verify::Connection};

use super::check::{Check, State};
use crate::{
    client::{Http, LogClient},
    evidence,
    layers::{LayerError, Layers},
    output::{causes, plural},
    run::{self, Run},
};

const LOG: &str = "log";
const POLICY: &str = "policy";

pub(super) fn look(run: &Run) -> anyhow::Result<Vec<Check>> {
    let layers = match run.layers() {
        Ok(layers) => layers,
        Err(error) => return Ok(vec![without(&error, run)?]),
    };
    let mut checks: Vec<Check> = Vec::new();
    for layer in layers.iter() {
        let found = format!("{} ({} policy)", layer.path.display(), layer.owner);
        let expires = layer.policy.expires().value;
        checks.push(if expires <= run::now() {
            Check::new(POLICY, State::Broken, format!("{found} expired at {expires}"))
                .costs("nothing passes any more (exit 3)")
                .mend(format!("review it, then set `expires` and raise `serial` in {}", layer.path.display()))
        } else {
            Check::ok(POLICY, format!("{found}, holds until {expires}"))
        });
    }
    checks.extend(logs(&layers, run));
    Ok(checks)
}

/// Why there is none to judge by.
fn without(error: &LayerError, run: &Run) -> anyhow::Result<Check> {
    let LayerError::None { project, .. } = error else {
        let check =
            Check::new(POLICY, State::Broken, causes(error)).costs("whatever judges refuses, with the same error");
        return Ok(match error.hint() {
            Some(hint) => check.mend(hint),
            None => check,
        });
    };
    let check = Check::new(POLICY, State::Missing, causes(error))
        .costs("rebuilding works; verify, lock, install and proxy have nothing to judge by, and refuse (exit 2)");
    Ok(match project {
        Some(project) => check.mend(format!("read {0}, then name it with --policy {0}", project.display())),
        None if run.places()?.key()?.exists() => check.mend("attest policy init --preset self"),
        None => check.mend("attest key generate && attest policy init --preset self"),
    })
}

fn logs(layers: &Layers, run: &Run) -> Vec<Check> {
    let (http, mut checks) = (Http::new(), Vec::new());
    let sources = evidence::sources(layers);
    if sources.is_empty() {
        return vec![Check::ok(LOG, "the policy names none: only your own rebuilds count")];
    }
    for source in &sources {
        for url in &source.urls {
            if run.connection == Connection::Offline {
                checks.push(Check::new(LOG, State::Unasked, url));
                continue;
            }
            let answer = http.log(url).map_err(anyhow::Error::from).and_then(|log| size(&log, &source.log));
            checks.push(match answer {
                Ok(size) => {
                    Check::ok(LOG, format!("{url} answers: {}", plural(size, "entry").replace("entrys", "entries")))
                }
                Err(error) => Check::new(LOG, State::Unreachable, format!("{error:#}"))
                    .costs(
                        "where nothing else has the evidence, verdicts are undecided (exit 3) and nothing is installed",
                    )
                    .mend("attest log status says the same later; `attest log sync` keeps a copy for such days"),
            });
        }
    }
    checks
}

/// Entries under the checkpoint that it shows, if that is signed by this log. Nothing is remembered of it.
fn size(client: &LogClient, log: &VerifierKey) -> anyhow::Result<usize> {
    let shown = UnverifiedCheckpoint::parse(&client.checkpoint()?)?.verify(log)?;
    Ok(usize::try_from(shown.head().size.get())?)
}
