//! The page in two programs. `app` draws and listens; `worker` decodes, runs the model, measures and exports.
//! They share only the messages, so that the page carries no model code and shows at once.

#[cfg(feature = "app")]
pub mod app;
pub mod js;
pub mod message;
#[cfg(feature = "worker")]
pub mod worker;
