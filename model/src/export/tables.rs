//! Tables as CSV (RFC 4180 quoting, line feeds, decimal points).

use crate::Error;
use crate::cells::{Cells, Spread, Summary};

/// One row per cell with the columns
/// `id,x,y,area_px,perimeter_px,diameter_px,circularity,eccentricity,mean_probability,touches_edge`, plus
/// `area_um2,diameter_um` if the scale is known. Lengths are in pixels with the origin at the top left; `touches_edge`
/// is `true` or `false`.
///
/// # Errors
///
/// [`Error::Export`] if writing fails.
pub fn cells_csv(cells: &Cells) -> Result<String, Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut head = vec![
        "id",
        "x",
        "y",
        "area_px",
        "perimeter_px",
        "diameter_px",
        "circularity",
        "eccentricity",
        "mean_probability",
        "touches_edge",
    ];
    if cells.um_per_px.is_some() {
        head.extend(["area_um2", "diameter_um"]);
    }
    out.write_record(&head).map_err(failed)?;
    for cell in &cells.cells {
        let mut line = vec![
            cell.id.to_string(),
            format!("{:.2}", cell.x),
            format!("{:.2}", cell.y),
            format!("{:.0}", cell.area_px),
            format!("{:.2}", cell.perimeter_px),
            format!("{:.2}", cell.diameter_px),
            format!("{:.4}", cell.circularity),
            format!("{:.4}", cell.eccentricity),
            format!("{:.4}", cell.mean_probability),
            cell.touches_edge.to_string(),
        ];
        if let Some(um) = cells.um_per_px.map(f64::from) {
            line.push(format!("{:.3}", cell.area_px * um * um));
            line.push(format!("{:.3}", cell.diameter_px * um));
        }
        out.write_record(&line).map_err(failed)?;
    }
    text(out)
}

/// One image's row in the summary table.
#[derive(Clone, Copy, Debug)]
pub struct SummaryRow<'a> {
    /// Base name of the image's output files.
    pub name: &'a str,
    pub summary: &'a Summary,
    /// Reasons not to trust this row, in sentences.
    pub warnings: &'a [String],
    /// Path of the image, as base names from different folders may coincide.
    pub file: &'a str,
    pub made: Made<'a>,
}

/// How a result came about.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// Least probability of a pixel that belongs to a cell.
    pub threshold: f32,
    /// Whether touching cells were split.
    pub split: bool,
    /// Whether cells cut by the edge were left out.
    pub skip_edge: bool,
    /// Number of cells left out by hand.
    pub left_out: usize,
    /// Number of lines drawn by hand, around cells or through them.
    pub drawn: usize,
    /// `shipped`, or the name of the weights file.
    pub weights: &'a str,
}

/// One row per image in the given order, with warnings separated by semicolons. Unknown values are left empty.
/// `covered_share` is 0 to 1; sizes are those of cells not cut by the image edge.
///
/// # Errors
///
/// [`Error::Export`] if writing fails.
pub fn summary_csv<'a>(rows: impl IntoIterator<Item = SummaryRow<'a>>) -> Result<String, Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut head: Vec<String> = [
        "name",
        "width",
        "height",
        "cells",
        "cells_whole",
        "cells_per_megapixel",
        "cells_per_mm2",
        "covered_share",
    ]
    .map(String::from)
    .into();
    for measure in ["area_px", "diameter_px", "circularity", "eccentricity", "area_um2", "diameter_um"] {
        head.extend(["mean", "sd", "median"].map(|figure| format!("{measure}_{figure}")));
    }
    head.extend(["um_per_px", "expected_diameter_px"].map(String::from));
    head.extend(["threshold", "split", "skip_edge", "left_out", "drawn"].map(String::from));
    head.extend(["weights", "warnings", "file"].map(String::from));
    out.write_record(&head).map_err(failed)?;
    for SummaryRow { name, summary, warnings, file, made } in rows {
        let mut line = vec![
            name.to_string(),
            summary.width.to_string(),
            summary.height.to_string(),
            summary.count.to_string(),
            summary.count_whole.to_string(),
            format!("{:.3}", summary.density_per_megapixel),
            summary.density_per_mm2.map_or_else(String::new, |density| format!("{density:.3}")),
            format!("{:.6}", summary.covered),
        ];
        spread(&mut line, summary.area_px, 3);
        spread(&mut line, summary.diameter_px, 3);
        spread(&mut line, summary.circularity, 4);
        spread(&mut line, summary.eccentricity, 4);
        spread(&mut line, summary.area_um2, 3);
        spread(&mut line, summary.diameter_um, 3);
        line.push(summary.um_per_px.map_or_else(String::new, |um| um.to_string()));
        line.push(summary.expected_diameter_px.map_or_else(String::new, |diameter| format!("{diameter:.2}")));
        line.extend([made.threshold.to_string(), made.split.to_string(), made.skip_edge.to_string()]);
        line.extend([made.left_out.to_string(), made.drawn.to_string(), made.weights.to_string()]);
        line.push(warnings.join("; "));
        line.push(file.to_string());
        out.write_record(&line).map_err(failed)?;
    }
    text(out)
}

fn spread(line: &mut Vec<String>, spread: Option<Spread>, digits: usize) {
    match spread {
        Some(s) => line.extend([s.mean, s.sd, s.median].map(|value| format!("{value:.digits$}"))),
        None => line.extend([const { String::new() }; 3]),
    }
}

fn text(out: csv::Writer<Vec<u8>>) -> Result<String, Error> {
    let bytes = out.into_inner().map_err(|error| failed(error.into_error().into()))?;
    String::from_utf8(bytes)
        .map_err(|error| Error::Export(format!("the table could not be written ({error})")))
}

fn failed(error: csv::Error) -> Error {
    Error::Export(format!("the table could not be written ({error})"))
}
