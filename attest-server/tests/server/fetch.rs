//! The client of another log, against logs that do not behave.

use std::time::Duration;

use attest_core::tile::{BundleId, TileId};
use attest_server::fetch::{FetchError, MAX_CHECKPOINT, Upstream};

use crate::fake::{Content, FakeLog, Served, gzip, key};

fn entries(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("entry {n}").into_bytes()).collect()
}

fn fetch<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task)
}

#[test]
fn a_partial_tile_that_is_gone_is_cut_from_the_full_one() {
    let log = FakeLog::serve(Content::honest(&key("a"), &entries(256)));
    let upstream = Upstream::new(log.url(), None).unwrap();
    let full = fetch(upstream.tile(TileId::new(0, 0, 256).unwrap())).unwrap();
    let partial = fetch(upstream.tile(TileId::new(0, 0, 7).unwrap())).unwrap();
    assert_eq!(partial, full[..7]);
    let bundle = fetch(upstream.bundle(BundleId::new(0, 7).unwrap())).unwrap().open().unwrap();
    assert_eq!(bundle.entries.len(), 7);
    assert_eq!(bundle.entries[6].as_bytes(), b"entry 6");
    assert_eq!(bundle.gzip, None, "that is the gzip of the full one");
}

#[test]
fn answers_that_are_too_large_or_malformed_are_errors_and_not_tried_again() {
    type Case = (&'static str, Served, fn(&FetchError) -> bool);
    let bomb = Served { gzip: true, ..Served::ok(gzip(&vec![0; MAX_CHECKPOINT + 1])) };
    let cases: [Case; 4] = [
        ("a checkpoint of a megabyte", Served::ok(vec![b'a'; MAX_CHECKPOINT + 1]), |error| {
            matches!(error, FetchError::TooLarge { .. })
        }),
        ("a gzip bomb", bomb, |error| matches!(error, FetchError::TooLarge { .. })),
        ("gzip that is none", Served { gzip: true, ..Served::ok("plain") }, |error| {
            matches!(error, FetchError::Gzip { .. })
        }),
        ("not found", Served::status(404), |error| matches!(error, FetchError::Status { .. })),
    ];
    for (what, served, expected) in cases {
        let mut content = Content::default();
        content.put("checkpoint", served);
        let log = FakeLog::serve(content);
        let error = fetch(Upstream::new(log.url(), None).unwrap().checkpoint()).unwrap_err();
        assert!(expected(&error), "{what}: {error:?}");
        assert_eq!(log.requests(), 1, "{what}");
    }
    let mut content = Content::default();
    content.put("tile/0/000", Served::ok(vec![0; 8191]));
    let log = FakeLog::serve(content);
    let upstream = Upstream::new(log.url(), None).unwrap();
    let error = fetch(upstream.tile(TileId::new(0, 0, 256).unwrap())).unwrap_err();
    assert!(matches!(error, FetchError::Malformed { .. }), "{error:?}");
}

#[test]
fn what_a_moment_can_change_is_tried_again() {
    let mut content = Content::default();
    content.put("checkpoint", Served::status(503));
    let log = FakeLog::serve(content);
    let upstream = Upstream::new(log.url(), Some("mirror@example.org")).unwrap();
    let checkpoint = fetch(async {
        let asked = tokio::spawn(async move { upstream.checkpoint().await });
        while log.requests() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut better = Content::default();
        better.put("checkpoint", Served::ok("now it works"));
        log.show(better);
        asked.await.unwrap()
    });
    assert_eq!(checkpoint.unwrap(), b"now it works");
}
