//! Rules of the core written down a second time, and what of a pod may change.

use std::collections::BTreeMap;

use gomemlimit_core::{quantity, value::Recipe};
use serde_json::{Value, json};

use super::{STATUS, TRACKING};
use crate::support::containers;

/// Every env entry named GOMEMLIMIT of a container.
pub(crate) fn limits(container: &Value) -> Vec<&Value> {
    let env = container["env"].as_array().into_iter().flatten();
    env.filter(|variable| variable["name"] == "GOMEMLIMIT").collect()
}

/// Every env entry named `GOMEMLIMIT_MIB` of a container.
pub(crate) fn mibs(container: &Value) -> Vec<&Value> {
    let env = container["env"].as_array().into_iter().flatten();
    env.filter(|variable| variable["name"] == "GOMEMLIMIT_MIB").collect()
}

pub(crate) fn is_ours_by_name(variable: &Value) -> bool {
    variable["name"] == "GOMEMLIMIT" || variable["name"] == "GOMEMLIMIT_MIB"
}

/// The pod without what we may touch; absent, null and empty are the same.
pub(crate) fn without_ours(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let container = container.as_object_mut().unwrap();
            let env = container.remove("env").unwrap_or_default();
            let others = env.as_array().into_iter().flatten().filter(|variable| !is_ours_by_name(variable));
            let others: Vec<_> = others.cloned().collect();
            container.insert("env".to_owned(), others.into());
        }
    }
    let mut metadata = pod["metadata"].as_object().cloned().unwrap_or_default();
    let mut annotations =
        metadata.remove("annotations").and_then(|a| a.as_object().cloned()).unwrap_or_default();
    annotations.remove(STATUS);
    metadata.insert("annotations".to_owned(), annotations.into());
    pod["metadata"] = metadata.into();
    pod
}

/// The text of a memory limit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    None,
    Bytes(i128),
    Invalid,
}

fn read(resources: &Value) -> Read {
    let memory = &resources["limits"]["memory"];
    if memory.is_null() {
        return Read::None;
    }
    match quantity::parse(memory.to_string().trim_matches('"')) {
        Ok(0) => Read::None,
        Ok(bytes) => Read::Bytes(bytes.into()),
        Err(_) => Read::Invalid,
    }
}

/// The rule for which limit applies, written down a second time: the container's own, or what the others that run
/// beside it leave of the pod's.
fn applies(pod: &Value, list: &str, container: &Value) -> Read {
    let of_pod = read(&pod["spec"]["resources"]);
    let runs_beside =
        |list: &str, container: &Value| list == "containers" || container["restartPolicy"] == "Always";
    match (read(&container["resources"]), of_pod) {
        (Read::None, Read::Bytes(pod_limit)) if runs_beside(list, container) => {
            let all: Vec<_> = containers(pod).filter(|(list, other)| runs_beside(list, other)).collect();
            let limits: Vec<_> = all.iter().map(|(_, other)| read(&other["resources"])).collect();
            let taken: i128 =
                limits.iter().map(|limit| if let Read::Bytes(bytes) = limit { *bytes } else { 0 }).sum();
            let sharers = limits.iter().filter(|limit| **limit == Read::None).count();
            if limits.contains(&Read::Invalid) {
                Read::Invalid
            } else if sharers == 1 && pod_limit > taken {
                Read::Bytes(pod_limit - taken)
            } else {
                Read::None
            }
        }
        (Read::None, of_pod) if runs_beside(list, container) => of_pod,
        (Read::None, _) => Read::None,
        (own, _) => own,
    }
}

/// The bytes of the limit that applies.
pub(crate) fn limit_of(pod: &Value, list: &str, container: &Value) -> Option<i128> {
    match applies(pod, list, container) {
        Read::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// What a program finds in a variable.
#[derive(Clone, Debug, PartialEq)]
enum Found {
    Text(String),
    NodeSize,
    Unknown,
}

/// The environment that kubelet makes, written down a second time: one entry after the other.
fn found_in_env(pod: &Value, container: &Value) -> Found {
    let mut made = BTreeMap::new();
    let prefixes = container["envFrom"].as_array().into_iter().flatten();
    let prefixes: Vec<_> = prefixes.map(|source| source["prefix"].as_str().unwrap_or_default()).collect();
    for entry in container["env"].as_array().into_iter().flatten() {
        let found = if entry["valueFrom"].is_null() {
            expanded(entry["value"].as_str().unwrap_or_default(), &made, &prefixes)
        } else {
            referred(pod, container, &entry["valueFrom"]["resourceFieldRef"])
        };
        made.insert(entry["name"].as_str().unwrap().to_owned(), found);
    }
    made.remove("GOMEMLIMIT").unwrap()
}

fn expanded(text: &str, made: &BTreeMap<String, Found>, prefixes: &[&str]) -> Found {
    let (mut rest, mut result) = (text, String::new());
    while let Some(at) = rest.find('$') {
        result += &rest[..at];
        let after = &rest[at + 1..];
        let name = after.strip_prefix('(').and_then(|name| Some(&name[..name.find(')')?]));
        let Some(name) = name else {
            result.push('$');
            rest = after.strip_prefix('$').unwrap_or(after);
            continue;
        };
        match made.get(name) {
            Some(Found::Text(text)) => result += text,
            Some(other) => return other.clone(),
            None if prefixes.iter().any(|prefix| name.starts_with(prefix)) => return Found::Unknown,
            None => result += &["$(", name, ")"].concat(),
        }
        rest = &after[name.len() + 2..];
    }
    Found::Text(result + rest)
}

fn referred(pod: &Value, container: &Value, reference: &Value) -> Found {
    let named = |other: &Value| reference["containerName"].as_str().is_none_or(|name| other["name"] == name);
    let own = if reference["containerName"].is_null() { Some(container) } else { None };
    let Some(target) = own.or_else(|| containers(pod).map(|(_, one)| one).find(|one| named(one))) else {
        return Found::Unknown;
    };
    let requests = json!({"limits": target["resources"]["requests"]});
    let amount = match (reference["resource"].as_str(), read(&requests), read(&target["resources"])) {
        (Some("limits.memory"), _, Read::None) => read(&pod["spec"]["resources"]),
        (Some("requests.memory"), Read::None, Read::None) => Read::Bytes(0),
        (Some("requests.memory"), Read::None, limit) | (Some("limits.memory"), _, limit) => limit,
        (Some("requests.memory"), request, _) => request,
        _ => return Found::Unknown,
    };
    let divisor = reference["divisor"].as_str().map_or(Ok(1), quantity::parse).map(i128::from);
    match (amount, divisor) {
        (Read::None, _) => Found::NodeSize,
        (Read::Bytes(bytes), Ok(0)) => Found::Text(bytes.to_string()),
        (Read::Bytes(bytes), Ok(divisor)) => Found::Text(((bytes + divisor - 1) / divisor).to_string()),
        (Read::Invalid, _) | (_, Err(_)) => Found::Unknown,
    }
}

/// The rule for what is broken, written down a second time.
pub(crate) fn is_broken(pod: &Value, list: &str, container: &Value) -> bool {
    let Some(counts) = limits(container).last().copied() else { return false };
    let text = match found_in_env(pod, container) {
        Found::Unknown => return false,
        Found::NodeSize => return true,
        Found::Text(text) => text,
    };
    let is_bad = |value: i128, limit: Option<i128>| {
        value == 0 || limit.is_some_and(|limit| value * 100 > limit * 98 || value * 100 < limit * 5)
    };
    let mut limit = limit_of(pod, list, container);
    if counts["valueFrom"]["resourceFieldRef"]["resource"] == "limits.memory" {
        let divisor = counts["valueFrom"]["resourceFieldRef"]["divisor"].as_str();
        let of_all = [read(&container["resources"]), read(&pod["spec"]["resources"])];
        let target = of_all
            .into_iter()
            .find_map(|read| if let Read::Bytes(bytes) = read { Some(bytes) } else { None });
        limit = limit.or(target);
        if matches!(divisor.map_or(Ok(1), quantity::parse), Ok(0 | 1)) {
            return true;
        }
    }
    if text.is_empty() || text == "off" {
        return false;
    }
    let unit = ["KiB", "MiB", "GiB", "TiB"].iter().position(|unit| text.ends_with(unit));
    let number = unit.map_or(text.strip_suffix('B').unwrap_or(&text), |_| &text[..text.len() - 3]);
    let shift = unit.map_or(0, |unit| 10 * (unit + 1));
    let Ok(bytes) = number.parse::<i64>().map(|number| i128::from(number) << shift) else { return true };
    number.starts_with(['+', '-']) || bytes > i128::from(i64::MAX) || is_bad(bytes, limit)
}

/// The rule for own values, written down a second time.
pub(crate) fn is_provably_ours(pod: &Value, container: &Value) -> bool {
    let check = || {
        let [variable] = limits(container)[..] else { return None };
        if variable["value"] == TRACKING {
            return is_provably_tracking(pod, container).then_some(());
        }
        let status: Value = serde_json::from_str(pod["metadata"]["annotations"][STATUS].as_str()?).ok()?;
        let entry = &status["containers"][container["name"].as_str()?];
        let recipe: Recipe = serde_json::from_value(entry.clone()).ok()?;
        let value = recipe.bytes(entry["limit"].as_u64()?)?;
        let text = variable["value"].as_str()?;
        (text == value.to_string() && entry["value"] == text).then_some(())
    };
    check().is_some()
}

/// The same for a value that tracks: the variable that it expands belongs to it.
fn is_provably_tracking(pod: &Value, container: &Value) -> bool {
    let status = pod["metadata"]["annotations"][STATUS].as_str().unwrap_or_default();
    let status: Value = serde_json::from_str(status).unwrap_or_default();
    let entry = &status["containers"][container["name"].as_str().unwrap()];
    let env = container["env"].as_array().unwrap();
    let place = |name: &str| env.iter().position(|variable| variable["name"] == name);
    let reference = json!({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}});
    matches!(mibs(container)[..], [mib] if mib["valueFrom"] == reference && mib.get("value").is_none())
        && place("GOMEMLIMIT_MIB") < place("GOMEMLIMIT")
        && limits(container)[0].get("valueFrom").is_none()
        && entry["kind"] == "track"
        && entry["value"] == TRACKING
        && entry["limit"].is_u64()
}
