//! The pages and pictures that are committed, made of the saved results: the same results give the same bytes.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use gomemlimit_bench::record;

use crate::{
    report,
    sweep_report::{self, Sweep},
};

/// Results and what is made of them, from the root of the repository.
const EXPERIMENT: &str = "docs/proof/experiment.json";
const SWEEP: &str = "docs/proof/sweep.csv";
const README: &str = "README.md";
const BEGIN: &str = "<!-- proof: written by bench/proof/run -->\n";
const END: &str = "<!-- end of proof -->\n";

/// Every file that is generated, with its text.
pub fn files(root: &Path) -> Result<Vec<(&'static str, String)>> {
    let experiment = record::read(&root.join(EXPERIMENT))?;
    let sweep = Sweep::read(&text(&root.join(SWEEP))?)?;
    let [served, gc] = sweep_report::pictures(&sweep)?;
    let readme = text(&root.join(README))?;
    Ok(vec![
        ("docs/proof.md", report::markdown(&experiment)?),
        ("docs/proof/memory.svg", report::picture(&experiment)?),
        ("docs/sweep.md", sweep_report::markdown(&sweep)?),
        ("docs/proof/sweep-served.svg", served),
        ("docs/proof/sweep-gc.svg", gc),
        (README, with_table(&readme, &report::table(&experiment)?)?),
    ])
}

/// Writes them.
pub fn write(root: &Path) -> Result<()> {
    for (path, text) in files(root)? {
        fs::write(root.join(path), text).with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The README with this table between its markers.
fn with_table(readme: &str, table: &str) -> Result<String> {
    let (before, rest) = readme.split_once(BEGIN).context("the README has no place for the proof's table")?;
    let (_, after) = rest.split_once(END).context("the README's place for the proof's table has no end")?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_what_the_results_yield() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            write(&root).unwrap();
        }
        for (path, wanted) in files(&root).unwrap() {
            let is = fs::read_to_string(root.join(path)).unwrap_or_default();
            assert!(is == wanted, "{path} is not current: cargo run -p gomemlimit-proof -- docs");
        }
    }
}
