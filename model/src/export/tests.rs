#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use super::archive::Archive;
use super::overlay::{OverlayStyle, draw_overlay};
use super::roi::roi_bytes;
use super::*;
use crate::cells::{CellOptions, Cells, Summary, find_cells};
use crate::{GrayImage, RgbImage};
use std::io::Read;

/// Two cells of 30 px diameter, one of them cut by the right edge.
fn cells() -> Cells {
    let map = GrayImage::from_fn(100, 60, |x, y| {
        let near = |cx: f32, cy: f32| (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - cy) < 15.0;
        image::Luma([if near(30.0, 30.0) {
            255
        } else if near(95.0, 25.0) {
            204
        } else {
            0
        }])
    });
    find_cells(&map, &CellOptions { um_per_px: Some(0.25), ..Default::default() })
}

#[test]
fn masks_and_labels_come_back_from_their_files() {
    let cells = cells();
    let mask = mask_png(&cells.labels.mask()).unwrap();
    assert_eq!(crate::decode::decode_mask(&mask, "m").unwrap(), cells.labels.mask());
    let labels = image::load_from_memory(&labels_png(&cells.labels).unwrap()).unwrap();
    assert_eq!(labels.color(), image::ColorType::L16);
    let back: Vec<u32> = labels.into_luma16().iter().map(|&id| id.into()).collect();
    assert_eq!(back, cells.labels.ids);
    let mut many = cells.labels.clone();
    many.ids[0] = 65_536;
    assert!(labels_png(&many).unwrap_err().to_string().contains("65535"));
}

#[test]
fn an_overlay_marks_borders_only() {
    let cells = cells();
    let picture = RgbImage::from_pixel(100, 60, image::Rgb([250, 240, 245]));
    let overlay = crate::decode::decode(&overlay_png(&picture, &cells.labels).unwrap(), "o").unwrap();
    let colour = OverlayStyle::for_size(100, 60).outline;
    assert_eq!(overlay.get_pixel(30, 30).0, [250, 240, 245]);
    assert_eq!(overlay.get_pixel(60, 30).0, [250, 240, 245]);
    assert_eq!(overlay.get_pixel(30, 15).0, colour);
    let thick = OverlayStyle { thickness: 3, ..OverlayStyle::for_size(100, 60) };
    let thick = draw_overlay(&picture, &cells.labels, thick).unwrap();
    assert_eq!((thick.get_pixel(30, 17).0, thick.get_pixel(30, 18).0), (colour, [250, 240, 245]));
    assert!(overlay_png(&RgbImage::new(3, 3), &cells.labels).is_err());
}

#[test]
fn the_table_of_cells_has_the_agreed_columns() {
    let mut cells = cells();
    let table = cells_csv(&cells).unwrap();
    let head =
        "id,x,y,area_px,perimeter_px,diameter_px,circularity,eccentricity,mean_probability,touches_edge";
    assert_eq!(table.lines().next().unwrap(), format!("{head},area_um2,diameter_um"));
    assert_eq!(table.lines().count(), 3);
    let first: Vec<&str> = table.lines().nth(2).unwrap().split(',').collect();
    assert_eq!((first[0], first[1], first[8], first[9]), ("2", "30.00", "1.0000", "false"));
    assert_eq!(table.lines().nth(1).unwrap().split(',').nth(8), Some("0.8000"));
    cells.um_per_px = None;
    assert_eq!(cells_csv(&cells).unwrap().lines().next().unwrap(), head);
}

#[test]
fn the_table_of_images_quotes_names_and_leaves_out_what_is_unknown() {
    let found = Summary::of(&cells());
    let none = Summary::of(&find_cells(&GrayImage::new(10, 10), &CellOptions::default()));
    let warnings = ["too blurred".to_string(), "too dark, too small".to_string()];
    let made =
        Made { threshold: 0.55, split: true, skip_edge: false, left_out: 3, drawn: 1, weights: "own.bpk" };
    let rows = [
        SummaryRow { name: "a, \"b\"", summary: &found, warnings: &[], file: "p1/a, \"b\".png", made },
        SummaryRow { name: "c", summary: &none, warnings: &warnings, file: "p2/c.png", made },
    ];
    let table = summary_csv(rows).unwrap();
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let head = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let field = |row: usize, name: &str| {
        rows[row][head.iter().position(|column| column == name).unwrap()].to_string()
    };
    assert_eq!(
        (field(0, "name"), field(0, "cells"), field(0, "cells_whole")),
        ("a, \"b\"".into(), "2".into(), "1".into())
    );
    assert_eq!((field(1, "cells"), field(1, "diameter_px_mean")), ("0".into(), String::new()));
    assert_eq!((field(0, "warnings"), field(1, "warnings")), (String::new(), warnings.join("; ")));
    assert_eq!((field(0, "file"), field(1, "file")), ("p1/a, \"b\".png".into(), "p2/c.png".into()));
    let columns = ["threshold", "split", "skip_edge", "left_out", "drawn", "weights"];
    assert_eq!(columns.map(|name| field(1, name)), ["0.55", "true", "false", "3", "1", "own.bpk"]);
    let density: f64 = field(0, "cells_per_mm2").parse().unwrap();
    assert!((density - 1.5 / (6000.0 * 0.0625 * 1e-6)).abs() < 1.0);
}

#[test]
fn geojson_is_valid_and_closed() {
    let cells = cells();
    let parsed: ::geojson::FeatureCollection =
        geojson(&cells).unwrap().parse::<::geojson::GeoJson>().unwrap().try_into().unwrap();
    assert_eq!(parsed.features.len(), 2);
    let feature = &parsed.features[1];
    assert_eq!(feature.property("objectType").unwrap(), "detection");
    assert_eq!(feature.property("classification").unwrap()["name"], "RBC");
    assert!(feature.property("measurements").unwrap()["Area um^2"].as_f64().unwrap() > 40.0);
    let ::geojson::Value::Polygon(rings) = &feature.geometry.as_ref().unwrap().value else { panic!() };
    assert_eq!(rings[0].first(), rings[0].last());
    let twice: f64 = rings[0].windows(2).map(|p| p[0][0] * p[1][1] - p[1][0] * p[0][1]).sum();
    assert_eq!(twice / 2.0, cells.cells[1].area_px);
}

#[test]
fn imagej_regions_hold_name_bounds_and_points() {
    let bytes = roi_bytes("cell α", &[vec![[10, 20], [15, 20], [15, 28], [10, 28]]]).unwrap();
    let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let long = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(&bytes[..4], b"Iout");
    assert_eq!((word(4), bytes[6]), (227, 8));
    assert_eq!([8, 10, 12, 14, 16].map(word), [20, 10, 28, 15, 4]);
    assert_eq!([64, 66, 68, 70].map(word), [0, 5, 5, 0]);
    assert_eq!([72, 74, 76, 78].map(word), [0, 0, 8, 8]);
    let (name, length) = (long(long(60) + 16), long(long(60) + 20));
    let name: Vec<u16> = (0..length).map(|i| word(name + 2 * i)).collect();
    assert_eq!(String::from_utf16(&name).unwrap(), "cell α");
    assert_eq!(bytes.len(), 80 + 64 + 12);
    // Above 32 767 the coordinates are those that ImageJ reads as unsigned.
    let far = roi_bytes("far", &[vec![[40_000, 0], [40_001, 0], [40_001, 1], [40_000, 1]]]).unwrap();
    assert_eq!(u16::from_be_bytes([far[10], far[11]]), 40_000);
    assert!(roi_bytes("too far", &[vec![[0, 0], [60_536, 0], [0, 1]]]).is_err());
    assert!(roi_bytes("none", &[]).is_err());
}

#[test]
fn an_imagej_region_with_a_hole_is_a_path() {
    let (outer, hole) = (vec![[10, 20], [15, 20], [15, 28], [10, 28]], vec![[12, 22], [12, 24], [13, 24]]);
    let bytes = roi_bytes("ring", &[outer, hole]).unwrap();
    let long = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let count = long(36) as usize;
    let path: Vec<f32> = (0..count).map(|at| f32::from_bits(long(64 + 4 * at))).collect();
    assert_eq!((bytes[6], count), (1, 7 * 3 + 2));
    assert_eq!(path[..6], [0.0, 10.0, 20.0, 1.0, 15.0, 20.0]);
    assert_eq!(path[12..16], [4.0, 0.0, 12.0, 22.0]);
    assert_eq!((long(60) as usize, bytes.len()), (64 + 4 * count, 64 + 4 * count + 64 + 8));
}

#[test]
fn archives_open_again_and_are_the_same_each_time() {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(roi_zip(&cells()).unwrap())).unwrap();
    assert_eq!(zip.file_names().collect::<Vec<_>>(), ["0001.roi", "0002.roi"]);
    let mut roi = Vec::new();
    zip.by_name("0002.roi").unwrap().read_to_end(&mut roi).unwrap();
    assert!(roi.starts_with(b"Iout"));
    assert_eq!(roi_zip(&cells()).unwrap(), roi_zip(&cells()).unwrap());
    let mut twice = Archive::new();
    twice.add("a.csv", b"1").unwrap();
    assert!(twice.add("a.csv", b"2").is_err());
}

#[test]
fn stems_are_unique() {
    let stems = unique_stems(["a/x.png", "x.tif", "X.jpg", "b\\y", ".png", "p.q.png"]);
    assert_eq!(stems, ["x", "x-2", "X-3", "y", "image", "p.q"]);
}
