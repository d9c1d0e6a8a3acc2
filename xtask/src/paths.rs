//! Locations of files and folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    // First the value at run time: clones that share a target folder also share the compiled program.
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let crate_folder = crate_folder.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    crate_folder.parent().map(Path::to_path_buf).unwrap_or(crate_folder)
}

/// Cargo's target folder for native builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Cargo's target folder for wasm builds: a separate one, since they may use another toolchain.
pub fn wasm_target() -> PathBuf {
    target().join("wasm")
}

/// The page as `serve` and `test` build it.
pub fn site() -> PathBuf {
    target().join("site")
}

/// The page as `dist` builds it.
pub fn dist() -> PathBuf {
    root().join("dist")
}

/// The folder for programs that setup installs: outside the clone, so that other clones can use them and `cargo clean`
/// keeps them.
pub fn tools() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.map_or_else(|| target().join("tools"), |cache| cache.join("rbc").join("tools"))
}

/// Cargo's own folder, for what it downloads.
pub fn cargo_home() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// The folder of real images, if this machine has one: `RBC_DATA`, or `../shared/data` beside the clone.
pub fn real_images() -> Option<PathBuf> {
    named(std::env::var_os("RBC_DATA")).or_else(|| root().join("../shared/data").canonicalize().ok())
}

/// The full path of a folder that a variable names, for cargo runs the tests in another working folder than ours; an
/// empty value names none.
fn named(value: Option<OsString>) -> Option<PathBuf> {
    let folder = PathBuf::from(value.filter(|value| !value.is_empty())?);
    Some(std::path::absolute(&folder).unwrap_or(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_named_by_a_variable_is_the_same_in_every_working_folder() -> std::io::Result<()> {
        let here = std::env::current_dir()?;
        assert_eq!(named(Some("data".into())), Some(here.join("data")));
        assert_eq!(named(Some(here.clone().into())), Some(here));
        assert_eq!((named(Some("".into())), named(None)), (None, None));
        Ok(())
    }
}
