//! A borrowed view of the few fields of a Pod that decide anything; the rest is skipped unread.
//!
//! Unknown fields are ignored, so a newer Kubernetes never breaks it. `null` counts as absent, as in
//! Go's decoder. Field names follow `k8s.io/api/core/v1`.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    json::{self, Object},
    names::{AUTO_GOMEMLIMIT_FLAG, AUTOMEMLIMIT, DOMAIN, GOMEMLIMIT, INJECT_LABEL, MIRROR_ANNOTATION},
    text::Text,
};

/// The parts of a Pod, or of a pod template, that matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod<'a> {
    #[serde(borrow, deserialize_with = "json::object")]
    pub(crate) metadata: Option<Metadata<'a>>,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    pub(crate) spec: Spec<'a>,
}

impl<'a> Pod<'a> {
    /// Reads a Pod or pod template from its JSON text.
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(|Object(pod)| pod)
    }

    /// `metadata.name`, or `metadata.generateName` of a pod that has no name yet.
    #[must_use]
    pub fn name(&self) -> &str {
        let Some(metadata) = &self.metadata else { return "" };
        let name = metadata.name.as_deref().filter(|name| !name.is_empty());
        name.or(metadata.generate_name.as_deref()).unwrap_or_default()
    }

    pub(crate) fn annotations(&self) -> Option<&OwnEntries<'a>> {
        self.metadata.as_ref().map(|metadata| &metadata.annotations)
    }

    /// The value of the label `gomemlimit.dev/inject`.
    pub(crate) fn inject_label(&self) -> Option<&str> {
        self.metadata.as_ref()?.labels.get(INJECT_LABEL)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    generate_name: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) labels: OwnEntries<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) annotations: OwnEntries<'a>,
}

/// A string map of which only the entries of our domain are kept.
#[derive(Debug, Default)]
pub(crate) struct OwnEntries<'a> {
    pub(crate) ours: Vec<(Text<'a>, Text<'a>)>,
    /// Bytes of all keys and values, ours or not, as the API server counts them.
    pub(crate) size: usize,
    /// Whether the map is there, be it empty.
    pub(crate) present: bool,
    pub(crate) is_mirror: bool,
}

impl OwnEntries<'_> {
    /// The value of one of our keys.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.ours.iter().find(|(k, _)| &**k == key).map(|(_, value)| &**value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for OwnEntries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for EntriesVisitor<'a> {
            type Value = OwnEntries<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = OwnEntries { present: true, ..OwnEntries::default() };
                while let Some(key) = map.next_key::<Text<'a>>()? {
                    entries.size += key.len();
                    entries.is_mirror |= &*key == MIRROR_ANNOTATION;
                    if is_ours(&key) {
                        let value: Text<'a> = map.next_value::<Option<Text<'a>>>()?.unwrap_or_default();
                        entries.size += value.len();
                        // A key given twice counts as its last value, as in Go's decoder.
                        entries.ours.retain(|(earlier, _)| *earlier != key);
                        entries.ours.push((key, value));
                    } else {
                        entries.size += map.next_value::<Option<Length>>()?.map_or(0, |length| length.0);
                    }
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

/// `gomemlimit.dev/x` and `x.gomemlimit.dev/container`.
pub(crate) fn is_ours(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| {
        prefix.strip_suffix(DOMAIN).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// The length of a string in bytes; its text is not kept.
struct Length(usize);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LengthVisitor;
        impl Visitor<'_> for LengthVisitor {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Length, E> {
                Ok(Length(text.len()))
            }
        }
        deserializer.deserialize_str(LengthVisitor)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec<'a> {
    #[serde(borrow, deserialize_with = "json::objects")]
    pub(crate) containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "json::objects")]
    pub(crate) init_containers: Vec<Container<'a>>,
    /// Pod-level resources, KEP-2837.
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    pub(crate) resources: Resources<'a>,
    #[serde(borrow, deserialize_with = "json::object")]
    os: Option<Os<'a>>,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    node_selector: NodeSelector<'a>,
}

impl Spec<'_> {
    /// Whether the pod says that it is for Windows.
    pub(crate) fn is_windows(&self) -> bool {
        let os = self.os.as_ref().and_then(|os| os.name.as_deref());
        [os, self.node_selector.os.as_deref()].contains(&Some("windows"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Os<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeSelector<'a> {
    #[serde(borrow, rename = "kubernetes.io/os")]
    os: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Container<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) name: Text<'a>,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    pub(crate) resources: Resources<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) env: Env<'a>,
    #[serde(borrow, deserialize_with = "json::objects")]
    env_from: Vec<EnvFromSource<'a>>,
    #[serde(deserialize_with = "json::or_default")]
    command: Arguments,
    #[serde(deserialize_with = "json::or_default")]
    args: Arguments,
    #[serde(borrow)]
    restart_policy: Option<Text<'a>>,
}

impl Container<'_> {
    /// An init container that keeps running beside the containers (KEP-753).
    pub(crate) fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }

    /// Whether an `envFrom` of the container can define GOMEMLIMIT: a prefix may rule it out.
    pub(crate) fn env_from_may_define(&self) -> bool {
        self.env_from
            .iter()
            .any(|source| GOMEMLIMIT.starts_with(source.prefix.as_deref().unwrap_or_default()))
    }

    /// Whether the program sets GOMEMLIMIT itself, as far as the pod tells.
    pub(crate) fn is_self_managed(&self) -> bool {
        if self.command.refuses_auto_gomemlimit || self.args.refuses_auto_gomemlimit {
            return false;
        }
        self.env.has_automemlimit || self.command.has_auto_gomemlimit || self.args.has_auto_gomemlimit
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvFromSource<'a> {
    #[serde(borrow)]
    prefix: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources<'a> {
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    limits: Limits<'a>,
}

impl Resources<'_> {
    /// The text of `limits.memory`: a quantity, or a bare number in hand-written manifests.
    pub(crate) fn memory_limit(&self) -> Option<&str> {
        self.limits.memory.as_ref().map(|quantity| &*quantity.0)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Limits<'a> {
    #[serde(borrow)]
    memory: Option<QuantityText<'a>>,
}

/// A quantity is a JSON string or a JSON number (`Quantity.UnmarshalJSON`); a number keeps its digits.
#[derive(Debug)]
pub(crate) struct QuantityText<'a>(pub(crate) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for QuantityText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Ok(Self(Text(json.into())));
        }
        serde_json::from_str(json).map(Self).map_err(serde::de::Error::custom)
    }
}

/// What a container's `env` says about memory limits.
#[derive(Debug)]
pub(crate) struct Env<'a> {
    /// Whether there is no entry at all.
    pub(crate) is_empty: bool,
    /// Every entry named GOMEMLIMIT with its index, in order.
    pub(crate) gomemlimit: Vec<(usize, EnvVar<'a>)>,
    has_automemlimit: bool,
}

impl Default for Env<'_> {
    fn default() -> Self {
        Self { is_empty: true, gomemlimit: Vec::new(), has_automemlimit: false }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Env<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for EnvVisitor<'a> {
            type Value = Env<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of environment variables")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                let mut env = Env::default();
                let mut index = 0;
                while let Some(Object(variable)) = seq.next_element::<Object<EnvVar<'a>>>()? {
                    if &*variable.name == AUTOMEMLIMIT {
                        // The last one counts, as in kubelet.
                        env.has_automemlimit = variable.value.as_deref() != Some("off");
                    } else if &*variable.name == GOMEMLIMIT {
                        env.gomemlimit.push((index, variable));
                    }
                    index += 1;
                    env.is_empty = false;
                }
                Ok(env)
            }
        }
        deserializer.deserialize_seq(EnvVisitor(PhantomData))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct EnvVar<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    name: Text<'a>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "json::object")]
    pub(crate) value_from: Option<EnvVarSource<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct EnvVarSource<'a> {
    #[serde(borrow, deserialize_with = "json::object")]
    pub(crate) resource_field_ref: Option<ResourceFieldRef<'a>>,
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

/// What a command line says about automemlimit.
#[derive(Debug, Default)]
struct Arguments {
    has_auto_gomemlimit: bool,
    refuses_auto_gomemlimit: bool,
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArgumentsVisitor;
        impl<'de> Visitor<'de> for ArgumentsVisitor {
            type Value = Arguments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of arguments")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Arguments, S::Error> {
                let mut arguments = Arguments::default();
                while let Some(argument) = seq.next_element::<Text<'de>>()? {
                    match argument.strip_prefix(AUTO_GOMEMLIMIT_FLAG) {
                        Some("=false") => arguments.refuses_auto_gomemlimit = true,
                        Some(_) => arguments.has_auto_gomemlimit = true,
                        None if &*argument == "--no-auto-gomemlimit" => {
                            arguments.refuses_auto_gomemlimit = true;
                        }
                        None => {}
                    }
                }
                Ok(arguments)
            }
        }
        deserializer.deserialize_seq(ArgumentsVisitor)
    }
}
