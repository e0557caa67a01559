//! What the whole-system tests share: a fleet of booted Debian hosts, a controller, the programs under test, a file server.

pub mod controller;
pub mod fleet;
pub mod programs;
pub mod webserver;

/// Boots a fleet, or says why this test is skipped. Skipping is a failure where `CI` is set.
///
/// # Panics
/// In CI, when booted hosts cannot be had.
pub fn fleet_or_skip(count: usize) -> Option<fleet::Fleet> {
    match fleet::missing() {
        None => Some(fleet::Fleet::up(count).expect("the fleet boots")),
        Some(why) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "a whole-system test cannot run in CI: {why}"
            );
            tell(&format!("skipped: {why}"));
            None
        }
    }
}

/// Says something to the person who runs the tests.
pub fn tell(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}
