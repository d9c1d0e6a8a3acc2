//! Line charts as SVG; the colours come from the surrounding page, light or dark.

use std::fmt::Write;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;

/// One line of a chart.
pub struct Line {
    pub label: String,
    /// Selects the colour; the same number has the same colour in all charts.
    pub colour: usize,
    pub dashed: bool,
    /// `(x, y)` in order of increasing x.
    pub points: Vec<(f64, f64)>,
}

/// The scale of a chart's vertical axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// For quantities that fall by orders of magnitude, such as losses. Values that are not positive are left out.
    Logarithmic,
}

/// Draws lines over a common x axis; `None` if there is nothing to draw.
pub fn svg(title: &str, x_title: &str, scale: Scale, lines: &[Line]) -> Option<String> {
    let visible = |&(x, y): &(f64, f64)| {
        let y = if scale == Scale::Logarithmic { y.log10() } else { y };
        (x.is_finite() && y.is_finite()).then_some((x, y))
    };
    let lines: Vec<(&Line, Vec<(f64, f64)>)> =
        lines.iter().map(|line| (line, line.points.iter().filter_map(visible).collect())).collect();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let (x0, x1) = range(points().map(|point| point.0))?;
    let (y0, y1) = range(points().map(|point| point.1))?;
    let x = |value: f64| LEFT + (value - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        "<svg class=chart viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{}\">",
        escape(title)
    );
    text(&mut svg, WIDTH / 2.0, 16.0, "middle", title);
    text(&mut svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6.0, "middle", x_title);
    let y_ticks = if scale == Scale::Logarithmic { logarithmic_ticks(y0, y1) } else { ticks(y0, y1) };
    for tick in y_ticks {
        let at = y(tick);
        rule(&mut svg, (LEFT, at), (WIDTH - RIGHT, at));
        let value = if scale == Scale::Logarithmic { 10f64.powf(tick) } else { tick };
        text(&mut svg, LEFT - 6.0, at + 4.0, "end", &short(value));
    }
    // Epochs are counted, so ticks between whole numbers would mean nothing.
    let counted = points().all(|point| point.0.fract() == 0.0);
    for tick in ticks(x0, x1).into_iter().filter(|tick| !counted || tick.fract() == 0.0) {
        let at = x(tick);
        rule(&mut svg, (at, HEIGHT - BOTTOM), (at, HEIGHT - BOTTOM + 4.0));
        text(&mut svg, at, HEIGHT - BOTTOM + 17.0, "middle", &short(tick));
    }
    for (line, points) in &lines {
        let path: Vec<String> =
            points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let dash = if line.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let (colour, label) = (line.colour % COLOURS, escape(&line.label));
        // A single point makes no line. Writing to a string cannot fail.
        let _ = match &points[..] {
            [point] => write!(
                svg,
                "<circle class=\"line c{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=3><title>{label}</title></circle>",
                x(point.0),
                y(point.1)
            ),
            _ => write!(
                svg,
                "<polyline class=\"line c{colour}\"{dash} points=\"{}\"><title>{label}</title></polyline>",
                path.join(" ")
            ),
        };
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// Number of line colours in the page's style sheet: classes `c0`, `c1` and so on.
pub const COLOURS: usize = 6;

/// Escapes the characters that HTML would take for markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Minimum and maximum, widened if they coincide; `None` for no values.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return None;
    }
    let pad = if high - low < 1e-9 { 0.5 * low.abs().max(0.1) } else { 0.0 };
    Some((low - pad, high + pad))
}

/// Round numbers within a range: at most six, at steps of 1, 2 or 5 times a power of ten.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= raw)
        .unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).map(|index| index as f64 * step).collect()
}

/// The same for a logarithmic axis: range and ticks are decimal logarithms. 1, 2 and 5 of each decade, or only the
/// decades if the range is long.
fn logarithmic_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = || (low.floor() as i32..=high.ceil() as i32).map(f64::from);
    let factors: &[f64] = if high - low > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let fine = decades().flat_map(|decade| factors.iter().map(move |factor| decade + factor.log10()));
    let fine: Vec<f64> = fine.filter(|tick| (low..=high).contains(tick)).collect();
    if fine.len() < 2 { ticks(low, high) } else { fine }
}

/// A number with about four significant digits; very small and very large ones in scientific notation.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.1e}");
    }
    let digits = (3 - value.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor={anchor}>{}</text>", escape(text));
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = write!(svg, "<path class=rule d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>", from.0, from.1, to.0, to.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Line {
        Line { label: "a < b".into(), colour: 7, dashed: false, points: points.to_vec() }
    }

    #[test]
    fn a_line_runs_from_corner_to_corner() {
        let svg = svg("T", "x", Scale::Linear, &[line(&[(0.0, 0.0), (10.0, 1.0)])]).unwrap_or_default();
        assert!(svg.contains("points=\"56.0,260.0 548.0,28.0\""), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.contains("class=\"line c1\""));
    }

    #[test]
    fn one_epoch_is_a_dot_at_a_whole_number() {
        let svg = svg("T", "x", Scale::Linear, &[line(&[(1.0, 0.5)])]).unwrap_or_default();
        assert!(svg.contains("<circle class=\"line c1\" cx=\"302.0\" cy=\"144.0\" r=3>"), "{svg}");
        let below = svg.split("<text").filter(|text| text.contains("y=\"277.0\""));
        let ticks: Vec<&str> = below.filter_map(|text| text.split(['>', '<']).nth(1)).collect();
        assert_eq!(ticks, ["1"]);
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        assert!(svg("T", "x", Scale::Linear, &[]).is_none());
        assert!(svg("T", "x", Scale::Logarithmic, &[line(&[(1.0, 0.0), (2.0, -1.0)])]).is_none());
        let one = svg("T", "x", Scale::Logarithmic, &[line(&[(1.0, 0.0), (2.0, 0.1), (3.0, f64::NAN)])]);
        assert!(one.is_some_and(|svg| !svg.contains("NaN")));
    }

    #[test]
    fn ticks_are_round() {
        let written = |low, high| ticks(low, high).into_iter().map(short).collect::<Vec<_>>().join(" ");
        assert_eq!(written(0.0, 1.0), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(written(0.912, 0.948), "0.92 0.93 0.94");
        assert_eq!(written(1.0, 120.0), "50 100");
        assert_eq!(short(0.00012), "1.2e-4");
        let values = |low: f64, high: f64| {
            let ticks = logarithmic_ticks(low.log10(), high.log10());
            ticks.into_iter().map(|tick| short(10f64.powf(tick))).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(values(0.06, 0.7), "0.1 0.2 0.5");
        assert_eq!(values(0.0005, 3.0), "0.001 0.01 0.1 1");
    }
}
