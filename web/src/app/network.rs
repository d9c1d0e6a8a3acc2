//! The queue, and the worker that runs the model on it.

use super::item::{Item, Phase};
use super::link::{Link, Role};
use super::state::Weights;
use super::{App, act, dom, files};
use crate::message::{Backend, Reply, Request, Segmented, Task};
use js_sys::{Array, ArrayBuffer};
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

/// Maximum number of consecutive losses of the worker (without an answer in between) after which it is restarted.
const MOST_LOSSES: u32 = 2;

/// Whether an image waits for the model or is being processed by it.
fn begun(item: &Item) -> bool {
    matches!(item.phase, Phase::Waiting | Phase::Working(_))
}

/// What the list of back ends calls the choice by the page itself.
pub const AUTOMATIC: &str = "auto";

/// The name of a back end for the user.
pub fn backend_name(backend: Backend) -> &'static str {
    match backend {
        Backend::WebGpu => "WebGPU",
        Backend::Cpu => "CPU",
    }
}

impl App {
    pub fn start_network(&mut self) {
        let generation = self.next_generation();
        (self.network_ready, self.engine_up) = (false, false);
        self.running = None;
        self.network = Some(Link::start(Role::Network, generation));
    }

    /// Reports that the model does not run and will not without the user's action.
    fn give_up(&mut self, line: &str) {
        self.complain(line);
        self.fatal = true;
        dom::set_text("engine-text", "Not running");
        self.refresh();
    }

    pub fn fetch_weights(&mut self) {
        spawn_local(async {
            let weights = files::fetch_bytes("rbc.safetensors").await;
            // The model works without its card too.
            let card = files::fetch_bytes("rbc.json")
                .await
                .map_or_else(|_| String::new(), |card| files::text(&card));
            act(move |app| match weights {
                Ok(bytes) => app.shipped_weights(bytes, card),
                Err(problem) => app.give_up(&format!("The model's weights are missing: {problem}")),
            });
        });
    }

    /// Called when the shipped weights have loaded: they are the fallback, and are used unless others were faster.
    fn shipped_weights(&mut self, bytes: ArrayBuffer, card: String) {
        let weights = self.weights_of(bytes, card, "shipped weights".into());
        self.shipped = Some(weights.clone());
        dom::show("shipped", self.engine_up);
        if self.weights.is_none() {
            self.weights = Some(weights.clone());
        }
        if self.trying.is_empty() && !self.engine_up {
            self.try_weights(weights);
        }
    }

    fn weights_of(&mut self, bytes: ArrayBuffer, card: String, name: String) -> Weights {
        self.last_weights_serial += 1;
        Weights { bytes, card, name, serial: self.last_weights_serial }
    }

    /// Weights provided by the user. They take effect once the worker has accepted them.
    pub fn own_weights(&mut self, bytes: ArrayBuffer, card: String, name: String) {
        let weights = self.weights_of(bytes, card, name);
        self.try_weights(weights);
    }

    pub fn back_to_shipped(&mut self) {
        if let Some(weights) = self.shipped.clone() {
            self.try_weights(weights);
        }
    }

    fn try_weights(&mut self, weights: Weights) {
        if self.network.is_none() {
            // The model had been given up; it may start with these weights alone.
            self.trying.clear();
        }
        self.trying.push_back(weights);
        if self.network.is_none() {
            (self.network_losses, self.fatal) = (0, false);
            self.start_network();
            self.load_next();
        } else if self.trying.len() == 1 {
            self.load_next();
        }
    }

    /// Sends the first of the weights to be tried to the worker; the others wait for its answer.
    fn load_next(&mut self) {
        let Some(weights) = self.trying.front() else { return };
        let backend = if self.gpu_lost { Some(Backend::Cpu) } else { self.backend_wish };
        // A copy is transferred: the original is kept for when a worker must be restarted.
        let (weights_serial, weights) = (weights.serial, weights.bytes.slice(0));
        let ask = Request::Start { weights_serial, backend, weights };
        if let Some(network) = &mut self.network {
            network.ask(ask);
        }
        self.network_ready = false;
        dom::set_text("engine-text", "Loading the model…");
        self.refresh();
    }

    /// Called when the worker has answered for weights: continues with the next ones, or else with the queue.
    fn loaded(&mut self) {
        if self.trying.is_empty() {
            self.network_ready = true;
            self.show_engine();
            self.pump();
        } else {
            self.load_next();
        }
    }

    /// Replaces the worker; a running image returns to the queue.
    pub fn restart_network(&mut self) {
        if let Some(item) = self.running.and_then(|id| self.item_mut(id))
            && matches!(item.phase, Phase::Working(_))
        {
            item.phase = Phase::Waiting;
        }
        self.start_network();
        // Load the weights that worked first, then those that were being tried.
        if let Some(weights) = self.weights.clone() {
            self.trying.retain(|tried| tried.serial != weights.serial);
            self.trying.push_front(weights);
        }
        self.load_next();
    }

    /// Gives the network its next image, if it is free: the one being looked at, else the first that waits.
    pub fn pump(&mut self) {
        self.refresh();
        if !self.network_ready || self.running.is_some() {
            return;
        }
        let waits = |item: &&Item| item.phase == Phase::Waiting;
        let next = self.active_item().filter(waits).or_else(|| self.items.iter().find(waits));
        let Some(item) = next.map(|item| item.id).and_then(|id| self.item_mut(id)) else { return };
        item.phase = Phase::Working(0.0);
        item.ran_with = item.diameter;
        let (id, name, file, diameter) = (item.id, item.name.clone(), item.file.clone(), item.diameter);
        self.running = Some(id);
        let generation = self.network.as_ref().map(|link| link.generation);
        spawn_local(async move {
            let bytes = files::read(&file).await;
            act(move |app| {
                let same = app.network.as_ref().map(|link| link.generation) == generation;
                if !same || app.running != Some(id) {
                    return;
                }
                match (bytes, &mut app.network) {
                    (Ok(file), Some(network)) => network.ask(Request::Segment { id, name, file, diameter }),
                    (Err(problem), _) => app.fail(id, &format!("{name}: {problem}")),
                    (Ok(_), None) => {}
                }
            });
        });
    }

    /// Marks an image as failed and goes on with the others.
    pub fn fail(&mut self, id: u32, line: &str) {
        self.complain(line);
        if let Some(item) = self.item_mut(id) {
            item.fall_back(Phase::Failed(line.to_string()));
        }
        self.leave_failed(id);
        if self.running == Some(id) {
            self.running = None;
        }
        self.given_up();
        self.pump();
    }

    /// Activates another image if the active one has failed, unless the user chose it.
    fn leave_failed(&mut self, id: u32) {
        let failed = |item: &Item| matches!(item.phase, Phase::Failed(_));
        if self.chosen || self.active != Some(id) || !self.item(id).is_some_and(failed) {
            return;
        }
        if let Some(next) = self.items.iter().find(|item| !failed(item)).map(|item| item.id) {
            self.activate(next);
        }
    }

    /// Handles a reply of the network worker.
    pub fn network_said(&mut self, tell: Reply) {
        match tell {
            Reply::Ready { weights_serial, backend, facts } => {
                self.backend = Some(backend);
                (self.engine_up, self.recovering, self.fatal) = (true, false, false);
                if let Some(at) = self.trying.iter().position(|weights| weights.serial == weights_serial) {
                    self.weights = self.trying.remove(at);
                }
                let model = self.weights.as_ref().map(Weights::facts).unwrap_or_default();
                dom::set_text("model-facts", &format!("{facts} {model}"));
                dom::set(&dom::element("engine"), "title", &facts);
                let own = self.shipped.as_ref().is_some_and(|shipped| shipped.serial != weights_serial);
                dom::show("shipped", own);
                // Explain why it is the CPU, unless the user chose it.
                dom::show("engine-note", backend == Backend::Cpu && self.backend_wish != Some(backend));
                dom::set_text("engine-note", &facts);
                self.loaded();
            }
            Reply::Refused { weights_serial, message } => self.refused(weights_serial, &message),
            Reply::Decoded { id, width, height, thumb, thumb_width, thumb_height } => {
                // Not when it is ready: it may be lost in warming up, again and again.
                self.network_losses = 0;
                if let Some(item) = self.item_mut(id) {
                    item.size = Some((width, height));
                }
                self.show_thumb(id, &thumb, thumb_width, thumb_height);
                self.refresh();
            }
            Reply::Progress { id, done, total } => {
                if let Some(item) = self.item_mut(id) {
                    item.phase = Phase::Working(done / total.max(1.0));
                }
                self.refresh();
            }
            Reply::Segmented(result) => self.segmented(result),
            Reply::Failed { id, task, message, .. } => {
                if let Some(item) = self.item_mut(id) {
                    item.unreadable = task == Task::Decode;
                }
                self.fail(id, &message);
            }
            Reply::Crashed { message } => self.network_lost(&message),
            _ => {}
        }
    }

    fn show_engine(&self) {
        dom::set_text("engine-text", self.backend.map_or("", backend_name));
    }

    /// Handles the worker's refusal of weights.
    fn refused(&mut self, serial: u32, message: &str) {
        let name =
            self.trying.iter().find(|weights| weights.serial == serial).map(|weights| weights.name.as_str());
        let message = &name.map_or_else(|| message.to_string(), |name| format!("{name}: {message}"));
        self.trying.retain(|weights| weights.serial != serial);
        if self.engine_up || !self.trying.is_empty() {
            // The worker keeps its previous weights, or gets the next ones.
            self.complain(message);
            return self.loaded();
        }
        let Some(good) = self.weights.as_ref().map(|weights| weights.serial) else {
            // The shipped weights are still loading, or were already reported missing.
            return self.complain(message);
        };
        let others = good != serial || self.backend.is_some();
        if !others || self.recovering {
            return self.give_up(message);
        }
        // The worker has no weights: return to the weights and back end that worked before.
        self.complain(message);
        self.recovering = true;
        if self.backend.is_some() && self.backend_wish != self.backend {
            self.backend_wish = None;
            dom::find::<web_sys::HtmlSelectElement>("backend").set_value(AUTOMATIC);
        }
        self.restart_network();
    }

    fn segmented(&mut self, result: Segmented) {
        let Segmented {
            id,
            width,
            height,
            probability,
            diameter,
            um_per_px,
            warnings,
            seconds,
            backend,
            weights_serial,
        } = result;
        self.running = None;
        let Some(item) = self.item_mut(id) else { return self.pump() };
        if item.diameter != item.ran_with {
            // Another diameter was typed in the meantime.
            item.phase = Phase::Waiting;
            return self.pump();
        }
        let map = match Blob::new_with_buffer_source_sequence(&Array::of1(&probability)) {
            Ok(map) => map,
            Err(error) => {
                let (name, why) = (&item.name, dom::reason(&error));
                let line = format!(
                    "{name}: the browser has no room for its result ({why}). Close other tabs, or free memory and disk space, and run it again."
                );
                return self.fail(id, &line);
            }
        };
        (item.weights_serial, item.saved, item.found_with) = (weights_serial, false, item.ran_with);
        // Answers for the previous map are invalid for this one.
        item.corrections_version += 1;
        item.probability = Some(map);
        item.size = Some((width, height));
        (item.estimate, item.um_per_px) = (Some(diameter), um_per_px);
        (item.warnings, item.seconds, item.backend) = (warnings, seconds, Some(backend));
        item.phase = Phase::Counting;
        item.measured_rules = 0;
        self.measure_first(id, probability);
        self.pump();
    }

    /// Called when the worker has died: GPU device lost, out of memory, or a bug.
    fn network_lost(&mut self, message: &str) {
        let absent = self.network.as_ref().is_some_and(|network| network.absent);
        let on_gpu = !absent && !self.gpu_lost && self.backend.or(self.backend_wish) != Some(Backend::Cpu);
        self.gpu_lost |= on_gpu;
        self.network_losses += 1;
        let mut name = String::new();
        // Weights that caused a loss are not tried again, unless the GPU may be to blame.
        let good = self.weights.as_ref().map(|weights| weights.serial);
        if !on_gpu
            && self.trying.front().is_some_and(|weights| Some(weights.serial) != good)
            && let Some(weights) = self.trying.pop_front()
        {
            name = weights.name;
        }
        let running = self.running.take();
        if let Some(item) = running.and_then(|id| self.item_mut(id)) {
            item.losses += 1;
            name = item.name.clone();
            if item.losses > 1 {
                let what = "the browser ran out of memory or failed on this image";
                item.fall_back(Phase::Failed(format!("{name}: {what} ({message})")));
            } else {
                item.phase = Phase::Waiting;
            }
        }
        if self.network_losses > MOST_LOSSES {
            (self.network, self.network_ready) = (None, false);
            return self.give_up(&format!(
                "The model does not start ({message}). Reload the page; if that does not help, close other tabs or try another browser."
            ));
        }
        let then = if on_gpu { "It continues on the CPU." } else { "It was started again." };
        let over = if name.is_empty() { String::new() } else { format!(" while processing {name}") };
        let results = if self.items.is_empty() { "" } else { " No result is lost." };
        // If the program did not load, its own message applies to all workers.
        let told = format!("The model stopped{over} ({message}). {then}{results}");
        self.complain(if absent { message } else { &told });
        self.restart_network();
        self.given_up();
    }

    /// Stops everything unfinished.
    pub fn cancel(&mut self) {
        self.stop(&self.ids());
    }

    /// Stops one image: the active one if it is unfinished, else the one being processed.
    pub fn cancel_current(&mut self) {
        let active = self.active_item().filter(|item| begun(item)).map(|item| item.id);
        if let Some(id) = active.or(self.running) {
            self.stop(&[id]);
        }
    }

    /// Stops these images, if they are unfinished. A computing worker cannot receive messages, so it is replaced.
    pub fn stop(&mut self, ids: &[u32]) {
        for item in self.items.iter_mut().filter(|item| ids.contains(&item.id) && begun(item)) {
            item.fall_back(Phase::Stopped);
        }
        if self.running.take_if(|id| ids.contains(id)).is_some() {
            self.restart_network();
        }
        self.given_up();
    }

    /// Called after runs were given up: earlier results with their diameters apply again, though the rules may have
    /// changed.
    fn given_up(&mut self) {
        self.sync_controls();
        self.measure_next();
        self.refresh();
    }

    /// Retries everything that was stopped or failed.
    pub fn retry_all(&mut self) {
        let ids: Vec<u32> = self.items.iter().filter(|item| item.can_retry()).map(|item| item.id).collect();
        self.retry(&ids);
    }

    /// Reruns results of other weights with the present model.
    pub fn run_again(&mut self) {
        let ids: Vec<u32> = self.outdated().map(|item| item.id).collect();
        self.retry(&ids);
    }

    /// Items with results of other weights than the present ones.
    pub fn outdated(&self) -> impl Iterator<Item = &Item> {
        let serial = self.weights.as_ref().map_or(0, |weights| weights.serial);
        self.items.iter().filter(move |item| item.phase == Phase::Done && item.weights_serial != serial)
    }

    /// Runs images again with their present settings, except those whose files are no readable images.
    pub fn retry(&mut self, ids: &[u32]) {
        let again = |item: &&mut Item| ids.contains(&item.id) && !item.pending() && !item.unreadable;
        for item in self.items.iter_mut().filter(again) {
            item.phase = Phase::Waiting;
            item.losses = 0;
        }
        self.pump();
    }
}
