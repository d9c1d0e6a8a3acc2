//! Everything of every image in one zip, written by a worker of its own so that the page stays free.

use super::item::Item;
use super::link::{Link, Role};
use super::{App, act, dom, files, save};
use crate::message::{Ask, ByHand, Opening, Rules, Tell, Truth};
use js_sys::Array;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

pub struct Packing {
    pub link: Link,
    /// Images still to come, what the files of each are named by in the zip, and the rules they are made by: those of the
    /// beginning, as in the table.
    todo: Vec<(u32, String, Rules, ByHand)>,
    table: String,
    /// Images that are in the zip, and the one that is being put there.
    packed: Vec<u32>,
    packing: Option<u32>,
    stem: String,
    total: usize,
    /// The zip so far. Blobs, so that the browser may put them on disk.
    parts: Array,
}

impl App {
    pub fn pack_all(&mut self) {
        if self.packing.is_some() {
            return;
        }
        // Files and table tell of one set of rules, and of the cells that the page shows.
        self.zip_wanted = self.unsettled();
        if self.zip_wanted {
            return self.measure_next();
        }
        let of =
            |(item, stem): (&Item, String)| (item.id, stem, self.rules_of(item.id), item.by_hand.clone());
        let mut todo: Vec<_> = self.exportable().map(of).collect();
        if todo.is_empty() {
            return self.complain(super::summary::NOTHING);
        }
        let generation = self.next_generation();
        let link = Link::start(Role::Packer, generation);
        let total = todo.len();
        todo.reverse();
        let (stem, parts) = (String::new(), Array::new());
        let (table, packed) = (self.images_table(), Vec::new());
        self.packing = Some(Packing { link, todo, table, packed, packing: None, stem, total, parts });
        self.tell_of_pending();
        self.pack_next();
    }

    fn pack_next(&mut self) {
        let Some(packing) = &mut self.packing else { return };
        let done = packing.total - packing.todo.len();
        dom::set_text("export-zip", &format!("Packing {done} of {}…", packing.total));
        let Some((id, stem, rules, by_hand)) = packing.todo.pop() else {
            packing.link.ask(Ask::PackEnd { table: std::mem::take(&mut packing.table) });
            return;
        };
        packing.stem = stem;
        self.show_state();
        let Some(item) = self.item(id) else { return self.pack_next() };
        let name = item.name.clone();
        let (file, map) = (item.file.clone(), item.probability.clone());
        spawn_local(async move {
            let file = files::read(&file).await;
            let probability = files::read_maybe(map.as_ref()).await;
            act(move |app| {
                let Some(packing) = &mut app.packing else { return };
                match file {
                    Ok(file) => {
                        let truth = Truth::default();
                        let opening = Opening { id, name, file, probability, rules, by_hand, truth };
                        packing.link.ask(Ask::Open(opening));
                        packing.link.ask(Ask::Pack { stem: packing.stem.clone() });
                        packing.packing = Some(id);
                    }
                    Err(problem) => {
                        app.complain(&format!("{name}: {problem}"));
                        app.pack_next();
                    }
                }
            });
        });
    }

    pub fn packer_said(&mut self, tell: Tell) {
        match tell {
            Tell::Packed { bytes, done } => {
                let Some(packing) = &mut self.packing else { return };
                // Nothing comes of one that failed.
                packing.packed.extend(packing.packing.take().filter(|_| bytes.length() > 0));
                if let Ok(blob) = Blob::new_with_u8_array_sequence(&Array::of1(&bytes)) {
                    packing.parts.push(&blob);
                }
                if !done {
                    return self.pack_next();
                }
                if let Ok(zip) = Blob::new_with_blob_sequence(&packing.parts) {
                    save::download_blob("red-blood-cells.zip", &zip);
                    let packed = packing.packed.clone();
                    self.items
                        .iter_mut()
                        .filter(|item| packed.contains(&item.id))
                        .for_each(|item| item.saved = true);
                }
                self.pack_over();
            }
            Tell::Failed { message, .. } => self.complain(&message),
            Tell::Crashed { message } => {
                self.complain(&format!(
                    "The zip could not be written ({message}). Save fewer images at a time."
                ));
                self.pack_over();
            }
            _ => {}
        }
    }

    fn pack_over(&mut self) {
        self.packing = None;
        dom::set_text("export-zip", "Everything, zip");
        self.refresh();
    }
}
