//! Values of GOMEMLIMIT: the formulas, the Go runtime's own grammar, and the memory limit that applies.

pub(crate) mod fit;
pub(crate) mod formula;
pub(crate) mod go_limit;
pub(crate) mod limit;
pub(crate) mod ratio;

pub use formula::{LEAST_TRACKED, MIB, headroom_fits, is_trackable, tracking_value, value};
pub use go_limit::{GoLimit, Malformed};
pub use ratio::{Ratio, RatioError};
