//! The page: adding images, showing results, adjusting and saving.
//!
//! Four kinds of workers serve it. The *network* worker runs the model on the queued images. The *desk* worker holds
//! the image being looked at and answers at once, even while the network computes. A *packer* exists while one zip is
//! written, a *racer* while the two back ends are compared.

mod controls;
mod copy;
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
mod removal;
mod results;
mod ruler;
mod samples;
mod save;
mod sorted;
mod state;
mod summary;
mod table;
mod tiles;
mod view;

pub use state::App;

use std::cell::RefCell;

thread_local! {
    /// The page's state. The page is single-threaded; its events take turns.
    static APP: RefCell<Option<App>> = const { RefCell::new(None) };
}

/// Runs an action on the page's state: immediately, or right after the event that is currently using it.
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

/// Queries the page's state, for events that need the answer immediately. `false` if the state is in use.
pub fn ask(what: impl FnOnce(&App) -> bool) -> bool {
    APP.with(|app| app.try_borrow().is_ok_and(|app| app.as_ref().is_some_and(what)))
}

/// Initialises the page and starts the workers.
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
