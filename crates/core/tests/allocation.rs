//! Answering takes little heap: the body is borrowed, not copied, and only what decides is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::{fs, path::Path};

use dhat::{HeapStats, Profiler};
use gomemlimit_core::{NamespaceAnnotations, Policy, Review};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const KIB: usize = 1 << 10;

/// The most heap in use at any moment from the bytes of the review to the bytes of the answer, which
/// are included; the review itself was there before and is not.
fn peak_heap(case: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reviews").join(case);
    let body = fs::read(path).unwrap();
    let (namespace, policy) = (NamespaceAnnotations::new(), Policy::default());

    let profiler = Profiler::builder().testing().build();
    let review = Review::parse(&body).unwrap();
    let mut judgement = review.judge(&namespace, &policy);
    let answer = judgement.verdict.respond(review.uid());
    let stats = HeapStats::get();
    drop(profiler);

    // A review that is turned away would cost nothing and prove nothing.
    assert!(answer.windows(13).any(|bytes| bytes == br#""patchType":""#), "{case} gets a patch");
    println!(
        "{case}: {} bytes in, {} bytes out, {} bytes of heap at the peak, {} bytes in {} allocations in all",
        body.len(),
        answer.len(),
        stats.max_bytes,
        stats.total_bytes,
        stats.total_blocks
    );
    stats.max_bytes
}

/// One test, since only one profiler may run at a time and it sees the allocations of every thread.
#[test]
fn peak_heap_stays_small() {
    let ordinary = peak_heap("001-create-limit-1gi.json");
    assert!(ordinary < 16 * KIB, "{ordinary}");
    let huge = peak_heap("054-create-huge-40-containers-60-env.json");
    assert!(huge < 1024 * KIB, "{huge}");
}
