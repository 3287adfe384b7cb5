//! One test binary, a module per topic: one link step.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and use their own folders"
)]

mod detect;
mod rules;
