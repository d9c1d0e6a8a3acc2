//! The queue, and the worker that runs the model on it.

use super::item::{Item, Phase};
use super::link::{Link, Role};
use super::weights::Weights;
use super::{App, act, dom, files};
use crate::message::{Backend, Reply, Request, Segmented, Task};
use js_sys::{Array, ArrayBuffer};
use std::collections::VecDeque;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

/// Maximum number of consecutive losses of the worker (without an answer in between) after which it is restarted.
const MOST_LOSSES: u32 = 2;

/// Whether an image waits for the model or is being processed by it.
fn begun(item: &Item) -> bool {
    matches!(item.phase, Phase::Waiting | Phase::Working(_))
}

/// What the list of back ends calls the choice by the page itself.
const AUTOMATIC: &str = "auto";

/// The name of a back end for the user.
pub fn backend_name(backend: Backend) -> &'static str {
    match backend {
        Backend::WebGpu => "WebGPU",
        Backend::Cpu => "CPU",
    }
}

/// The model on its back end, and the worker that runs it.
#[derive(Default)]
pub struct Model {
    link: Option<Link>,
    /// Whether it is loaded and waits for images.
    ready: bool,
    /// Whether the worker has a model loaded.
    up: bool,
    /// Whether a worker that refused its model was replaced and has not answered yet.
    recovering: bool,
    /// The image that it is processing.
    running: Option<u32>,
    /// The weights that a worker last accepted; until then the shipped ones.
    weights: Option<Weights>,
    /// The weights served with the page, as a fallback.
    shipped: Option<Weights>,
    /// Weights still to be tried, in order. The worker has the first and has not answered yet.
    trying: VecDeque<Weights>,
    last_serial: u32,
    /// How often the worker was lost since it last began an image.
    losses: u32,
    /// The back end requested by the user or the URL, if any.
    wish: Option<Backend>,
    /// Whether the GPU was lost; the CPU is used from then on.
    gpu_lost: bool,
    /// The back end in use, or used last; none before the model has started.
    backend: Option<Backend>,
    /// Whether it cannot run without the user's action.
    fatal: bool,
}

impl Model {
    /// Before it has started. The query of the page's address may request a back end.
    pub fn new(query: &str) -> Self {
        let named = |backend: &&Backend| query.contains(&format!("backend={}", backend.name()));
        Self { wish: Backend::ALL.iter().find(named).copied(), ..Self::default() }
    }

    /// Where the weights in use are from, as files say it: `shipped`, or the name of the user's own.
    pub fn weights_name(&self) -> &str {
        self.own_weights().map_or("shipped", |own| &own.name)
    }

    pub fn link(&mut self) -> Option<&mut Link> {
        self.link.as_mut()
    }

    pub fn ready(&self) -> bool {
        self.ready
    }

    /// Whether it is not there yet, nor computing.
    pub fn loading(&self) -> bool {
        !self.ready && self.running.is_none()
    }

    pub fn fatal(&self) -> bool {
        self.fatal
    }

    pub fn running(&self) -> Option<u32> {
        self.running
    }

    pub fn backend(&self) -> Option<Backend> {
        self.backend
    }

    pub fn weights(&self) -> Option<&Weights> {
        self.weights.as_ref()
    }

    /// The weights in use, if they are the user's own.
    pub fn own_weights(&self) -> Option<&Weights> {
        let shipped = self.shipped.as_ref()?.serial;
        self.weights.as_ref().filter(|used| used.serial != shipped)
    }

    /// Shows in the list of back ends which one is requested.
    pub fn show_wish(&self) {
        let wish = self.wish.map_or(AUTOMATIC, Backend::name);
        dom::find::<web_sys::HtmlSelectElement>("backend").set_value(wish);
    }
}

impl App {
    pub fn start_network(&mut self) {
        let generation = self.next_generation();
        (self.model.ready, self.model.up) = (false, false);
        self.model.running = None;
        self.model.link = Some(Link::start(Role::Network, generation));
    }

    /// Reports that the model does not run and will not without the user's action.
    fn give_up(&mut self, line: &str) {
        self.complain(line);
        self.model.fatal = true;
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
        self.model.shipped = Some(weights.clone());
        dom::show("shipped", self.model.up);
        if self.model.weights.is_none() {
            self.model.weights = Some(weights.clone());
        }
        if self.model.trying.is_empty() && !self.model.up {
            self.try_weights(weights);
        }
    }

    fn weights_of(&mut self, bytes: ArrayBuffer, card: String, name: String) -> Weights {
        self.model.last_serial += 1;
        Weights { bytes, card, name, serial: self.model.last_serial }
    }

    /// Weights provided by the user. They take effect once the worker has accepted them.
    pub fn own_weights(&mut self, bytes: ArrayBuffer, card: String, name: String) {
        let weights = self.weights_of(bytes, card, name);
        self.try_weights(weights);
    }

    pub fn back_to_shipped(&mut self) {
        if let Some(weights) = self.model.shipped.clone() {
            self.try_weights(weights);
        }
    }

    fn try_weights(&mut self, weights: Weights) {
        if self.model.link.is_none() {
            // The model had been given up; it may start with these weights alone.
            self.model.trying.clear();
        }
        self.model.trying.push_back(weights);
        if self.model.link.is_none() {
            (self.model.losses, self.model.fatal) = (0, false);
            self.start_network();
            self.load_next();
        } else if self.model.trying.len() == 1 {
            self.load_next();
        }
    }

    /// Sends the first of the weights to be tried to the worker; the others wait for its answer.
    fn load_next(&mut self) {
        let Some(weights) = self.model.trying.front() else { return };
        let backend = if self.model.gpu_lost { Some(Backend::Cpu) } else { self.model.wish };
        // A copy is transferred: the original is kept for when a worker must be restarted.
        let (weights_serial, weights) = (weights.serial, weights.bytes.slice(0));
        let ask = Request::Start { weights_serial, backend, weights };
        if let Some(network) = &mut self.model.link {
            network.ask(ask);
        }
        self.model.ready = false;
        dom::set_text("engine-text", "Loading the model…");
        self.refresh();
    }

    /// Called when the worker has answered for weights: continues with the next ones, or else with the queue.
    fn loaded(&mut self) {
        if self.model.trying.is_empty() {
            self.model.ready = true;
            self.show_engine();
            self.pump();
        } else {
            self.load_next();
        }
    }

    /// Replaces the worker; a running image returns to the queue.
    pub fn restart_network(&mut self) {
        if let Some(item) = self.model.running.and_then(|id| self.item_mut(id))
            && matches!(item.phase, Phase::Working(_))
        {
            item.phase = Phase::Waiting;
        }
        self.start_network();
        // Load the weights that worked first, then those that were being tried.
        if let Some(weights) = self.model.weights.clone() {
            self.model.trying.retain(|tried| tried.serial != weights.serial);
            self.model.trying.push_front(weights);
        }
        self.load_next();
    }

    /// Gives the network its next image, if it is free: the one being looked at, else the first that waits.
    pub fn pump(&mut self) {
        self.refresh();
        if !self.model.ready || self.model.running.is_some() {
            return;
        }
        let waits = |item: &&Item| item.phase == Phase::Waiting;
        let next = self.active_item().filter(waits).or_else(|| self.items.iter().find(waits));
        let Some(item) = next.map(|item| item.id).and_then(|id| self.item_mut(id)) else { return };
        item.phase = Phase::Working(0.0);
        item.ran_with = item.diameter;
        let (id, name, file, diameter) = (item.id, item.name.clone(), item.file.clone(), item.diameter);
        self.model.running = Some(id);
        let generation = self.model.link.as_ref().map(|link| link.generation);
        spawn_local(async move {
            let bytes = files::read(&file).await;
            act(move |app| {
                let same = app.model.link.as_ref().map(|link| link.generation) == generation;
                if !same || app.model.running != Some(id) {
                    return;
                }
                match (bytes, &mut app.model.link) {
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
        if self.model.running == Some(id) {
            self.model.running = None;
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
                self.model.backend = Some(backend);
                (self.model.up, self.model.recovering, self.model.fatal) = (true, false, false);
                if let Some(at) =
                    self.model.trying.iter().position(|weights| weights.serial == weights_serial)
                {
                    self.model.weights = self.model.trying.remove(at);
                }
                let model = self.model.weights.as_ref().map(Weights::facts).unwrap_or_default();
                dom::set_text("model-facts", &format!("{facts} {model}"));
                dom::set(&dom::element("engine"), "title", &facts);
                let own = self.model.shipped.as_ref().is_some_and(|shipped| shipped.serial != weights_serial);
                dom::show("shipped", own);
                // Explain why it is the CPU, unless the user chose it.
                dom::show("engine-note", backend == Backend::Cpu && self.model.wish != Some(backend));
                dom::set_text("engine-note", &facts);
                self.loaded();
            }
            Reply::Refused { weights_serial, message } => self.refused(weights_serial, &message),
            Reply::Decoded { id, width, height, thumb, thumb_width, thumb_height } => {
                // Not when it is ready: it may be lost in warming up, again and again.
                self.model.losses = 0;
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
        dom::set_text("engine-text", self.model.backend.map_or("", backend_name));
    }

    /// Handles the worker's refusal of weights.
    fn refused(&mut self, serial: u32, message: &str) {
        let name = self
            .model
            .trying
            .iter()
            .find(|weights| weights.serial == serial)
            .map(|weights| weights.name.as_str());
        let message = &name.map_or_else(|| message.to_string(), |name| format!("{name}: {message}"));
        self.model.trying.retain(|weights| weights.serial != serial);
        if self.model.up || !self.model.trying.is_empty() {
            // The worker keeps its previous weights, or gets the next ones.
            self.complain(message);
            return self.loaded();
        }
        let Some(good) = self.model.weights.as_ref().map(|weights| weights.serial) else {
            // The shipped weights are still loading, or were already reported missing.
            return self.complain(message);
        };
        let others = good != serial || self.model.backend.is_some();
        if !others || self.model.recovering {
            return self.give_up(message);
        }
        // The worker has no weights: return to the weights and back end that worked before.
        self.complain(message);
        self.model.recovering = true;
        if self.model.backend.is_some() && self.model.wish != self.model.backend {
            self.model.wish = None;
            self.model.show_wish();
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
        self.model.running = None;
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
        let absent = self.model.link.as_ref().is_some_and(|network| network.absent);
        let on_gpu =
            !absent && !self.model.gpu_lost && self.model.backend.or(self.model.wish) != Some(Backend::Cpu);
        self.model.gpu_lost |= on_gpu;
        self.model.losses += 1;
        let mut name = String::new();
        // Weights that caused a loss are not tried again, unless the GPU may be to blame.
        let good = self.model.weights.as_ref().map(|weights| weights.serial);
        if !on_gpu
            && self.model.trying.front().is_some_and(|weights| Some(weights.serial) != good)
            && let Some(weights) = self.model.trying.pop_front()
        {
            name = weights.name;
        }
        let running = self.model.running.take();
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
        if self.model.losses > MOST_LOSSES {
            (self.model.link, self.model.ready) = (None, false);
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

    /// Changes the back end, as the user wishes: one of them, or the better one.
    pub fn set_backend(&mut self, wish: Option<Backend>) {
        self.model.wish = wish;
        (self.model.gpu_lost, self.model.recovering, self.model.losses) = (false, false, 0);
        // Another back end may cure a failure to start, but not missing weights.
        self.model.fatal &= self.model.weights.is_none();
        self.restart_network();
        self.refresh();
    }

    /// Stops everything unfinished.
    pub fn cancel(&mut self) {
        self.stop(&self.ids());
    }

    /// Stops one image: the active one if it is unfinished, else the one being processed.
    pub fn cancel_current(&mut self) {
        let active = self.active_item().filter(|item| begun(item)).map(|item| item.id);
        if let Some(id) = active.or(self.model.running) {
            self.stop(&[id]);
        }
    }

    /// Stops these images, if they are unfinished. A computing worker cannot receive messages, so it is replaced.
    pub fn stop(&mut self, ids: &[u32]) {
        for item in self.items.iter_mut().filter(|item| ids.contains(&item.id) && begun(item)) {
            item.fall_back(Phase::Stopped);
        }
        if self.model.running.take_if(|id| ids.contains(id)).is_some() {
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
        let serial = self.model.weights.as_ref().map_or(0, |weights| weights.serial);
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
