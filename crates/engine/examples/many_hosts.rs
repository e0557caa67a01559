//! What scheduling and templating cost: some thousand hosts, tasks that never leave the controller.
//!
//! `cargo run --release -p engine --example many_hosts [HOSTS]` prints microseconds of CPU a host and task, and the
//! most memory that was used.
#![expect(clippy::print_stdout, reason = "a bench tells a person")]

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use engine::link::{BlobStore, Connection, Link, Links, Target, Unreachable};
use engine::{Options, Run};
use language::{Inventory, InventoryOptions, Loader, Printed, Programs, Sources};
use model::{Digest, EventKind, HostName};
use tokio::sync::mpsc;

const TASKS: usize = 10;

struct Nowhere;

#[async_trait]
impl Links for Nowhere {
    async fn open(&self, target: &Target) -> Result<Arc<dyn Link>, Unreachable> {
        Err(Unreachable { message: format!("{} is not there", target.address) })
    }

    async fn default_connection(&self, _host: &HostName) -> Connection {
        Connection::Ssh
    }

    async fn close(&self) {}
}

impl BlobStore for Nowhere {
    fn add(&self, bytes: &[u8]) -> std::io::Result<Digest> {
        Ok(Digest::of(bytes))
    }

    fn add_file(&self, _: &std::path::Path) -> std::io::Result<(Digest, u64)> {
        Err(std::io::Error::other("there are no files"))
    }
}

impl Programs for Nowhere {
    fn is_program(&self, _: &std::path::Path) -> bool {
        false
    }

    fn run(&self, _: &std::path::Path, _: &[&str]) -> Result<Printed, String> {
        Err("there are no programs".into())
    }
}

fn playbook() -> String {
    let mut text = String::from(
        "- hosts: all\n  gather_facts: false\n  vars:\n    prefix: web\n    full: '{{ prefix }}-{{ inventory_hostname }}'\n  tasks:\n",
    );
    for number in 0..TASKS / 2 {
        let _ = writeln!(text, "    - set_fact:\n        fact_{number}: '{{{{ full }}}}.{number}'");
        let _ = writeln!(
            text,
            "    - debug:\n        msg: 'fact {{{{ fact_{number} }}}} of {{{{ number | int + 1 }}}}'\n      when: number | int >= 0"
        );
    }
    text
}

fn main() {
    let hosts: usize =
        std::env::args().nth(1).map_or(10_000, |text| text.parse().expect("a number"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    let mut inventory = String::from("[web]\n");
    for number in 0..hosts {
        let _ = writeln!(inventory, "host{number} number={number}");
    }
    std::fs::write(root.join("hosts"), inventory).expect("an inventory");
    std::fs::write(root.join("site.yml"), playbook()).expect("a playbook");
    let source = Arc::new(language::Files);
    let loader = Arc::new(Loader::new(source.clone()));
    let sources = Sources {
        files: source.clone(),
        programs: Arc::new(Nowhere),
        names: vec![root.join("hosts").display().to_string()],
        options: InventoryOptions::default(),
        vault: Arc::default(),
    };
    let inventory = Inventory::load(&Arc::new(sources)).expect("it loads");
    let playbook = loader.playbook(&root.join("site.yml")).expect("it loads");
    let (events, mut stream) = mpsc::unbounded_channel();
    let run = Run {
        playbooks: vec![playbook],
        inventory,
        options: Options::default(),
        links: Arc::new(Nowhere),
        blobs: Arc::new(Nowhere),
        loader,
        environment: jinja::Environment::new(),
        events,
    };
    let before = cpu();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let ended = runtime.block_on(async {
        let drain = tokio::spawn(async move {
            let mut ended = 0_usize;
            while let Some(event) = stream.recv().await {
                ended += usize::from(matches!(event, EventKind::TaskFinished { .. }));
            }
            ended
        });
        run.play().await;
        drain.await.expect("the events end with the run")
    });
    let micros = (cpu() - before) * 1e6 / (hosts * TASKS) as f64;
    println!(
        "{ended} results on {hosts} hosts: {micros:.1} µs of CPU a host and task, {} MB at most",
        peak()
    );
}

/// Seconds of CPU that this process has used.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux tells");
    let rest = text.rsplit(')').next().expect("the name is in parentheses");
    let fields: Vec<f64> = rest.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // Behind the state, which is no number, utime and stime are the 11th and 12th.
    (fields[10] + fields[11]) / 100.0
}

/// The most memory that this process has used, in megabytes.
fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = text.lines().find(|line| line.starts_with("VmHWM")).expect("Linux tells");
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("in kB")
        / 1024
}
