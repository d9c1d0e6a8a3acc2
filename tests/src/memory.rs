//! Measures the memory of the programs started here, including browsers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two measurements.
const EVERY: Duration = Duration::from_millis(50);

/// The largest total memory of all descendants of this process. Memory pages that several of them share count once
/// (proportional set size).
pub struct Peak {
    over: Arc<AtomicBool>,
    watcher: JoinHandle<u64>,
}

impl Peak {
    /// Starts measuring.
    pub fn watch() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let watcher = std::thread::spawn(move || {
            let mut most = 0;
            while !seen.load(Ordering::Relaxed) {
                most = most.max(descendants(std::process::id()).into_iter().map(kilobytes).sum());
                std::thread::sleep(EVERY);
            }
            most
        });
        Self { over, watcher }
    }

    /// Stops measuring. Megabytes as text; a dash where there is no `/proc`, from which it is read.
    pub fn megabytes(self) -> String {
        self.over.store(true, Ordering::Relaxed);
        let most = self.watcher.join().ok().filter(|most| *most > 0);
        most.map_or_else(|| "-".to_string(), |most| format!("{:.0}", most as f64 / 1024.0))
    }
}

/// All processes started by this one, directly or indirectly.
fn descendants(process: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut from = vec![process];
    while let Some(process) = from.pop() {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            from.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        found.push(process);
    }
    found.retain(|found| *found != process);
    found
}

/// Memory of a process in kilobytes; 0 if it has ended.
fn kilobytes(process: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
