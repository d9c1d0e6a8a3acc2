//! Keeps two runs from using the same output folder, where they would mix their files.

use crate::problem::Problem;
use same_file::Handle;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Locks on an output folder, held while a run is at work. The lock files are removed at the end. Those left by a
/// killed run block nobody, and on a file system without locks nothing is locked.
#[derive(Debug, Default)]
pub struct Lock {
    held: Vec<(File, PathBuf)>,
}

impl Lock {
    /// Locks the whole folder.
    ///
    /// # Errors
    /// If another run holds the lock, or the lock file can't be created. A file system without locks is no error.
    pub fn whole(out: &Path) -> Result<Self, Problem> {
        let mut lock = Self::default();
        lock.add(out, out.join(".lock"), File::try_lock)?;
        Ok(lock)
    }

    /// Locks one fold of a training run, so that other processes can train other folds beside it.
    ///
    /// # Errors
    /// As for [`whole`](Self::whole).
    pub fn fold(out: &Path, fold: usize) -> Result<Self, Problem> {
        let mut lock = Self::default();
        lock.add(out, out.join(".lock"), File::try_lock_shared)?;
        lock.add(out, out.join(format!(".lock-fold-{fold}")), File::try_lock)?;
        Ok(lock)
    }

    fn add(
        &mut self,
        out: &Path,
        path: PathBuf,
        lock: impl Fn(&File) -> Result<(), TryLockError>,
    ) -> Result<(), Problem> {
        let mut tries = 0;
        loop {
            let file = File::options().write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(|error| Problem::io(&path, "cannot lock the folder", &error))?;
            match lock(&file) {
                Ok(()) if is_same_file(&file, &path) => {
                    self.held.push((file, path));
                    return Ok(());
                }
                // The previous holder removed the file after it was opened here: a later run would lock another file.
                // Try again.
                Ok(()) => {}
                // The last holder of a shared lock takes an exclusive one for a moment, to remove the file.
                Err(TryLockError::WouldBlock) if tries < 5 => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    let what = "another run is using this folder: wait for it to end or choose another --out";
                    return Err(Problem::new(out, what));
                }
                Err(TryLockError::Error(_)) => return Ok(()),
            }
        }
    }
}

/// Whether the open file is the one at this path. If they can't be compared, they are taken to be the same.
fn is_same_file(file: &File, path: &Path) -> bool {
    let open = file.try_clone().and_then(Handle::from_file);
    match (open, Handle::from_path(path)) {
        (Ok(open), Ok(named)) => open == named,
        (Ok(_), Err(error)) => error.kind() != ErrorKind::NotFound,
        _ => true,
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        for (file, path) in &self.held {
            // Only the last holder can take the lock and so removes the file. A file left behind locks nothing.
            if file.unlock().is_ok() && file.try_lock().is_ok() {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;
    use anyhow::Result;
    use std::cell::Cell;

    #[test]
    fn a_folder_or_a_fold_of_it_has_one_run_at_a_time() -> Result<()> {
        let folder = Folder::new("lock")?;
        let (whole, fold) = (|| Lock::whole(&folder.path), |fold| Lock::fold(&folder.path, fold));
        let refused = |lock: Result<Lock, Problem>| {
            lock.is_err_and(|problem| problem.what.starts_with("another run is using this folder"))
        };
        let first = fold(0)?;
        assert!(refused(fold(0)) && refused(whole()));
        let second = fold(1)?;
        drop(first);
        assert!(refused(fold(1)) && refused(whole()));
        drop(second);
        let whole = whole()?;
        assert!(refused(fold(0)) && refused(Lock::whole(&folder.path)));
        drop(whole);
        assert_eq!(std::fs::read_dir(&folder.path)?.count(), 0, "locks are left");
        Ok(())
    }

    #[test]
    fn a_lock_on_a_file_that_is_gone_is_none() -> Result<()> {
        let folder = Folder::new("lock-gone")?;
        let path = folder.path.join(".lock");
        let late = File::create(&path)?;
        assert!(is_same_file(&late, &path));
        // The other run ends, and a third one begins.
        std::fs::remove_file(&path)?;
        assert!(!is_same_file(&late, &path));
        let third = Lock::whole(&folder.path)?;
        assert!(!is_same_file(&late, &path));
        drop(third);
        // So the lock is taken again: the first time, the file is removed between opening and locking it.
        let calls = Cell::new(0);
        let mut lock = Lock::default();
        lock.add(&folder.path, path.clone(), |file| {
            if calls.replace(calls.get() + 1) == 0 {
                std::fs::remove_file(&path).map_err(TryLockError::Error)?;
            }
            file.try_lock()
        })?;
        assert!(calls.get() == 2 && lock.held.iter().all(|(file, path)| is_same_file(file, path)));
        Ok(())
    }
}
