//! The image being looked at, and the desk worker that draws, measures and exports it.

use super::item::{Item, Phase};
use super::link::{Link, Role};
use super::opening::TruthFile;
use super::{App, act, dom, files, save};
use crate::message::{Export, Layer, Measured, Product, Reply, Request, Task, Truth};
use js_sys::ArrayBuffer;
use std::collections::VecDeque;
use wasm_bindgen_futures::spawn_local;

/// A request that the desk has not finished.
struct Unfinished {
    image: u32,
    /// Whether it is over as soon as the image is open; others are over when cells or a file have come.
    only_opens: bool,
}

/// The desk worker, and what it is doing.
#[derive(Default)]
pub struct DeskWork {
    link: Option<Link>,
    /// The image that it has open or is opening.
    open: Option<u32>,
    /// The image that has been sent to it; before that, its file may still be being read.
    has: Option<u32>,
    /// Requests that it has not finished, in order.
    tasks: VecDeque<Unfinished>,
    /// Images that it is to measure and has not answered for yet, in no order.
    measuring: Vec<u32>,
    losses: u32,
    /// Probe requests sent to it, in order: a click with its position, or `None` for hovering.
    pub probes: VecDeque<Option<(f64, f64)>>,
    /// Files of the active image to be saved as soon as it has that open.
    pub exports_wanted: Vec<Product>,
    /// Files that it is making, in order.
    pub exporting: VecDeque<Product>,
}

impl DeskWork {
    pub fn link(&mut self) -> Option<&mut Link> {
        self.link.as_mut()
    }

    pub fn open(&self) -> Option<u32> {
        self.open
    }

    pub fn has(&self) -> Option<u32> {
        self.has
    }

    /// Called when the files of an image to be opened are being read.
    pub fn opening(&mut self, id: u32) {
        (self.open, self.has) = (Some(id), None);
    }

    /// Called when the image to be opened is sent.
    pub fn sent(&mut self, id: u32) {
        self.has = Some(id);
    }

    /// Called when no image is open any more.
    pub fn left(&mut self) {
        (self.open, self.has) = (None, None);
    }

    /// Notes that the cells of an image are about to come.
    pub fn expect(&mut self, id: u32) {
        self.measuring.push(id);
    }

    /// Whether the cells of an image are about to come.
    pub fn expects(&self, id: u32) -> bool {
        self.measuring.contains(&id)
    }
}

impl App {
    /// Starts the desk worker unless it is running.
    pub fn start_desk(&mut self) {
        if self.desk.link.is_none() {
            let generation = self.next_generation();
            self.desk.link = Some(Link::start(Role::Desk, generation));
        }
    }

    /// Sends a request to the desk.
    pub fn ask_desk(&mut self, ask: Request) {
        self.start_desk();
        let found = |id| self.item(id).is_some_and(|item| item.probability.is_some());
        let task = match &ask {
            Request::Open(opening) => Some((opening.id, opening.probability.is_none())),
            Request::Measure { id, .. } | Request::Export(Export { id, .. }) => Some((*id, false)),
            // Before there is a map to compare it with, a truth mask is kept without an answer.
            Request::Truth { id, .. } if found(*id) => Some((*id, false)),
            _ => None,
        };
        self.desk.tasks.extend(task.map(|(image, only_opens)| Unfinished { image, only_opens }));
        if let Some(desk) = &mut self.desk.link {
            desk.ask(ask);
        }
    }

    /// Makes an image the active one and shows it.
    pub fn activate(&mut self, id: u32) {
        if self.active == Some(id) && self.desk.open == Some(id) {
            return;
        }
        self.active = Some(id);
        self.pointed_at_nothing();
        if self.racer.is_none() {
            dom::set_text("race-text", "");
        }
        self.speak_soon();
        if !std::mem::take(&mut self.desk.exports_wanted).is_empty() {
            self.complain("The file was not saved: another image was selected before it was ready.");
        }
        self.view.forget();
        self.ruler.stop();
        self.pen.lift();
        self.leave_difference();
        let _ = dom::element("diameter").remove_attribute("aria-invalid");
        self.sync_controls();
        self.open_active();
        self.refresh();
    }

    /// Leaves the difference view if there is no truth mask to compare with.
    pub fn leave_difference(&mut self) {
        if self.view.layer == Some(Layer::Difference)
            && self.active_item().is_none_or(|item| item.truth.is_none())
        {
            self.set_view(Some(Layer::Outline));
        }
    }

    /// The rules for one image: the common ones, with its own cell diameter, scale and version of the corrections.
    pub fn rules_of(&self, id: u32) -> crate::message::Rules {
        let mut rules = self.rules;
        rules.rules_version = self.rules_version;
        if let Some(item) = self.item(id) {
            // The diameter of the present map. One typed since then applies to the next run.
            rules.diameter = item.found_with.or(item.estimate);
            rules.corrections_version = item.corrections_version;
            rules.um_per_px = self.scale_of(item);
        }
        rules
    }

    /// Micrometres per pixel of an image: as entered for all images, else as stated in its file.
    pub fn scale_of(&self, item: &Item) -> Option<f64> {
        self.rules.um_per_px.or(item.um_per_px)
    }

    /// Has the cells found for a new result of the network.
    pub fn measure_first(&mut self, id: u32, probability: ArrayBuffer) {
        let Some(item) = self.item(id) else { return };
        let truth = Truth { version: item.truth_version, ..Truth::default() };
        if self.desk.has == Some(id) || item.truth.is_none() {
            self.measure(id, Some(probability), truth);
        } else {
            // The truth mask must be read first.
            self.measure_next();
        }
    }

    /// Has the cells of an image found. If the desk has the image open, it already has the truth mask and, if none is
    /// given here, the probability map.
    pub fn measure(&mut self, id: u32, probability: Option<ArrayBuffer>, truth: Truth) {
        let rules = self.rules_of(id);
        let Some(item) = self.item(id) else { return };
        let (width, height) = item.size.unwrap_or_default();
        let (name, by_hand) = (item.name.clone(), item.by_hand().clone());
        self.desk.measuring.push(id);
        self.ask_desk(Request::Measure { id, name, probability, width, height, rules, by_hand, truth });
    }

    /// Notes that the desk has answered for an image or failed to.
    pub fn answered(&mut self, id: u32) {
        if let Some(at) = self.desk.measuring.iter().position(|measuring| *measuring == id) {
            self.desk.measuring.swap_remove(at);
        }
    }

    /// Called when the rules have changed: the active image is updated at once, the others when the desk has time.
    pub fn rules_changed(&mut self) {
        self.rules_version += 1;
        // Saved files no longer match the rules.
        self.items.iter_mut().for_each(|item| item.saved = false);
        self.measure_next();
        self.refresh();
    }

    /// Measures the next image that is out of date, the active one first.
    pub fn measure_next(&mut self) {
        if !self.desk.measuring.is_empty() {
            return;
        }
        if let Some(id) = self.open_and_stale() {
            return self.measure(id, None, Truth::default());
        }
        // An image that the desk is about to open is measured as part of that.
        let stale = self.stale().find(|item| Some(item.id) != self.desk.open);
        let found = stale.and_then(|item| Some((item.id, item.probability.clone()?, TruthFile::read(item))));
        let Some((id, map, truth)) = found else { return };
        self.desk.measuring.push(id);
        spawn_local(async move {
            let bytes = files::read(&map).await;
            let truth = truth.await;
            act(move |app| {
                app.answered(id);
                if app.item(id).and_then(|item| item.probability.as_ref()) != Some(&map) {
                    // The network has produced a new map, or the image was removed.
                    return app.go_on();
                }
                match bytes {
                    Ok(bytes) => {
                        let truth = app.truth_of(id, truth);
                        app.measure(id, Some(bytes), truth);
                    }
                    Err(_) => {
                        if let Some(item) = app.item_mut(id) {
                            item.lose_map();
                        }
                        app.go_on();
                    }
                }
            });
        });
    }

    /// Called when the desk has finished something: starts its next task and pending saves, and updates the page.
    pub fn go_on(&mut self) {
        self.measure_next();
        if self.table_wanted {
            self.save_images_table();
        }
        if self.zip_wanted {
            self.pack_all();
        }
        self.refresh();
    }

    /// Items with results that do not match the present rules, corrections or truth mask.
    pub fn stale(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.is_stale(self.rules_version))
    }

    /// The image open at the desk, if it must be measured again.
    pub fn open_and_stale(&self) -> Option<u32> {
        self.stale().map(|item| item.id).find(|id| Some(*id) == self.desk.has)
    }

    /// Whether results on the page are still about to change; nothing is saved before they have settled.
    pub fn unsettled(&self) -> bool {
        !self.desk.measuring.is_empty() || self.stale().next().is_some()
    }

    /// Drops a truth mask that cannot be used, unless another has replaced it.
    pub fn forget_truth(&mut self, id: u32, version: u32) {
        if let Some(item) = self.item_mut(id).filter(|item| item.truth_version == version) {
            item.truth = None;
            item.truth_name.clear();
            (item.iou, item.dice) = (None, None);
            self.leave_difference();
        }
    }

    /// Drops a truth mask that can no longer be read, and says so.
    pub fn lose_truth(&mut self, id: u32, name: &str, version: u32, problem: &str) {
        self.complain(&format!("{name}: {problem}"));
        self.forget_truth(id, version);
    }

    /// Removes the truth mask of the active image at the user's request.
    pub fn remove_truth(&mut self) {
        let Some(item) = self.active_item_mut() else { return };
        item.truth_version += 1;
        let (id, version) = (item.id, item.truth_version);
        self.forget_truth(id, version);
        // The desk still has the mask, so it must reopen the image.
        self.open_active();
        self.refresh();
    }

    /// Strikes off the task that a reply ends. The desk does one after the other, so that those before it are over too.
    fn strike_off(&mut self, tell: &Reply) {
        let (image, opened) = match tell {
            Reply::Opened { id, .. } => (*id, true),
            Reply::Measured(measured) => (measured.id, false),
            Reply::Exported { id, .. } => (*id, false),
            // After an unusable truth mask the cells still come.
            Reply::Failed { id, task, .. } if *task != Task::Truth => (*id, false),
            _ => return,
        };
        let ended = |task: &Unfinished| task.image == image && (task.only_opens || !opened);
        if let Some(at) = self.desk.tasks.iter().position(ended) {
            self.desk.tasks.drain(..=at);
        }
    }

    /// Handles a reply of the desk.
    pub fn desk_said(&mut self, tell: Reply) {
        self.strike_off(&tell);
        match tell {
            Reply::Opened { id, width, height } => {
                if let Some(item) = self.item_mut(id) {
                    item.size = Some((width, height));
                }
                if self.active == Some(id) {
                    self.view.opened(id, width, height);
                }
                self.refresh();
            }
            Reply::Measured(measured) => self.measured(measured),
            Reply::Tile { tile, version, bitmap } => {
                match bitmap {
                    Some(bitmap) => self.view.tiles.insert(tile, version, bitmap),
                    None => self.tile_failed(tile, version),
                }
                self.draw_soon();
            }
            Reply::Probed { id, cell, corrections_version, rules_version } => {
                self.probed(id, cell, (corrections_version, rules_version));
            }
            Reply::Exported { id, name, mime, bytes } => {
                self.desk.exporting.pop_front();
                match save::download(&name, &mime, &bytes) {
                    Ok(()) => self.exported(id, &name),
                    Err(error) => self.not_saved(&name, &error),
                }
                self.refresh();
            }
            Reply::Failed { id, task, truth_version, message } => {
                // If an image does not decode, the network reports it.
                if task != Task::Open {
                    self.complain(&message);
                }
                match task {
                    Task::Export => drop(self.desk.exporting.pop_front()),
                    Task::Truth => self.forget_truth(id, truth_version),
                    Task::Measure => {
                        self.answered(id);
                        if let Some(item) = self.item_mut(id) {
                            item.phase = Phase::Failed(message);
                        }
                    }
                    Task::Open => {
                        self.desk.measuring.retain(|measuring| *measuring != id);
                        if self.desk.open == Some(id) {
                            self.desk.left();
                        }
                    }
                    // Of other workers.
                    Task::Decode | Task::Segment | Task::Time | Task::Pack => {}
                }
                self.go_on();
            }
            Reply::Crashed { message } => self.desk_lost(&message),
            _ => {}
        }
    }

    /// Called when a file of an image has been saved.
    fn exported(&mut self, id: u32, name: &str) {
        dom::set_text("spoken", &format!("Saved {name}"));
        let rules_version = self.rules_version;
        if let Some(item) = self.item_mut(id).filter(|item| item.up_to_date(rules_version)) {
            item.saved = true;
            if !name.ends_with(".overlay.png") {
                item.kept = item.corrections_version;
            }
        }
    }

    fn measured(&mut self, measured: Measured) {
        let (id, version, vain) = (measured.id, measured.corrections_version, measured.vain);
        self.answered(id);
        let active = self.active == Some(id);
        let pointed_at = self.row_pointed_at().map(|row| (row.x, row.y));
        let mut again = false;
        // An answer for older corrections would revert the latest one; it is ignored and the image measured again
        // below.
        if let Some(item) = self.item_mut(id).filter(|item| item.corrections_version == version) {
            item.measured(measured);
            if item.phase == Phase::Counting && item.diameter != item.found_with {
                // Another diameter was typed in the meantime.
                item.phase = Phase::Waiting;
                again = true;
            } else if item.phase == Phase::Counting {
                item.phase = Phase::Done;
                dom::set_text("spoken", &item.spoken());
            }
        }
        if active {
            self.view.overlay_changed();
            self.stroke_measured(id, version, vain);
            self.point_again(pointed_at);
            self.speak_soon();
        }
        if again {
            self.pump();
        }
        self.go_on();
    }

    /// Called when the desk has crashed, most likely out of memory: starts a new one and reopens the image, within
    /// limits.
    fn desk_lost(&mut self, message: &str) {
        let absent = self.desk.link.take().is_some_and(|desk| desk.absent);
        self.view.tiles.forget_asked();
        // The desk died over what it was doing, not over what waited; without a task, over drawing what it had open.
        let over = self.desk.tasks.front().map(|task| task.image).or(self.desk.has);
        self.desk.tasks.clear();
        self.desk.measuring.clear();
        self.desk.exporting.clear();
        self.desk.probes.clear();
        self.desk.left();
        self.desk.losses += 1;
        let mut name = String::new();
        let mut again = self.desk.losses < 20;
        let active = self.active;
        if let Some(item) = over.and_then(|id| self.item_mut(id)) {
            item.desk_losses += 1;
            name = item.name.clone();
            if item.desk_losses > 1 {
                // If the active image is another one, it is not to blame and is reopened.
                again &= active != over;
                let why = if absent {
                    message.to_string()
                } else {
                    format!("too large for this browser's memory ({message})")
                };
                item.phase = Phase::Failed(format!("{name}: {why}"));
            }
        }
        let over = if name.is_empty() { String::new() } else { format!(" while processing {name}") };
        // If the program did not load, its own message applies to all workers.
        let told = format!("Drawing and measuring stopped{over} ({message}).");
        self.complain(if absent { message } else { &told });
        if again {
            self.open_active();
        } else {
            self.desk.exports_wanted.clear();
        }
        self.go_on();
    }
}
