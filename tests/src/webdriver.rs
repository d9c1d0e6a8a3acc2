//! The few commands of the W3C WebDriver protocol that the tests use.

use crate::display::Display;
use crate::http::ask;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use xtask::browser::{Browser, Engine};

/// The key of an element's reference in WebDriver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window controlled by these tests; closed when this value is dropped.
pub struct Session {
    driver: Child,
    engine: Engine,
    /// What a browser without a headless mode draws on.
    _display: Option<Display>,
    port: u16,
    /// `/session/ID`; empty until there is a session.
    path: String,
}

impl Session {
    /// Starts the driver and the browser, with `flags` for Chromium in addition to the usual ones. Downloads go to `downloads`.
    pub fn start(browser: &Browser, webgpu: bool, downloads: &Path, flags: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(&browser.driver);
        command.arg(format!("--port={port}"));
        let mut display = None;
        if browser.engine == Engine::WebKit {
            let new = Display::start()?;
            // It saves files in the home folder. Its sandbox does not work for root; only our own pages are opened.
            command.env("DISPLAY", new.name()).env("GDK_BACKEND", "x11").env("HOME", downloads);
            command.env_remove("WAYLAND_DISPLAY").env_remove("XDG_CONFIG_HOME");
            command.env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1");
            display = Some(new);
        }
        let driver = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", browser.driver.display()))?;
        let mut session =
            Self { driver, engine: browser.engine, _display: display, port, path: String::new() };
        session.wait_for_driver()?;
        let wanted: Value = serde_json::from_str(&browser.capabilities(webgpu, Some(downloads), flags))?;
        let answer = session.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } }))?;
        let id = answer["sessionId"].as_str().context("the driver opened no session")?.to_string();
        session.path = format!("/session/{id}");
        session.post("/timeouts", &json!({ "script": 600_000, "pageLoad": 120_000 }))?;
        Ok(session)
    }

    /// Opens a page and waits until it has loaded.
    pub fn open(&self, url: &str) -> Result<()> {
        self.post("/url", &json!({ "url": url })).map(drop)
    }

    /// Runs a function body in the page and returns its result.
    pub fn script(&self, body: &str, arguments: Value) -> Result<Value> {
        self.post("/execute/sync", &json!({ "script": body, "args": arguments }))
    }

    /// Runs a function body in the page; the result is what it passes to its last argument.
    pub fn script_async(&self, body: &str, arguments: Value) -> Result<Value> {
        self.post("/execute/async", &json!({ "script": body, "args": arguments }))
    }

    /// Sends a command of the Chrome DevTools Protocol, for what WebDriver cannot do. Fails in other browsers.
    pub fn chrome(&self, command: &str, parameters: Value) -> Result<Value> {
        ensure!(self.engine == Engine::Chromium, "only Chromium knows {command}");
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Performs actions of mouse, touch, wheel and keyboard, given as WebDriver's input sources.
    pub fn act(&self, sources: Value) -> Result<()> {
        self.post("/actions", &json!({ "actions": sources })).map(drop)
    }

    /// Reloads the page.
    pub fn reload(&self) -> Result<()> {
        self.post("/refresh", &json!({})).map(drop)
    }

    /// Reference of the first element that matches a CSS selector.
    pub fn element(&self, selector: &str) -> Result<String> {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }))?;
        found[ELEMENT].as_str().map(String::from).with_context(|| format!("no element {selector}"))
    }

    /// Clicks an element as a person would: it must be visible.
    pub fn click(&self, selector: &str) -> Result<()> {
        let click =
            || self.post(&format!("/element/{}/click", self.element(selector)?), &json!({})).map(drop);
        // A table may be redrawn between finding and clicking; then try once more.
        click()
            .or_else(|error| if error.to_string().contains("stale element") { click() } else { Err(error) })
    }

    /// Types into an element; for a file input, `text` is the file names, one per line.
    pub fn send_keys(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector)?;
        self.post(&format!("/element/{element}/value"), &json!({ "text": text })).map(drop)
    }

    /// A screenshot of the window as a PNG in base64.
    pub fn screenshot(&self) -> Result<String> {
        let shot = self.get("/screenshot")?;
        Ok(shot.as_str().context("no screenshot")?.to_string())
    }

    /// Resizes the window.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.post("/window/rect", &json!({ "width": width, "height": height })).map(drop)
    }

    /// The console output of the page since the last call; only Chromium tells it.
    pub fn console(&self) -> Result<Vec<String>> {
        if self.engine != Engine::Chromium {
            return Ok(Vec::new());
        }
        let log = self.post("/se/log", &json!({ "type": "browser" }))?;
        let line = |entry: &Value| format!("{} {}", entry["level"].as_str().unwrap_or(""), entry["message"]);
        Ok(log.as_array().into_iter().flatten().map(line).collect())
    }

    fn wait_for_driver(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Ok(status) = self.get("/status")
                && status["ready"] == true
            {
                return Ok(());
            }
            if let Some(status) = self.driver.try_wait()? {
                bail!("the driver ended at once ({status})");
            }
            if start.elapsed() > Duration::from_secs(30) {
                bail!("the driver did not answer within 30 s");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        value(ask(self.port, "POST", &format!("{}{path}", self.path), Some(body))?)
    }

    fn get(&self, path: &str) -> Result<Value> {
        value(ask(self.port, "GET", &format!("{}{path}", self.path), None)?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Closes the browser, after which the driver has nothing left to do.
        let _ = ask(self.port, "DELETE", &self.path, None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The answer's value, or the error that WebDriver reports.
fn value(mut answer: Value) -> Result<Value> {
    let value = answer["value"].take();
    match value["error"].as_str() {
        Some(error) => bail!("{error}: {}", value["message"].as_str().unwrap_or("").trim()),
        None => Ok(value),
    }
}

fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}
