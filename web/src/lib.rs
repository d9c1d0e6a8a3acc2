//! The web page, as two programs. `app` draws and handles input; `worker` decodes, runs the model, measures and
//! exports. They share only the messages, so the page contains no model code and shows at once.

#[cfg(feature = "app")]
pub mod app;
pub mod js;
pub mod message;
#[cfg(feature = "worker")]
pub mod worker;
