//! The size of what a visitor downloads.

use crate::licences;
use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Largest allowed size of the page in bytes, compressed and including the weights.
pub const LIMIT: usize = 1_500_000;

/// The size of a file in bytes, uncompressed and compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    pub file: PathBuf,
    pub raw: usize,
    pub gzip: usize,
    pub brotli: usize,
}

impl Size {
    fn of(folder: &Path, file: PathBuf) -> Result<Self> {
        let path = folder.join(&file);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        let mut brotli = Vec::new();
        let parameters = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
        brotli::BrotliCompress(&mut bytes.as_slice(), &mut brotli, &parameters)?;
        Ok(Self { file, raw: bytes.len(), gzip: gzip.finish()?.len(), brotli: brotli.len() })
    }

    /// The bytes sent by a host that compresses well: never more than the file itself.
    pub fn sent(&self) -> usize {
        self.raw.min(self.brotli)
    }
}

/// The sizes of all files below a folder, sorted by name, without the one that only those download who open it.
pub fn measure(folder: &Path) -> Result<Vec<Size>> {
    let mut files = list(folder)?;
    files.retain(|file| file != Path::new(licences::FILE));
    // Brotli at its highest level is slow: use one thread per file, of which there are few.
    std::thread::scope(|scope| {
        let running: Vec<_> =
            files.into_iter().map(|file| scope.spawn(move || Size::of(folder, file))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Size>>| match thread.join() {
            Ok(size) => size,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        running.into_iter().map(join).collect()
    })
}

/// A table of the sizes, and whether their sum is within [`LIMIT`].
pub fn report(sizes: &[Size]) -> String {
    let line = |name: &str, raw: usize, gzip: usize, brotli: usize| {
        format!("{name:<32} {raw:>12} {gzip:>12} {brotli:>12}\n")
    };
    let mut text = format!("{:<32} {:>12} {:>12} {:>12}\n", "file", "bytes", "gzip", "brotli");
    for size in sizes {
        text += &line(&size.file.to_string_lossy(), size.raw, size.gzip, size.brotli);
    }
    let sum = |part: fn(&Size) -> usize| sizes.iter().map(part).sum::<usize>();
    text += &line("all", sum(|size| size.raw), sum(|size| size.gzip), sum(|size| size.brotli));
    let total = sum(Size::sent);
    let verdict = if total <= LIMIT { "within" } else { "OVER" };
    text += &format!("download, compressed: {total} bytes, {verdict} the limit of {LIMIT}\n");
    let gzip = sum(|size| size.raw.min(size.gzip));
    text + &format!("from a host without Brotli: {gzip} bytes, with gzip\n")
}

/// Fails if the page exceeds [`LIMIT`].
pub fn check(sizes: &[Size]) -> Result<()> {
    let total: usize = sizes.iter().map(Size::sent).sum();
    ensure!(total <= LIMIT, "the page is too heavy: {total} bytes, at most {LIMIT} are allowed");
    Ok(())
}

/// All files below a folder, sorted by name.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    gather(folder, Path::new(""), &mut files)?;
    files.sort();
    Ok(files)
}

fn gather(folder: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let here = folder.join(below);
    let entries = fs::read_dir(&here).with_context(|| format!("cannot read {}", here.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = below.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => gather(folder, &path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_counts_each_file_as_it_is_sent() {
        let size = |raw, brotli| Size { file: "a".into(), raw, gzip: 2 * brotli, brotli };
        let small = report(&[size(100, 120), size(4_000_000, LIMIT - 100)]);
        assert!(small.contains(&format!("{LIMIT} bytes, within")), "{small}");
        assert!(small.contains(&format!("Brotli: {} bytes", 2 * LIMIT - 100)), "{small}");
        let large = report(&[size(100, 120), size(4_000_000, LIMIT)]);
        assert!(large.contains("OVER"), "{large}");
    }

    #[test]
    fn files_in_folders_are_measured_but_not_the_licences() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("rbc-size-{}", std::process::id()));
        fs::create_dir_all(folder.join("deep"))?;
        fs::write(folder.join("deep/zeros"), vec![0; 10_000])?;
        fs::write(folder.join(licences::FILE), "text")?;
        let sizes = measure(&folder);
        fs::remove_dir_all(&folder)?;
        let sizes = sizes?;
        assert_eq!(sizes.len(), 1);
        assert_eq!((sizes[0].file.as_path(), sizes[0].raw), (Path::new("deep/zeros"), 10_000));
        assert!(sizes[0].gzip < 100 && sizes[0].brotli < 100, "{sizes:?}");
        Ok(())
    }
}
