//! One image of the queue, and all that is known of it.

use crate::message::{ByHand, CellRow, Stroke};
use std::collections::HashMap;
use std::rc::Rc;
use web_sys::Blob;

/// Where an image stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    Waiting,
    /// The network is at it; share done.
    Working(f64),
    /// The network is through; the cells are being found for the first time.
    Counting,
    Done,
    Failed(String),
    Stopped,
}

pub struct Item {
    pub id: u32,
    pub name: String,
    /// What its files are named by, as long as it is in the list.
    pub stem: String,
    /// Path of the folder it came in, empty if none.
    pub folder: String,
    pub file: Blob,
    pub phase: Phase,
    /// The file is no image that can be read: to try again helps nobody.
    pub unreadable: bool,
    pub size: Option<(u32, u32)>,
    /// A byte per pixel. A blob, so that the browser may put it on disk: 200 images do not fit in memory.
    pub probability: Option<Blob>,
    /// Cell diameter in pixels that the network ran at.
    pub estimate: Option<f64>,
    /// Cell diameter set by hand.
    pub diameter: Option<f64>,
    /// Micrometres per pixel, where the file says so.
    pub um_per_px: Option<f64>,
    /// Why what was found, and the scale, should not be trusted.
    pub warnings: Vec<String>,
    pub doubt: Option<String>,
    pub seconds: f64,
    pub backend: String,
    pub rows: Vec<CellRow>,
    /// Cells per megapixel of the picture itself, and the share of it that they cover.
    pub density: f64,
    pub covered: f64,
    pub iou: Option<f64>,
    pub dice: Option<f64>,
    pub truth: Option<Blob>,
    pub truth_name: String,
    /// What the person corrected, and the cell that each left-out point lies in now.
    pub by_hand: ByHand,
    pub hits: Vec<f64>,
    /// The same before each correction.
    before: Vec<(ByHand, Vec<f64>)>,
    /// What was taken back, the last of it last.
    undone: Vec<ByHand>,
    /// Count up with every correction and every other truth; late answers are told from fresh ones by them.
    pub choice: u32,
    pub truth_serial: u32,
    /// Head and line in the table of all images, as `trainer predict` writes it.
    pub summary: String,
    /// The version of the rules that `rows` were found by; those of the corrections and the truth that they tell of.
    pub stamp: u32,
    pub measured_choice: u32,
    pub measured_truth: u32,
    /// The weights that found it, by their serial number.
    pub model: u32,
    /// The diameter set by hand when the network began, and the one that the present map was found with.
    pub ran_with: Option<f64>,
    pub found_with: Option<f64>,
    /// Goes up with every set of rows.
    pub measurings: u32,
    /// A sample of ours: nobody loses anything with it.
    pub sample: bool,
    /// A file of the present result has been written.
    pub saved: bool,
    /// The version of the corrections by hand that has been written.
    pub kept: u32,
    /// How often the network's worker and the desk were lost over it.
    pub losses: u32,
    pub desk_losses: u32,
}

impl Item {
    pub fn new(id: u32, name: String, stem: String, folder: String, file: Blob) -> Self {
        Self {
            id,
            name,
            stem,
            folder,
            file,
            phase: Phase::Waiting,
            unreadable: false,
            size: None,
            probability: None,
            estimate: None,
            diameter: None,
            um_per_px: None,
            warnings: Vec::new(),
            doubt: None,
            seconds: 0.0,
            backend: String::new(),
            rows: Vec::new(),
            density: 0.0,
            covered: 0.0,
            iou: None,
            dice: None,
            truth: None,
            truth_name: String::new(),
            by_hand: ByHand::default(),
            before: Vec::new(),
            undone: Vec::new(),
            hits: Vec::new(),
            choice: 0,
            truth_serial: 0,
            summary: String::new(),
            stamp: 0,
            measured_choice: 0,
            measured_truth: 0,
            model: 0,
            ran_with: None,
            found_with: None,
            measurings: 0,
            sample: false,
            saved: false,
            kept: 0,
            losses: 0,
            desk_losses: 0,
        }
    }

    /// The name; with a number, as its files have it, where another image has that name already.
    pub fn label(&self) -> String {
        let plain = super::input::stem(&self.name);
        if plain == self.stem || plain.is_empty() {
            return self.name.clone();
        }
        let ending = self.name.rsplit_once('.').map(|(_, ending)| format!(".{ending}"));
        format!("{}{}", self.stem, ending.unwrap_or_default())
    }

    /// Where it lay, from the folder on that was dropped or chosen.
    pub fn path(&self) -> String {
        let folder = self.folder.trim_start_matches('/');
        if folder.is_empty() { self.name.clone() } else { format!("{folder}/{}", self.name) }
    }

    pub fn pending(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Working(_) | Phase::Counting)
    }

    /// Whether another run may do better.
    pub fn can_retry(&self) -> bool {
        matches!(self.phase, Phase::Stopped | Phase::Failed(_)) && !self.unreadable
    }

    /// A run that comes to nothing: an earlier result stays, with the diameter that it was found with.
    pub fn fall_back(&mut self, phase: Phase) {
        if self.probability.is_some() {
            (self.diameter, self.phase) = (self.found_with, Phase::Done);
        } else {
            self.phase = phase;
        }
    }

    /// Its probability map cannot be read any more.
    pub fn lose_map(&mut self) {
        (self.probability, self.stamp) = (None, 0);
        self.phase = Phase::Failed(format!("{}: the browser lost its result; run it again", self.name));
    }

    /// Whether leaving the page now would lose work. The table of all images and an overlay hold no corrected cells; a
    /// sample's were work too.
    pub fn unsaved(&self) -> bool {
        let corrected = self.by_hand.count() > 0 && self.kept != self.choice;
        corrected || !self.sample && (self.pending() || (self.phase == Phase::Done && !self.saved))
    }

    /// Whether the rows tell of the rules of this version, and of all that the person did to this image.
    pub fn up_to_date(&self, stamp: u32) -> bool {
        (self.stamp, self.measured_choice, self.measured_truth) == (stamp, self.choice, self.truth_serial)
    }

    /// All that is to be minded with this image.
    pub fn to_mind(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().chain(&self.doubt).map(String::as_str)
    }

    /// What a screen reader says of it: how many cells it has, and what is to be minded.
    pub fn spoken(&self) -> String {
        let cells = super::figures::cells(self.count());
        let warnings: String = self.to_mind().map(|warning| format!("; warning: {warning}")).collect();
        format!("{}: {cells}{warnings}", self.name)
    }

    /// The cells that count.
    pub fn counted(&self) -> impl Iterator<Item = &CellRow> {
        self.rows.iter().filter(|row| !row.excluded)
    }

    /// Those that the edge does not cut: means are of these, as in the tables.
    pub fn whole(&self) -> impl Iterator<Item = &CellRow> {
        self.counted().filter(|row| !row.edge)
    }

    pub fn count(&self) -> usize {
        self.counted().count()
    }

    /// Leaves a cell out, or takes it in again.
    pub fn toggle(&mut self, cell: u32, at: Option<(f64, f64)>) {
        let Some(row) = self.rows.iter_mut().find(|row| row.id == cell) else { return };
        self.before.push((self.by_hand.clone(), self.hits.clone()));
        self.undone.clear();
        row.excluded = !row.excluded;
        if row.excluded {
            let (x, y) = at.unwrap_or(row.inside);
            self.by_hand.excluded.extend([x, y]);
            self.hits.push(f64::from(cell));
        } else {
            self.change_left_out(|point, hit| (hit != f64::from(cell)).then_some(point));
        }
        self.corrected();
    }

    /// Puts other points in the place of those whose cells are left out, which lie in these cells; `None` takes them
    /// in.
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

    /// Draws a line that adds a cell or parts some.
    pub fn draw(&mut self, stroke: Stroke) {
        self.before.push((self.by_hand.clone(), self.hits.clone()));
        self.undone.clear();
        if !stroke.cut {
            // The new cell counts, though one was left out in its place; what may be left of that one does not.
            let inside: HashMap<u32, (f64, f64)> = self.rows.iter().map(|row| (row.id, row.inside)).collect();
            self.change_left_out(|[x, y], hit| {
                let elsewhere = inside.get(&(hit as u32)).map(|&(x, y)| [x, y]);
                let beyond = |&[x, y]: &[f64; 2]| !stroke.encloses(x, y);
                Some([x, y]).filter(beyond).or(elsewhere.filter(beyond))
            });
        }
        self.by_hand.strokes.push(Rc::new(stroke));
        self.corrected();
    }

    pub fn can_undo(&self) -> bool {
        !self.before.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Takes the last correction back; whether there was one.
    pub fn undo(&mut self) -> bool {
        let Some((before, _)) = self.before.pop() else { return false };
        self.undone.push(self.by_hand.clone());
        self.put(before);
        true
    }

    /// Takes a line back that did nothing: there is nothing to do again.
    pub fn take_back(&mut self) -> bool {
        let done = self.undo();
        self.undone.pop();
        done
    }

    /// Does again what was taken back last; whether there was anything.
    pub fn redo(&mut self) -> bool {
        let Some(after) = self.undone.pop() else { return false };
        self.before.push((self.by_hand.clone(), self.hits.clone()));
        self.put(after);
        true
    }

    /// Other corrections in the place of the present ones.
    fn put(&mut self, by_hand: ByHand) {
        // Rows may have other numbers than they had then: the points that stayed tell which.
        let now = std::mem::take(&mut self.by_hand.excluded);
        let hits = std::mem::take(&mut self.hits);
        self.by_hand = by_hand;
        let hit = |point: &[f64; 2]| {
            let same = now.as_chunks::<2>().0.iter().zip(&hits).find(|(at, _)| *at == point);
            same.map_or(0.0, |(_, hit)| *hit)
        };
        self.hits = self.by_hand.excluded.as_chunks::<2>().0.iter().map(hit).collect();
        self.corrected();
    }

    /// What was found is to be measured again, and what was saved is old.
    fn corrected(&mut self) {
        self.choice += 1;
        self.saved = false;
    }
}

/// Mean and sample standard deviation; zeros of nothing, and no deviation of a single value.
pub fn mean_and_spread(values: impl Iterator<Item = f64>) -> (f64, Option<f64>) {
    let values: Vec<f64> = values.collect();
    if values.is_empty() {
        return (0.0, None);
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()))
}
