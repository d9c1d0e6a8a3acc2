//! The page: adding images, showing results, adjusting and saving.
//!
//! Four kinds of workers serve it. The *network* worker runs the model on the queued images. The *desk* worker holds
//! the image being looked at and answers at once, even while the network computes. A *packer* exists while one zip is
//! written, a *racer* while the two back ends are compared.

mod controls;
mod copy;
mod corrections;
mod desk;
mod dom;
mod failure;
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
mod opening;
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
mod statistics;
mod summary;
mod table;
mod tiles;
mod view;
mod weights;

pub use corrections::Corrections;
pub use input::Dropped;
pub use sorted::Sorted;
pub use state::App;
pub use statistics::Spread;

use std::cell::RefCell;
use std::collections::VecDeque;

type Action = Box<dyn FnOnce(&mut App)>;

thread_local! {
    /// The page's state. The page is single-threaded; its events take turns.
    static APP: RefCell<Option<App>> = const { RefCell::new(None) };
    /// Actions that came while another was using the state.
    static LATER: RefCell<VecDeque<Action>> = const { RefCell::new(VecDeque::new()) };
}

/// Runs an action on the page's state: immediately, or right after the one that is currently using it.
pub fn act(what: impl FnOnce(&mut App) + 'static) {
    take_turn(Box::new(what));
}

fn take_turn(what: Action) {
    APP.with(|app| match app.try_borrow_mut() {
        Ok(mut app) => {
            let Some(app) = app.as_mut() else { return };
            what(app);
            while let Some(next) = LATER.with_borrow_mut(VecDeque::pop_front) {
                next(app);
            }
        }
        // Not tried again and again: if the other one broke off, the state stays in use for ever.
        Err(_) => LATER.with_borrow_mut(|later| later.push_back(what)),
    });
}

/// Queries the page's state, for events that need the answer immediately. `false` if the state is in use.
pub fn ask(what: impl FnOnce(&App) -> bool) -> bool {
    APP.with(|app| app.try_borrow().is_ok_and(|app| app.as_ref().is_some_and(what)))
}

/// Initialises the page and starts the workers.
pub fn start() {
    failure::listen();
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
