//! The built page, open in a real browser.

use crate::scratch::Scratch;
use crate::webdriver::Session;
use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use xtask::browser::Engine;
use xtask::server::Server;
use xtask::{paths, process};

/// How long the model may take to start or to segment an image. WebGPU in software is slow.
const PATIENCE: Duration = Duration::from_secs(300);

/// The back end that computes in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    WebGpu,
    Cpu,
}

impl Backend {
    /// As in `?backend=` and `body[data-backend]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebGpu => "webgpu",
            Self::Cpu => "cpu",
        }
    }
}

/// The page in a separate browser window.
pub struct Page {
    session: Session,
    downloads: Scratch,
    url: String,
    /// Only one browser at a time: on two cores, a second one would only delay both.
    _alone: MutexGuard<'static, ()>,
}

impl Page {
    /// Opens the page built by `cargo xtask test` on this back end, and waits until it is ready.
    pub fn open(backend: Backend) -> Result<Self> {
        let page = Self::start(&paths::site(), true, &format!("?backend={}", backend.name()))?;
        page.wait_until_ready()?;
        Ok(page)
    }

    /// Opens the page in `folder` without waiting until it is ready. Without `webgpu` the browser has no WebGPU.
    pub fn start(folder: &Path, webgpu: bool, query: &str) -> Result<Self> {
        let page = Self::blank(folder, webgpu, &[])?;
        page.session.open(&format!("{}{query}", page.url))?;
        Ok(page)
    }

    /// An empty window, and a server for `folder`; `flags` are passed to Chromium. `RBC_BROWSER` names another browser to
    /// open it in.
    pub fn blank(folder: &Path, webgpu: bool, flags: &[&str]) -> Result<Self> {
        Self::blank_in(Engine::wanted()?, folder, webgpu, flags)
    }

    /// The same in a browser with this engine.
    pub fn blank_in(engine: Engine, folder: &Path, webgpu: bool, flags: &[&str]) -> Result<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        process::must_exist(&folder.join("index.html"), "`cargo xtask test` builds it")?;
        let server = Server::start(folder, 0)?;
        let downloads = Scratch::new("downloads")?;
        let session = Session::start(&engine.find()?, webgpu, downloads.path(), flags)?;
        session.resize(1400, 1000)?;
        Ok(Self { session, downloads, url: server.url(), _alone: alone })
    }

    /// Where the page is served.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens an address and waits until the page there is ready.
    pub fn visit(&self, url: &str) -> Result<()> {
        self.session.open(url)?;
        self.wait_until_ready()
    }

    /// Runs a function body in the page and returns its result.
    pub fn js(&self, body: &str, arguments: serde_json::Value) -> Result<serde_json::Value> {
        self.session.script(body, arguments)
    }

    /// Waits until a function body returns a truthy value; returns that value.
    pub fn until(&self, what: &str, body: &str, arguments: serde_json::Value) -> Result<serde_json::Value> {
        self.wait(what, || {
            let value = self.session.script(body, arguments.clone())?;
            let empty = value.is_null() || value == false || value == "" || value == 0;
            Ok((!empty).then_some(value))
        })
    }

    /// The text of the first element matching a CSS selector; empty if it is hidden or missing.
    pub fn shown(&self, selector: &str) -> Result<String> {
        let body = "const e = document.querySelector(arguments[0]);
            return e && e.checkVisibility() ? e.innerText.trim() : ''";
        Ok(self.js(body, json!([selector]))?.as_str().unwrap_or_default().to_string())
    }

    /// Waits until an element shows a text that contains `words`; returns the text.
    pub fn until_shown(&self, selector: &str, words: &str) -> Result<String> {
        self.wait(&format!("{selector} says {words:?}"), || {
            let text = self.shown(selector)?;
            Ok((!text.is_empty() && text.contains(words)).then_some(text))
        })
    }

    /// Sets the value of a field, with the events of typing or dragging.
    pub fn set(&self, selector: &str, value: &str) -> Result<()> {
        let body = "const e = document.querySelector(arguments[0]);
            e.value = arguments[1];
            for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, { bubbles: true }));";
        self.js(body, json!([selector, value])).map(drop)
    }

    /// The browser session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Waits for `body[data-state=ready]`; fails if the page reports an error.
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

    /// Chooses files as in the file dialog.
    pub fn pick(&self, testid: &str, files: &[PathBuf]) -> Result<()> {
        let names: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
        self.session.send_keys(&format!("[data-testid={testid}]"), &names.join("\n"))
    }

    /// Waits until the page offers its samples.
    pub fn until_samples(&self) -> Result<()> {
        let count = "return document.querySelectorAll('[data-testid=sample]').length";
        self.until("the samples are offered", count, json!([])).map(drop)
    }

    /// Gives images to the page and waits until it has finished all of them, successfully or not.
    pub fn segment(&self, files: &[PathBuf]) -> Result<()> {
        self.pick("file-input", files)?;
        for file in files {
            self.until_through(&file.file_name().context("an image has a name")?.to_string_lossy())?;
        }
        self.wait_until_ready()
    }

    /// Waits until the page has finished an image; returns its state.
    pub fn until_through(&self, name: &str) -> Result<String> {
        self.wait(&format!("{name} is done"), || {
            let state = self.result_state(name)?;
            Ok(matches!(state.as_str(), "done" | "failed").then_some(state))
        })
    }

    /// The state of an image in the list: `waiting`, `working`, `counting`, `done`, `stopped` or `failed`; empty if it
    /// is not in the list.
    pub fn result_state(&self, name: &str) -> Result<String> {
        let value = self.session.script(
            "return document.querySelector(`[data-testid=result][data-name=${CSS.escape(arguments[0])}]`)?.dataset.state",
            json!([name]),
        )?;
        Ok(value.as_str().unwrap_or_default().to_string())
    }

    /// The text of an image's entry in the list.
    pub fn result_text(&self, name: &str) -> Result<String> {
        let value = self.session.script(
            "return document.querySelector(`[data-testid=result][data-name=${CSS.escape(arguments[0])}]`)?.innerText",
            json!([name]),
        )?;
        value.as_str().map(String::from).with_context(|| format!("{name} is not in the list"))
    }

    /// Selects an image of the list, which is then shown and saved, and waits until the page is ready.
    pub fn show(&self, name: &str) -> Result<()> {
        self.show_early(name)?;
        self.wait_until_ready()
    }

    /// The same without waiting for it, only for its card.
    pub fn show_early(&self, name: &str) -> Result<()> {
        let click = "const card = `[data-testid=result][data-name=${CSS.escape(arguments[0])}] button`;
            const button = document.querySelector(card);
            button?.click();
            return Boolean(button)";
        self.until(&format!("{name} is in the list"), click, json!([name])).map(drop)
    }

    /// Clicks an element by its `data-testid`.
    pub fn click(&self, testid: &str) -> Result<()> {
        self.session.click(&format!("[data-testid={testid}]"))
    }

    /// Clicks an export button and waits for the saved file, whose name ends with `suffix`.
    pub fn save(&self, testid: &str, suffix: &str) -> Result<PathBuf> {
        self.saved_by(suffix, || self.click(testid))
    }

    /// Does something and waits for the file that it saves, whose name ends with `suffix`.
    pub fn saved_by(&self, suffix: &str, what: impl FnOnce() -> Result<()>) -> Result<PathBuf> {
        let before = self.downloaded()?;
        what()?;
        self.wait(&format!("a file *{suffix} is saved"), || {
            // A new one, or one that replaces another of its name.
            let new = self
                .downloaded()?
                .into_iter()
                .find(|file| !before.contains(file) && file.0.to_string_lossy().ends_with(suffix));
            Ok(new.map(|(file, _)| file))
        })
    }

    /// Whether the page would ask for confirmation before it is left.
    pub fn would_ask(&self) -> Result<bool> {
        let body =
            "const e = new Event('beforeunload', { cancelable: true }); return !window.dispatchEvent(e)";
        Ok(self.js(body, json!([]))? == true)
    }

    /// Saves a screenshot of the window in the target folder as `screenshots/NAME.png`.
    pub fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let picture = self.session.screenshot()?;
        let bytes = BASE64_STANDARD.decode(picture).context("the picture is not in base64")?;
        let folder = paths::target().join("screenshots");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// The files that the browser has finished saving, and when.
    fn downloaded(&self) -> Result<Vec<(PathBuf, SystemTime)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.downloads.path())? {
            let file = entry?.path();
            // The browser may create an empty file first; some remove an unfinished one again.
            let Ok(facts) = std::fs::metadata(&file) else { continue };
            if facts.len() > 0 && file.extension().is_none_or(|extension| extension != "crdownload") {
                files.push((file, facts.modified()?));
            }
        }
        Ok(files)
    }

    /// Calls `ask` repeatedly until it returns something.
    pub fn wait<T>(&self, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        // Whoever writes a test does not want to wait that long for it to fail.
        let seconds = std::env::var("RBC_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
        let patience = seconds.map_or(PATIENCE, Duration::from_secs);
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            if start.elapsed() > patience {
                let console = self.session.console().unwrap_or_default().join("\n");
                let name: String = what.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
                let shot = self.screenshot(&format!("not-{name}"));
                let shot = shot.map_or_else(|error| error.to_string(), |file| file.display().to_string());
                bail!(
                    "not within {} s: {what}. Seen then: {shot}. The console says:\n{console}",
                    patience.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
