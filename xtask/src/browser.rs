//! The browser for tests and benchmarks: Chromium or Chrome, and its driver.

use crate::{paths, process, tools};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

const BROWSERS: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
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

/// A browser and the program that drives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    pub program: PathBuf,
    pub driver: PathBuf,
}

impl Browser {
    /// Finds the browser of this machine, installing one if there is none.
    pub fn ensure() -> Result<Self> {
        if let Ok(found) = Self::find() {
            return Ok(found);
        }
        println!("setup: Chromium and its driver are missing; the tests open the page in it");
        if tools::has_apt()
            && let Err(error) = tools::apt_install(&["chromium", "chromium-driver"])
        {
            println!("setup: {error:#}");
        }
        Self::find()
    }

    /// Finds the browser of this machine: the programs in `CHROME` and `CHROMEDRIVER`, else the usual ones.
    pub fn find() -> Result<Self> {
        let program = named("CHROME").or_else(|| BROWSERS.iter().find_map(|name| process::which(name)));
        let mut folders = DRIVER_FOLDERS.map(PathBuf::from).to_vec();
        folders.extend(std::env::var_os("CHROMEWEBDRIVER").map(PathBuf::from));
        let nearby = || folders.iter().map(|dir| dir.join("chromedriver")).find(|file| file.is_file());
        let driver = named("CHROMEDRIVER").or_else(|| process::which("chromedriver")).or_else(nearby);
        match (program, driver) {
            (Some(program), Some(driver)) => Ok(Self { program, driver }),
            _ => bail!(
                "Chromium and chromedriver are needed. Type\n    sudo apt-get install chromium chromium-driver\n\
                 or set CHROME and CHROMEDRIVER to the two programs, which must be of one version"
            ),
        }
    }

    /// The capabilities to request from the driver, as JSON. Any number of downloads are saved to `downloads` without
    /// asking; `more` are additional browser flags.
    pub fn capabilities(&self, webgpu: bool, downloads: Option<&Path>, more: &[&str]) -> String {
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
            quoted(&self.program.to_string_lossy()),
            flags.join(",")
        )
    }

    /// Writes the file that tells wasm-bindgen's test runner how to start the browser.
    pub fn write_runner_settings(&self) -> Result<PathBuf> {
        let file = paths::wasm_target().join("webdriver.json");
        std::fs::create_dir_all(paths::wasm_target())
            .and_then(|()| std::fs::write(&file, self.capabilities(true, None, &[])))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|file| file.is_file())
}

/// Quotes text as a JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_name_the_browser_and_keep_webgpu_for_those_who_ask() {
        let browser = Browser { program: r"C:\a".into(), driver: "driver".into() };
        let with = browser.capabilities(true, Some(Path::new("/tmp/x")), &["--more"]);
        assert!(with.contains(r#""binary":"C:\\a""#) && with.contains("swiftshader"), "{with}");
        assert!(with.contains(r#","--more"]"#), "{with}");
        assert!(with.contains(r#""download.default_directory":"/tmp/x""#), "{with}");
        let without = browser.capabilities(false, None, &[]);
        assert!(!without.contains("swiftshader") && !without.contains("prefs"), "{without}");
    }
}
