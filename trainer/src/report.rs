//! `report.html` of a training run: a single file that can be mailed, in light or dark colours.

use crate::chart::{self, COLOURS, Line, Scale, escape};
use crate::compare::LEGEND;
use crate::files::write_whole;
use crate::records::{CrossValidation, EpochRecord, FoldRecord, GOOD_IOU, read_history};
use crate::run_files::{HISTORY, REPORT, final_folder, fold_folder, overlay};
use anyhow::Result;
use base64::Engine;
use std::fmt::Write;
use std::path::Path;

const STYLE: &str = include_str!("report.css");

/// The page's title, by which an earlier report is recognised.
const TITLE: &str = "<title>Training report</title>";

/// The name of a network and its learning curve.
type History = (String, Vec<EpochRecord>);

/// Writes `OUT/report.html` from a cross-validation, which may have no folds, and from what is in OUT: `history.csv` of
/// each fold and of the final network, and those pictures at [`overlay`] that exist.
pub fn write(out: &Path, validation: &CrossValidation) -> Result<()> {
    let mut histories: Vec<History> = Vec::new();
    let folds =
        validation.folds.iter().map(|fold| (format!("fold {}", fold.fold), fold_folder(out, fold.fold)));
    for (name, folder) in folds.chain([("final".to_string(), final_folder(out))]) {
        let path = folder.join(HISTORY);
        if path.exists() {
            histories.push((name, read_history(&path)?));
        }
    }
    let picture = |fold: usize, name: &str| std::fs::read(overlay(&fold_folder(out, fold), name)).ok();
    let html = page(validation, &histories, picture);
    Ok(write_whole(&out.join(REPORT), html.as_bytes())?)
}

/// Whether a file is such a report.
pub fn is_ours(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|html| html.contains(TITLE))
}

/// The page; `picture` returns the PNG of an image that a fold was validated on.
fn page(
    validation: &CrossValidation,
    histories: &[History],
    picture: impl Fn(usize, &str) -> Option<Vec<u8>>,
) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         {TITLE}<style>{STYLE}</style></head><body>\n<h1>Training report</h1>\n"
    );
    if validation.folds.is_empty() {
        html.push_str(&without_folds(validation, histories));
        html.push_str(&curves(histories));
    } else {
        html.push_str(&figures(validation));
        html.push_str(&curves(histories));
        html.push_str(&folds(&validation.folds));
        html.push_str(&worst(validation, picture));
        html.push_str(&images(&validation.folds));
    }
    let config = serde_json::to_string_pretty(&validation.config).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<h2>How it was run</h2>\n<pre>{}</pre>\n<details><summary>Every setting</summary><pre>{}</pre></details>\n</body></html>\n",
        escape(&validation.command),
        escape(&config)
    );
    html
}

fn figures(validation: &CrossValidation) -> String {
    let images: usize = validation.folds.iter().map(|fold| fold.images.len()).sum();
    let figures = [
        (
            format!("{:.4} ± {:.4}", validation.mean_iou, validation.std_iou),
            "mean IoU of the images ± SD of the folds' means",
        ),
        (format!("{:.4}", validation.median_iou), "median IoU"),
        (format!("{:.4}", validation.min_iou), "lowest IoU"),
        (format!("{:.0} %", 100.0 * validation.share_above_95), "of the images at or above 0.95"),
        (images.to_string(), "images, each in the fold that did not train on it"),
        (duration(validation.seconds), "for the folds, without the final network"),
        (validation.device.clone(), "device"),
        (validation.seed.to_string(), "seed"),
    ];
    list(&figures)
}

/// The figures of a run in which nothing was held out.
fn without_folds(validation: &CrossValidation, histories: &[History]) -> String {
    let last = histories.iter().rev().find_map(|(_, history)| history.last());
    let mut figures = vec![(validation.device.clone(), "device"), (validation.seed.to_string(), "seed")];
    if let Some(last) = last {
        figures.insert(0, (duration(last.seconds), "for the final network"));
        figures.insert(0, (format!("{:.4}", last.train_loss), "training loss in the last epoch"));
    }
    format!(
        "<p>No cross-validation (<code>--folds 1</code>): nothing was held out, so nothing here tells how good the network \
         is. <code>trainer evaluate</code> measures it on images that it was not trained on.</p>\n{}",
        list(&figures)
    )
}

fn list(figures: &[(String, &str)]) -> String {
    let items =
        figures.iter().map(|(value, what)| format!("<li><b>{}</b><span>{what}</span></li>", escape(value)));
    format!("<ul class=figures>{}</ul>\n", items.collect::<String>())
}

fn curves(histories: &[History]) -> String {
    let lines = |value: fn(&EpochRecord) -> Option<f64>, dashed: bool, what: &str| -> Vec<Line> {
        let line = |(colour, (name, history)): (usize, &History)| Line {
            label: format!("{name} {what}").trim_end().to_string(),
            colour,
            dashed,
            points: history.iter().filter_map(|at| Some((at.epoch as f64, value(at)?))).collect(),
        };
        histories.iter().enumerate().map(line).collect()
    };
    let mut losses = lines(|at| Some(at.train_loss), false, "training");
    losses.extend(lines(|at| at.validation_loss, true, "validation"));
    let held_out = histories.iter().any(|(_, history)| history.iter().any(|at| at.validation_loss.is_some()));
    let title = if held_out { "Loss: training, validation dashed" } else { "Training loss" };
    let charts = [
        chart::svg(title, "epoch", Scale::Logarithmic, &losses),
        chart::svg("Validation IoU", "epoch", Scale::Linear, &lines(|at| at.validation_iou, false, "")),
        chart::svg("Learning rate", "epoch", Scale::Linear, &lines(|at| Some(at.learning_rate), false, "")),
    ];
    let charts: String = charts.into_iter().flatten().collect();
    if charts.is_empty() {
        return String::new();
    }
    let key = histories.iter().enumerate().map(|(at, (name, _))| {
        let colour = at % COLOURS;
        format!(
            "<li><svg viewBox=\"0 0 32 10\"><path class=\"line c{colour}\" d=\"M1 5H31\"/></svg>{name}</li>"
        )
    });
    format!(
        "<h2>Learning curves</h2>\n<ul class=key>{}</ul>\n<div class=charts>{charts}</div>\n",
        key.collect::<String>()
    )
}

fn folds(folds: &[FoldRecord]) -> String {
    let rows = folds.iter().map(|fold| {
        format!(
            "<tr><td>{}<td>{}<td>{}<td>{:.4}<td>{:.4}<td>{:.4}<td>{}<td>{}</tr>\n",
            fold.fold,
            fold.train_images,
            fold.validation_images,
            fold.mean_iou,
            fold.median_iou,
            fold.min_iou,
            fold.epochs,
            duration(fold.seconds)
        )
    });
    format!(
        "<h2>Folds</h2>\n<div class=scroll><table><thead><tr><th>fold<th>trained on<th>validated on<th>mean IoU<th>median IoU\
         <th>lowest IoU<th>epochs<th>time</tr></thead><tbody>\n{}</tbody></table></div>\n",
        rows.collect::<String>()
    )
}

fn worst(validation: &CrossValidation, picture: impl Fn(usize, &str) -> Option<Vec<u8>>) -> String {
    let mut html = String::new();
    let mut drawn = false;
    for image in &validation.worst {
        let mut folds = validation.folds.iter();
        let Some(fold) = folds.find(|fold| fold.images.iter().any(|other| other.name == image.name)) else {
            continue;
        };
        let name = escape(&image.name);
        html.push_str("<figure>");
        if let Some(png) = picture(fold.fold, &image.name) {
            drawn = true;
            let data = base64::engine::general_purpose::STANDARD.encode(png);
            let _ = write!(
                html,
                "<img loading=lazy alt=\"truth and prediction of {name}\" src=\"data:image/png;base64,{data}\">"
            );
        }
        let _ = writeln!(
            html,
            "<figcaption><b>{name}</b> (fold {}): IoU {:.4}, boundary F1 {:.4}, {} cells for {}</figcaption></figure>",
            fold.fold, image.iou, image.boundary_f1, image.cells_predicted, image.cells_true
        );
    }
    let legend = if drawn { format!("<p class=quiet>{LEGEND}</p>\n") } else { String::new() };
    format!("<h2>Worst images</h2>\n{legend}{html}")
}

fn images(folds: &[FoldRecord]) -> String {
    let mut rows: Vec<_> =
        folds.iter().flat_map(|fold| fold.images.iter().map(move |image| (fold.fold, image))).collect();
    rows.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    let rows = rows.iter().map(|(fold, image)| {
        let class = if image.iou >= GOOD_IOU { "good" } else { "bad" };
        format!(
            "<tr><td>{}<td>{fold}<td>{} x {}<td class={class}>{:.4}<td>{:.4}<td>{:.4}<td>{:.4}<td>{:.4}<td>{:.4}<td>{}<td>{}</tr>\n",
            escape(&image.name),
            image.width,
            image.height,
            image.iou,
            image.miou,
            image.dice,
            image.precision,
            image.recall,
            image.boundary_f1,
            image.cells_true,
            image.cells_predicted
        )
    });
    format!(
        "<h2>Every image</h2>\n<details><summary>The figures of each image</summary><div class=scroll><table><thead><tr>\
         <th>image<th>fold<th>size<th>IoU<th>mIoU<th>Dice<th>precision<th>recall<th>boundary F1<th>cells<th>predicted</tr></thead><tbody>\n{}\
         </tbody></table></div></details>\n",
        rows.collect::<String>()
    )
}

/// `1 h 2 min`, `3 min 4 s`, `5.6 s`
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare;
    use crate::fixture::{Folder, record as image};
    use crate::records::{write_history, write_json};
    use rbc_model::{GrayImage, RgbImage};
    use std::path::PathBuf;

    /// Two folds as a run would leave them. If `RBC_KEEP_REPORT` names a folder, they are kept there for inspection.
    #[test]
    fn a_run_becomes_a_page() -> Result<()> {
        let folder = Folder::new("report")?;
        let out = match std::env::var_os("RBC_KEEP_REPORT") {
            Some(kept) => PathBuf::from(kept),
            None => folder.path.clone(),
        };
        let fold = |index: usize, name: &str, iou: f64| {
            let images = vec![image(name, iou), image(&format!("<other {index}>"), 0.96)];
            FoldRecord::new(index, 10, images, 30, 75.0, 0.5)
        };
        let folds = vec![fold(0, "a", 0.7), fold(1, "b", 0.9)];
        let config = serde_json::json!({"widths": [16, 32, 64]});
        let validation = CrossValidation::new(folds, "cpu", 1, "trainer train --out 'a <b>'".into(), config);
        for index in 0..2 {
            let record = |epoch: usize| EpochRecord {
                epoch,
                steps: epoch * 10,
                train_loss: 0.6 * 0.93f64.powi(epoch as i32) + 0.05,
                validation_loss: epoch.is_multiple_of(2).then(|| 0.62 * 0.93f64.powi(epoch as i32) + 0.08),
                validation_iou: epoch
                    .is_multiple_of(2)
                    .then(|| 0.9 - 0.5 * 0.9f64.powi((epoch + index) as i32)),
                learning_rate: 1e-3 * 0.95f64.powi(epoch as i32),
                seconds: epoch as f64,
            };
            std::fs::create_dir_all(fold_folder(&out, index).join("overlays"))?;
            let history: Vec<_> = (1..=40).map(record).collect();
            write_history(&fold_folder(&out, index).join("history.csv"), &history)?;
        }
        let smear = RgbImage::from_fn(128, 128, |x, y| image::Rgb([200, (x + y) as u8 / 2 + 90, 150]));
        let disc = |at: i32| {
            let inside = move |x: u32, y: u32| (x as i32 - at).pow(2) + (y as i32 - 64).pow(2) < 900;
            GrayImage::from_fn(128, 128, |x, y| image::Luma([if inside(x, y) { 255 } else { 0 }]))
        };
        compare::save(
            &compare::panels(&smear, &disc(60), &disc(66), 4),
            &overlay(&fold_folder(&out, 0), "a"),
        )?;
        write_json(&out.join("cross-validation.json"), &validation)?;
        write(&out, &validation)?;
        let html = std::fs::read_to_string(out.join("report.html"))?;
        assert_eq!(html.matches("<svg class=chart").count(), 3);
        assert_eq!(html.matches("data:image/png;base64,").count(), 1, "only what is there");
        assert!(html.contains("&lt;other 1&gt;") && !html.contains("<other"));
        assert!(html.contains("2 min 30 s") && html.contains("'a &lt;b&gt;'"));
        assert!(html.contains(LEGEND) && is_ours(&out.join("report.html")));
        assert!(!page(&validation, &[], |_, _| None).contains(LEGEND), "a legend to no picture");
        Ok(())
    }

    #[test]
    fn without_cross_validation_there_is_a_curve_and_no_claim() -> Result<()> {
        let folder = Folder::new("report-final")?;
        let out = &folder.path;
        std::fs::create_dir_all(final_folder(out))?;
        let record = |epoch: usize| EpochRecord {
            epoch,
            steps: epoch * 100,
            train_loss: 1.0 / epoch as f64,
            validation_loss: None,
            validation_iou: None,
            learning_rate: 0.02,
            seconds: 65.0 * epoch as f64,
        };
        write_history(&final_folder(out).join("history.csv"), &[record(1), record(2)])?;
        write(
            out,
            &CrossValidation::new(Vec::new(), "cpu", 0, "trainer train".into(), serde_json::json!({})),
        )?;
        let html = std::fs::read_to_string(out.join("report.html"))?;
        assert!(html.contains("No cross-validation") && html.contains("2 min 10 s"), "{html}");
        assert_eq!(html.matches("<svg class=chart").count(), 2, "loss and learning rate");
        assert!(!html.contains("NaN") && !html.contains("IoU</"), "{html}");
        Ok(())
    }

    #[test]
    fn durations_read_well() {
        assert_eq!([5.64, 125.0, 3725.0].map(duration), ["5.6 s", "2 min 5 s", "1 h 2 min"]);
    }
}
