//! A zip with all files of all images, written by a separate worker so that the page stays responsive.

use super::item::Item;
use super::link::{Link, Role};
use super::{App, act, dom, files, save};
use crate::message::{ByHand, Opening, Reply, Request, Rules, Truth};
use js_sys::Array;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

/// One image for the zip.
#[derive(Clone)]
struct Job {
    id: u32,
    name: String,
    /// Base name of its files.
    stem: String,
    file: Blob,
    probability: Option<Blob>,
    rules: Rules,
    by_hand: ByHand,
}

/// A zip being written.
pub struct Packing {
    pub link: Link,
    /// Remaining images, and the one being packed. Their state, like the table, is as of the start, whatever happens
    /// meanwhile.
    todo: Vec<Job>,
    packing: Option<Job>,
    table: String,
    /// Images in the zip.
    packed: Vec<Job>,
    total: usize,
    /// The zip so far, as blobs, which the browser can keep on disk.
    parts: Array,
}

impl Packing {
    /// How far it is, for the user.
    pub fn progress(&self) -> String {
        format!("Packing {} of {}…", self.total - self.todo.len(), self.total)
    }
}

impl App {
    pub fn pack_all(&mut self) {
        if self.packing.is_some() {
            return;
        }
        // Files and table must match the same rules and the cells shown on the page.
        self.zip_wanted = self.unsettled();
        if self.zip_wanted {
            return self.measure_next();
        }
        let job = |item: &Item| Job {
            id: item.id,
            name: item.name.clone(),
            stem: item.stem.clone(),
            file: item.file.clone(),
            probability: item.probability.clone(),
            rules: self.rules_of(item.id),
            by_hand: item.by_hand().clone(),
        };
        let mut todo: Vec<_> = self.exportable().map(job).collect();
        if todo.is_empty() {
            return self.complain(super::summary::NOTHING);
        }
        let generation = self.next_generation();
        let link = Link::start(Role::Packer, generation);
        let total = todo.len();
        todo.reverse();
        let (table, packed, parts) = (self.images_table(), Vec::new(), Array::new());
        self.packing = Some(Packing { link, todo, table, packed, packing: None, total, parts });
        self.tell_of_missing();
        self.pack_next();
    }

    fn pack_next(&mut self) {
        let Some(packing) = &mut self.packing else { return };
        let Some(job) = packing.todo.pop() else {
            packing.link.ask(Request::PackEnd { table: std::mem::take(&mut packing.table) });
            return;
        };
        let generation = packing.link.generation;
        self.show_saves();
        self.show_state();
        spawn_local(async move {
            let file = files::read(&job.file).await;
            let probability = files::read_if_any(job.probability.as_ref()).await.unwrap_or_default();
            act(move |app| {
                // It may have been cancelled meanwhile, and another begun.
                let packing = app.packing.as_mut().filter(|packing| packing.link.generation == generation);
                let Some(packing) = packing else { return };
                let name = job.name.clone();
                match file {
                    Ok(file) => {
                        let (id, rules, by_hand, truth) =
                            (job.id, job.rules, job.by_hand.clone(), Truth::default());
                        let opening = Opening { id, name, file, probability, rules, by_hand, truth };
                        packing.link.ask(Request::Open(opening));
                        packing.link.ask(Request::Pack { stem: job.stem.clone() });
                        packing.packing = Some(job);
                    }
                    Err(problem) => {
                        app.complain(&format!("{name}: its files are not in the zip, for it {problem}"));
                        app.pack_next();
                    }
                }
            });
        });
    }

    /// Handles a reply of the packer.
    pub fn packer_said(&mut self, tell: Reply) {
        match tell {
            Reply::Packed { bytes, done } => {
                let Some(packing) = &mut self.packing else { return };
                // A failed image does not count as packed.
                packing.packed.extend(packing.packing.take().filter(|_| bytes.length() > 0));
                match Blob::new_with_u8_array_sequence(&Array::of1(&bytes)) {
                    Ok(piece) => packing.parts.push(&piece),
                    Err(error) => return self.pack_failed(&dom::reason(&error)),
                };
                if done {
                    self.save_zip();
                } else {
                    self.pack_next();
                }
            }
            Reply::Failed { message, .. } => {
                // Not all files of this image are in the zip, so it does not count as saved.
                if let Some(packing) = &mut self.packing {
                    packing.packing = None;
                }
                self.complain(&message);
            }
            Reply::Crashed { message } => self.pack_failed(&message),
            _ => {}
        }
    }

    /// Saves the zip, which is complete.
    fn save_zip(&mut self) {
        let Some(Packing { parts, packed, .. }) = self.packing.take() else { return };
        let zip = Blob::new_with_blob_sequence(&parts);
        if let Err(error) = zip.and_then(|zip| save::download_blob("red-blood-cells.zip", &zip)) {
            return self.pack_failed(&dom::reason(&error));
        }
        dom::set_text("spoken", "The zip is saved.");
        for item in &mut self.items {
            // An image that has changed since is not saved in its present state.
            let all = packed.iter().any(|job| {
                job.id == item.id
                    && job.probability == item.probability
                    && job.rules.rules_version == self.rules_version
                    && job.rules.corrections_version == item.corrections_version
            });
            if all {
                (item.saved, item.kept) = (true, item.corrections_version);
            }
        }
        self.pack_over();
    }

    fn pack_failed(&mut self, why: &str) {
        self.complain(&format!("The zip could not be written ({why}). Save fewer images at a time."));
        self.pack_over();
    }

    fn pack_over(&mut self) {
        self.packing = None;
        self.refresh();
    }
}
