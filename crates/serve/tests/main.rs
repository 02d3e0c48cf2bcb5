//! The whole server over real sockets, in the process of the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bodies;
mod callers;
mod connection_limits;
mod http;
mod lifecycle;
mod policy_file;
mod tls;

/// A file that is no module is a test that never runs.
#[test]
fn every_file_is_a_module() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).unwrap();
    for file in folder.map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let module = format!("\nmod {name};\n");
        assert!(name == "main" || include_str!("main.rs").contains(&module), "{}", file.display());
    }
}
