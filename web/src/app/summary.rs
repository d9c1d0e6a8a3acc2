//! All images in one table, on the page and as a file.

use super::figures::{density, short, sized};
use super::item::{Item, Phase, mean_and_spread};
use super::{App, dom, save};
use web_sys::Element;

const COLUMNS: [&str; 9] =
    ["Image", "Cells", "Covered", "Density", "Diameter", "Area", "Circularity", "IoU", "Time, s"];

fn line(tag: &str, texts: &[String]) -> Element {
    let row = dom::make("tr", "", "");
    for text in texts {
        dom::append(&row, &dom::make(tag, "", text));
    }
    row
}

fn texts(item: &Item, scale: Option<f64>) -> Vec<String> {
    if let Phase::Failed(why) = &item.phase {
        return vec![why.clone()];
    }
    if item.stamp == 0 {
        return vec![item.name.clone(), "…".into()];
    }
    let spread = |(mean, deviation): (f64, f64), power: i32| {
        format!("{} ± {}", short(sized(mean, scale, power).0), short(sized(deviation, scale, power).0))
    };
    vec![
        item.name.clone(),
        item.count().to_string(),
        format!("{:.1} %", item.covered * 100.0),
        density(item, scale).map(|(value, unit)| format!("{} {unit}", short(value))).unwrap_or_default(),
        spread(mean_and_spread(item.counted().map(|row| row.diameter)), 1),
        spread(mean_and_spread(item.counted().map(|row| row.area)), 2),
        format!("{:.2}", mean_and_spread(item.counted().map(|row| row.circularity)).0),
        item.iou.map(|iou| format!("{:.1} %", iou * 100.0)).unwrap_or_default(),
        short(item.seconds),
    ]
}

/// A field of a CSV file, quoted where it must be.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

impl App {
    pub fn show_summary(&mut self) {
        let head = dom::element("images-head");
        if head.child_element_count() == 0 {
            for title in COLUMNS {
                let cell = dom::make("th", "", title);
                dom::set(&cell, "scope", "col");
                dom::append(&head, &cell);
            }
        }
        let scale = self.rules.um_per_px;
        let body = dom::element("images-body");
        body.set_inner_html("");
        for item in &self.items {
            dom::append(&body, &line("td", &texts(item, scale)));
        }
        let done: Vec<&Item> = self.items.iter().filter(|item| item.stamp > 0).collect();
        let cells: usize = done.iter().map(|item| item.count()).sum();
        let diameters = mean_and_spread(done.iter().flat_map(|item| item.counted()).map(|row| row.diameter));
        let foot = dom::element("images-foot");
        foot.set_inner_html("");
        let total = [
            format!("{} images", done.len()),
            cells.to_string(),
            format!("{:.1} %", mean_and_spread(done.iter().map(|item| item.covered)).0 * 100.0),
            String::new(),
            format!("{} ± {}", short(sized(diameters.0, scale, 1).0), short(sized(diameters.1, scale, 1).0)),
        ];
        dom::append(&foot, &line("td", &total));
        let unit = if scale.is_some() { "µm" } else { "px" };
        dom::set_text("table-note", &format!("lengths in {unit}, mean ± standard deviation"));
    }

    /// The table of all images as CSV.
    pub fn images_table(&self) -> String {
        let scale = self.rules.um_per_px;
        let micro = if scale.is_some() { ",mean_diameter_um,mean_area_um2,cells_per_mm2" } else { "" };
        let mut text = format!(
            "name,width,height,cells,left_out,covered,mean_diameter_px,sd_diameter_px,mean_area_px,sd_area_px,\
             mean_circularity,iou,dice,threshold,backend,seconds,error{micro}\n"
        );
        for item in &self.items {
            let (width, height) = item.size.unwrap_or_default();
            let diameter = mean_and_spread(item.counted().map(|row| row.diameter));
            let area = mean_and_spread(item.counted().map(|row| row.area));
            let circularity = mean_and_spread(item.counted().map(|row| row.circularity)).0;
            let share = |value: Option<f64>| value.map(|value| format!("{value:.5}")).unwrap_or_default();
            let error = match &item.phase {
                Phase::Failed(why) => why.as_str(),
                Phase::Stopped => "stopped",
                _ => "",
            };
            let mut fields = vec![
                quoted(&item.name),
                width.to_string(),
                height.to_string(),
                item.count().to_string(),
                (item.rows.len() - item.count()).to_string(),
                format!("{:.5}", item.covered),
                format!("{:.3}", diameter.0),
                format!("{:.3}", diameter.1),
                format!("{:.2}", area.0),
                format!("{:.2}", area.1),
                format!("{circularity:.4}"),
                share(item.iou),
                share(item.dice),
                format!("{:.2}", self.rules.threshold),
                item.backend.clone(),
                format!("{:.3}", item.seconds),
                quoted(error),
            ];
            if let Some(scale) = scale {
                fields.push(format!("{:.4}", diameter.0 * scale));
                fields.push(format!("{:.4}", area.0 * scale * scale));
                fields.push(density(item, Some(scale)).map(|(value, _)| format!("{value:.1}")).unwrap_or_default());
            }
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        text
    }

    pub fn save_images_table(&mut self) {
        let bytes = js_sys::Uint8Array::from(self.images_table().as_bytes());
        save::download("images.csv", "text/csv", &bytes);
    }
}
