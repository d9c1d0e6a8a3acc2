//! Shared parts of the tests that cross crates: the `trainer` program, a real browser with the built page, masks and
//! scratch folders.

mod display;
pub mod hands;
pub mod hold;
pub mod http;
pub mod mask;
pub mod memory;
pub mod page;
pub mod pictures;
pub mod recorder;
pub mod scratch;
pub mod table;
pub mod trainer;
pub mod unzip;
pub mod webdriver;
pub mod weights;
