//! The page: what a person drops, sees, turns and saves.
//!
//! Four kinds of workers serve it. The *network* worker runs the model over the queue. The *desk* worker holds the
//! image being looked at and answers at once, also while the network computes. A *packer* lives as long as one zip, a
//! *racer* as long as one comparison of back ends.

mod controls;
mod desk;
mod dom;
mod figures;
mod files;
mod focus;
mod gestures;
mod histogram;
mod input;
mod item;
mod keys;
mod link;
mod network;
mod pack;
mod pen;
mod race;
mod results;
mod ruler;
mod samples;
mod save;
mod state;
mod summary;
mod table;
mod tiles;
mod view;

pub use state::App;

use std::cell::RefCell;

thread_local! {
    /// The page is one thread; its events take turns.
    static APP: RefCell<Option<App>> = const { RefCell::new(None) };
}

/// Does something with the page's state: now, or right after the event that has hold of it.
pub fn act(what: impl FnOnce(&mut App) + 'static) {
    APP.with(|app| match app.try_borrow_mut() {
        Ok(mut app) => {
            if let Some(app) = app.as_mut() {
                what(app);
            }
        }
        Err(_) => wasm_bindgen_futures::spawn_local(async move { act(what) }),
    });
}

/// Asks the page's state something, in an event that must be answered at once.
pub fn ask(what: impl FnOnce(&App) -> bool) -> bool {
    APP.with(|app| app.try_borrow().is_ok_and(|app| app.as_ref().is_some_and(what)))
}

/// Shows the page and starts the workers.
pub fn start() {
    APP.with(|app| *app.borrow_mut() = Some(App::new()));
    controls::listen();
    focus::listen();
    gestures::listen();
    input::listen();
    keys::listen();
    pen::listen();
    table::listen();
    samples::show();
    act(App::begin);
}
