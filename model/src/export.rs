//! Output files: masks, labels, overlays, tables, GeoJSON, ImageJ ROIs. Each function returns the bytes or text of one
//! file; the caller decides where it goes.

mod archive;
mod geojson;
mod overlay;
mod pictures;
mod roi;
mod tables;

pub use self::geojson::geojson;
pub use archive::{Archive, unique_stems};
pub use overlay::overlay_png;
pub use pictures::{labels_png, mask_png, png_of_rgb};
pub use roi::roi_zip;
pub use tables::{Made, SummaryRow, cells_csv, summary_csv};
pub use zip::write::StreamWriter;

#[cfg(test)]
mod tests;
