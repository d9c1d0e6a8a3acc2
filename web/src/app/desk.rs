//! The image being looked at, and the worker that draws, measures and exports it.

use super::item::{Item, Phase};
use super::link::{Link, Role};
use super::{App, act, files};
use crate::message::{Ask, Measured, Opening, Tell};
use js_sys::ArrayBuffer;
use wasm_bindgen_futures::spawn_local;

impl App {
    /// Starts the desk where there is none.
    pub fn start_desk(&mut self) {
        if self.desk.is_none() {
            let generation = self.next_generation();
            match Link::start(Role::Desk, generation) {
                Ok(link) => self.desk = Some(link),
                Err(problem) => self.complain(&format!("The browser did not start a worker ({problem}).")),
            }
        }
    }

    /// Hands the desk something to do.
    pub fn ask_desk(&mut self, ask: Ask) {
        self.start_desk();
        if let Some(desk) = &mut self.desk {
            desk.ask(ask);
        }
    }

    /// Shows an image.
    pub fn activate(&mut self, id: u32) {
        if self.active == Some(id) && self.desk_open == Some(id) {
            return;
        }
        self.active = Some(id);
        self.hovered = None;
        self.view.forget();
        self.ruler.stop();
        self.leave_difference();
        self.sync_controls();
        self.open_active();
        self.refresh();
    }

    /// Without a truth there is no difference to show.
    fn leave_difference(&mut self) {
        if self.view.layer == "difference" && self.active_item().is_none_or(|item| item.truth.is_none()) {
            self.set_view("outline");
        }
    }

    /// Sends the active image with all that is known of it to the desk.
    pub fn open_active(&mut self) {
        let Some(item) = self.active_item() else { return };
        let (id, name) = (item.id, item.name.clone());
        let (file, map, truth) = (item.file.clone(), item.probability.clone(), item.truth.clone());
        (self.desk_open, self.desk_has) = (Some(id), None);
        spawn_local(async move {
            let bytes = files::read(&file).await;
            let probability = files::read_maybe(map.as_ref()).await;
            let truth = files::read_maybe(truth.as_ref()).await;
            act(move |app| {
                if app.desk_open != Some(id) {
                    return;
                }
                let Some(item) = app.item(id) else { return };
                let file = match bytes {
                    Ok(file) => file,
                    Err(problem) => {
                        // The network's own reading of it reports, where that is still to come.
                        let over = !item.pending();
                        app.desk_open = None;
                        if over {
                            app.complain(&format!("{name}: {problem}"));
                        }
                        return;
                    }
                };
                let late = (probability.is_none() && item.probability.is_some())
                    || (truth.is_none() && item.truth.is_some());
                if late {
                    // The network was faster than the reading.
                    return app.open_active();
                }
                let (rules, excluded) = (app.rules_of(id), item.excluded.clone());
                if probability.is_some() {
                    app.measuring.push(id);
                }
                app.desk_has = Some(id);
                app.ask_desk(Ask::Open(Opening { id, name, file, probability, rules, excluded, truth }));
                app.refresh();
            });
        });
    }

    /// The rules for one image: those of all, and its own cell diameter.
    pub fn rules_of(&self, id: u32) -> crate::message::Rules {
        let mut rules = self.rules;
        rules.diameter = self.item(id).and_then(|item| item.diameter.or(item.estimate));
        rules.stamp = self.stamp;
        rules
    }

    /// The network's result has come: find its cells.
    pub fn measure_first(&mut self, id: u32, probability: ArrayBuffer) {
        let truth_needed = self.item(id).is_some_and(|item| item.truth.is_some());
        if self.desk_open == Some(id) || !truth_needed {
            self.measure(id, Some(probability), None);
        } else {
            self.measure_next();
        }
    }

    /// Has the cells of an image found; without a map where the desk has it open.
    pub fn measure(&mut self, id: u32, probability: Option<ArrayBuffer>, truth: Option<ArrayBuffer>) {
        let rules = self.rules_of(id);
        let Some(item) = self.item(id) else { return };
        let (width, height) = item.size.unwrap_or_default();
        let (name, excluded) = (item.name.clone(), item.excluded.clone());
        self.measuring.push(id);
        self.ask_desk(Ask::Measure { id, name, probability, width, height, rules, excluded, truth });
    }

    /// The desk answered for an image, or could not.
    fn answered(&mut self, id: u32) {
        if let Some(at) = self.measuring.iter().position(|measuring| *measuring == id) {
            self.measuring.swap_remove(at);
        }
    }

    /// The rules changed: the active image follows at once, the others when the desk has time.
    pub fn rules_changed(&mut self) {
        self.stamp += 1;
        // Files on disk now tell of other rules.
        self.items.iter_mut().for_each(|item| item.saved = false);
        self.measure_again = true;
        self.measure_next();
        self.refresh();
    }

    /// Measures what is out of date, the active image first.
    pub fn measure_next(&mut self) {
        if !self.measuring.is_empty() {
            return;
        }
        if std::mem::take(&mut self.measure_again)
            && let Some(id) = self.active.filter(|_| self.desk_has == self.active)
            && self.item(id).is_some_and(|item| item.probability.is_some())
        {
            self.measure(id, None, None);
            return;
        }
        let stale = self.stale().find(|item| Some(item.id) != self.desk_open);
        let found = stale.and_then(|item| Some((item.id, item.probability.clone()?, item.truth.clone())));
        let Some((id, map, truth)) = found else { return };
        self.measuring.push(id);
        spawn_local(async move {
            let bytes = files::read(&map).await;
            let truth = files::read_maybe(truth.as_ref()).await;
            act(move |app| {
                app.answered(id);
                match bytes {
                    Ok(bytes) => app.measure(id, Some(bytes), truth),
                    Err(problem) => {
                        if let Some(item) = app.item_mut(id) {
                            item.phase = Phase::Failed(format!("{}: {problem}", item.name));
                        }
                        app.measure_next();
                        app.refresh();
                    }
                }
            });
        });
    }

    /// Results that were found by other rules than the present ones. One that is to be made anew and was stopped counts.
    fn stale(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| {
            item.probability.is_some()
                && item.stamp != self.stamp
                && matches!(item.phase, Phase::Done | Phase::Counting | Phase::Stopped)
        })
    }

    pub fn any_stale(&self) -> bool {
        self.stale().next().is_some()
    }

    pub fn desk_said(&mut self, tell: Tell) {
        match tell {
            Tell::Opened { id, width, height } => {
                if let Some(item) = self.item_mut(id) {
                    item.size = Some((width, height));
                }
                if self.active == Some(id) {
                    self.view.opened(id, width, height);
                }
                self.refresh();
            }
            Tell::Measured(measured) => self.measured(measured),
            Tell::Tile { tile, stamp, bitmap } => {
                self.view.tiles.came(tile, stamp, bitmap);
                self.draw_soon();
            }
            Tell::Probed { id, cell } => self.probed(id, cell),
            Tell::Exported { id, name, mime, bytes } => {
                super::save::download(&name, &mime, &bytes);
                if let Some(item) = self.item_mut(id) {
                    item.saved = true;
                }
            }
            Tell::Failed { id, task, message } => {
                // An image that does not decode is reported by the network.
                if task != "open" {
                    self.complain(&message);
                }
                if task == "truth"
                    && let Some(item) = self.item_mut(id)
                {
                    item.truth = None;
                    item.truth_name.clear();
                    (item.iou, item.dice) = (None, None);
                    self.leave_difference();
                }
                if task == "measure" || task == "open" {
                    self.answered(id);
                    self.measure_next();
                }
                self.refresh();
            }
            Tell::Crashed { message } => self.desk_lost(&message),
            _ => {}
        }
    }

    fn measured(&mut self, measured: Measured) {
        let id = measured.id;
        self.answered(id);
        let active = self.active == Some(id);
        if let Some(item) = self.item_mut(id) {
            item.stamp = measured.stamp;
            item.rows = measured.rows;
            // The sum of no cells is minus zero.
            item.covered = measured.covered + 0.0;
            item.hits = measured.hits;
            item.summary = measured.summary;
            (item.iou, item.dice) = (measured.iou, measured.dice);
            if item.phase == Phase::Counting {
                item.phase = Phase::Done;
                let line = format!("{}: {}", item.name, super::figures::cells(item.count()));
                super::dom::set_text("spoken", &line);
            }
        }
        if active {
            self.view.overlay_changed();
        }
        self.measure_next();
        if self.table_wanted {
            self.save_images_table();
        }
        if self.zip_wanted {
            self.pack_all();
        }
        self.refresh();
    }

    /// Out of memory, most likely: start a fresh desk and open the image again, but not for ever.
    fn desk_lost(&mut self, message: &str) {
        self.desk = None;
        self.view.tiles.forget_asked();
        let over = self.measuring.first().copied().or(self.desk_open);
        self.measuring.clear();
        self.probes.clear();
        (self.desk_open, self.desk_has) = (None, None);
        self.desk_losses += 1;
        let mut name = String::new();
        let mut again = self.desk_losses < 20;
        if let Some(item) = over.and_then(|id| self.item_mut(id)) {
            item.desk_losses += 1;
            name = item.name.clone();
            if item.desk_losses > 1 {
                again = false;
                item.phase =
                    Phase::Failed(format!("{name}: too large for this browser's memory ({message})"));
            }
        }
        self.complain(&format!("Drawing and measuring stopped ({message}): {name}"));
        if again {
            self.open_active();
        }
        self.measure_next();
        self.refresh();
    }
}
