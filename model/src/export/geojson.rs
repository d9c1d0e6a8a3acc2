//! Outlines as GeoJSON for QuPath.

use crate::Error;
use crate::cells::{Cells, outlines};
use serde_json::json;

/// A `FeatureCollection` with one polygon per cell, holes included, in pixels with the origin at the top left. The
/// properties are those that QuPath (0.4 and later, "import objects from GeoJSON") recognises: `objectType`
/// "detection", `name`, `classification` and `measurements`. QuPath does not convert measurements, so those in pixels
/// stay and those in micrometres are added if the scale is known.
///
/// # Errors
///
/// [`Error::Export`] if serialisation fails.
pub fn geojson(cells: &Cells) -> Result<String, Error> {
    let features: Vec<serde_json::Value> = cells
        .cells
        .iter()
        .map(|cell| {
            let mut rings = outlines(&cells.labels, cell);
            // RFC 7946: rings are closed, the outer one counterclockwise with y up, i.e. clockwise on the screen.
            rings.iter_mut().for_each(|ring| ring.extend(ring.first().copied()));
            let mut measurements = json!({
                "Area px^2": cell.area_px,
                "Perimeter px": rounded(cell.perimeter_px),
                "Diameter px": rounded(cell.diameter_px),
                "Circularity": rounded(cell.circularity),
                "Eccentricity": rounded(cell.eccentricity),
                "Mean probability": rounded(cell.mean_probability),
                "Touches edge": u8::from(cell.touches_edge),
            });
            if let Some(um) = cells.um_per_px.map(f64::from) {
                measurements["Area um^2"] = rounded(cell.area_px * um * um).into();
                measurements["Diameter um"] = rounded(cell.diameter_px * um).into();
            }
            json!({
                "type": "Feature",
                "geometry": { "type": "Polygon", "coordinates": rings },
                "properties": {
                    "objectType": "detection",
                    "name": format!("RBC {}", cell.id),
                    "classification": { "name": "RBC", "color": [200, 0, 0] },
                    "measurements": measurements,
                },
            })
        })
        .collect();
    serde_json::to_string(&json!({ "type": "FeatureCollection", "features": features }))
        .map_err(|error| Error::Export(format!("the GeoJSON could not be written ({error})")))
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
