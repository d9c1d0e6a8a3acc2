//! Corrections of the cells of one image by hand, with undo and redo.

use crate::message::{ByHand, CellRow, Stroke};
use std::collections::HashMap;
use std::rc::Rc;

/// The corrections of one image, and the states before and after them.
#[derive(Default)]
pub struct Corrections {
    by_hand: ByHand,
    /// For each left-out point, the number of the cell that it lies in now; 0 if none.
    hits: Vec<f64>,
    /// The states before each correction, for undo.
    before: Vec<ByHand>,
    /// Undone corrections, latest last, for redo.
    undone: Vec<ByHand>,
    /// What was undone before the last stroke, until it is known whether that has an effect.
    undone_before: Vec<ByHand>,
}

impl Corrections {
    /// The corrections that apply.
    pub fn by_hand(&self) -> &ByHand {
        &self.by_hand
    }

    /// Takes over in which cells the left-out points lie; 0: none.
    pub fn hit(&mut self, hits: Vec<f64>) {
        self.hits = hits;
    }

    /// Leaves out the cell of this number, which is at this point.
    pub fn leave_out(&mut self, cell: u32, (x, y): (f64, f64)) {
        self.begin();
        self.by_hand.excluded.extend([x, y]);
        self.hits.push(f64::from(cell));
    }

    /// Takes a cell in again that was left out.
    pub fn take_in(&mut self, cell: u32) {
        self.begin();
        self.change_left_out(|point, hit| (hit != f64::from(cell)).then_some(point));
    }

    fn begin(&mut self) {
        self.before.push(self.by_hand.clone());
        self.undone.clear();
    }

    /// Replaces each left-out point by the result of `to`, called with the point and the number of the cell it lies in;
    /// `None` removes the point, which takes the cell in again.
    fn change_left_out(&mut self, to: impl Fn([f64; 2], f64) -> Option<[f64; 2]>) {
        let hits = std::mem::take(&mut self.hits);
        let points = std::mem::take(&mut self.by_hand.excluded);
        for (point, hit) in points.as_chunks::<2>().0.iter().zip(hits) {
            if let Some(point) = to(*point, hit) {
                self.by_hand.excluded.extend(point);
                self.hits.push(hit);
            }
        }
    }

    /// Adds a stroke, which adds or splits cells; `rows` are the cells before it.
    pub fn draw(&mut self, stroke: Stroke, rows: &[CellRow]) {
        self.before.push(self.by_hand.clone());
        self.undone_before = std::mem::take(&mut self.undone);
        if !stroke.cut {
            // The new cell counts even if a cell was left out in its place; what remains of that cell stays left out.
            let inside: HashMap<u32, (f64, f64)> = rows.iter().map(|row| (row.id, row.inside)).collect();
            self.change_left_out(|[x, y], hit| {
                let elsewhere = inside.get(&(hit as u32)).map(|&(x, y)| [x, y]);
                let beyond = |&[x, y]: &[f64; 2]| !stroke.encloses(x, y);
                Some([x, y]).filter(beyond).or(elsewhere.filter(beyond))
            });
        }
        self.by_hand.strokes.push(Rc::new(stroke));
    }

    pub fn can_undo(&self) -> bool {
        !self.before.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Undoes the last correction; returns whether there was one.
    pub fn undo(&mut self) -> bool {
        let Some(before) = self.before.pop() else { return false };
        self.undone.push(self.by_hand.clone());
        self.put(before);
        true
    }

    /// Removes the last stroke, which had no effect: it is not available for redo, but what was before it is. Returns
    /// whether there was one.
    pub fn take_back(&mut self) -> bool {
        let done = self.undo();
        self.undone = std::mem::take(&mut self.undone_before);
        done
    }

    /// Redoes the correction undone last; returns whether there was one.
    pub fn redo(&mut self) -> bool {
        let Some(after) = self.undone.pop() else { return false };
        self.before.push(self.by_hand.clone());
        self.put(after);
        true
    }

    /// Replaces the corrections.
    fn put(&mut self, by_hand: ByHand) {
        // Cell numbers may have changed since that state; points present in both states tell the current numbers.
        let now = std::mem::take(&mut self.by_hand.excluded);
        let hits = std::mem::take(&mut self.hits);
        self.by_hand = by_hand;
        let hit = |point: &[f64; 2]| {
            let same = now.as_chunks::<2>().0.iter().zip(&hits).find(|(at, _)| *at == point);
            same.map_or(0.0, |(_, hit)| *hit)
        };
        self.hits = self.by_hand.excluded.as_chunks::<2>().0.iter().map(hit).collect();
    }
}
