//! HTTP of the coordinator: work for [workers](super::wire), and read-only pages for everybody.
//!
//! | path | what |
//! |---|---|
//! | `/` | the status page: no script, everything escaped |
//! | `/status.json`, `/metrics`, `/healthz` | for programs |
//! | `/card.json` | the introduction |
//! | `/sha256/HEX` | a file of a published result: recipe, lock, record, log, report, wheel |

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::coordinator::Coordinator;
use super::wire::{JOBS, MAX_MESSAGE, TAKE};

mod page;
mod public;
mod shelf;
mod work;

pub(crate) use shelf::Shelf;

/// For answers that are on their way when we are asked to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Serves until `stopped` says so: workers of our own have to be heard after we were asked to end.
pub(crate) async fn serve(
    listener: TcpListener,
    coordinator: Arc<Coordinator>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let routes = Router::new()
        .route(TAKE, post(work::take))
        .route(&format!("{JOBS}/{{given}}/ping"), post(work::ping))
        .route(&format!("{JOBS}/{{given}}/answer"), post(work::answer))
        .route(&format!("{JOBS}/{{given}}/end"), post(work::end))
        .layer(DefaultBodyLimit::max(MAX_MESSAGE))
        // Its body is counted while it is written.
        .route(&format!("{JOBS}/{{given}}/files/{{name}}"), put(work::file))
        .route("/", get(page::page))
        .route("/status.json", get(public::status))
        .route("/metrics", get(public::metrics))
        .route("/healthz", get(public::health))
        .route("/card.json", get(public::card))
        .route("/sha256/{digest}", get(public::file))
        .with_state(coordinator);
    let (ending, ended) = oneshot::channel::<()>();
    let stopped = async {
        stopped.await;
        // Nobody listens where the server has failed already.
        let _gone = ending.send(());
    };
    let served = axum::serve(listener, routes).with_graceful_shutdown(stopped).into_future();
    // A stranger who never ends a request does not keep us.
    let late = async {
        if ended.await.is_ok() {
            sleep(LAST_WORDS).await;
        }
    };
    tokio::select! {
        served = served => served.context("the server failed"),
        () = late => Ok(()),
    }
}
