//! Sliders, check boxes, fields and buttons.

use super::item::{Item, Phase};
use super::{App, act, dom};
use crate::message::{Backend, DIAMETERS, Layer, Product, Rules, UM_PER_PX};
use std::ops::RangeInclusive;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlSelectElement};

/// Permitted thresholds, as for the slider in `index.html`.
const THRESHOLDS: RangeInclusive<f64> = 0.05..=0.95;

fn on_click(id: &str, what: fn(&mut App)) {
    dom::on(&dom::element(id), "click", move |_: Event| act(what));
}

/// The same for a button whose second press means something else.
fn on_press(id: &str, what: fn(&mut App)) {
    dom::on_press(&dom::element(id), move || act(what));
}

pub fn listen() {
    dom::on(&dom::element("threshold"), "input", |_: Event| act(App::read_rules));
    for id in ["split", "skip-edge", "scale"] {
        dom::on(&dom::element(id), "change", |_: Event| act(App::read_rules));
    }
    dom::on(&dom::element("diameter"), "change", |_: Event| act(App::read_diameter));
    // Checked while typing: a hint that appears when the field loses focus would shift what is being clicked.
    dom::on(&dom::element("diameter"), "input", |_: Event| {
        typed("diameter", DIAMETERS);
    });
    dom::on(&dom::element("scale"), "input", |_: Event| {
        if let Some(scale) = typed("scale", UM_PER_PX) {
            act(move |app| app.show_scale(scale));
        }
    });
    dom::on(&dom::element("opacity"), "input", |_: Event| act(App::draw_soon));
    dom::on(&dom::element("scale-form"), "submit", |event: Event| {
        event.prevent_default();
        act(App::ruler_applied);
    });
    on_press("draw-scale", App::toggle_ruler);
    on_press("diameter-all", App::diameter_for_all);
    on_click("zoom-in", |app| app.zoom(1.4));
    on_click("zoom-out", |app| app.zoom(1.0 / 1.4));
    on_click("zoom-fit", App::zoom_fit);
    on_click("zoom-full", App::zoom_full);
    on_click("cancel", App::cancel);
    on_click("retry-all", App::retry_all);
    on_click("remove-all", App::remove_all);
    on_press("put-back", App::put_back);
    on_click("copy-table", App::copy_table);
    on_click("run-again", App::run_again);
    on_click("shipped", App::back_to_shipped);
    on_click("more-rows", App::more_rows);
    on_press("export-images", App::press_table);
    on_press("export-zip", App::press_zip);
    on_press("race", App::race);
    on_click("dismiss", App::dismiss_complaints);
    dom::on(&dom::element("engine"), "click", |_: Event| {
        let details = dom::element("machine");
        dom::set(&details, "open", "");
        details.scroll_into_view();
        if let Ok(Some(summary)) = details.query_selector("summary")
            && let Some(summary) = summary.dyn_ref::<web_sys::HtmlElement>()
        {
            let _ = summary.focus();
        }
    });
    for button in dom::all("button[data-view]") {
        let view = Layer::parse(&button.get_attribute("data-view").unwrap_or_default());
        dom::on(&button, "click", move |_: Event| act(move |app| app.set_view(view)));
    }
    for button in dom::all("button[data-table]") {
        let table = button.get_attribute("data-table").unwrap_or_default();
        dom::on(&button, "click", move |_: Event| show_table(&table));
    }
    for button in dom::all("button[data-export]") {
        let what = Product::parse(&button.get_attribute("data-export").unwrap_or_default());
        let Some(what) = what else { continue };
        dom::on(&button, "click", move |_: Event| act(move |app| app.export(what)));
    }
    dom::on(&dom::element("backend"), "change", |event: Event| {
        if let Some(select) = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok()) {
            let wish = Backend::parse(&select.value());
            act(move |app| app.set_backend(wish));
        }
    });
}

/// Marks the button whose attribute has the chosen value as pressed, and no other.
fn press(buttons: &[Element], attribute: &str, chosen: &str) {
    for button in buttons {
        let pressed = button.get_attribute(attribute).as_deref() == Some(chosen);
        dom::set_flag(button, "aria-pressed", pressed);
    }
}

fn show_table(chosen: &str) {
    press(&dom::all("button[data-table]"), "data-table", chosen);
    for table in ["cells", "images", "sizes"] {
        dom::show(&format!("table-{table}"), table == chosen);
    }
    dom::show("copy-table", chosen != "sizes");
    act(App::refresh);
}

/// The number in a field, `Some(None)` if it is empty. If it is invalid, shows a hint below the field and returns
/// `None`.
pub fn typed(id: &str, range: RangeInclusive<f64>) -> Option<Option<f64>> {
    let (field, hint) = (dom::input(id), format!("{id}-hint"));
    match dom::number(id, range) {
        Ok(number) => {
            if field.has_attribute("aria-invalid") {
                let _ = field.remove_attribute("aria-invalid");
                dom::set_text(&hint, "");
            }
            Some(number)
        }
        Err(problem) => {
            dom::set(&field, "aria-invalid", "true");
            dom::set_text(&hint, &problem);
            // Hints with a role are announced by the browser itself.
            if !dom::element(&hint).has_attribute("role") {
                dom::set_text("spoken", &problem);
            }
            None
        }
    }
}

impl App {
    /// Reads the settings from the page. An invalid number counts as not given.
    pub fn read_rules(&mut self) {
        let scale = typed("scale", UM_PER_PX);
        let threshold = dom::input("threshold").value_as_number();
        let rules = Rules {
            threshold: threshold.clamp(*THRESHOLDS.start(), *THRESHOLDS.end()),
            split: dom::input("split").checked(),
            diameter: None,
            um_per_px: scale.unwrap_or_default(),
            skip_edge: dom::input("skip-edge").checked(),
            ..Rules::default()
        };
        dom::set_text("threshold-value", &format!("{:.2}", rules.threshold));
        if rules != self.rules {
            self.rules = rules;
            self.rules_changed();
        }
    }

    /// Applies a new cell diameter. It changes the working scale, so the network must run again.
    fn read_diameter(&mut self) {
        let Some(diameter) = typed("diameter", DIAMETERS) else { return };
        let Some(item) = self.active_item_mut() else { return };
        if item.diameter != diameter {
            item.diameter = diameter;
            let id = item.id;
            self.end_outdated_run();
            self.retry(&[id]);
        }
        self.sync_controls();
    }

    fn diameter_for_all(&mut self) {
        if typed("diameter", DIAMETERS).is_none() {
            let _ = dom::element("diameter").focus();
            return;
        }
        // An empty field means that each image is estimated: the estimate of one does not apply to another.
        let diameter = self.active_item().and_then(|item| item.diameter);
        // What was stopped or failed takes the diameter, but stays as it is.
        let redo = |item: &&Item| item.diameter != diameter && item.phase == Phase::Done;
        let ids: Vec<u32> = self.items.iter().filter(redo).map(|item| item.id).collect();
        for item in &mut self.items {
            item.diameter = diameter;
        }
        self.end_outdated_run();
        self.sync_controls();
        self.retry(&ids);
    }

    /// Restarts the network if it runs with another diameter than its image has now, because that may take long.
    fn end_outdated_run(&mut self) {
        let item = self.model.running().and_then(|id| self.item(id));
        if item.is_some_and(|item| item.ran_with != item.diameter) {
            self.restart_network();
        }
    }

    /// Shows the active image's own settings in the panel.
    pub fn sync_controls(&mut self) {
        let Some(item) = self.active_item() else { return };
        let field = dom::input("diameter");
        let editing = dom::has_focus("diameter");
        if field.has_attribute("aria-invalid") {
            return;
        }
        if !editing && dom::number("diameter", DIAMETERS) != Ok(item.diameter) {
            field.set_value(&item.diameter.map(|diameter| diameter.to_string()).unwrap_or_default());
        }
        let hint = match (item.estimate, item.diameter) {
            (Some(_), _) if item.diameter != item.found_with && item.pending() => {
                "The model is running again. Until it finishes, everything stays as it was found before."
                    .into()
            }
            (Some(_), None) if item.rows.is_empty() && item.has_result() => {
                "No cells were found to estimate it from. Enter the diameter; the model runs again.".into()
            }
            (Some(estimate), None)
                if item.warnings.iter().any(|warning| warning.contains("could not be estimated")) =>
            {
                format!(
                    "Not estimated: taken for {estimate:.0} px. Enter the diameter; the model runs again."
                )
            }
            (Some(estimate), None) => {
                format!(
                    "Estimated: {estimate:.0} px. If that is wrong, enter the diameter; the model runs again."
                )
            }
            (Some(_), Some(_)) => "Set by hand. Clear the field to use the estimate.".into(),
            _ => String::new(),
        };
        dom::set_text("diameter-hint", &hint);
    }

    pub fn zoom(&mut self, factor: f64) {
        self.view.zoom_about_middle(factor);
        self.draw_soon();
    }

    pub fn zoom_fit(&mut self) {
        self.view.fit();
        self.draw_soon();
    }

    pub fn zoom_full(&mut self) {
        self.zoom(1.0 / self.view.zoom);
    }

    /// Shows an overlay, or none.
    pub fn set_view(&mut self, view: Option<Layer>) {
        if view == Some(Layer::Difference) && self.active_item().is_none_or(|item| item.truth.is_none()) {
            return;
        }
        self.view.layer = view;
        press(&dom::all("button[data-view]"), "data-view", view.map_or("none", Layer::name));
        dom::show("legend", view == Some(Layer::Difference));
        dom::show("scale-legend", view == Some(Layer::Probability));
        self.draw_soon();
    }
}
