//! The parts of `cargo xtask`, some of which the browser tests use too.

pub mod bench;
pub mod browser;
pub mod checks;
pub mod html;
pub mod licences;
pub mod page;
pub mod paths;
pub mod process;
pub mod server;
pub mod size;
pub mod tools;
pub mod wasm;
