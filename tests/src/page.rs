//! The built page, open in a real browser.

use crate::scratch::Scratch;
use crate::webdriver::Session;
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use xtask::browser::Browser;
use xtask::server::Server;
use xtask::{paths, process};

/// How long the model may take to start or to segment an image. WebGPU in software takes its time.
const PATIENCE: Duration = Duration::from_secs(300);

/// What computes in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    WebGpu,
    Cpu,
}

impl Backend {
    /// As `?backend=` and `body[data-backend]` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebGpu => "webgpu",
            Self::Cpu => "cpu",
        }
    }
}

/// The page in a browser window of its own.
pub struct Page {
    session: Session,
    downloads: Scratch,
    url: String,
    /// One browser at a time: on two cores a second one only makes both late.
    _alone: MutexGuard<'static, ()>,
}

impl Page {
    /// Opens the page that `cargo xtask test` has built, on this back end, and waits until it is ready.
    pub fn open(backend: Backend) -> Result<Self> {
        let page = Self::start(&paths::site(), true, &format!("?backend={}", backend.name()))?;
        page.wait_until_ready()?;
        Ok(page)
    }

    /// Opens the page in `folder` and returns before it is ready. Without `webgpu` the browser has none.
    pub fn start(folder: &Path, webgpu: bool, query: &str) -> Result<Self> {
        let page = Self::blank(folder, webgpu, &[])?;
        page.session.open(&format!("{}{query}", page.url))?;
        Ok(page)
    }

    /// A window that shows nothing yet, and a server for `folder`; `flags` are for the browser.
    pub fn blank(folder: &Path, webgpu: bool, flags: &[&str]) -> Result<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        process::must_exist(&folder.join("index.html"), "`cargo xtask test` builds it")?;
        let server = Server::start(folder, 0)?;
        let downloads = Scratch::new("downloads")?;
        let session = Session::start(&Browser::find()?, webgpu, downloads.path(), flags)?;
        session.resize(1400, 1000)?;
        Ok(Self { session, downloads, url: server.url(), _alone: alone })
    }

    /// Where the page is served.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Goes to an address and waits until the page there is ready.
    pub fn visit(&self, url: &str) -> Result<()> {
        self.session.open(url)?;
        self.wait_until_ready()
    }

    /// Runs the body of a function in the page.
    pub fn js(&self, body: &str, arguments: serde_json::Value) -> Result<serde_json::Value> {
        self.session.script(body, arguments)
    }

    /// Waits until the body of a function returns something true; returns that.
    pub fn until(&self, what: &str, body: &str, arguments: serde_json::Value) -> Result<serde_json::Value> {
        self.wait(what, || {
            let value = self.session.script(body, arguments.clone())?;
            let empty = value.is_null() || value == false || value == "" || value == 0;
            Ok((!empty).then_some(value))
        })
    }

    /// The text of the first element that a CSS selector finds; empty where it is hidden or not there.
    pub fn shown(&self, selector: &str) -> Result<String> {
        let body = "const e = document.querySelector(arguments[0]);
            return e && e.checkVisibility() ? e.innerText.trim() : ''";
        Ok(self.js(body, json!([selector]))?.as_str().unwrap_or_default().to_string())
    }

    /// Waits until an element says something.
    pub fn until_shown(&self, selector: &str, words: &str) -> Result<String> {
        self.wait(&format!("{selector} says {words:?}"), || {
            let text = self.shown(selector)?;
            Ok((!text.is_empty() && text.contains(words)).then_some(text))
        })
    }

    /// Gives a field a value, as if it had been typed or dragged to.
    pub fn set(&self, selector: &str, value: &str) -> Result<()> {
        let body = "const e = document.querySelector(arguments[0]);
            e.value = arguments[1];
            for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, { bubbles: true }));";
        self.js(body, json!([selector, value])).map(drop)
    }

    /// The browser behind it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Waits for `body[data-state=ready]`; an error on the page ends the wait.
    pub fn wait_until_ready(&self) -> Result<()> {
        self.wait("the page is ready", || match self.attribute("state")?.as_str() {
            "ready" => Ok(Some(())),
            "error" => bail!("the page says: {}", self.text("error")?),
            _ => Ok(None),
        })
    }

    /// `body[data-NAME]`.
    pub fn attribute(&self, name: &str) -> Result<String> {
        let value = self.session.script("return document.body.dataset[arguments[0]]", json!([name]))?;
        Ok(value.as_str().unwrap_or_default().to_string())
    }

    /// The text of the element with this `data-testid`.
    pub fn text(&self, testid: &str) -> Result<String> {
        let value = self.session.script(
            "return document.querySelector(`[data-testid=${arguments[0]}]`)?.textContent",
            json!([testid]),
        )?;
        value.as_str().map(|text| text.trim().to_string()).with_context(|| format!("no element {testid}"))
    }

    /// Picks files, as in the file dialog.
    pub fn pick(&self, testid: &str, files: &[PathBuf]) -> Result<()> {
        let names: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
        self.session.send_keys(&format!("[data-testid={testid}]"), &names.join("\n"))
    }

    /// Hands images to the page and waits until it is through with all of them, well or badly.
    pub fn segment(&self, files: &[PathBuf]) -> Result<()> {
        self.pick("file-input", files)?;
        for file in files {
            self.until_through(&file.file_name().context("an image has a name")?.to_string_lossy())?;
        }
        self.wait_until_ready()
    }

    /// Waits until the page is through with an image; returns its state.
    pub fn until_through(&self, name: &str) -> Result<String> {
        self.wait(&format!("{name} is done"), || {
            let state = self.result_state(name)?;
            Ok(matches!(state.as_str(), "done" | "failed").then_some(state))
        })
    }

    /// The state of one image in the list: `waiting`, `working`, `counting`, `done`, `failed`, or empty.
    pub fn result_state(&self, name: &str) -> Result<String> {
        let value = self.session.script(
            "return document.querySelector(`[data-testid=result][data-name=${CSS.escape(arguments[0])}]`)?.dataset.state",
            json!([name]),
        )?;
        Ok(value.as_str().unwrap_or_default().to_string())
    }

    /// What the list says about one image.
    pub fn result_text(&self, name: &str) -> Result<String> {
        let value = self.session.script(
            "return document.querySelector(`[data-testid=result][data-name=${CSS.escape(arguments[0])}]`)?.innerText",
            json!([name]),
        )?;
        value.as_str().map(String::from).with_context(|| format!("{name} is not in the list"))
    }

    /// Makes one image of the list the one that is shown and saved.
    pub fn show(&self, name: &str) -> Result<()> {
        self.show_early(name)?;
        self.wait_until_ready()
    }

    /// The same, and does not wait for what is still under way.
    pub fn show_early(&self, name: &str) -> Result<()> {
        self.session
            .script(
                "document.querySelector(`[data-testid=result][data-name=${CSS.escape(arguments[0])}] button`).click()",
                json!([name]),
            )
            .map(drop)
    }

    /// Clicks an element by its `data-testid`.
    pub fn click(&self, testid: &str) -> Result<()> {
        self.session.click(&format!("[data-testid={testid}]"))
    }

    /// Clicks an export button and waits for the file it saves, whose name ends with `suffix`.
    pub fn save(&self, testid: &str, suffix: &str) -> Result<PathBuf> {
        self.saved_by(suffix, || self.click(testid))
    }

    /// Does something and waits for the file it saves, whose name ends with `suffix`.
    pub fn saved_by(&self, suffix: &str, what: impl FnOnce() -> Result<()>) -> Result<PathBuf> {
        let before = self.downloaded()?;
        what()?;
        self.wait(&format!("a file *{suffix} is saved"), || {
            let new = self
                .downloaded()?
                .into_iter()
                .find(|file| !before.contains(file) && file.to_string_lossy().ends_with(suffix));
            Ok(new)
        })
    }

    /// Whether the page would ask before it is left.
    pub fn would_ask(&self) -> Result<bool> {
        let body =
            "const e = new Event('beforeunload', { cancelable: true }); return !window.dispatchEvent(e)";
        Ok(self.js(body, json!([]))? == true)
    }

    /// Keeps a picture of the window in the target folder, `screenshots/NAME.png`.
    pub fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let bytes = base64(&self.session.screenshot()?)?;
        let folder = paths::target().join("screenshots");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// Files that the browser has finished saving.
    fn downloaded(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.downloads.path())? {
            let file = entry?.path();
            // A browser may keep the place of a file that is still to come.
            let begun = std::fs::metadata(&file).is_ok_and(|facts| facts.len() > 0);
            if begun && file.extension().is_none_or(|extension| extension != "crdownload") {
                files.push(file);
            }
        }
        Ok(files)
    }

    /// Asks again and again until there is an answer.
    pub fn wait<T>(&self, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        // Whoever writes a test does not want to wait that long for its failure.
        let seconds = std::env::var("RBC_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
        let patience = seconds.map_or(PATIENCE, Duration::from_secs);
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            if start.elapsed() > patience {
                let console = self.session.console()?.join("\n");
                bail!("not within {} s: {what}. The console says:\n{console}", patience.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Decodes base64 with padding, as WebDriver sends pictures.
fn base64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => bail!("the picture is not in base64"),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    ensure!(!bytes.is_empty(), "the picture is empty");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn pictures_are_decoded() {
        assert_eq!(base64("iVBORw0KGgo=").ok().as_deref(), Some(b"\x89PNG\r\n\x1a\n".as_slice()));
        assert!(base64("a b").is_err() && base64("").is_err());
    }
}
