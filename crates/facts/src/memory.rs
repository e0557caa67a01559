//! Memory, load and uptime.

use model::Args;
use nix::sys::sysinfo::sysinfo;
use serde_json::json;

use crate::host::Host;

pub(crate) fn memory(host: &Host<'_>, facts: &mut Args) {
    if let Some(text) = host.text("/proc/meminfo") {
        facts.extend(parse(&text));
    }
}

fn parse(meminfo: &str) -> Args {
    let of = |name: &str| -> i64 {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok());
        number.unwrap_or(0) / 1024
    };
    let (total, free) = (of("MemTotal"), of("MemFree"));
    let (swap, swap_free) = (of("SwapTotal"), of("SwapFree"));
    let unused = free + of("Cached") + of("Buffers");
    let mut facts = Args::new();
    for (name, value) in [
        ("memtotal_mb", json!(total)),
        ("memfree_mb", json!(free)),
        ("swaptotal_mb", json!(swap)),
        ("swapfree_mb", json!(swap_free)),
        (
            "memory_mb",
            json!({
                "real": {"total": total, "used": total - free, "free": free},
                "nocache": {"free": unused, "used": total - unused},
                "swap": {
                    "total": swap,
                    "free": swap_free,
                    "used": swap - swap_free,
                    "cached": of("SwapCached"),
                },
            }),
        ),
    ] {
        facts.insert(name.to_owned(), value);
    }
    facts
}

pub(crate) fn uptime(host: &Host<'_>, facts: &mut Args) {
    let text = host.text("/proc/uptime").unwrap_or_default();
    if let Some(seconds) = text.split('.').next().and_then(|seconds| seconds.parse::<i64>().ok()) {
        facts.insert("uptime_seconds".to_owned(), seconds.into());
    }
}

pub(crate) fn loadavg(_host: &Host<'_>, facts: &mut Args) {
    let Ok(info) = sysinfo() else { return };
    let (one, five, fifteen) = info.load_average();
    facts.insert("loadavg".to_owned(), json!({"1m": one, "5m": five, "15m": fifteen}));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_megabytes() {
        let facts = parse(
            "MemTotal:       2048000 kB\nMemFree:        1024000 kB\nBuffers:  10240 kB\nCached:  102400 kB\n\
             SwapCached: 1024 kB\nSwapTotal: 4096 kB\nSwapFree: 2048 kB\n",
        );
        assert_eq!(facts["memtotal_mb"], json!(2000));
        assert_eq!(
            facts["memory_mb"],
            json!({
                "real": {"total": 2000, "used": 1000, "free": 1000},
                "nocache": {"free": 1110, "used": 890},
                "swap": {"total": 4, "free": 2, "used": 2, "cached": 1},
            })
        );
        assert_eq!(parse("MemTotal: lots\n")["memtotal_mb"], json!(0));
    }
}
