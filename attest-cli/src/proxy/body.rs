//! A file as the body of an answer, read while it is sent: whoever reads slowly holds a piece of it in memory and not all.

use std::{
    fs::File,
    io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{mpsc, watch};

use super::shelf::{Fetch, Progress};
use crate::host;

/// Bytes of a piece.
const PIECE: u64 = 64 << 10;
/// Pieces in memory for each answer.
const AHEAD: usize = 2;
/// What is held back of a file that was not hashed to its end: an installer cannot use what is before it.
const HELD_BACK: u64 = 64 << 10;

/// Bytes of a whole file.
pub(super) fn part_of(fetch: &Fetch, range: Range<u64>) -> io::Result<Body> {
    let (pieces, body) = pipe(Some(range.end - range.start));
    let file = Arc::new(fetch.open()?);
    tokio::spawn(async move { send(&file, range, &pieces).await });
    Ok(body)
}

/// A file that is still coming, of `total` bytes where that is known. Breaks off where it turns out not to be the pinned
/// file.
pub(super) fn coming(fetch: &Fetch, total: Option<u64>) -> io::Result<Body> {
    let (pieces, body) = pipe(total);
    let file = Arc::new(fetch.open()?);
    let mut progress = fetch.progress();
    tokio::spawn(async move {
        let mut at = 0;
        loop {
            match available(&mut progress, at).await {
                Ok((end, is_whole)) => {
                    if !send(&file, at..end, &pieces).await || is_whole {
                        return;
                    }
                    at = end;
                }
                Err(error) => {
                    // Where the client is gone, it needs no word.
                    let _ = pieces.send(Err(error)).await;
                    return;
                }
            }
        }
    });
    Ok(body)
}

/// Whether all of it was taken.
async fn send(file: &Arc<File>, range: Range<u64>, pieces: &mpsc::Sender<io::Result<Bytes>>) -> bool {
    let mut at = range.start;
    while at < range.end {
        let length = PIECE.min(range.end - at);
        let piece = read(file, at, length).await;
        let failed = piece.is_err();
        if pieces.send(piece).await.is_err() || failed {
            return false;
        }
        at += length;
    }
    true
}

/// How far may be read, more than `at`, and whether that is all.
async fn available(progress: &mut watch::Receiver<Progress>, at: u64) -> io::Result<(u64, bool)> {
    let further = |progress: &Progress| match progress {
        Progress::Coming { so_far, .. } => so_far.saturating_sub(HELD_BACK) > at,
        Progress::Whole { .. } | Progress::Failed(_) => true,
    };
    let now = progress.wait_for(further).await.map_err(io::Error::other)?;
    match &*now {
        Progress::Coming { so_far, .. } => Ok((so_far - HELD_BACK, false)),
        Progress::Whole { size } => Ok((*size, true)),
        Progress::Failed(error) => Err(io::Error::other(error.to_string())),
    }
}

async fn read(file: &Arc<File>, at: u64, length: u64) -> io::Result<Bytes> {
    let file = Arc::clone(file);
    let reading = tokio::task::spawn_blocking(move || {
        let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        host::read_exact_at(&file, &mut piece, at)?;
        Ok(piece.into())
    });
    reading.await.map_err(io::Error::other)?
}

fn pipe(length: Option<u64>) -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (pieces, coming) = mpsc::channel(AHEAD);
    (pieces, Body::new(Pipe { coming, length }))
}

struct Pipe {
    coming: mpsc::Receiver<io::Result<Bytes>>,
    length: Option<u64>,
}

impl hyper::body::Body for Pipe {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = std::task::ready!(self.coming.poll_recv(cx));
        if let (Some(Ok(piece)), Some(left)) = (&next, self.length) {
            self.length = Some(left.saturating_sub(piece.len() as u64));
        }
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
