//! What a person does on the page: mouse, wheel, touch, keys, dropped and pasted files.

use crate::page::Page;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Keys in WebDriver's encoding.
pub const TAB: &str = "\u{E004}";
pub const ENTER: &str = "\u{E007}";
pub const ESCAPE: &str = "\u{E00C}";
pub const SPACE: &str = " ";
pub const LEFT: &str = "\u{E012}";
pub const UP: &str = "\u{E013}";
pub const RIGHT: &str = "\u{E014}";
pub const DOWN: &str = "\u{E015}";

/// Position and size of the canvas in the window. Its methods assume that the canvas shows the whole image.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Canvas {
    /// The centre, in window coordinates.
    pub fn middle(&self) -> (f64, f64) {
        (self.left + self.width / 2.0, self.top + self.height / 2.0)
    }

    /// Screen pixels per pixel of an image of this size.
    pub fn zoom(&self, (width, height): (u32, u32)) -> f64 {
        (self.width / f64::from(width)).min(self.height / f64::from(height))
    }

    /// Window coordinates of a point of an image of this size.
    pub fn place(&self, image: (u32, u32), (x, y): (f64, f64)) -> (f64, f64) {
        let zoom = self.zoom(image);
        let (across, down) = (f64::from(image.0) * zoom, f64::from(image.1) * zoom);
        (self.left + (self.width - across) / 2.0 + x * zoom, self.top + (self.height - down) / 2.0 + y * zoom)
    }
}

impl Page {
    pub fn canvas(&self) -> Result<Canvas> {
        let body = "const r = document.getElementById('canvas').getBoundingClientRect();
            return [r.left, r.top, r.width, r.height]";
        let sides: Vec<f64> = serde_json::from_value(self.js(body, json!([]))?)?;
        let [left, top, width, height] = sides[..] else { anyhow::bail!("no canvas") };
        Ok(Canvas { left, top, width, height })
    }

    fn mouse(&self, actions: Value) -> Result<()> {
        let mouse = json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": actions });
        self.session().act(json!([mouse]))
    }

    pub fn hover(&self, (x, y): (f64, f64)) -> Result<()> {
        self.mouse(json!([step(x, y)]))
    }

    pub fn click_at(&self, (x, y): (f64, f64)) -> Result<()> {
        self.mouse(json!([step(x, y), down(), up()]))
    }

    /// Touches a point for a moment.
    pub fn tap(&self, (x, y): (f64, f64)) -> Result<()> {
        self.fingers(&[("one", json!([step(x, y), down(), up()]))])
    }

    /// One finger begins to drag, a second one is added, and both move apart.
    pub fn drag_that_becomes_a_pinch(&self, (x, y): (f64, f64)) -> Result<()> {
        let wait = || json!({ "type": "pause", "duration": 0 });
        let one = json!([step(x, y), down(), step(x + 14.0, y), wait(), step(x - 40.0, y), up()]);
        let two = json!([step(x + 80.0, y), wait(), wait(), down(), step(x + 140.0, y), up()]);
        self.fingers(&[("one", one), ("two", two)])
    }

    fn fingers(&self, all: &[(&str, Value)]) -> Result<()> {
        let touch = json!({ "pointerType": "touch" });
        let finger = |(id, actions): &(&str, Value)| json!({ "type": "pointer", "id": id, "parameters": touch, "actions": actions });
        self.session().act(Value::Array(all.iter().map(finger).collect()))
    }

    /// Clicks with the right button, as for a context menu.
    pub fn click_right_at(&self, at: (f64, f64)) -> Result<()> {
        self.trace_with(2, &[at])
    }

    /// Drags with the middle button, the wheel.
    pub fn drag_with_middle(&self, from: (f64, f64), to: (f64, f64)) -> Result<()> {
        self.trace_with(1, &[from, to])
    }

    pub fn drag(&self, from: (f64, f64), to: (f64, f64)) -> Result<()> {
        let middle = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        self.trace(&[from, middle, to])
    }

    /// Draws a line through these points with the button held down.
    pub fn trace(&self, points: &[(f64, f64)]) -> Result<()> {
        self.trace_with(0, points)
    }

    fn trace_with(&self, button: u8, points: &[(f64, f64)]) -> Result<()> {
        let press = |kind: &str| json!({ "type": kind, "button": button });
        let mut actions: Vec<_> = points.iter().map(|&(x, y)| step(x, y)).collect();
        actions.insert(actions.len().min(1), press("pointerDown"));
        actions.push(press("pointerUp"));
        self.mouse(Value::Array(actions))
    }

    /// Turns the wheel; negative values zoom in.
    pub fn wheel(&self, (x, y): (f64, f64), by: i32) -> Result<()> {
        let turn = json!({ "type": "scroll", "x": x as i64, "y": y as i64, "deltaX": 0, "deltaY": by, "duration": 0, "origin": "viewport" });
        self.session().act(json!([{ "type": "wheel", "id": "wheel", "actions": [turn] }]))
    }

    /// Moves two fingers about a point from one distance apart to another.
    pub fn pinch(&self, (x, y): (f64, f64), from: f64, to: f64) -> Result<()> {
        let finger = |side: f64| {
            let at = |apart: f64| step(x + side * apart / 2.0, y);
            json!([at(from), down(), at((from + to) / 2.0), at(to), up()])
        };
        self.fingers(&[("one", finger(-1.0)), ("two", finger(1.0))])
    }

    /// Presses a key and lets it go.
    pub fn key(&self, key: &str) -> Result<()> {
        self.keys(json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]))
    }

    pub fn key_down(&self, key: &str) -> Result<()> {
        self.keys(json!([{ "type": "keyDown", "value": key }]))
    }

    pub fn key_up(&self, key: &str) -> Result<()> {
        self.keys(json!([{ "type": "keyUp", "value": key }]))
    }

    fn keys(&self, actions: Value) -> Result<()> {
        self.session().act(json!([{ "type": "key", "id": "keyboard", "actions": actions }]))
    }

    /// The id of the focused element, or else its test id, text or tag.
    pub fn focused(&self) -> Result<String> {
        let body =
            "const e = document.activeElement; return e.id || e.dataset.testid || e.innerText || e.tagName";
        Ok(self.js(body, json!([]))?.as_str().unwrap_or_default().to_string())
    }

    /// Presses Tab until an element that matches has the focus; fails if any element on the way shows no focus outline.
    pub fn tab_to(&self, selector: &str) -> Result<()> {
        let body = "const e = document.activeElement, s = getComputedStyle(e);
            return [e.matches(arguments[0]), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2, e.outerHTML.slice(0, 120)]";
        for _ in 0..120 {
            self.key(TAB)?;
            let stop = self.js(body, json!([selector]))?;
            let html = stop[2].as_str().unwrap_or_default();
            anyhow::ensure!(stop[1] == true || html.starts_with("<body"), "no visible focus: {html}");
            if stop[0] == true {
                return Ok(());
            }
        }
        anyhow::bail!("Tab does not reach {selector}")
    }

    /// Drags files or folders from the desktop onto the page and drops them.
    pub fn drop_paths(&self, paths: &[PathBuf]) -> Result<()> {
        let files: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
        let (x, y) = self.canvas()?.middle();
        for kind in ["dragEnter", "dragOver", "drop"] {
            let data = json!({ "items": [], "files": files, "dragOperationsMask": 1 });
            let event = json!({ "type": kind, "x": x, "y": y, "data": data });
            self.session().chrome("Input.dispatchDragEvent", event)?;
            if kind == "dragOver" {
                let over = self.js("return document.body.classList.contains('drag-over')", json!([]))?;
                anyhow::ensure!(over == true, "the page does not show that it takes the files");
            }
        }
        Ok(())
    }

    /// Pastes a picture from the clipboard, as a file of this name.
    pub fn paste(&self, bytes: &[u8], name: &str) -> Result<()> {
        let body = "const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(arguments[0])], arguments[1], { type: 'image/png' }));
            document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))";
        self.js(body, json!([bytes, name])).map(drop).context("paste")
    }

    /// Turns the window into that of a phone: narrow, high-resolution, with touch instead of a mouse.
    pub fn be_a_phone(&self) -> Result<()> {
        let size = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.session().chrome("Emulation.setDeviceMetricsOverride", size)?;
        let touch = json!({ "enabled": true, "maxTouchPoints": 5 });
        self.session().chrome("Emulation.setTouchEmulationEnabled", touch).map(drop)
    }

    /// Sets a preference of the system, for example `("prefers-color-scheme", "dark")`.
    pub fn prefer(&self, feature: &str, value: &str) -> Result<()> {
        let media = json!({ "features": [{ "name": feature, "value": value }] });
        self.session().chrome("Emulation.setEmulatedMedia", media).map(drop)
    }
}

fn step(x: f64, y: f64) -> Value {
    json!({ "type": "pointerMove", "duration": 0, "x": x.round() as i64, "y": y.round() as i64, "origin": "viewport" })
}

fn down() -> Value {
    json!({ "type": "pointerDown", "button": 0 })
}

fn up() -> Value {
    json!({ "type": "pointerUp", "button": 0 })
}
