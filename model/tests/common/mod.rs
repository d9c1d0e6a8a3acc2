//! Shared by the native and the browser tests: random inputs, naive references, and checks that are generic over the
//! back end.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod checks;
pub mod known;
pub mod naive;
pub mod random;
