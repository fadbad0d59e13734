//! A sealed file as the body of an answer, read while it is sent: whoever reads slowly holds a piece of it in memory and not
//! all of it.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::store::tiles::StoredFile;

/// Bytes of a piece: large enough that few calls send a bundle, small enough to stay in the processor's cache between
/// being read and being sent.
const PIECE: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Arc<StoredFile>,
    at: u64,
    /// A piece that is not in memory, on its way from the disk.
    waiting: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl FileBody {
    pub(super) fn new(file: StoredFile) -> Self {
        Self { file: Arc::new(file), at: 0, waiting: None }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        if self.waiting.is_none()
            && let Some(piece) = self.file.read_at_once(self.at, PIECE)
        {
            return Poll::Ready(Ok(piece));
        }
        let (file, at) = (&self.file, self.at);
        let waiting = self.waiting.get_or_insert_with(|| {
            let file = Arc::clone(file);
            tokio::task::spawn_blocking(move || file.read(at, PIECE))
        });
        let piece = ready!(Pin::new(waiting).poll(cx));
        self.waiting = None;
        Poll::Ready(piece.unwrap_or_else(|error| Err(io::Error::other(error))))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(cx));
        Poll::Ready(Some(piece.map(|piece| {
            self.at += piece.len() as u64;
            Frame::data(piece.into())
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.file.length()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.file.length().saturating_sub(self.at))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use attest_core::tile::{BundleId, Resource};

    use super::*;
    use crate::store::tiles::TileStore;

    #[tokio::test]
    async fn a_file_is_sent_whole_in_pieces_that_are_all_bounded() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let dir = tempfile::tempdir().unwrap();
            let store = TileStore::open(dir.path());
            let resource = Resource::Bundle(BundleId::new(0, 256).unwrap());
            let content: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            std::fs::create_dir_all(store.path(resource).parent().unwrap()).unwrap();
            std::fs::write(store.path(resource), &content).unwrap();

            let mut body = FileBody::new(store.open_file(resource).unwrap().unwrap());
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            let mut sent = Vec::new();
            while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                let piece = frame.unwrap().into_data().unwrap();
                assert!(!piece.is_empty() && piece.len() <= PIECE);
                sent.extend_from_slice(&piece);
            }
            assert_eq!(sent, content);
            assert_eq!(body.size_hint().exact(), Some(0));
        }
    }
}
