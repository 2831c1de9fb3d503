//! Ground truth.
pub mod quirk;
