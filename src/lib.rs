//! placeholder
pub mod formats;
pub mod functions;
pub mod plan;
pub mod types;
