//! The page's state, and dispatch of the workers' messages.

use super::desk::DeskWork;
use super::item::{Item, Phase};
use super::link::{Link, Program, Role};
use super::network::Model;
use super::removal::Removed;
use super::results::Face;
use super::table::Sorting;
use super::view::View;
use super::{dom, pack::Packing, pen::Pen, ruler::Ruler};
use crate::message::{Reply, Rules};
use std::collections::HashMap;

/// The page's state.
pub struct App {
    pub items: Vec<Item>,
    /// What each image's card shows.
    pub faces: HashMap<u32, Face>,
    /// The images that were removed, those of one press together, the last press last.
    pub removed: Vec<Vec<Removed>>,
    pub active: Option<u32>,
    pub next_id: u32,
    pub rules: Rules,
    /// Version of the rules, incremented with every change; identifies outdated answers.
    pub rules_version: u32,

    /// Number of workers started so far, see [`Link::generation`].
    pub generation: u32,
    pub model: Model,
    pub desk: DeskWork,

    pub view: View,
    pub ruler: Ruler,
    pub pen: Pen,
    /// Number of the cell that is pointed at.
    pub hovered: Option<u32>,
    /// Position of the pointer over the canvas, in canvas pixels.
    pub pointer: Option<(f64, f64)>,
    /// Number of taps on cells so far.
    pub taps: u32,
    /// Whether the table of all images, or the zip, is to be saved as soon as everything is up to date.
    pub table_wanted: bool,
    pub zip_wanted: bool,
    /// Whether the user has chosen which image to look at.
    pub chosen: bool,
    pub sorting: Sorting,
    /// Rows shown in the table of all images.
    pub images_shown: Vec<(u32, Vec<String>)>,
    pub packing: Option<Packing>,
    pub racer: Option<Link>,
    /// The image that is timed by the racer.
    pub raced: u32,
    /// Messages about errors, except dismissed ones and those about images no longer in the list.
    complaints: Vec<String>,
    /// The file name of the truth mask that each image was given last.
    truths_given: HashMap<u32, String>,
    refresh_asked: bool,
    /// Number of announcements requested; only the last one is spoken.
    speeches: u32,
}

/// Message for a file that was added before.
pub const AGAIN: &str = "already in the list, so counted twice now; remove one of each two";

impl App {
    pub fn new() -> Self {
        Self {
            items: Vec::new(),
            faces: HashMap::new(),
            removed: Vec::new(),
            active: None,
            next_id: 1,
            rules: Rules::default(),
            rules_version: 1,
            generation: 0,
            model: Model::new(&dom::window().location().search().unwrap_or_default()),
            desk: DeskWork::default(),
            view: View::new(),
            ruler: Ruler::default(),
            pen: Pen::default(),
            hovered: None,
            pointer: None,
            taps: 0,
            table_wanted: false,
            zip_wanted: false,
            chosen: false,
            sorting: Sorting::default(),
            images_shown: Vec::new(),
            packing: None,
            racer: None,
            raced: 0,
            complaints: Vec::new(),
            truths_given: HashMap::new(),
            refresh_asked: false,
            speeches: 0,
        }
    }

    pub fn begin(&mut self) {
        self.model.show_wish();
        self.start_network();
        self.fetch_weights();
        // Before the first image comes, so that it shows without delay.
        self.start_desk();
        self.refresh();
    }

    pub fn next_generation(&mut self) -> u32 {
        self.generation += 1;
        self.generation
    }

    pub fn item(&self, id: u32) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    pub fn item_mut(&mut self, id: u32) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.id == id)
    }

    /// Ids of all images, in the order of the list.
    pub fn ids(&self) -> Vec<u32> {
        self.items.iter().map(|item| item.id).collect()
    }

    pub fn active_item(&self) -> Option<&Item> {
        self.item(self.active?)
    }

    pub fn active_item_mut(&mut self) -> Option<&mut Item> {
        self.item_mut(self.active?)
    }

    /// Shows an error to the user, one line each; earlier ones stay visible. Beyond a limit those that a card shows do not.
    pub fn complain(&mut self, line: &str) {
        // A repeated message moves to the end.
        self.complaints.retain(|old| old != line);
        self.complaints.push(line.to_string());
        self.show_complaints();
    }

    /// Removes messages about images that are no longer in the list.
    pub fn forget_complaints(&mut self, names: &[String]) {
        if self.items.is_empty() {
            // All that speak of several images too.
            self.complaints.clear();
        }
        for name in names {
            // If a duplicate was removed, only the message about the duplication is obsolete.
            let other = self.items.iter().any(|item| item.name == *name);
            let again = format!("{name}: {AGAIN}");
            let of_it = if other { again } else { format!("{name}: ") };
            self.complaints.retain(|line| !line.starts_with(&of_it));
        }
        self.show_complaints();
    }

    /// Removes what was said about the truth mask that an image was given before this one.
    pub fn truth_given(&mut self, id: u32, name: &str) {
        let Some(earlier) = self.truths_given.insert(id, name.to_string()) else { return };
        let of_it = format!("{earlier}: ");
        let all = std::mem::take(&mut self.complaints);
        // An image of that name may have failed.
        let stays = |line: &String| !line.starts_with(&of_it) || self.is_on_card(line);
        self.complaints = all.into_iter().filter(stays).collect();
        self.show_complaints();
    }

    /// Removes all messages at the user's request.
    pub fn dismiss_complaints(&mut self) {
        self.complaints.clear();
        self.show_complaints();
        self.keep_focus();
    }

    fn show_complaints(&self) {
        const SHOWN: usize = 6;
        let over = self.complaints.len().saturating_sub(SHOWN);
        // What no card tells is never hidden.
        let on_card = |line: &&String| self.is_on_card(line);
        let hidden: Vec<&String> = self.complaints.iter().filter(on_card).take(over).collect();
        let shown: Vec<&str> =
            self.complaints.iter().filter(|line| !hidden.contains(line)).map(String::as_str).collect();
        let more = match hidden.len() {
            0 => String::new(),
            1 => "\n1 earlier message is not shown; failed images say why in the list".into(),
            more => format!("\n{more} earlier messages are not shown; failed images say why in the list"),
        };
        dom::set_text("error", &format!("{}{more}", shown.join("\n")));
        dom::show("error-box", !shown.is_empty());
    }

    /// Whether a message is the reason why an image failed, which its card shows too.
    fn is_on_card(&self, line: &str) -> bool {
        self.items.iter().any(|item| matches!(&item.phase, Phase::Failed(why) if why == line))
    }

    /// Announces the cell count of the active image to screen readers once it has settled.
    pub fn speak_soon(&mut self) {
        self.speeches += 1;
        let speech = self.speeches;
        dom::after(700, move || {
            super::act(move |app| {
                if let Some(item) =
                    app.active_item().filter(|item| app.speeches == speech && item.has_result())
                {
                    dom::set_text("spoken", &item.spoken());
                }
            });
        });
    }

    /// The connection to a worker, if that worker is still current.
    pub fn link(&mut self, role: Role, generation: u32) -> Option<&mut Link> {
        let link = match role {
            Role::Network => self.model.link(),
            Role::Desk => self.desk.link(),
            Role::Packer => self.packing.as_mut().map(|packing| &mut packing.link),
            Role::Racer => self.racer.as_mut(),
        };
        link.filter(|link| link.generation == generation)
    }

    /// Called when the program for a worker has loaded or failed to.
    pub fn begun(&mut self, role: Role, generation: u32, program: Result<Program, String>) {
        let Some(link) = self.link(role, generation) else { return };
        link.absent = program.is_err();
        if let Err(message) = program.and_then(|program| link.begin(&program)) {
            self.heard(role, generation, Reply::Crashed { message });
        }
    }

    /// Dispatches a worker's message; messages of replaced workers are ignored.
    pub fn heard(&mut self, role: Role, generation: u32, tell: Reply) {
        let Some(link) = self.link(role, generation) else { return };
        if let Reply::Up = tell {
            link.up();
            return;
        }
        match role {
            Role::Network => self.network_said(tell),
            Role::Desk => self.desk_said(tell),
            Role::Packer => self.packer_said(tell),
            Role::Racer => self.racer_said(tell),
        }
    }

    /// Called when a message could not be sent; the worker counts as lost.
    pub fn lost_generation(&mut self, generation: u32, message: String) {
        for role in [Role::Network, Role::Desk, Role::Packer, Role::Racer] {
            self.heard(role, generation, Reply::Crashed { message: message.clone() });
        }
    }

    /// Schedules an update of the page in the next frame; several calls cause one update.
    pub fn refresh(&mut self) {
        if self.state() == "ready" {
            // Scripts read the page as soon as the state is "ready".
            self.show_parts();
        }
        self.show_state();
        if !self.refresh_asked {
            self.refresh_asked = true;
            dom::next_frame(|| super::act(App::show_all));
            // In a background tab there are no frames, but results arrive.
            dom::after(250, || super::act(App::show_all));
        }
    }

    fn show_parts(&mut self) {
        self.show_results();
        self.show_figures();
        self.show_tables();
        self.show_saves();
    }

    fn show_all(&mut self) {
        if self.refresh_asked {
            self.refresh_asked = false;
            self.show_parts();
            self.draw();
            self.keep_focus();
        }
    }

    /// Moves focus on if the focused element is gone.
    pub fn keep_focus(&self) {
        super::focus::keep(if self.items.is_empty() { "pick" } else { "canvas" });
    }

    /// Updates `body[data-state]`. Always exact, as scripts wait for it.
    pub fn show_state(&self) {
        let body = dom::body();
        dom::set(&body, "data-state", self.state());
        if let Some(backend) = self.model.backend() {
            dom::set(&body, "data-backend", backend.name());
        }
        let _ = body.class_list().toggle_with_force("has-images", !self.items.is_empty());
        self.view.canvas.set_tab_index(if self.items.is_empty() { -1 } else { 0 });
    }

    fn state(&self) -> &'static str {
        let working = self.items.iter().any(Item::pending) || self.unsettled();
        if self.model.fatal() {
            "error"
        } else if working || self.packing.is_some() {
            "busy"
        } else if self.model.loading() {
            "loading"
        } else {
            "ready"
        }
    }

    /// Share of all images that is done, for the progress bar.
    pub fn share_done(&self) -> f64 {
        let parts: f64 = self
            .items
            .iter()
            .map(|item| match item.shown_phase(self.rules_version) {
                Phase::Waiting => 0.0,
                Phase::Working(share) => share * 0.95,
                Phase::Counting => 0.97,
                _ => 1.0,
            })
            .sum();
        parts / (self.items.len().max(1) as f64)
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}
