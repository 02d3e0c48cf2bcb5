//! CPU time of answering a review, from bytes to bytes, and of reading a quantity. Reported, not
//! asserted: `cargo bench --bench review`.
//!
//! Aims: 25 µs for a review of 3 KB, 5 ms for one of 534 KB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, reason = "criterion_group makes a public function")]

use std::{fs, hint::black_box, path::Path};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gomemlimit_core::{NamespaceAnnotations, Policy, admission::admit, quantity};

/// Size, operation and file of each review.
const REVIEWS: [(&str, &str); 3] = [
    ("3KB/create", "001-create-limit-1gi.json"),
    ("12KB/resize", "064-update-resize-limit-256mi-env-present.json"),
    ("534KB/create", "054-create-huge-40-containers-60-env.json"),
];

fn answer(body: &[u8], namespace: &NamespaceAnnotations, policy: &Policy) -> Vec<u8> {
    admit(body, |_| namespace.clone(), policy).unwrap().answer
}

fn reviews(criterion: &mut Criterion) {
    let (namespace, policy) = (NamespaceAnnotations::new(), Policy::default());
    let mut group = criterion.benchmark_group("review");
    for (name, file) in REVIEWS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reviews").join(file);
        let body = fs::read(path).unwrap();
        group.throughput(Throughput::Bytes(body.len().try_into().unwrap()));
        group.bench_function(name, |bencher| bencher.iter(|| answer(black_box(&body), &namespace, &policy)));
    }
    group.finish();
}

fn quantities(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("quantity");
    for text in ["1.5Gi", "107374182400m"] {
        group.throughput(Throughput::Bytes(text.len().try_into().unwrap()));
        group.bench_function(text, |bencher| bencher.iter(|| quantity::parse(black_box(text))));
    }
    group.finish();
}

criterion_group!(benches, reviews, quantities);
criterion_main!(benches);
