//! Values of GOMEMLIMIT: the formulas, the recipe of a literal value, the Go runtime's own grammar, and the memory limit that applies.

pub(crate) mod fit;
pub(crate) mod formula;
pub(crate) mod go_limit;
pub(crate) mod limit;
pub(crate) mod ratio;
pub(crate) mod recipe;

pub use formula::{MIB, MIN_TRACKED_LIMIT, headroom_fits, is_trackable, tracking_value};
pub use go_limit::{GoLimit, Malformed};
pub use ratio::{Ratio, RatioError};
pub use recipe::Recipe;
