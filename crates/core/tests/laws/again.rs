//! Rules of the core written down a second time, and what of a pod may change.

use gomemlimit_core::{memlimit::Ratio, quantity};
use serde_json::{Value, json};

use crate::{STATUS, TRACKING, support::containers};

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

/// What stands as a memory limit.
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

/// The rule for what is broken, written down a second time.
pub(crate) fn is_broken(pod: &Value, list: &str, container: &Value) -> bool {
    let Some(counts) = limits(container).last().copied() else { return false };
    let limit = limit_of(pod, list, container);
    let is_bad = |value: i128, limit: Option<i128>| {
        value == 0 || limit.is_some_and(|limit| value * 100 > limit * 98 || value * 100 < limit * 5)
    };
    if !counts["valueFrom"].is_null() {
        let reference = &counts["valueFrom"]["resourceFieldRef"];
        let of_pod = read(&pod["spec"]["resources"]);
        let target = match read(&container["resources"]) {
            Read::None => of_pod,
            own => own,
        };
        let divisor = reference["divisor"].as_str().map_or(Ok(1), quantity::parse).map(i128::from);
        return reference["resource"] == "limits.memory"
            && match (target, divisor) {
                // The node's size, or all of the limit.
                (Read::None, _) | (Read::Bytes(_), Ok(0 | 1)) => true,
                (Read::Bytes(bytes), Ok(divisor)) => {
                    is_bad((bytes + divisor - 1) / divisor, limit.or(Some(bytes)))
                }
                (Read::Invalid, _) | (_, Err(_)) => false,
            };
    }
    let text = counts["value"].as_str().unwrap_or_default();
    if text.is_empty() || text == "off" || text.contains("$(") {
        return false;
    }
    let unit = ["KiB", "MiB", "GiB", "TiB"].iter().position(|unit| text.ends_with(unit));
    let number = unit.map_or(text.strip_suffix('B').unwrap_or(text), |_| &text[..text.len() - 3]);
    let shift = unit.map_or(0, |unit| 10 * (unit + 1));
    let Ok(bytes) = number.parse::<i64>().map(|number| i128::from(number) << shift) else { return true };
    number.starts_with(['+', '-']) || bytes > i128::from(i64::MAX) || is_bad(bytes, limit)
}

/// The rule for «ours», written down a second time.
pub(crate) fn is_provably_ours(pod: &Value, container: &Value) -> bool {
    let check = || {
        let [variable] = limits(container)[..] else { return None };
        if variable["value"] == TRACKING {
            return is_provably_tracking(pod, container).then_some(());
        }
        let status: Value = serde_json::from_str(pod["metadata"]["annotations"][STATUS].as_str()?).ok()?;
        let entry = &status["containers"][container["name"].as_str()?];
        let (limit, headroom) =
            (i128::from(entry["limit"].as_u64()?), i128::from(entry["headroom"].as_u64()?));
        let ratio: Ratio = entry["ratio"].as_str()?.parse().ok()?;
        let value = (limit * i128::from(ratio.ppm()) / 1_000_000).min(limit - headroom);
        let text = variable["value"].as_str()?;
        (value > 0 && text == value.to_string() && entry["value"] == text).then_some(())
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
