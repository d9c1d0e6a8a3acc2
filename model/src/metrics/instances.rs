//! Agreement of instance segmentations, cell by cell.

use crate::Error;
use crate::cells::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of matched, missed and spurious cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceScore {
    /// Number of cells in the truth.
    pub cells_true: usize,
    /// Number of cells in the prediction.
    pub cells_predicted: usize,
    /// Number of matched pairs of a true and a predicted cell.
    pub matched: usize,
    /// Sum of the pairs' IoUs.
    pub matched_iou: f64,
}

impl InstanceScore {
    /// 2 matched / (true + predicted); 1 if there are no cells in either.
    pub fn f1(&self) -> f64 {
        let all = self.cells_true + self.cells_predicted;
        if all == 0 { 1.0 } else { 2.0 * self.matched as f64 / all as f64 }
    }

    /// Panoptic quality (Kirillov et al., CVPR 2019): mean IoU of the pairs times F1.
    pub fn panoptic_quality(&self) -> f64 {
        let all = self.cells_true + self.cells_predicted;
        if all == 0 { 1.0 } else { 2.0 * self.matched_iou / all as f64 }
    }
}

impl std::ops::AddAssign for InstanceScore {
    fn add_assign(&mut self, other: Self) {
        self.cells_true += other.cells_true;
        self.cells_predicted += other.cells_predicted;
        self.matched += other.matched;
        self.matched_iou += other.matched_iou;
    }
}

/// Matches cells whose IoU exceeds `threshold` greedily, best pair first, each cell at most once. At a threshold of 0.5
/// or more a cell has at most one possible partner (Kirillov et al., CVPR 2019), so the matching is optimal.
///
/// # Errors
///
/// [`Error::Metrics`] if the label images differ in size.
pub fn match_instances(predicted: &Labels, truth: &Labels, threshold: f64) -> Result<InstanceScore, Error> {
    if (predicted.width, predicted.height) != (truth.width, truth.height) {
        return Err(Error::Metrics(format!(
            "the labels are {} x {}, the truth {} x {}: they must be of one size",
            predicted.width, predicted.height, truth.width, truth.height
        )));
    }
    let mut shared = BTreeMap::<(u32, u32), u64>::new();
    let (mut areas_p, mut areas_t) = (BTreeMap::<u32, u64>::new(), BTreeMap::<u32, u64>::new());
    // One map lookup per run of equal pairs.
    let mut pairs = predicted.ids.iter().zip(&truth.ids).map(|(&p, &t)| (p, t)).peekable();
    while let Some((p, t)) = pairs.next() {
        let mut run = 1;
        while pairs.next_if_eq(&(p, t)).is_some() {
            run += 1;
        }
        if p != 0 {
            *areas_p.entry(p).or_default() += run;
        }
        if t != 0 {
            *areas_t.entry(t).or_default() += run;
        }
        if p != 0 && t != 0 {
            *shared.entry((p, t)).or_default() += run;
        }
    }
    let mut candidates: Vec<(f64, u32, u32)> = shared
        .into_iter()
        .map(|((p, t), both)| (both as f64 / (areas_p[&p] + areas_t[&t] - both) as f64, p, t))
        .filter(|&(iou, ..)| iou > threshold)
        .collect();
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut score = InstanceScore {
        cells_true: areas_t.len(),
        cells_predicted: areas_p.len(),
        matched: 0,
        matched_iou: 0.0,
    };
    for (iou, p, t) in candidates {
        if areas_p.contains_key(&p) && areas_t.contains_key(&t) {
            areas_p.remove(&p);
            areas_t.remove(&t);
            score.matched += 1;
            score.matched_iou += iou;
        }
    }
    Ok(score)
}
