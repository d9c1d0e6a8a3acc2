//! Firefox and geckodriver.

use super::{Browser, Engine, debian, is_snap, named, on_path, quoted};
use crate::tools;
use anyhow::Result;
use std::path::{Path, PathBuf};

const BROWSERS: [&str; 2] = ["firefox", "firefox-esr"];
/// Where macOS puts it.
const APPLICATION: &str = "/Applications/Firefox.app/Contents/MacOS/firefox";

/// The programs in `FIREFOX` and `GECKODRIVER`, else the usual ones.
pub fn look() -> Result<Option<Browser>> {
    let installed = || Some(PathBuf::from(APPLICATION)).filter(|file| file.is_file());
    let known = || tools::find_geckodriver().filter(|driver| !is_snap(driver));
    let program = named("FIREFOX")?.or_else(|| on_path(&BROWSERS)).or_else(installed);
    let driver = named("GECKODRIVER")?.or_else(known);
    Ok(program.zip(driver).map(|(program, driver)| Browser { engine: Engine::Firefox, program, driver }))
}

/// Installs what is missing of browser and driver, where that is known to work.
pub fn install() -> Result<()> {
    if !debian() {
        return Ok(());
    }
    if named("FIREFOX")?.is_none() && on_path(&BROWSERS).is_none() {
        tools::apt_install(&["firefox-esr"])?;
    }
    tools::geckodriver().map(drop)
}

pub fn advice() -> String {
    let get = if debian() { "sudo apt-get install firefox-esr" } else { "Install Firefox" };
    format!("{get}, and `cargo install geckodriver`; or set FIREFOX and GECKODRIVER to the two programs")
}

/// See [`Browser::capabilities`]. Firefox has no WebGPU without a GPU.
pub fn capabilities(program: &Path, downloads: Option<&Path>) -> String {
    let downloads = downloads.map_or_else(String::new, |folder| {
        let folder = quoted(&folder.to_string_lossy());
        format!(r#","prefs":{{"browser.download.folderList":2,"browser.download.dir":{folder}}}"#)
    });
    format!(
        r#"{{"moz:firefoxOptions":{{"binary":{},"args":["-headless"]{downloads}}}}}"#,
        quoted(&program.to_string_lossy())
    )
}
