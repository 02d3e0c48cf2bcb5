//! Does a series of figures grow? A fitted line, its error, and what may be concluded.

use serde::Serialize;

use crate::thresholds::{MIN_CAPTURES, SLIGHT_SLOPE_ERRORS, SLOPE_ERRORS, SLOWING_SHARE};

/// A line fitted to a series by least squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trend {
    /// Units a second.
    pub per_second: f64,
    /// From the first to the last point of the line, in units.
    pub growth: f64,
    /// Standard error of `growth`; 0 with two points.
    pub error: f64,
    /// Mean of the series.
    pub mean: f64,
    /// Seconds between the first and the last point.
    pub seconds: f64,
    /// Number of points.
    pub points: usize,
    /// Whether every point is above the one before.
    pub always_rises: bool,
    /// Growth of the later half, as a share of the growth of the earlier one; 1 for a straight line.
    pub late_share: f64,
}

/// Kind of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrendKind {
    /// Too few points.
    Unknown,
    /// It stays, falls, or grows by less than the noise.
    Steady,
    /// It grows by less than noise could, but suspiciously evenly.
    Slight,
    /// It grew, but less and less.
    Slowing,
    /// It grows.
    Rising,
}

/// Growth in units that counts, and growth that is slight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    pub(crate) clear: f64,
    pub(crate) slight: f64,
}

impl Trend {
    /// Fits a line to `(seconds, units)`. `None` for fewer than two points, or if no time passes.
    #[must_use]
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let ((first, last), n) = (two_ends(points)?, count(points.len()));
        let mean_of = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / n;
        let (mean_x, mean) = (mean_of(|point| point.0), mean_of(|point| point.1));
        let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
            points.iter().map(|(x, y)| term(x - mean_x, y - mean)).sum()
        };
        let spread = sum(&|x, _| x * x);
        let seconds = last.0 - first.0;
        if spread <= 0.0 || seconds <= 0.0 {
            return None;
        }
        let per_second = sum(&|x, y| x * y) / spread;
        let left = sum(&|x, y| (y - per_second * x).powi(2));
        let error = if points.len() > 2 { (left / (n - 2.0) / spread).sqrt() * seconds } else { 0.0 };
        let always_rises = points.iter().zip(points.iter().skip(1)).all(|(one, next)| next.1 > one.1);
        Some(Self {
            per_second,
            growth: per_second * seconds,
            error,
            mean,
            seconds,
            points: points.len(),
            always_rises,
            late_share: late_share(points),
        })
    }

    /// Kind of the series, if growth of `floor` counts.
    pub(crate) fn kind(&self, floor: Floor) -> TrendKind {
        if self.points < MIN_CAPTURES {
            return TrendKind::Unknown;
        }
        let is_even = |errors| self.growth > errors * self.error;
        if self.growth > floor.clear && is_even(SLOPE_ERRORS) {
            return if self.late_share < SLOWING_SHARE { TrendKind::Slowing } else { TrendKind::Rising };
        }
        // A step up and then nothing has a large error; it is not steady either.
        if self.growth > floor.clear && self.late_share < SLOWING_SHARE {
            return TrendKind::Slowing;
        }
        let is_slight = self.growth > floor.clear
            || (self.growth > floor.slight && self.always_rises && is_even(SLIGHT_SLOPE_ERRORS));
        if is_slight { TrendKind::Slight } else { TrendKind::Steady }
    }
}

fn two_ends(points: &[(f64, f64)]) -> Option<((f64, f64), (f64, f64))> {
    (points.len() > 1).then_some((*points.first()?, *points.last()?))
}

#[allow(clippy::cast_precision_loss)]
fn count(n: usize) -> f64 {
    n as f64
}

/// Compares the rate before and after the middle, which is the mean of all points but the ends.
fn late_share(points: &[(f64, f64)]) -> f64 {
    let [first, middle @ .., last] = points else { return 1.0 };
    if middle.is_empty() {
        return 1.0;
    }
    let n = count(middle.len());
    let x = middle.iter().map(|point| point.0).sum::<f64>() / n;
    let y = middle.iter().map(|point| point.1).sum::<f64>() / n;
    let early = (y - first.1) / (x - first.0);
    let late = (last.1 - y) / (last.0 - x);
    if early > 0.0 && late.is_finite() { late / early } else { 1.0 }
}
