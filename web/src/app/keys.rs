//! Single-key shortcuts, as named in the tooltips; inactive while the user types. For users who dictate or hit keys
//! accidentally they can be switched off, except while the picture has focus (WCAG 2.1.4).

use super::pen::Tool;
use super::{App, act, dom};
use crate::message::Layer;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent};

/// Whether the key is meant for the focused element.
fn typing(event: &KeyboardEvent) -> bool {
    let Some(target) = event.target() else { return false };
    let text = target.dyn_ref::<HtmlInputElement>().is_some_and(|input| {
        let kind = input.type_();
        kind == "number" || kind == "text" || (kind == "range" && event.key().starts_with("Arrow"))
    });
    let tag = target.dyn_ref::<HtmlElement>().map(|element| element.tag_name()).unwrap_or_default();
    text || tag == "SELECT" || (event.key() == " " && tag != "BODY" && tag != "CANVAS")
}

/// Storage key that records that shortcuts are switched off.
const SWITCH: &str = "rbc-single-keys";

fn storage() -> Option<web_sys::Storage> {
    dom::window().local_storage().ok().flatten()
}

/// Keeps the setting for the next visit, if the browser permits.
fn listen_to_the_switch() {
    let off = storage().and_then(|storage| storage.get_item(SWITCH).ok().flatten()).is_some();
    dom::input("single-keys").set_checked(!off);
    dom::on(&dom::element("single-keys"), "change", |_: web_sys::Event| {
        if let Some(storage) = storage() {
            let kept = match dom::input("single-keys").checked() {
                true => storage.remove_item(SWITCH),
                false => storage.set_item(SWITCH, "off"),
            };
            // Private windows may refuse; the setting then only lasts for this visit.
            drop(kept);
        }
    });
}

/// Installs the keyboard shortcuts.
pub fn listen() {
    listen_to_the_switch();
    dom::on(&dom::document(), "keydown", |event: KeyboardEvent| {
        let in_ruler = event.key() == "Escape" && dom::has_focus("scale-length");
        if typing(&event) && !in_ruler {
            return;
        }
        let held = event.ctrl_key() || event.meta_key();
        if held && !event.alt_key() {
            match (event.key().to_lowercase().as_str(), event.shift_key()) {
                ("z", false) => {
                    event.prevent_default();
                    act(App::undo);
                }
                ("y", false) | ("z", true) => {
                    event.prevent_default();
                    act(App::redo);
                }
                _ => {}
            }
        }
        // On many keyboards brackets need AltGr or Option.
        if (held || event.alt_key()) && !matches!(event.key().as_str(), "[" | "]") {
            return;
        }
        let canvas = dom::document().active_element().is_some_and(|element| element.id() == "canvas");
        // Caps Lock must not change the command.
        let key = if event.key().chars().count() == 1 { event.key().to_lowercase() } else { event.key() };
        let arrow = key.starts_with("Arrow");
        if key.chars().count() == 1 && !canvas && !dom::input("single-keys").checked() {
            return;
        }
        if (arrow && canvas) || key == " " {
            event.prevent_default();
        }
        // When held down, keys that move or step repeat; those that toggle must not.
        if event.repeat() && !arrow && !["+", "=", "-", "[", "]", "j", "k", " "].contains(&key.as_str()) {
            return;
        }
        if arrow && !canvas {
            return;
        }
        act(move |app| app.key(&key));
    });
    dom::on(&dom::document(), "keyup", |event: KeyboardEvent| {
        if event.key() == " " {
            act(App::stop_peeking);
        }
    });
    // Releasing a key is not observed while the window lacks focus.
    dom::on(&dom::window(), "blur", |_: web_sys::Event| act(App::stop_peeking));
}

/// Clicks an element after the current event.
fn click(id: &str) {
    let id = id.to_string();
    dom::after(0, move || dom::element(&id).click());
}

impl App {
    fn key(&mut self, key: &str) {
        const STEP: f64 = 80.0;
        match key {
            "a" => click("file-input"),
            "o" => self.set_view(Some(Layer::Outline)),
            "f" => self.set_view(Some(Layer::Fill)),
            "p" => self.set_view(Some(Layer::Probability)),
            "d" => self.set_view(Some(Layer::Difference)),
            "n" => self.set_view(None),
            "s" => click("split"),
            "e" => click("skip-edge"),
            "m" => self.toggle_ruler(),
            "c" => self.take_pen(Tool::Outline),
            "x" => self.take_pen(Tool::Cut),
            "u" => self.undo(),
            "z" => click("export-zip"),
            "j" => self.step(1),
            "k" => self.step(-1),
            "+" | "=" => self.zoom(1.4),
            "-" => self.zoom(1.0 / 1.4),
            "0" => self.zoom_fit(),
            "1" => self.zoom_full(),
            "[" => self.nudge_threshold(-0.02),
            "]" => self.nudge_threshold(0.02),
            " " => self.view.peeking = true,
            "Escape" if self.ruler.active || self.ruler.length() > 0.0 => self.ruler.stop(),
            "Escape" if self.pen.tool.is_some() => self.put_pen_down(),
            "Escape" => self.cancel_current(),
            "ArrowLeft" => self.view.move_by(STEP, 0.0),
            "ArrowRight" => self.view.move_by(-STEP, 0.0),
            "ArrowUp" => self.view.move_by(0.0, STEP),
            "ArrowDown" => self.view.move_by(0.0, -STEP),
            _ => return,
        }
        self.draw_soon();
    }

    fn stop_peeking(&mut self) {
        self.view.peeking = false;
        self.draw_soon();
    }

    fn nudge_threshold(&mut self, by: f64) {
        let slider = dom::input("threshold");
        // The slider itself stays within its limits.
        slider.set_value_as_number(slider.value_as_number() + by);
        self.read_rules();
    }

    /// Activates the next or the previous image.
    fn step(&mut self, by: isize) {
        let at = self.items.iter().position(|item| Some(item.id) == self.active).unwrap_or(0);
        let to = at.saturating_add_signed(by).min(self.items.len().saturating_sub(1));
        if let Some(id) = self.items.get(to).map(|item| item.id) {
            self.choose(id);
            super::results::bring_into_sight(id);
        }
    }
}
