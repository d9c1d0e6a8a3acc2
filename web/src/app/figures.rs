//! The figures of the active image.

use super::item::{Item, Phase};
use super::network::backend_name;
use super::statistics::Spread;
use super::{App, dom};
use crate::message::{CellRow, Product, RED_CELLS};

/// Shown in place of an unknown figure.
pub const NONE: &str = "–";

/// The decimals of a number with about three significant digits.
fn decimals(value: f64) -> usize {
    match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    }
}

/// Formats a number with about three significant digits.
pub fn short(value: f64) -> String {
    format!("{value:.*}", decimals(value))
}

/// A sentence that was written to follow a colon, to stand alone.
fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// A number of cells, in words.
pub fn cells(count: usize) -> String {
    if count == 1 { "1 cell".into() } else { format!("{count} cells") }
}

/// Converts a length or (with `power` 2) an area to micrometres if the scale is known; also returns the unit.
pub fn sized(pixels: f64, um_per_px: Option<f64>, power: i32) -> (f64, &'static str) {
    match (um_per_px, power) {
        (Some(scale), 1) => (pixels * scale, "µm"),
        (Some(scale), _) => (pixels * scale.powi(2), "µm²"),
        (None, 1) => (pixels, "px"),
        (None, _) => (pixels, "px²"),
    }
}

/// One cell's measurements, one per line.
pub fn describe(row: &CellRow, um_per_px: Option<f64>) -> String {
    let (diameter, length) = sized(row.diameter, um_per_px, 1);
    let (area, square) = sized(row.area, um_per_px, 2);
    let edge = if row.edge { "\ncut by the edge" } else { "" };
    let out = if row.excluded {
        "\nleft out; click or tap to count it again"
    } else {
        "\nclick or tap to leave out"
    };
    format!(
        "Cell {}\ndiameter {} {length}\narea {} {square}\ncircularity {:.2}\ncertainty {:.0} %{edge}{out}",
        row.id,
        short(diameter),
        short(area),
        row.circularity,
        row.probability * 100.0,
    )
}

/// Cells per square millimetre if the scale is known, else per megapixel; also returns the unit.
pub fn density(item: &Item, um_per_px: Option<f64>) -> (f64, &'static str) {
    match um_per_px {
        Some(scale) => (item.density / (scale * scale), "per mm²"),
        None => (item.density, "per Mpx"),
    }
}

/// Mean and, if known, standard deviation with as many decimals. The line may break before the sign but not after it.
pub fn spread(values: Spread) -> String {
    match (values.mean(), values.deviation()) {
        (None, _) => NONE.into(),
        (Some(mean), Some(deviation)) => {
            format!("{} ±\u{a0}{deviation:.*}", short(mean), decimals(mean))
        }
        (Some(mean), None) => short(mean),
    }
}

/// The same with the unit; `None` without values.
fn spread_with_unit(values: Spread, um_per_px: Option<f64>, power: i32) -> Option<String> {
    let (_, unit) = sized(values.mean()?, um_per_px, power);
    Some(format!("{}\u{a0}{unit}", spread(values.sized(um_per_px, power))))
}

/// The same of a number without unit.
fn spread_of_share(values: Spread) -> Option<String> {
    let mean = values.mean()?;
    let deviation = values.deviation().map(|deviation| format!(" ± {deviation:.2}"));
    Some(format!("{mean:.2}{}", deviation.unwrap_or_default()))
}

fn percent(share: Option<f64>) -> String {
    share.map_or(NONE.into(), |share| format!("{:.1} %", share * 100.0))
}

/// Rounds a scale to the precision with which scales are measured.
pub fn rounded(um_per_px: f64) -> f64 {
    format!("{um_per_px:.3e}").parse().unwrap_or(um_per_px)
}

impl App {
    /// Shows where the scale of the active image comes from, and a warning if it implies an implausible cell size.
    pub fn show_scale(&self, typed: Option<f64>) {
        let item = self.active_item();
        let own = item.and_then(|item| item.um_per_px).map(rounded);
        dom::input("scale").set_placeholder(&own.map_or("unknown".into(), |own| own.to_string()));
        let source = match (typed, own) {
            (None, Some(_)) => "As the file says.".into(),
            (Some(typed), Some(own)) if (typed / own - 1.0).abs() > 0.01 => format!("The file says {own}."),
            _ => String::new(),
        };
        let diameter = item.filter(|item| item.has_result()).and_then(|item| item.figures.diameter.mean());
        let size = typed.or(own).zip(diameter).map(|(scale, diameter)| scale * diameter);
        let doubt = size.filter(|size| !RED_CELLS.contains(size)).map(|size| {
            format!("Mean cell diameter {} µm; red cells measure 6 to 9 µm. Check the scale.", short(size))
        });
        let told: Vec<String> =
            [source, doubt.unwrap_or_default()].into_iter().filter(|told| !told.is_empty()).collect();
        dom::set_text("scale-hint", &told.join(" "));
    }

    /// Updates the figures of the active image and everything around the picture.
    pub fn show_figures(&mut self) {
        self.sync_controls();
        let item = self.active_item();
        let scale = item.and_then(|item| self.scale_of(item));
        let done = item.filter(|item| item.has_result());
        let figures = done.map(|item| item.figures);
        dom::set_text("cell-count", &figures.map_or(NONE.into(), |figures| figures.count.to_string()));
        dom::set_text("coverage", &percent(done.map(|item| item.covered)));
        let density = done.map(|item| density(item, scale));
        dom::set_text(
            "density",
            &density.map_or(NONE.into(), |(value, unit)| format!("{} {unit}", short(value))),
        );
        let show = |id: &str, text: Option<String>| dom::set_text(id, &text.unwrap_or_else(|| NONE.into()));
        show("mean-diameter", figures.and_then(|figures| spread_with_unit(figures.diameter, scale, 1)));
        show("mean-area", figures.and_then(|figures| spread_with_unit(figures.area, scale, 2)));
        show("mean-circularity", figures.and_then(|figures| spread_of_share(figures.circularity)));
        let timing =
            done.and_then(|item| Some(format!("{} s, {}", short(item.seconds), backend_name(item.backend?))));
        show("timing", timing);
        // Unrounded, for scripts that measure.
        let seconds = done.map(|item| item.seconds.to_string()).unwrap_or_default();
        dom::set(&dom::element("timing"), "data-seconds", &seconds);
        let compared = done.filter(|item| item.iou.is_some());
        dom::show("truth-figures", compared.is_some());
        dom::show("dice-figures", compared.is_some());
        dom::set_text("truth-iou", &percent(compared.and_then(|item| item.iou)));
        dom::set_text("truth-dice", &percent(compared.and_then(|item| item.dice)));
        if !dom::element("scale").has_attribute("aria-invalid") && !dom::has_focus("scale") {
            self.show_scale(self.rules.um_per_px);
        }
        self.show_picture_facts();
        self.show_outdated();
    }

    /// Offers to rerun results of other weights than the present ones.
    fn show_outdated(&self) {
        let count = self.outdated().count();
        dom::show("run-again", count > 0);
        let own = self.model.own_weights();
        let uses = own.map(|own| format!("Your own weights are in use: {}.", own.name));
        let old = match count {
            0 => None,
            1 => Some("One image in the list was segmented with other weights.".to_string()),
            _ => Some(format!("{count} images in the list were segmented with other weights.")),
        };
        let told = [uses, old].into_iter().flatten().collect::<Vec<_>>().join(" ");
        dom::show("model-note", !told.is_empty());
        dom::set_text("model-note", &told);
        dom::set_text("run-again", &format!("Rerun earlier images with this model ({count})"));
    }

    /// Updates the text below the picture and what screen readers announce for it.
    fn show_picture_facts(&self) {
        let Some(item) = self.active_item() else {
            for id in ["picture-name", "picture-facts", "warnings"] {
                dom::set_text(id, "");
            }
            return dom::set(&self.view.canvas, "aria-label", "No picture yet");
        };
        let size = item.size.map(|(width, height)| format!("{width} × {height} px"));
        let truth = Some(&item.truth_name).filter(|name| !name.is_empty());
        let truth = truth.map(|name| format!("truth: {name}"));
        dom::set_text("picture-name", &item.label());
        let corrections = match item.by_hand().count() {
            0 => None,
            1 => Some("1 correction by hand".into()),
            count => Some(format!("{count} corrections by hand")),
        };
        let facts: Vec<String> = [size, truth, corrections].into_iter().flatten().collect();
        dom::set_text("picture-facts", &facts.join(", "));
        let label = match &item.phase {
            Phase::Done => format!("{}: {}", item.name, cells(item.figures.count)),
            Phase::Failed(why) => why.clone(),
            _ => format!("{}: not done yet", item.name),
        };
        dom::set(&self.view.canvas, "aria-label", &label);
        if let Some(button) = dom::all("button[data-view=difference]").first() {
            let _ = button.toggle_attribute_with_force("hidden", item.iou.is_none());
        }
        let list = dom::element("warnings");
        let warnings = match &item.phase {
            // Begins with the name of the file.
            Phase::Failed(why) => vec![why.clone()],
            _ => item.notices().map(capitalised).collect(),
        };
        if list.child_element_count() as usize != warnings.len()
            || list.text_content().unwrap_or_default() != warnings.concat()
        {
            list.set_inner_html("");
            for warning in warnings {
                dom::append(&list, &dom::make("li", "", &warning));
            }
        }
        let _ = dom::element("undo").toggle_attribute_with_force("disabled", !item.can_undo());
        let _ = dom::element("redo").toggle_attribute_with_force("disabled", !item.can_redo());
        dom::show("truth-remove", item.truth.is_some());
        for button in dom::all("[data-export]") {
            let what = Product::parse(&button.get_attribute("data-export").unwrap_or_default());
            let busy = what.is_some_and(|what| self.desk.exporting.contains(&what));
            let _ = button.toggle_attribute_with_force("disabled", !item.has_result() || busy);
            dom::set_flag(&button, "aria-busy", busy);
        }
    }
}
