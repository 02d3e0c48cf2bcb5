//! Reading JSON as Go's decoder does if serde's derived readers differ: an object is never read
//! from an array, and `null` leaves a field at its zero value. And with errors that are short, while those of
//! `serde_json` repeat, escaped, a text in place of something else.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Unexpected, Visitor, value::MapAccessDeserializer},
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
        read(deserializer, ObjectVisitor(PhantomData)).map(Self)
    }
}

/// Reads an object, a list or a flag; the error for a text does not repeat it.
pub(crate) fn read<'de, D: Deserializer<'de>, V: Visitor<'de>>(
    d: D,
    visitor: V,
) -> Result<V::Value, D::Error> {
    struct NoText<V>(V);
    impl<'de, V: Visitor<'de>> Visitor<'de> for NoText<V> {
        type Value = V::Value;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(f)
        }

        fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
            self.0.visit_unit()
        }

        fn visit_bool<E: Error>(self, flag: bool) -> Result<V::Value, E> {
            self.0.visit_bool(flag)
        }

        fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> Result<V::Value, S::Error> {
            self.0.visit_seq(list)
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<V::Value, M::Error> {
            self.0.visit_map(map)
        }

        fn visit_str<E: Error>(self, _text: &str) -> Result<V::Value, E> {
            Err(E::invalid_type(Unexpected::Other("a string"), &self))
        }
    }
    d.deserialize_any(NoText(visitor))
}

/// A flag that may be missing or `null`.
pub(crate) fn flag<'de, D: Deserializer<'de>>(d: D) -> Result<Option<bool>, D::Error> {
    struct FlagVisitor;
    impl Visitor<'_> for FlagVisitor {
        type Value = Option<bool>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true or false")
        }

        fn visit_unit<E>(self) -> Result<Option<bool>, E> {
            Ok(None)
        }

        fn visit_bool<E>(self, flag: bool) -> Result<Option<bool>, E> {
            Ok(Some(flag))
        }
    }
    read(d, FlagVisitor)
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

/// An object that is at its zero value if it is missing or `null`.
pub(crate) fn object_or_default<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    object(d).map(Option::unwrap_or_default)
}
