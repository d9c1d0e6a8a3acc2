//! Independent items on several threads, reported in their order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

/// Maximum number of images at a time, because each takes memory of its own: a program with one of a megapixel peaks at
/// a hundred megabytes (BENCHMARKS.md).
const MOST: usize = 8;

/// As many threads as the kernels have, within reason.
pub fn threads() -> usize {
    rayon::current_num_threads().min(MOST)
}

/// Does `work` on every item, on up to `threads` threads, and calls `done` here with each result, in the order of the
/// items. The threads are not those of the kernels' pool: a thread of the pool that waits for a kernel would start
/// another item in the meantime.
pub fn in_order<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
    mut done: impl FnMut(R),
) {
    if threads <= 1 || items.len() <= 1 {
        return items.iter().for_each(|item| done(work(item)));
    }
    let next = AtomicUsize::new(0);
    let (sender, results) = channel();
    thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                let _end = EndOnPanic { next: &next, end: items.len() };
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    // Nobody listens any more only where `done` has panicked.
                    if sender.send((at, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), 0);
        for (at, result) in results {
            waiting.insert(at, result);
            while let Some(result) = waiting.remove(&due) {
                done(result);
                due += 1;
            }
        }
    });
}

/// Where one thread panics, the others end after the items at hand: the results of later items would never be reported.
struct EndOnPanic<'a> {
    next: &'a AtomicUsize,
    end: usize,
}

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.next.store(self.end, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    #[test]
    fn a_panic_ends_the_other_threads() {
        let items: Vec<usize> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let work = |&item: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            assert!(item != 0, "the first one fails");
            thread::sleep(Duration::from_millis(1));
        };
        let result = catch_unwind(AssertUnwindSafe(|| in_order(&items, 4, work, |()| {})));
        assert!(result.is_err() && begun.into_inner() < 900);
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..40).collect();
        for threads in [1, 3, 100] {
            let mut found = Vec::new();
            // The first ones take longest.
            let work = |&item: &u64| {
                thread::sleep(Duration::from_micros(40 - item) * 50);
                item * item
            };
            in_order(&items, threads, work, |square| found.push(square));
            assert_eq!(found, items.iter().map(|item| item * item).collect::<Vec<_>>());
        }
    }
}
