//! placeholder
pub mod ir;
