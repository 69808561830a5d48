//! placeholder
pub mod exec;
pub mod formats;
pub mod functions;
pub mod plan;
pub mod session;
pub mod types;
