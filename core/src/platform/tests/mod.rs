//! Stories that drive the controller by hand, through a lock of a few lines.
#![allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, clippy::needless_for_each)]

mod api;
pub(super) mod bench;
mod chaos;
mod decisions;
mod stories;
