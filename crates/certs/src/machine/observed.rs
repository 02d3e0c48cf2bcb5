//! An object in the cluster, as far as it is known.

#[derive(Clone, Debug)]
pub(super) enum Observed<T> {
    Unknown,
    Missing,
    Present(T),
}

impl<T> From<Option<T>> for Observed<T> {
    fn from(object: Option<T>) -> Self {
        object.map_or(Self::Missing, Self::Present)
    }
}
