//! The files that people take away: masks, labels, overlays, tables, GeoJSON, ImageJ ROIs.
