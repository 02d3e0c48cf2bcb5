//! Whatever the file: an error in one sentence or a profile, never a panic, and sums that agree.
#![no_main]

use gomemlimit_pprof::{Capture, Evidence, Goroutines, Kind, Limit, MemStats, decode, diagnose};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (memstats, goroutines) = (MemStats::parse(&text).ok(), Goroutines::parse(&text).ok());
    let profile = match decode(bytes) {
        Ok(profile) => Some(profile),
        Err(error) => {
            let said = error.to_string();
            assert!(!said.contains('\n') && said.len() < 500, "{said}");
            None
        }
    };
    if let Some(profile) = &profile {
        let stacks = profile.stacks(Kind::InuseSpace);
        // A flat value belongs to the end of the stack; the difference of a profile to itself is empty.
        assert_eq!(stacks.since(&stacks).total(), 0);
        assert!(stacks.since(&stacks).functions().is_empty());
    }
    // The same three times: whatever it is, nothing grows.
    let capture = |at| Capture {
        at,
        profile: profile.clone(),
        memstats: memstats.clone(),
        goroutines: goroutines.clone(),
        ..Capture::default()
    };
    let captures = [0.0, 1.0, 2.0].map(capture).into();
    let diagnosis = diagnose(&Evidence { captures, limit: Limit::Bytes(1 << 28), ..Evidence::default() });
    assert!(diagnosis.eta.is_none(), "{diagnosis:?}");
    assert!(!diagnosis.sentence.is_empty());
});
