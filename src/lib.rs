//! placeholder
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
pub mod compile;
pub mod exec;
pub mod formats;
pub mod functions;
pub mod host;
pub mod plan;
pub mod session;
pub mod store;
pub mod types;
