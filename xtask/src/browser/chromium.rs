//! Chromium or Chrome, and chromedriver.

use super::{Browser, Engine, debian, is_snap, named, on_path, quoted};
use crate::tools;
use anyhow::Result;
use std::path::{Path, PathBuf};

const BROWSERS: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
/// Where macOS puts browsers.
const APPLICATIONS: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
/// Where Debian, Ubuntu and GitHub's runners put a driver that is not on `PATH`.
const DRIVER_FOLDERS: [&str; 2] = ["/usr/lib/chromium", "/usr/lib/chromium-browser"];

/// Flags for every run: no window, and nothing fetched that the test did not ask for. There is no sandbox, because it
/// does not work for root; only our own pages are opened.
const QUIET: [&str; 7] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
/// WebGPU for machines without a GPU, computed slowly by the CPU. Without these flags there is no adapter at all.
const SOFTWARE_WEBGPU: [&str; 3] =
    ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

/// Debian's packages of browser and driver.
const DEBS: [&str; 2] = ["chromium", "chromium-driver"];

/// The programs in `CHROME` and `CHROMEDRIVER`, else the usual ones.
pub fn look() -> Result<Option<Browser>> {
    let installed = || APPLICATIONS.map(PathBuf::from).into_iter().find(|file| file.is_file());
    let program = named("CHROME")?.or_else(|| on_path(&BROWSERS)).or_else(installed);
    let mut folders = DRIVER_FOLDERS.map(PathBuf::from).to_vec();
    folders.extend(std::env::var_os("CHROMEWEBDRIVER").map(PathBuf::from));
    let file = format!("chromedriver{}", std::env::consts::EXE_SUFFIX);
    let nearby = || folders.iter().map(|dir| dir.join(&file)).find(|file| file.is_file() && !is_snap(file));
    let driver = named("CHROMEDRIVER")?.or_else(|| on_path(&["chromedriver"])).or_else(nearby);
    Ok(program.zip(driver).map(|(program, driver)| Browser { engine: Engine::Chromium, program, driver }))
}

/// Installs browser and driver, where that is known to work.
pub fn install() -> Result<()> {
    if debian() { tools::apt_install(&DEBS) } else { Ok(()) }
}

/// How to get browser and driver on this system.
pub fn advice() -> String {
    let get = if cfg!(target_os = "macos") {
        "Type\n    brew install --cask google-chrome chromedriver".into()
    } else if debian() {
        format!("Type\n    sudo apt-get install {}", DEBS.join(" "))
    } else {
        "Put Chrome and its chromedriver, no snaps, on PATH, for example from\n    \
         https://googlechromelabs.github.io/chrome-for-testing/"
            .to_string()
    };
    format!("{get}\nor set CHROME and CHROMEDRIVER to the two programs, which must be of one version")
}

/// See [`Browser::capabilities`].
pub fn capabilities(program: &Path, webgpu: bool, downloads: Option<&Path>, more: &[&str]) -> String {
    let mut flags = QUIET.to_vec();
    if webgpu {
        flags.extend(SOFTWARE_WEBGPU);
    }
    flags.extend(more);
    let flags: Vec<String> = flags.into_iter().map(quoted).collect();
    let downloads = downloads.map_or_else(String::new, |folder| {
        let folder = quoted(&folder.to_string_lossy());
        format!(
            r#","prefs":{{"download.default_directory":{folder},"download.prompt_for_download":false,"profile.default_content_setting_values.automatic_downloads":1}}"#
        )
    });
    format!(
        r#"{{"goog:chromeOptions":{{"binary":{},"args":[{}]{downloads}}},"goog:loggingPrefs":{{"browser":"ALL"}}}}"#,
        quoted(&program.to_string_lossy()),
        flags.join(",")
    )
}
