//! One image of the queue, and everything known about it.

use super::corrections::Corrections;
use super::statistics::Figures;
use crate::message::{Backend, ByHand, CellRow, Measured, Stroke};
use web_sys::Blob;

/// Processing state of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    Waiting,
    /// The network is running; share done.
    Working(f64),
    /// The network has finished; the cells are being found for the first time.
    Counting,
    Done,
    Failed(String),
    Stopped,
}

impl Phase {
    /// Whether processing is not finished yet.
    pub fn pending(&self) -> bool {
        matches!(self, Self::Waiting | Self::Working(_) | Self::Counting)
    }
}

/// One image of the queue.
pub struct Item {
    pub id: u32,
    pub name: String,
    /// Base name of its output files; unique in the list.
    pub stem: String,
    /// Path of its folder; empty if it came without one.
    pub folder: String,
    pub file: Blob,
    pub phase: Phase,
    /// The file is not a readable image, so retrying is pointless.
    pub unreadable: bool,
    pub size: Option<(u32, u32)>,
    /// Probability map, one byte per pixel. A blob, which the browser can keep on disk: 200 of them do not fit in
    /// memory.
    pub probability: Option<Blob>,
    /// Cell diameter in pixels that the network used, estimated or given.
    pub estimate: Option<f64>,
    /// Cell diameter in pixels set by hand.
    pub diameter: Option<f64>,
    /// Micrometres per pixel, if stated in the file.
    pub um_per_px: Option<f64>,
    /// Warnings about the result.
    pub warnings: Vec<String>,
    /// Warning about the scale.
    pub doubt: Option<String>,
    /// Time that the network took.
    pub seconds: f64,
    pub backend: Option<Backend>,
    /// The cells as last measured.
    pub rows: Vec<CellRow>,
    /// The figures of `rows`.
    pub figures: Figures,
    /// Cells per megapixel of the picture, and the share of it that they cover.
    pub density: f64,
    pub covered: f64,
    pub iou: Option<f64>,
    pub dice: Option<f64>,
    pub truth: Option<Blob>,
    pub truth_name: String,
    corrections: Corrections,
    /// Version numbers of the corrections and of the truth mask; they identify outdated answers.
    pub corrections_version: u32,
    pub truth_version: u32,
    /// Header and row for the table of all images, as `trainer predict` writes it.
    pub summary: String,
    /// Versions of the rules, the corrections and the truth mask that `rows` correspond to. 0: not measured yet.
    pub measured_rules: u32,
    pub measured_corrections: u32,
    pub measured_truth: u32,
    /// Serial number of the weights that produced the result.
    pub weights_serial: u32,
    /// The diameter set by hand when the network started, and the one that the present map was computed with.
    pub ran_with: Option<f64>,
    pub found_with: Option<f64>,
    /// Incremented with every new set of rows.
    pub measurings: u32,
    /// One of our samples, which need not be saved.
    pub sample: bool,
    /// Whether a file of the present result has been saved.
    pub saved: bool,
    /// Version of the corrections that has been saved.
    pub kept: u32,
    /// How often the network worker and the desk were lost while processing it.
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
            backend: None,
            rows: Vec::new(),
            figures: Figures::default(),
            density: 0.0,
            covered: 0.0,
            iou: None,
            dice: None,
            truth: None,
            truth_name: String::new(),
            corrections: Corrections::default(),
            corrections_version: 0,
            truth_version: 0,
            summary: String::new(),
            measured_rules: 0,
            measured_corrections: 0,
            measured_truth: 0,
            weights_serial: 0,
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

    /// The name, with the number of its output files if another image has the same name.
    pub fn label(&self) -> String {
        let plain = super::input::stem(&self.name);
        if plain == self.stem || plain.is_empty() {
            return self.name.clone();
        }
        let ending = self.name.rsplit_once('.').map(|(_, ending)| format!(".{ending}"));
        format!("{}{}", self.stem, ending.unwrap_or_default())
    }

    /// Its path, starting at the folder that was dropped or picked.
    pub fn path(&self) -> String {
        let folder = self.folder.trim_start_matches('/');
        if folder.is_empty() { self.name.clone() } else { format!("{folder}/{}", self.name) }
    }

    /// Whether processing is not finished yet.
    pub fn pending(&self) -> bool {
        self.phase.pending()
    }

    /// Whether another run may succeed.
    pub fn can_retry(&self) -> bool {
        matches!(self.phase, Phase::Stopped | Phase::Failed(_)) && !self.unreadable
    }

    /// Ends a run without result: an earlier result, with its diameter, is kept.
    pub fn fall_back(&mut self, phase: Phase) {
        if self.probability.is_some() {
            (self.diameter, self.phase) = (self.found_with, Phase::Done);
        } else {
            self.phase = phase;
        }
    }

    /// Called when its probability map can no longer be read.
    pub fn lose_map(&mut self) {
        (self.probability, self.measured_rules) = (None, 0);
        self.phase = Phase::Failed(format!("{}: the browser lost its result; run it again", self.name));
    }

    /// Whether leaving the page now would lose work. Table and overlay do not preserve corrections, so saving them does
    /// not count for those; corrections of samples count too.
    pub fn unsaved(&self) -> bool {
        let corrected = self.by_hand().count() > 0 && self.kept != self.corrections_version;
        corrected || !self.sample && (self.pending() || (self.phase == Phase::Done && !self.saved))
    }

    /// Whether its cells have been found from the present probability map, and nothing has failed since.
    pub fn has_result(&self) -> bool {
        self.measured_rules > 0 && !matches!(self.phase, Phase::Failed(_))
    }

    /// Its cells; none without a result.
    pub fn shown_rows(&self) -> &[CellRow] {
        if self.has_result() { &self.rows } else { &[] }
    }

    /// Takes over the cells that the desk has found.
    pub fn measured(&mut self, measured: Measured) {
        self.measured_rules = measured.rules_version;
        self.measured_corrections = measured.corrections_version;
        self.measured_truth = measured.truth_version;
        self.measurings += 1;
        (self.figures, self.rows) = (Figures::of(&measured.rows), measured.rows);
        (self.density, self.covered) = (measured.density, measured.covered);
        self.corrections.hit(measured.hits);
        (self.doubt, self.summary) = (measured.doubt, measured.summary);
        (self.iou, self.dice) = (measured.iou, measured.dice);
    }

    /// Whether the rows match this version of the rules and everything the user changed in this image.
    pub fn up_to_date(&self, rules_version: u32) -> bool {
        (self.measured_rules, self.measured_corrections, self.measured_truth)
            == (rules_version, self.corrections_version, self.truth_version)
    }

    /// Whether its cells are still to be found, or to be found again, under this version of the rules.
    pub fn is_stale(&self, rules_version: u32) -> bool {
        let failed = matches!(self.phase, Phase::Failed(_));
        self.probability.is_some() && !failed && !self.up_to_date(rules_version)
    }

    /// Whether its cells are to be found again because a rule for all images has changed. Corrections show at once.
    pub fn is_recounted(&self, rules_version: u32) -> bool {
        self.is_stale(rules_version) && self.measured_rules != rules_version
    }

    /// The phase as shown: a result under other rules than these is being counted again.
    pub fn shown_phase(&self, rules_version: u32) -> &Phase {
        if self.phase == Phase::Done && self.is_recounted(rules_version) {
            &Phase::Counting
        } else {
            &self.phase
        }
    }

    /// All warnings about this image.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().chain(&self.doubt).map(String::as_str)
    }

    /// Announcement for screen readers: number of cells, and warnings.
    pub fn spoken(&self) -> String {
        let cells = super::figures::cells(self.figures.count);
        let warnings: String = self.notices().map(|warning| format!("; warning: {warning}")).collect();
        format!("{}: {cells}{warnings}", self.name)
    }

    /// Corrections by hand.
    pub fn by_hand(&self) -> &ByHand {
        self.corrections.by_hand()
    }

    /// Leaves a cell out, or takes it in again.
    pub fn toggle(&mut self, cell: u32, at: Option<(f64, f64)>) {
        let Some(row) = self.rows.iter_mut().find(|row| row.id == cell) else { return };
        row.excluded = !row.excluded;
        if row.excluded {
            self.corrections.leave_out(cell, at.unwrap_or(row.inside));
        } else {
            self.corrections.take_in(cell);
        }
        self.figures = Figures::of(&self.rows);
        self.corrected();
    }

    /// Adds a stroke, which adds or splits cells.
    pub fn draw(&mut self, stroke: Stroke) {
        self.corrections.draw(stroke, &self.rows);
        self.corrected();
    }

    pub fn can_undo(&self) -> bool {
        self.corrections.can_undo()
    }

    pub fn can_redo(&self) -> bool {
        self.corrections.can_redo()
    }

    /// Undoes the last correction, redoes the one undone last, or takes back a stroke in vain; returns whether there
    /// was one.
    pub fn turn(&mut self, back_or_forth: fn(&mut Corrections) -> bool) -> bool {
        let turned = back_or_forth(&mut self.corrections);
        if turned {
            self.corrected();
        }
        turned
    }

    /// Notes a correction: the image must be measured and saved again.
    fn corrected(&mut self) {
        self.corrections_version += 1;
        self.saved = false;
    }
}
