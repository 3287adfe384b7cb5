//! The `memgate` binary: everything is in [`memgate::cli`].

fn main() -> std::process::ExitCode {
    memgate::cli::run()
}
