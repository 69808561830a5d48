//! placeholder
pub mod formats;
pub mod functions;
pub mod host;
pub mod plan;
pub mod store;
pub mod types;
