//! docs/performance.md, made of the saved results: the same results give the same bytes.

use anyhow::Result;
use gomemlimit_bench::page;
use serde::Serialize;

use crate::{
    record::Results,
    targets::{self, Target},
};

#[derive(Serialize)]
struct Page<'r> {
    #[serde(flatten)]
    results: &'r Results,
    targets: Vec<Target>,
}

/// The page.
pub fn markdown(results: &Results) -> Result<String> {
    page::render(include_str!("page.md.jinja"), &Page { results, targets: targets::all(results) })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_what_the_saved_results_yield() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let results = gomemlimit_bench::record::read(&docs.join("performance/results.json")).unwrap();
        let page = std::fs::read_to_string(docs.join("performance.md")).unwrap();
        assert_eq!(page, super::markdown(&results).unwrap(), "bench/performance/run --docs");
    }
}
