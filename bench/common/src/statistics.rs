//! Medians and slopes. Quantiles are in `gomemlimit_procfs`.

/// The middle value; 0 if there is none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    gomemlimit_procfs::quantile(&values, 0.5).unwrap_or_default()
}

/// The slope of a line through the points `(x, y)`, by least squares; 0 if they have no width.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle, average) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - middle).powi(2)).sum();
    let together: f64 = points.iter().map(|(x, y)| (x - middle) * (y - average)).sum();
    if spread == 0.0 { 0.0 } else { together / spread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_a_line() {
        let line: Vec<_> = (0..10).map(|n| (f64::from(n) * 0.1, 1000.0 + 5.0 * f64::from(n))).collect();
        assert!((slope(&line) - 50.0).abs() < 1e-9);
        assert!(slope(&line[..1]).abs() < 1e-9 && slope(&[]).abs() < 1e-9);
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
