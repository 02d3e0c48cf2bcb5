//! Lists element by element, and single values of objects, read from JSON text.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::json::{object::read, text::Key};

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
    read(deserializer, ListVisitor { expected, take, types: PhantomData })
}

/// The JSON of the value of `key` in the object `json`. As in Go's decoder, the last one counts.
pub(crate) fn find<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    struct Search<'w, 'a>(&'w str, PhantomData<&'a ()>);
    impl<'de: 'a, 'a> Visitor<'de> for Search<'_, 'a> {
        type Value = Option<&'a str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut found = None;
            while let Some(Key(key)) = map.next_key::<Key<'a>>()? {
                let value = map.next_value::<&'a RawValue>()?;
                if &*key == self.0 {
                    found = Some(value.get());
                }
            }
            Ok(found)
        }
    }
    read(&mut serde_json::Deserializer::from_str(json), Search(key, PhantomData)).ok().flatten()
}

/// Refuses a list that no real pod has, before it takes many times the memory of its text.
pub(crate) fn at_most<E: Error>(most: usize, count: usize, what: &str) -> Result<(), E> {
    if count > most { Err(E::custom(format!("more than {most} {what}"))) } else { Ok(()) }
}
