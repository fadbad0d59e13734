//! The same work for many things, on several threads: same answers, same order.
use std::{num::NonZeroUsize, panic, thread};

/// Fewer are done sooner than a thread is started: sixteen signatures are a millisecond.
const MIN_EACH: usize = 16;

/// Threads that may work for one call. None of them outlives it, and they change nothing but its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers(NonZeroUsize);

impl Workers {
    /// The calling thread alone.
    pub const ONE: Self = Self(NonZeroUsize::MIN);

    /// So many threads, the calling one among them.
    pub const fn new(threads: NonZeroUsize) -> Self {
        Self(threads)
    }

    /// `work` on every item; what comes back is in the order of the items. `start` is called once a thread: what it makes
    /// is at hand for all items of that thread, so answers must not depend on it.
    pub(crate) fn map<T: Sync, S, R: Send>(
        self,
        items: &[T],
        start: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, &T) -> R + Sync,
    ) -> Vec<R> {
        let share = |items: &[T]| {
            let mut state = start();
            items.iter().map(|item| work(&mut state, item)).collect::<Vec<R>>()
        };
        let mut shares = items.chunks(items.len().div_ceil(self.0.get()).max(MIN_EACH));
        let Some(own) = shares.next() else { return Vec::new() };
        thread::scope(|scope| {
            let share = &share;
            let others: Vec<_> = shares.map(|items| scope.spawn(move || share(items))).collect();
            let mut done = share(own);
            for other in others {
                done.extend(other.join().unwrap_or_else(|reason| panic::resume_unwind(reason)));
            }
            done
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_questions_whoever_worked() {
        for count in [0, 1, 15, 16, 17, 31, 32, 33, 100, 1_000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
            for threads in [1, 2, 3, 7, 64] {
                let workers = Workers::new(NonZeroUsize::new(threads).unwrap());
                assert_eq!(workers.map(&items, || (), |(), item| item * 2), doubled, "{count} by {threads}");
            }
        }
    }
}
