//! The few commands of the W3C WebDriver protocol that the tests need.

use crate::http::ask;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use xtask::browser::Browser;

/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window of its own, driven from here. Closed with this value.
pub struct Session {
    driver: Child,
    port: u16,
    /// `/session/ID`; empty before there is one.
    path: String,
}

impl Session {
    /// Starts the driver and, through it, the browser, with these flags beside the usual ones. Downloads go to
    /// `downloads`.
    pub fn start(browser: &Browser, webgpu: bool, downloads: &Path, flags: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let driver = Command::new(&browser.driver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", browser.driver.display()))?;
        let mut session = Self { driver, port, path: String::new() };
        session.wait_for_driver()?;
        let wanted: Value = serde_json::from_str(&browser.capabilities(webgpu, Some(downloads), flags))?;
        let answer = session.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } }))?;
        let id = answer["sessionId"].as_str().context("chromedriver opened no session")?.to_string();
        session.path = format!("/session/{id}");
        session.post("/timeouts", &json!({ "script": 600_000, "pageLoad": 120_000 }))?;
        Ok(session)
    }

    /// Goes to a page and waits until it has loaded.
    pub fn open(&self, url: &str) -> Result<()> {
        self.post("/url", &json!({ "url": url })).map(drop)
    }

    /// Runs the body of a function in the page.
    pub fn script(&self, body: &str, arguments: Value) -> Result<Value> {
        self.post("/execute/sync", &json!({ "script": body, "args": arguments }))
    }

    /// Runs the body of a function in the page; the answer is what it calls its last argument with.
    pub fn script_async(&self, body: &str, arguments: Value) -> Result<Value> {
        self.post("/execute/async", &json!({ "script": body, "args": arguments }))
    }

    /// A command of Chrome's own protocol, for what WebDriver cannot do.
    pub fn chrome(&self, command: &str, parameters: Value) -> Result<Value> {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// What hands do: WebDriver's sources of mouse, touch, wheel and key actions.
    pub fn act(&self, sources: Value) -> Result<()> {
        self.post("/actions", &json!({ "actions": sources })).map(drop)
    }

    /// Loads the page anew.
    pub fn reload(&self) -> Result<()> {
        self.post("/refresh", &json!({})).map(drop)
    }

    /// The element that a CSS selector finds first.
    pub fn element(&self, selector: &str) -> Result<String> {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }))?;
        found[ELEMENT].as_str().map(String::from).with_context(|| format!("no element {selector}"))
    }

    /// Clicks an element as a person would: it must be in sight.
    pub fn click(&self, selector: &str) -> Result<()> {
        let click =
            || self.post(&format!("/element/{}/click", self.element(selector)?), &json!({})).map(drop);
        // Tables are drawn anew between finding and clicking: once more, then.
        click()
            .or_else(|error| if error.to_string().contains("stale element") { click() } else { Err(error) })
    }

    /// Types into an element; into a file input, the names of files, one a line.
    pub fn send_keys(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector)?;
        self.post(&format!("/element/{element}/value"), &json!({ "text": text })).map(drop)
    }

    /// What the window shows, as a PNG in base64.
    pub fn screenshot(&self) -> Result<String> {
        let shot = self.get("/screenshot")?;
        Ok(shot.as_str().context("no screenshot")?.to_string())
    }

    /// Makes the window this large.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.post("/window/rect", &json!({ "width": width, "height": height })).map(drop)
    }

    /// What the page wrote to the console since the last call.
    pub fn console(&self) -> Result<Vec<String>> {
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
                bail!("chromedriver ended at once ({status})");
            }
            if start.elapsed() > Duration::from_secs(30) {
                bail!("chromedriver did not answer within 30 s");
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
        // Closes the browser; the driver then has nothing left to do.
        let _ = ask(self.port, "DELETE", &self.path, None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The answer's value, or what WebDriver says went wrong.
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
