//! Bytes for people: one form everywhere. JSON and `-o wide` have the exact number.

/// Units of Kubernetes quantities and the power of two that each multiplies by, the largest first.
const UNITS: [(u32, &str); 6] = [(60, "Ei"), (50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];

/// `bytes` in the largest binary unit that leaves a whole number before the point, rounded to tenths: `921.6Mi`.
/// Below 1Ki it is `512B`.
#[must_use]
pub fn human(bytes: u64) -> String {
    let Some((shift, unit)) = UNITS.into_iter().find(|(shift, _)| bytes >> shift > 0) else {
        return format!("{bytes}B");
    };
    let tenths = (u128::from(bytes) * 10 + (1 << (shift - 1))) >> shift;
    match tenths % 10 {
        0 => format!("{}{unit}", tenths / 10),
        tenth => format!("{}.{tenth}{unit}", tenths / 10),
    }
}

/// `bytes` as a Kubernetes quantity of exactly that many bytes, in the largest unit without a fraction: `64Mi`,
/// `966367641`.
#[must_use]
pub fn quantity(bytes: u64) -> String {
    let unit = UNITS.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people_and_bytes_exactly() {
        for (bytes, for_people, exact) in [
            (0, "0B", "0"),
            (256, "256B", "256"),
            (1023, "1023B", "1023"),
            (1024, "1Ki", "1Ki"),
            (966_367_641, "921.6Mi", "966367641"),
            (64 << 20, "64Mi", "64Mi"),
            (1 << 30, "1Gi", "1Gi"),
            (1536 << 20, "1.5Gi", "1536Mi"),
            (1_181_116_007, "1.1Gi", "1181116007"),
            ((1 << 30) - 1, "1024Mi", "1073741823"),
            (1 << 62, "4Ei", "4Ei"),
            (u64::MAX, "16Ei", "18446744073709551615"),
        ] {
            assert_eq!((human(bytes).as_str(), quantity(bytes).as_str()), (for_people, exact));
        }
    }
}
