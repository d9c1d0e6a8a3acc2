//! What the commands of `cargo xtask` are made of. The tests that drive a real browser use parts of it too.

pub mod bench;
pub mod browser;
pub mod checks;
pub mod html;
pub mod page;
pub mod paths;
pub mod process;
pub mod server;
pub mod size;
pub mod tools;
pub mod wasm;
