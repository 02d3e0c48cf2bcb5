//! `LimitRange` objects among manifests: the memory that a container without a limit gets when its pod is created.
//!
//! As the admission plugin `LimitRanger` does (`plugin/pkg/admission/limitranger/admission.go`, `mergeContainerResources`) after
//! the defaults of the API (`pkg/apis/core/v1/defaults.go`, `SetDefaults_LimitRangeItem` and `SetDefaults_Pod`). It runs before
//! webhooks, so pods of a review have its work in them already; manifests do not.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{decision::ContainerList, quantity};

/// The `LimitRange` objects of some manifests, by namespace and name.
#[derive(Clone, Debug, Default)]
pub struct LimitRanges(BTreeMap<String, BTreeMap<String, Defaults>>);

/// A memory limit that a `LimitRange` gives to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultLimit {
    /// The list that the container is in.
    pub list: ContainerList,
    /// Its index in that list.
    pub index: usize,
    /// Name of the `LimitRange`.
    pub limit_range: String,
    /// Name of another one of the namespace with another limit. Kubernetes applies any of them; the smaller counts here,
    /// since a value for it is right for both.
    pub rival: Option<String>,
}

/// The memory that one `LimitRange` gives to containers.
#[derive(Clone, Debug, Default)]
struct Defaults {
    limit: Option<Amount>,
    request: Option<Amount>,
}

/// A quantity as it is written, and its bytes.
#[derive(Clone, Debug)]
struct Amount {
    text: Value,
    bytes: u64,
}

impl Amount {
    /// The memory in a map of resources.
    fn of_memory(resources: Option<&Value>) -> Option<Self> {
        let text = resources?.get("memory")?;
        let bytes = match text {
            Value::String(text) => quantity::parse(text),
            Value::Number(number) => quantity::parse(&number.to_string()),
            // The zero value of a quantity.
            Value::Null => Ok(0),
            _ => return None,
        };
        Some(Self { text: text.clone(), bytes: bytes.ok()? })
    }
}

impl LimitRanges {
    /// Whether there is one in `namespace`.
    #[must_use]
    pub fn is_in(&self, namespace: &str) -> bool {
        self.0.contains_key(namespace)
    }

    /// Adds `object` if it is a `LimitRange`, and those among its items if it is a list; the later of two with the same name
    /// counts. `default_namespace` is that of objects that name none.
    pub fn add(&mut self, object: &Value, default_namespace: &str) {
        self.add_as(object, None, default_namespace);
    }

    /// `implied` is the kind and API version of an item that repeats neither, as in a `LimitRangeList`.
    fn add_as(&mut self, object: &Value, implied: Option<(&str, &str)>, default_namespace: &str) {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let kind = text("kind").or(implied.map(|(kind, _)| kind)).unwrap_or_default();
        let version = text("apiVersion").or(implied.map(|(_, version)| version)).unwrap_or_default();
        if let Some(items) = object.get("items").and_then(Value::as_array) {
            let implied = Some((kind.strip_suffix("List").unwrap_or(kind), version));
            for item in items {
                self.add_as(item, implied, default_namespace);
            }
        } else if (kind, version) == ("LimitRange", "v1") {
            let metadata = |key: &str| object.get("metadata")?.get(key)?.as_str().map(str::to_owned);
            let namespace = metadata("namespace").filter(|name| !name.is_empty());
            self.0
                .entry(namespace.unwrap_or_else(|| default_namespace.to_owned()))
                .or_default()
                .insert(metadata("name").unwrap_or_default(), Defaults::of(object));
        }
    }

    /// Gives the containers of `pod`, which has `metadata` and `spec`, the memory that they get in `namespace`. Returns the
    /// limits that it gave. Fields of another type than theirs stay as they are.
    pub fn apply(&self, namespace: &str, pod: &mut Value) -> Vec<DefaultLimit> {
        let (Some(ranges), Some(spec)) = (self.0.get(namespace), pod.get_mut("spec")) else {
            return Vec::new();
        };
        let chosen = Chosen::of(ranges);
        let mut given = Vec::new();
        for list in [ContainerList::Init, ContainerList::Main] {
            let containers = spec.get_mut(list.as_str()).and_then(Value::as_array_mut);
            for (index, container) in containers.into_iter().flatten().enumerate() {
                let Some(container) = container.as_object_mut() else { continue };
                if let Some(limit_range) = chosen.complete(container) {
                    let rival = chosen.rival.map(str::to_owned);
                    given.push(DefaultLimit { list, index, limit_range: limit_range.to_owned(), rival });
                }
            }
        }
        given
    }
}

impl Defaults {
    fn of(object: &Value) -> Self {
        let items = object.get("spec").and_then(|spec| spec.get("limits")).and_then(Value::as_array);
        let mut defaults = Self::default();
        for item in items.into_iter().flatten() {
            if item.get("type").and_then(Value::as_str) != Some("Container") {
                continue;
            }
            let memory = |key: &str| Amount::of_memory(item.get(key));
            let limit = memory("default").or_else(|| memory("max"));
            let request = memory("defaultRequest").or_else(|| limit.clone()).or_else(|| memory("min"));
            defaults = Self { limit: limit.or(defaults.limit), request: request.or(defaults.request) };
        }
        defaults
    }
}

/// What counts of all `LimitRange` objects of a namespace.
struct Chosen<'r> {
    limit: Option<(&'r str, &'r Amount)>,
    rival: Option<&'r str>,
    request: Option<&'r Amount>,
}

impl<'r> Chosen<'r> {
    fn of(ranges: &'r BTreeMap<String, Defaults>) -> Self {
        let mut limits: Vec<_> = ranges
            .iter()
            .filter_map(|(name, defaults)| Some((&**name, defaults.limit.as_ref()?, defaults)))
            .collect();
        limits.sort_by_key(|(_, limit, _)| limit.bytes);
        let (smallest, largest) = (limits.first(), limits.last());
        let rival = smallest.zip(largest).filter(|((_, small, _), (_, large, _))| small.bytes < large.bytes);
        let requests = ranges.values().filter_map(|defaults| defaults.request.as_ref());
        Self {
            limit: smallest.map(|(name, limit, _)| (*name, *limit)),
            rival: rival.map(|(_, (name, ..))| *name),
            request: smallest
                .and_then(|(.., defaults)| defaults.request.as_ref())
                .or_else(|| requests.min_by_key(|request| request.bytes)),
        }
    }

    /// Adds what a container does not have. Returns the name of the `LimitRange` if it gave a limit.
    fn complete(&self, container: &mut Map<String, Value>) -> Option<&'r str> {
        let has = |container: &Map<String, Value>, key: &str| {
            container.get("resources").and_then(|resources| resources.get(key)?.get("memory")).is_some()
        };
        // A limit without a request is the request, too, before the plugin looks.
        if has(container, "limits") {
            return None;
        }
        if let Some(request) = self.request.filter(|_| !has(container, "requests")) {
            set(container, "requests", request);
        }
        let (name, limit) = self.limit?;
        set(container, "limits", limit).then_some(name)
    }
}

/// Sets the memory in a map of a container's resources; `false` if a field in between has another type.
fn set(container: &mut Map<String, Value>, key: &str, amount: &Amount) -> bool {
    let resources = object_in(container, "resources").and_then(|resources| object_in(resources, key));
    resources.is_some_and(|resources| resources.insert("memory".to_owned(), amount.text.clone()).is_none())
}

/// The object at `key`, a new one if there is none.
fn object_in<'m>(map: &'m mut Map<String, Value>, key: &str) -> Option<&'m mut Map<String, Value>> {
    let value = map.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}
