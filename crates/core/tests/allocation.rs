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

/// Bytes of heap that the worst review of 6 MiB takes beside its text.
const MOST_FOR_A_BOMB: usize = 3 << 20;

/// The most heap in use at any moment from the bytes of the review to the bytes of the answer, which
/// are included; the review itself was there before and is not. And the answer.
fn peak_heap(name: &str, body: &[u8]) -> (usize, Vec<u8>) {
    let (namespace, policy) = (NamespaceAnnotations::new(), Policy::default());

    let profiler = Profiler::builder().testing().build();
    let review = Review::parse(body).unwrap();
    let mut judgement = review.judge(&namespace, &policy);
    let answer = judgement.verdict.respond(review.uid());
    let stats = HeapStats::get();
    drop(profiler);

    println!(
        "{name}: {} bytes in, {} bytes out, {} bytes of heap at the peak, {} bytes in {} allocations in all",
        body.len(),
        answer.len(),
        stats.max_bytes,
        stats.total_bytes,
        stats.total_blocks
    );
    (stats.max_bytes, answer)
}

/// The same for a review that is written down.
fn peak_heap_of(case: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reviews").join(case);
    let (peak, answer) = peak_heap(case, &fs::read(path).unwrap());
    // A review that is turned away would cost nothing and prove nothing.
    assert!(answer.windows(13).any(|bytes| bytes == br#""patchType":""#), "{case} gets a patch");
    peak
}

/// One test, since only one profiler may run at a time and it sees the allocations of every thread.
#[test]
fn peak_heap_stays_small() {
    let ordinary = peak_heap_of("001-create-limit-1gi.json");
    assert!(ordinary < 16 * KIB, "{ordinary}");
    let huge = peak_heap_of("054-create-huge-40-containers-60-env.json");
    assert!(huge < 1024 * KIB, "{huge}");
    for bomb in gomemlimit_bombs::all().iter().filter(|bomb| bomb.is_review) {
        let (peak, _) = peak_heap(bomb.name, bomb.body.as_bytes());
        // Memory for bodies is bounded, so this must be small beside it.
        assert!(peak < MOST_FOR_A_BOMB, "{}: {peak} bytes of heap", bomb.name);
    }
}
