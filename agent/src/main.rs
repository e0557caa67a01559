//! The program `muster-agent`; everything is in the library, so that tests can run it in process.

fn main() -> std::process::ExitCode {
    agent::commands::main()
}
