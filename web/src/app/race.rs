//! What this computer's other engine would take: the same image, once on each.

use super::link::{Link, Role};
use super::{App, act, dom, files};
use crate::message::{Ask, Tell};
use wasm_bindgen_futures::spawn_local;

fn engine(backend: &str) -> &'static str {
    if backend == "webgpu" { "WebGPU" } else { "CPU" }
}

impl App {
    /// Times the engine that is not in use on the active image.
    pub fn race(&mut self) {
        let Some(weights) = self.weights.clone() else { return };
        if self.racer.is_some() || self.active_item().is_none_or(|item| item.probability.is_none()) {
            dom::set_text("race-text", "Segment an image first.");
            return;
        }
        let other = if self.backend == "webgpu" { "cpu" } else { "webgpu" };
        let generation = self.next_generation();
        if let Ok(mut link) = Link::start(Role::Racer, generation) {
            link.ask(Ask::Start { backend: other.into(), weights: weights.bytes.slice(0) });
            self.racer = Some(link);
            dom::set_text("race-text", &format!("Trying {}…", engine(other)));
        }
    }

    pub fn racer_said(&mut self, tell: Tell) {
        match tell {
            Tell::Ready { .. } => {
                let Some(item) = self.active_item() else { return };
                let (id, name, file) = (item.id, item.name.clone(), item.file.clone());
                let diameter = item.diameter.or(item.estimate);
                spawn_local(async move {
                    let Ok(file) = files::read(&file).await else { return };
                    act(move |app| {
                        if let Some(racer) = &mut app.racer {
                            racer.ask(Ask::Segment { id, name, file, diameter });
                        }
                    });
                });
            }
            Tell::Segmented(result) => {
                let Some(item) = self.item(result.id) else { return };
                let text = format!(
                    "{}: {:.2} s. {}: {:.2} s. ({})",
                    engine(&item.backend),
                    item.seconds,
                    engine(&result.backend),
                    result.seconds,
                    item.name,
                );
                dom::set_text("race-text", &text);
                self.racer = None;
            }
            Tell::Refused { message } | Tell::Crashed { message } | Tell::Failed { message, .. } => {
                dom::set_text("race-text", &message);
                self.racer = None;
            }
            _ => {}
        }
    }
}
