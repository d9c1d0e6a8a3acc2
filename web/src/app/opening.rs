//! Opening an image at the desk: its files are read, then sent with everything known about it.

use super::item::Item;
use super::{App, act, files};
use crate::message::{Opening, Request, Truth};
use js_sys::ArrayBuffer;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

/// The files of an image, read.
struct Files {
    file: Result<ArrayBuffer, String>,
    /// The probability map, if there is one, and what was read from it.
    map: Option<Blob>,
    probability: Result<Option<ArrayBuffer>, String>,
    truth: TruthFile,
}

/// The truth mask that an image has, if any, read.
pub struct TruthFile {
    bytes: Result<Option<ArrayBuffer>, String>,
    name: String,
    version: u32,
}

impl TruthFile {
    /// Reads the one that an image has now.
    pub fn read(item: &Item) -> impl Future<Output = Self> + use<> {
        let (blob, name, version) = (item.truth.clone(), item.truth_name.clone(), item.truth_version);
        async move { Self { bytes: files::read_if_any(blob.as_ref()).await, name, version } }
    }
}

impl Files {
    /// Reads the files that an image has now.
    fn read(item: &Item) -> impl Future<Output = Self> + use<> {
        let (file, map, truth) = (item.file.clone(), item.probability.clone(), TruthFile::read(item));
        async move {
            let file = files::read(&file).await;
            let probability = files::read_if_any(map.as_ref()).await;
            Self { file, map, probability, truth: truth.await }
        }
    }
}

impl App {
    /// Sends the active image to the desk, with everything known about it.
    pub fn open_active(&mut self) {
        let Some(item) = self.active_item() else { return };
        let (id, reading) = (item.id, Files::read(item));
        self.desk.opening(id);
        spawn_local(async move {
            let files = reading.await;
            act(move |app| app.files_read(id, files));
        });
    }

    /// Called when the files of the image to be opened have been read; meanwhile, much may have changed.
    fn files_read(&mut self, id: u32, files: Files) {
        let Files { file, map, probability, truth } = files;
        let Some(item) = self.item(id).filter(|_| self.desk.open() == Some(id)) else { return };
        let (name, by_hand, rules) = (item.name.clone(), item.by_hand().clone(), self.rules_of(id));
        let same = item.probability == map && item.truth_version == truth.version;
        let file = match file {
            Ok(file) if same => file,
            // Other files belong to it now.
            Ok(_) => return self.open_active(),
            Err(problem) => return self.cannot_open(id, &name, &problem),
        };
        let probability = probability.unwrap_or_else(|_| {
            if let Some(item) = self.item_mut(id) {
                item.lose_map();
            }
            None
        });
        if probability.is_some() {
            self.desk.expect(id);
        }
        let truth = self.truth_of(id, truth);
        self.desk.sent(id);
        self.ask_desk(Request::Open(Opening { id, name, file, probability, rules, by_hand, truth }));
        for what in std::mem::take(&mut self.desk.exports_wanted) {
            self.export(what);
        }
        self.go_on();
    }

    /// The truth mask for the desk. One that can no longer be read is reported and dropped.
    pub fn truth_of(&mut self, id: u32, read: TruthFile) -> Truth {
        let TruthFile { bytes, name, version } = read;
        let file = bytes.unwrap_or_else(|problem| {
            self.lose_truth(id, &name, version, &problem);
            None
        });
        Truth { file, name, version }
    }

    /// Called when the file of the image to be opened cannot be read.
    fn cannot_open(&mut self, id: u32, name: &str, problem: &str) {
        self.desk.left();
        if !std::mem::take(&mut self.desk.exports_wanted).is_empty() {
            self.complain(&format!("{name}: nothing was saved, for it {problem}"));
        } else if !self.item(id).is_some_and(Item::pending) {
            // If the network is yet to read the file, it will report the problem.
            self.complain(&format!("{name}: {problem}"));
        }
        // Its cells can still be found from the probability map alone.
        self.go_on();
    }
}
