//! Stories that drive the controller by hand, through a lock of a few lines.

mod bench;
mod chaos;
mod stories;
