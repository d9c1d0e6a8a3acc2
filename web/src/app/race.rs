//! Compares the two back ends: the same image, once on each.

use super::item::Phase;
use super::link::{Link, Role};
use super::network::backend_name;
use super::{App, act, dom, files};
use crate::message::{Backend, Reply, Request};
use wasm_bindgen_futures::spawn_local;

impl App {
    /// Runs the active image with the same weights on the back end that its result is not from, and times it; or stops that.
    pub fn race(&mut self) {
        if self.racer.is_some() {
            return self.race_over("Stopped.");
        }
        let done = self.active_item().filter(|item| item.phase == Phase::Done);
        let (Some(weights), Some(item)) = (self.model.weights().cloned(), done) else {
            dom::set_text("race-text", "Segment an image first.");
            return;
        };
        if item.weights_serial != weights.serial {
            let text = "This image was segmented with other weights. Run it again with this model first.";
            return dom::set_text("race-text", text);
        }
        let other = if item.backend == Some(Backend::Cpu) { Backend::WebGpu } else { Backend::Cpu };
        let id = item.id;
        let mut link = Link::start(Role::Racer, self.next_generation());
        link.ask(Request::Start {
            weights_serial: weights.serial,
            backend: Some(other),
            weights: weights.bytes.slice(0),
        });
        (self.racer, self.raced) = (Some(link), id);
        dom::set_text("race", "Stop comparing");
        dom::set_text("race-text", &format!("Trying {}…", backend_name(other)));
    }

    /// Shows the outcome and ends the worker.
    pub fn race_over(&mut self, text: &str) {
        dom::set_text("race", "Compare both on this image");
        dom::set_text("race-text", text);
        self.racer = None;
    }

    /// Handles a reply of the racer.
    pub fn racer_said(&mut self, tell: Reply) {
        match tell {
            Reply::Ready { .. } => {
                let Some(item) = self.item(self.raced) else { return };
                let (id, name, file) = (item.id, item.name.clone(), item.file.clone());
                // The same work as before: the diameter is estimated again if it was.
                let diameter = item.found_with;
                let generation = self.racer.as_ref().map_or(0, |racer| racer.generation);
                spawn_local(async move {
                    let file = files::read(&file).await;
                    act(move |app| {
                        let Some(racer) = app.link(Role::Racer, generation) else { return };
                        match file {
                            Ok(file) => racer.ask(Request::Segment { id, name, file, diameter }),
                            Err(problem) => app.race_over(&format!("{name}: {problem}")),
                        }
                    });
                });
            }
            Reply::Segmented(result) => {
                let Some(item) = self.item(result.id) else { return };
                let own = item.backend.filter(|own| *own != result.backend);
                let Some(own) = own.filter(|_| item.weights_serial == result.weights_serial) else {
                    return self.race_over("The image was run again meanwhile. Compare once more.");
                };
                let text = format!(
                    "{}: {:.2} s. {}: {:.2} s. ({})",
                    backend_name(own),
                    item.seconds,
                    backend_name(result.backend),
                    result.seconds,
                    item.name,
                );
                self.race_over(&text);
            }
            Reply::Refused { message, .. } | Reply::Crashed { message } | Reply::Failed { message, .. } => {
                self.race_over(&message);
            }
            _ => {}
        }
    }
}
