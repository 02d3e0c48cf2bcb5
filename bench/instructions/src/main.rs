//! Answers the review in a file: `gomemlimit-instructions FILE COUNT`. `bench/instructions/run` counts what it executes.

use std::{env, fs, hint::black_box};

use anyhow::{Context, Result, anyhow};
use gomemlimit_core::{NamespaceAnnotations, Policy, admission::admit};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let (file, count) = (arguments.next().context("no FILE")?, arguments.next().context("no COUNT")?);
    let review = fs::read(&file).with_context(|| format!("cannot read {file}"))?;
    let (namespace, policy) = (NamespaceAnnotations::new(), Policy::default());
    for _ in 0..count.parse::<u32>().context("COUNT")? {
        let admission = admit(black_box(&review), |_| namespace.clone(), &policy);
        black_box(admission.map_err(|error| anyhow!("{error}"))?.response);
    }
    Ok(())
}
