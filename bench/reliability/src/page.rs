//! docs/reliability.md, made of the saved results: the same results give the same bytes.

use std::path::Path;

use anyhow::Result;
use gomemlimit_bench::record;

use crate::{cluster, process::Process};

const HEAD: &str = "\
# Reliability

Written by `bench/reliability/run`, which breaks things on purpose, saves what it saw \
([figures](reliability/process.json)) and writes this page. It fails where a promise is broken: an honest client that \
gets no right answer in time, a hostile one that is served what it should not be, or a program that is not afterwards \
what it was before. Times are printed and never judged, since they are those of one machine.

```console
bench/reliability/run            # everything
bench/reliability/run --short    # as CI runs it
```

";

/// The page of a folder with results.
///
/// # Errors
/// If a result cannot be read.
pub fn markdown(folder: &Path) -> Result<String> {
    let process: Process = record::read(&folder.join("process.json"))?;
    Ok(HEAD.to_owned() + &process.markdown()? + &cluster::markdown(&folder.join("cluster"))?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_what_the_saved_results_yield() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let page = std::fs::read_to_string(docs.join("reliability.md")).unwrap();
        assert_eq!(page, super::markdown(&docs.join("reliability")).unwrap(), "bench/reliability/run --docs");
    }
}
