//! Ctrl-C: the first one asks for a clean end, the second one is obeyed at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a program that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// Ends the program after its summary, where nothing failed and yet not all was done.
pub fn end() -> ! {
    std::process::exit(INTERRUPTED)
}

/// A flag that is raised when the user wants an end.
pub fn flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    // Without a handler Ctrl-C ends the program as ever, which leaves only whole files too.
    let _ = ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
    });
    flag
}
