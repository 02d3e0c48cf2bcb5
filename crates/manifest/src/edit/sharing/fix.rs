//! What has to be written out.

use super::sites::Site;

/// A shared value that has to be written out.
pub(super) enum Fix<'s, 't> {
    /// In the place of an alias.
    Alias(&'s Site<'t>),
    /// The value of one key, after the merge key that gives it.
    Key(&'s Site<'t>, &'t str),
    /// All that the merge key at this position gives.
    Merge(&'s Site<'t>, usize),
}
