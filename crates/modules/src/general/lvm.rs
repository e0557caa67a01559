//! LVM's reports, as the modules for volume groups, logical volumes and physical volumes read them.

use system::{Command, Probe};

use crate::contract::Failure;
use crate::tool;

/// The rows of a report (`pvs`, `vgs`, `lvs`) with these columns; sizes in bytes, without a unit.
pub(crate) fn report(
    host: &dyn Probe,
    program: &str,
    columns: &str,
    more: &[&str],
) -> Result<Vec<Vec<String>>, Failure> {
    let words = ["--noheadings", "--nosuffix", "--units", "b", "--separator", ";", "-o", columns];
    let output = host.query(&Command::new(program, words.iter().chain(more).copied()))?;
    if !output.is_success() {
        return Err(tool::failure(&output, &format!("{program}: ")));
    }
    let count = columns.split(',').count();
    let mut rows = Vec::new();
    for line in output.stdout_text().lines().filter(|line| !line.trim().is_empty()) {
        let row: Vec<String> = line.split(';').map(|field| field.trim().to_owned()).collect();
        if row.len() != count {
            return Err(Failure::new(format!("{program} tells `{}`, not {columns}", line.trim())));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// A physical volume that is smaller than its device: its size now, and what it could be, in bytes.
pub(crate) fn growth(host: &dyn Probe, device: &str) -> Result<Option<(u64, u64)>, Failure> {
    let columns = "pv_size,dev_size,pe_start,vg_extent_size";
    let rows = report(host, "pvs", columns, &[device])?;
    let number = |text: &String| text.parse::<u64>().ok();
    let numbers: Option<Vec<u64>> = rows.first().and_then(|row| row.iter().map(number).collect());
    let Some(&[now, whole, start, extent]) = numbers.as_deref() else {
        return Err(Failure::new(format!("unable to process pvs output for {device}")));
    };
    let possible = match extent {
        // In no group, it counts whole.
        0 => whole,
        extent => whole.saturating_sub(start) / extent * extent,
    };
    Ok((possible > now).then_some((now, possible)))
}

/// A command that changes something; what it says is in English.
pub(crate) fn command(program: &str, words: Vec<String>) -> Command {
    let mut command = Command::new(program, words);
    command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    command
}
