//! Keeps the number of runs small: eight neighbours of about one size become one, on a thread of its own.
//!
//! A posting is so written again once for every factor of eight in the size of the log, and a lookup asks at most seven
//! runs for each.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    IndexError,
    posting::Section,
    run::{Header, Run},
    write::Writer,
};

/// Runs of one class that are merged.
const FAN_IN: usize = 8;
/// Entries of a run of the smallest class: a bundle.
const SMALLEST: u64 = 256;

/// Which runs to merge next, of runs with so many entries, oldest first; `None` where there are few enough.
pub(super) fn plan(entries: impl Iterator<Item = u64>) -> Option<Range<usize>> {
    let classes: Vec<u32> = entries.map(class).collect();
    (0..=classes.iter().copied().max()?).find_map(|class| {
        // The newest runs up to this class, smaller ones between them included; what is older is larger.
        let newest = classes.iter().rev().take_while(|one| **one <= class);
        let (of_class, all) =
            newest.fold((0, 0), |(of_class, all), one| (of_class + usize::from(*one == class), all + 1));
        (of_class >= FAN_IN).then(|| classes.len() - all..classes.len())
    })
}

/// Runs of one class differ by less than [`FAN_IN`] in their number of entries.
fn class(entries: u64) -> u32 {
    (entries / SMALLEST).checked_ilog2().map_or(0, |log| log / FAN_IN.ilog2())
}

/// One run of the postings of neighbours, oldest first; `None` when `stop` was set meanwhile.
pub(super) fn merge(folder: &Path, runs: &[Arc<Run>], stop: &AtomicBool) -> Result<Option<Run>, IndexError> {
    let (Some(oldest), Some(newest)) = (runs.first(), runs.last()) else {
        return Ok(None);
    };
    let range = (oldest.header().range.0, newest.header().range.1);
    let counts = [0, 1, 2].map(|section| runs.iter().map(|run| run.header().counts[section]).sum());
    let (temporary, path) = (folder.join("merging.tmp"), folder.join(super::name(range)));
    let io = |source| IndexError::Io { operation: "writing", path: path.clone(), source };
    let mut writer = Writer::create(&temporary, Header { range, counts }).map_err(io)?;
    for section in Section::ALL {
        let mut inputs: Vec<_> = runs.iter().map(|run| run.postings(section)).collect();
        let mut next = BinaryHeap::with_capacity(inputs.len());
        for (number, input) in inputs.iter_mut().enumerate() {
            if let Some(posting) = input.next() {
                next.push(Reverse((posting?, number)));
            }
        }
        while let Some(mut smallest) = next.peek_mut() {
            let Reverse((posting, number)) = *smallest;
            writer.push(section, posting).map_err(io)?;
            match inputs[number].next() {
                Some(posting) => *smallest = Reverse((posting?, number)),
                None => drop(std::collections::binary_heap::PeekMut::pop(smallest)),
            }
            if stop.load(Ordering::Relaxed) {
                let _ = fs::remove_file(&temporary);
                return Ok(None);
            }
        }
        writer.end_section().map_err(io)?;
    }
    writer.finish(&temporary, &path).map_err(io)?;
    Run::open(&path).map_err(io)?.map_or_else(|| Err(IndexError::Damaged { path, block: 0 }), |run| Ok(Some(run)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_class_differ_by_less_than_what_is_merged() {
        for (entries, expected) in [(1, 0), (256, 0), (2_047, 0), (2_048, 1), (16_383, 1), (16_384, 2), (1 << 24, 5)] {
            assert_eq!(class(entries), expected, "{entries}");
        }
    }

    #[test]
    fn a_growing_log_has_few_runs_and_writes_each_posting_a_few_times() {
        // What rounds of sealing leave: one bundle each, sixteen each, and both by turns.
        for (rounds, sizes) in [(40_000, [256, 256]), (20_000, [4_096, 4_096]), (20_000, [256, 4_096])] {
            let (mut runs, mut written, mut most) = (Vec::new(), 0, 0);
            for round in 0..rounds {
                runs.push(sizes[round % 2]);
                while let Some(window) = plan(runs.iter().copied()) {
                    let merged = runs[window.clone()].iter().sum();
                    written += merged;
                    runs.splice(window, [merged]);
                }
                most = most.max(runs.len());
            }
            let size: u64 = runs.iter().sum();
            assert!(most <= 60, "{most} runs");
            assert!(written / size <= 5, "{} times", written / size);
        }
    }
}
