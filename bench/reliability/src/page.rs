//! docs/reliability.md, made of the saved results: the same results give the same bytes.

use std::path::Path;

use anyhow::{Context, Result};

use crate::{cluster, process};

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
    let path = folder.join("process.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let process =
        serde_json::from_str(&text).with_context(|| format!("{} has no figures", path.display()))?;
    let cluster = folder.join("cluster");
    let cluster =
        cluster::markdown(&cluster).with_context(|| format!("cannot read {}", cluster.display()))?;
    Ok(HEAD.to_owned() + &process::markdown(&process) + &cluster)
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
