//! The command line of Shakedown.

fn main() -> std::process::ExitCode {
    shakedown::cli::run()
}
