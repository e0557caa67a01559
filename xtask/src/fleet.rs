//! `cargo xtask fleet up N`: the fleet of the whole-system tests, for a person.

use anyhow::{Result, bail};
use nix::sys::signal::{SigSet, Signal};
use tests::fleet::{Fleet, missing};

pub(crate) fn up(count: usize) -> Result<()> {
    if let Some(why) = missing() {
        bail!("no fleet here: {why}");
    }
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGINT);
    stop.add(Signal::SIGTERM);
    stop.thread_block()?;
    let fleet = Fleet::up(count)?;
    let inventory = fleet.directory().join("hosts");
    std::fs::write(&inventory, fleet.inventory())?;
    println!("{}", fleet.inventory());
    println!("# the hosts are up; the inventory is in {}", inventory.display());
    println!("# muster ping all -i {}", inventory.display());
    println!("# Ctrl-C ends them");
    stop.wait()?;
    println!("taking the fleet down");
    drop(fleet);
    Ok(())
}
