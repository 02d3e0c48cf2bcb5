//! The parts of a container's environment that matter for GOMEMLIMIT; the rest is skipped unread.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

use crate::{
    json::{self, Object, text::Text},
    names::{AUTOMEMLIMIT, GOMEMLIMIT, GOMEMLIMIT_MIB, LIMITS_MEMORY, TRACKING_VALUE},
    pod::{expansion, resources::QuantityText},
    quantity::{self, QuantityError},
    quote::quote,
    value::formula::MIB,
};

/// Maximum number of indexes that are kept: nobody writes as many, and a body full of such entries must not cost more.
const MAX_INDEXES: usize = 101;

/// The entries of a container's `env` that matter for memory limits.
#[derive(Debug, Default)]
pub(crate) struct Env<'a> {
    /// Entries of any name.
    len: usize,
    /// The indexes of the entries named GOMEMLIMIT, as far as they are kept.
    pub(crate) gomemlimit_indexes: Vec<usize>,
    /// The last entry named GOMEMLIMIT, which counts as in kubelet, with its index.
    pub(crate) gomemlimit: Option<(usize, EnvVar<'a>)>,
    pub(crate) mib: MibVariable,
    pub(crate) automemlimit: Automemlimit,
    /// Whether the value of an entry refers to `$(GOMEMLIMIT)`. Kubelet expands that only from an entry before it.
    pub(crate) refers_to_limit: bool,
    /// The whole list, for values that refer to others.
    json: &'a str,
}

/// The last entry named `AUTOMEMLIMIT`: it is read by automemlimit itself, so it is stronger than flags of
/// programs that use it (`memlimit.Set` of `github.com/KimMachineGun/automemlimit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Automemlimit {
    #[default]
    Absent,
    /// `off`: automemlimit does nothing.
    Off,
    /// A ratio, or what only kubelet knows.
    On,
}

/// The entries named `GOMEMLIMIT_MIB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MibVariable {
    #[default]
    Absent,
    /// One entry, with this index, of exactly the form that this program writes.
    Managed(usize),
    /// Anything else.
    Other,
}

impl<'a> Env<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether all entries named GOMEMLIMIT are known by their indexes, which a repair needs.
    pub(crate) fn has_all_indexes(&self) -> bool {
        self.gomemlimit_indexes.len() < MAX_INDEXES
    }

    /// The index of `GOMEMLIMIT_MIB`, if GOMEMLIMIT is the text of a value that tracks and a managed `GOMEMLIMIT_MIB` comes
    /// before it.
    pub(crate) fn tracks_by(&self) -> Option<usize> {
        let (index, entry) = self.gomemlimit.as_ref()?;
        let is_text = entry.value_from.is_none() && entry.value.as_deref() == Some(TRACKING_VALUE);
        match self.mib {
            MibVariable::Managed(mib) if is_text && mib < *index => Some(mib),
            _ => None,
        }
    }

    /// The source of GOMEMLIMIT, if that is neither a text nor an amount of the pod.
    pub(crate) fn opaque(&self) -> Option<Opaque<'a>> {
        let (index, entry) = self.gomemlimit.as_ref()?;
        let is_opaque = entry.value_from.as_ref()?.resource_field_ref.is_none();
        is_opaque.then_some(Opaque { json: self.json, index: *index })
    }

    /// The last entry named `name` before the entry with the index `end`, with its own index: what `$(name)` there is.
    ///
    /// # Errors
    /// If the list is too long to be searched for each reference.
    pub(crate) fn last_before(&self, end: usize, name: &str) -> Result<Option<(usize, EnvVar<'a>)>, TooLong> {
        if self.json.len() > MAX_SEARCHED {
            return Err(TooLong);
        }
        let (mut index, mut found) = (0, None);
        let mut list = serde_json::Deserializer::from_str(self.json);
        // It was read before, so it can be read again.
        let _ = json::each(&mut list, "a list of variables", |variable: Object<EnvEntry<'a>>| {
            let EnvEntry { name: known, value, value_from } = variable.0;
            if index < end && &*known == name {
                found = Some((index, EnvVar { value: read_text(value)?, value_from }));
            }
            index += 1;
            Ok(())
        });
        Ok(found)
    }
}

/// A `valueFrom` that the pod does not determine. It is read only if somebody asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opaque<'a> {
    json: &'a str,
    index: usize,
}

/// The sources of `EnvVarSource` of the API that the pod does not determine, with the field that distinguishes them.
const SOURCES: [(&str, &[&str]); 4] = [
    ("configMapKeyRef", &["name", "key"]),
    ("secretKeyRef", &["name", "key"]),
    ("fieldRef", &["fieldPath"]),
    ("fileKeyRef", &["volumeName", "path", "key"]),
];

impl Opaque<'_> {
    /// The text for a source of another kind, or of no kind.
    pub(crate) const OTHER: &'static str = "valueFrom";

    /// The reference for people, such as `configMapKeyRef NAME/KEY`.
    pub(crate) fn in_words(self) -> String {
        self.source().unwrap_or_else(|| Self::OTHER.to_owned())
    }

    fn source(self) -> Option<String> {
        let list: Vec<&RawValue> = serde_json::from_str(self.json).ok()?;
        let source = json::find(list.get(self.index)?.get(), "valueFrom")?;
        SOURCES.iter().find_map(|(kind, keys)| {
            let reference = json::find(source, kind)?;
            let texts = keys.iter().map(|key| serde_json::from_str(json::find(reference, key)?).ok());
            let texts: Vec<String> = texts.collect::<Option<_>>()?;
            Some(format!("{kind} {}", texts.join("/")))
        })
    }
}

/// The list of variables is longer than [`MAX_SEARCHED`].
pub(crate) struct TooLong;

/// Maximum length of an `env` that is searched for the variables that GOMEMLIMIT refers to, in bytes of JSON: each costs
/// a pass over it.
const MAX_SEARCHED: usize = 64 << 10;

/// A reference to GOMEMLIMIT, as far as can be seen in JSON.
const REFERENCE: &str = "$(GOMEMLIMIT)";

/// The text of a variable.
fn read_text(value: Option<&RawValue>) -> serde_json::Result<Option<Text<'_>>> {
    value.map(|value| serde_json::from_str(value.get())).transpose()
}

impl<'de: 'a, 'a> Deserialize<'de> for Env<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        let mut env = Self { json, ..Self::default() };
        let mut list = serde_json::Deserializer::from_str(json);
        json::each(&mut list, "a list of variables", |variable: Object<EnvEntry<'a>>| {
            let EnvEntry { name, value, value_from } = variable.0;
            if value.is_some_and(|value| !value.get().starts_with('"')) {
                let problem = format!("the value of variable {} is not a string", quote(&name));
                return Err(serde_json::Error::custom(problem));
            }
            // Only three of them are of interest, and the others can be long: their text stays unread.
            let text = |value| read_text(value).map_err(serde_json::Error::custom);
            env.refers_to_limit |= value.is_some_and(|value| {
                value.get().contains(REFERENCE) && expansion::refers_to(value.get(), GOMEMLIMIT)
            });
            if &*name == AUTOMEMLIMIT {
                let value = text(value)?;
                let is_off = value.as_deref() == Some("off");
                env.automemlimit = if is_off { Automemlimit::Off } else { Automemlimit::On };
            } else if &*name == GOMEMLIMIT_MIB {
                let value = text(value)?;
                let is_managed = env.mib == MibVariable::Absent
                    && value.is_none_or(|value| value.is_empty())
                    && value_from.is_some_and(|source| source.is_own_limit_in_mib());
                env.mib = if is_managed { MibVariable::Managed(env.len) } else { MibVariable::Other };
            } else if &*name == GOMEMLIMIT {
                if env.has_all_indexes() {
                    env.gomemlimit_indexes.push(env.len);
                }
                let value = text(value)?;
                env.gomemlimit = Some((env.len, EnvVar { value, value_from }));
            }
            env.len += 1;
            Ok(())
        })
        .map_err(D::Error::custom)?;
        Ok(env)
    }
}

/// A variable that matters.
#[derive(Debug)]
pub(crate) struct EnvVar<'a> {
    pub(crate) value: Option<Text<'a>>,
    pub(crate) value_from: Option<EnvVarSource<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EnvEntry<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    name: Text<'a>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "json::object")]
    value_from: Option<EnvVarSource<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct EnvVarSource<'a> {
    #[serde(borrow, deserialize_with = "json::object")]
    pub(crate) resource_field_ref: Option<ResourceFieldRef<'a>>,
}

impl EnvVarSource<'_> {
    /// Whether it is the memory limit of the container itself, in MiB.
    fn is_own_limit_in_mib(&self) -> bool {
        self.resource_field_ref.as_ref().is_some_and(|reference| {
            &*reference.resource == LIMITS_MEMORY
                && reference.container_name.as_deref().is_none_or(str::is_empty)
                && reference.divisor() == Some(MIB)
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ResourceFieldRef<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) resource: Text<'a>,
    #[serde(borrow)]
    pub(crate) container_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) divisor: Option<QuantityText<'a>>,
}

impl ResourceFieldRef<'_> {
    /// Whether it is to the memory limit of the container called `container`, whose env it is in.
    pub(crate) fn is_to_memory_limit_of(&self, container: &str) -> bool {
        let name = self.container_name.as_deref().unwrap_or_default();
        &*self.resource == LIMITS_MEMORY && (name.is_empty() || name == container)
    }

    /// Divisor of bytes, rounding up; `None` if that cannot be read.
    pub(crate) fn divisor(&self) -> Option<u64> {
        self.divisor_by(quantity::parse, 1)
    }

    /// Divisor of thousandths of a CPU, rounding up; `None` if that cannot be read.
    pub(crate) fn milli_divisor(&self) -> Option<u64> {
        self.divisor_by(quantity::parse_milli, 1000)
    }

    fn divisor_by(&self, parse: fn(&str) -> Result<u64, QuantityError>, one: u64) -> Option<u64> {
        let divisor = self.divisor.as_ref().map_or(Ok(0), |divisor| parse(&divisor.0)).ok()?;
        // A divisor of zero is the API's way to write "not given".
        Some(if divisor == 0 { one } else { divisor })
    }
}

/// The `envFrom` of a container.
#[derive(Debug, Default)]
pub(crate) struct EnvFrom<'a> {
    /// A source whose prefix does not rule it out.
    pub(crate) may_define: bool,
    /// The whole list, for other variables.
    json: &'a str,
}

impl EnvFrom<'_> {
    /// Whether a source can define the variable `name`.
    pub(crate) fn may_define_name(&self, name: &str) -> bool {
        // It was read before; an empty text is a list that is not there.
        may_define(self.json, name).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for EnvFrom<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        Ok(Self { may_define: may_define(json, GOMEMLIMIT).map_err(D::Error::custom)?, json })
    }
}

fn may_define(sources: &str, name: &str) -> serde_json::Result<bool> {
    let mut may = false;
    let mut list = serde_json::Deserializer::from_str(sources);
    json::each(&mut list, "a list of sources", |source: Object<EnvFromSource<'_>>| {
        may |= name.starts_with(source.0.prefix.as_deref().unwrap_or_default());
        Ok(())
    })?;
    Ok(may)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvFromSource<'a> {
    #[serde(borrow)]
    prefix: Option<Text<'a>>,
}
