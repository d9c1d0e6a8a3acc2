//! Parsers for the values of options, with their bounds.

use rbc_model::cells::UM_PER_PX;
use rbc_model::network::WIDTHS;
use rbc_model::segment::DIAMETERS;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

fn number<N: FromStr + Copy>(text: &str, fits: impl Fn(N) -> bool, wanted: &str) -> Result<N, String> {
    match text.parse() {
        Ok(number) if fits(number) => Ok(number),
        _ => Err(format!("give {wanted}")),
    }
}

/// A number within bounds. They are wide, and only exclude what no machine can do or no one can mean.
fn within(text: &str, least: f32, most: f32) -> Result<f32, String> {
    number(text, |number| (least..=most).contains(&number), &format!("a number from {least} to {most}"))
}

pub fn white_cells(text: &str) -> Result<f32, String> {
    within(text, 0.0, 100.0)
}

pub fn diameter(text: &str) -> Result<f32, String> {
    let (least, most) = (*DIAMETERS.start(), *DIAMETERS.end());
    within(text, least as f32, most as f32)
}

pub fn working_diameter(text: &str) -> Result<f32, String> {
    within(text, 4.0, 200.0)
}

pub fn learning_rate(text: &str) -> Result<f64, String> {
    number(text, |number| number > 0.0 && number <= 10.0, "a number above 0, at most 10")
}

/// With larger values, crops would have to be reduced by more than the levels of a field allow for.
pub fn scale_jitter(text: &str) -> Result<f32, String> {
    within(text, 1.0, 3.0)
}

pub fn colour_jitter(text: &str) -> Result<f32, String> {
    within(text, 0.0, 10.0)
}

pub fn gap_weight(text: &str) -> Result<f32, String> {
    within(text, 0.0, 1000.0)
}

pub fn um_per_px(text: &str) -> Result<f32, String> {
    let (least, most) = (*UM_PER_PX.start(), *UM_PER_PX.end());
    within(text, least as f32, most as f32)
}

fn whole(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("give a whole number from {} to {}", range.start(), range.end()))
}

/// As many images as there is reasonable disk space and time for.
pub fn images(text: &str) -> Result<usize, String> {
    whole(text, 0..=100_000)
}

pub fn epochs(text: &str) -> Result<usize, String> {
    whole(text, 1..=100_000)
}

pub fn batch(text: &str) -> Result<usize, String> {
    whole(text, 1..=4096)
}

pub fn folds(text: &str) -> Result<usize, String> {
    whole(text, 1..=10_000)
}

pub fn fold(text: &str) -> Result<usize, String> {
    whole(text, 0..=9_999)
}

pub fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("give a whole number from 0 to {}", u64::MAX))
}

/// Channels of the three stages.
#[derive(Clone, Copy, Debug)]
pub struct Widths(pub [usize; 3]);

impl fmt::Display for Widths {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let [first, second, third] = self.0;
        write!(out, "{first},{second},{third}")
    }
}

pub fn widths(text: &str) -> Result<Widths, String> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    let three = numbers.and_then(|numbers| <[usize; 3]>::try_from(numbers).ok());
    let valid = three.filter(|three| three.iter().all(|width| WIDTHS.contains(width)));
    let (least, most) = (*WIDTHS.start(), *WIDTHS.end());
    valid
        .map(Widths)
        .ok_or_else(|| format!("give three whole numbers from {least} to {most}, for example 16,32,64"))
}

pub fn orientations(text: &str) -> Result<usize, String> {
    let asked = text.parse().ok().filter(|number| [1, 2, 4, 8].contains(number));
    asked.ok_or_else(|| "give 1, 2, 4 or 8".into())
}

pub fn share(text: &str) -> Result<f64, String> {
    number(text, |number| (0.0..=1.0).contains(&number), "a number from 0 to 1")
}

pub fn probability(text: &str) -> Result<f32, String> {
    number(text, |number| (0.0..=1.0).contains(&number), "a number from 0 to 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for bad in ["0", "-1", "nan", "inf", "ten"] {
            assert!(diameter(bad).is_err() && learning_rate(bad).is_err(), "{bad}");
        }
        assert!(probability("1.01").is_err() && probability("nan").is_err());
        assert_eq!(probability("1"), Ok(1.0));
    }
}
