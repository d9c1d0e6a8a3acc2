//! How much memory the programs take that were started here, browsers included.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(50);

/// The most that all descendants of this process held at a time. Pages that several of them share count once
/// (proportional set size).
pub struct Peak {
    over: Arc<AtomicBool>,
    watcher: JoinHandle<u64>,
}

impl Peak {
    /// Watches from now on.
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

    /// Megabytes; `None` where the system does not tell (it is read from Linux' `/proc`).
    pub fn megabytes(self) -> Option<f64> {
        self.over.store(true, Ordering::Relaxed);
        let most = self.watcher.join().ok().filter(|most| *most > 0)?;
        Some(most as f64 / 1024.0)
    }
}

/// Processes that this one started, and those that they started.
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

/// What a process holds; 0 where it is gone already.
fn kilobytes(process: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
