//! WebKitGTK's MiniBrowser and its driver: the engine of Safari, as far as it exists outside macOS.

use super::{Browser, Engine, named, quoted};
use crate::{process, tools};
use anyhow::Result;
use std::path::Path;

/// Debian's and Ubuntu's packages: browser and driver, and a display, for the browser has no headless mode.
const DEBS: [&str; 2] = ["webkit2gtk-driver", "xvfb"];
/// The folders of distributions' libraries, in which the browser lies.
const LIBRARIES: [&str; 4] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/libexec"];

/// The programs in `MINIBROWSER` and `WEBKITDRIVER`, else the usual ones.
pub fn look() -> Result<Option<Browser>> {
    let nearby = || {
        let folders = LIBRARIES.iter().flat_map(|library| {
            ["webkitgtk-6.0", "webkit2gtk-4.1"].map(|api| Path::new(library).join(api).join("MiniBrowser"))
        });
        folders.into_iter().find(|file| file.is_file())
    };
    let program = named("MINIBROWSER")?.or_else(nearby);
    let driver = named("WEBKITDRIVER")?.or_else(|| process::which("WebKitWebDriver"));
    let screen = process::which("Xvfb");
    Ok(program.zip(driver).filter(|_| screen.is_some()).map(|(program, driver)| Browser {
        engine: Engine::WebKit,
        program,
        driver,
    }))
}

/// Installs browser, driver and display, where that is known to work.
pub fn install() -> Result<()> {
    if tools::has_apt() { tools::apt_install(&DEBS) } else { Ok(()) }
}

pub fn advice() -> String {
    "Install WebKitGTK's MiniBrowser and WebKitWebDriver, and Xvfb (Debian: webkit2gtk-driver, xvfb); or set MINIBROWSER \
     and WEBKITDRIVER to the two programs"
        .into()
}

/// See [`Browser::capabilities`]. It saves files in the home folder that it is started with.
pub fn capabilities(program: &Path) -> String {
    format!(
        r#"{{"webkitgtk:browserOptions":{{"binary":{},"args":["--automation"]}}}}"#,
        quoted(&program.to_string_lossy())
    )
}
