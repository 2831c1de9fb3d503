//! Stories driven by hand against a scripted vendor.
