//! What the tests that cross crates share: the `trainer` program, a real browser with the built page in it,
//! masks and scratch folders.

pub mod hands;
pub mod hold;
pub mod http;
pub mod mask;
pub mod memory;
pub mod page;
pub mod pictures;
pub mod recorder;
pub mod scratch;
pub mod trainer;
pub mod unzip;
pub mod webdriver;
