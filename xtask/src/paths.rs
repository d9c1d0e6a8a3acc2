//! Locations of files and folders.

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

/// The folder of real images, if this machine has one: `RBC_DATA`, or `../shared/data` beside the clone.
pub fn real_images() -> Option<PathBuf> {
    match std::env::var_os("RBC_DATA") {
        Some(dir) => Some(PathBuf::from(dir)),
        None => root().join("../shared/data").canonicalize().ok(),
    }
}
