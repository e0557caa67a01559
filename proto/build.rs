//! Compiles the `.proto` files with a compiler in Rust: building needs no `protoc`.

use std::path::Path;

use tonic_prost_build::configure;

const FILES: [&str; 4] = ["plan", "enrolment", "agents", "operator"];

/// Messages that hold secrets: their `Debug` is written by hand.
const CONFIDENTIAL: [&str; 5] = ["Plan", "Step", "RunAs", "StartRunRequest", "CreateTokenResponse"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths = FILES.map(|name| format!("muster/v1/{name}.proto"));
    for path in &paths {
        println!("cargo::rerun-if-changed={path}");
    }
    let descriptors = protox::compile(&paths, ["."])?;
    let out = std::env::var("OUT_DIR")?;
    // The table of RPCs is checked against this list, so that no RPC is without a required identity.
    let rpcs: Vec<String> = descriptors
        .file
        .iter()
        .flat_map(|file| {
            file.service.iter().flat_map(move |service| {
                service.method.iter().map(move |method| {
                    format!("/{}.{}/{}", file.package(), service.name(), method.name())
                })
            })
        })
        .collect();
    std::fs::write(Path::new(&out).join("rpcs.rs"), format!("&{rpcs:?}"))?;
    // Ordered maps: the same plan has the same bytes.
    configure()
        .btree_map(".")
        .skip_debug(CONFIDENTIAL.map(|name| format!("muster.v1.{name}")))
        .compile_fds(descriptors)?;
    Ok(())
}
