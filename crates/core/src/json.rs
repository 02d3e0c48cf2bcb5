//! Reading JSON as Go's decoder does where serde's derived readers differ: an object is never written
//! as an array, and `null` leaves a field at its zero value.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// A struct that is read from an object only; serde's derived readers take an array, too, whose fields
/// a JSON pointer could not reach.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// A field that may be missing or `null`.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    d: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

/// An object that may be missing or `null`.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(d)?.map(|object| object.0))
}

/// An object that is at its zero value where it is missing or `null`.
pub(crate) fn object_or_default<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    object(d).map(Option::unwrap_or_default)
}

/// Hands every element of a list to `take`, so that nothing is kept that does not matter.
pub(crate) fn each<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    take: impl FnMut(T) -> Result<(), D::Error>,
) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct ListVisitor<T, F, E> {
        expected: &'static str,
        take: F,
        types: PhantomData<(T, E)>,
    }
    impl<'de, T, F, E> Visitor<'de> for ListVisitor<T, F, E>
    where
        T: Deserialize<'de>,
        F: FnMut(T) -> Result<(), E>,
        E: Error,
    {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_seq<S: SeqAccess<'de>>(mut self, mut list: S) -> Result<(), S::Error> {
            while let Some(element) = list.next_element()? {
                (self.take)(element).map_err(S::Error::custom)?;
            }
            Ok(())
        }
    }
    deserializer.deserialize_seq(ListVisitor { expected, take, types: PhantomData })
}
