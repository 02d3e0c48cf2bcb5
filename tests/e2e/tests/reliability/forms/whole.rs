//! Rules of validation across a pod: names that have to be there, and what the pod's settings exclude.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::sense::{remove, unique};

const LISTS: [&str; 2] = ["containers", "initContainers"];
/// What only a pod of Linux may have.
const LINUX: &[&str] =
    &["hostPID", "hostIPC", "hostUsers", "hostNetwork", "shareProcessNamespace", "resources"];

pub fn make_sense(pod: &mut Value, random: &mut Rng) {
    let spec = &mut pod["spec"];
    host(spec);
    system(spec);
    scheduling(spec);
    claims(spec);
    for list in
        ["volumes", "readinessGates", "schedulingGates", "evictionResponders", "topologySpreadConstraints"]
    {
        let key = match list {
            "readinessGates" => "conditionType",
            "topologySpreadConstraints" => "topologyKey",
            _ => "name",
        };
        unique(&mut spec[list], key);
    }
    let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    let restarts = spec["restartPolicy"] != "Never";
    for list in LISTS {
        for (number, container) in spec[list].as_array_mut().into_iter().flatten().enumerate() {
            container["name"] = format!("{}-{number}", list.trim_end_matches('s').to_lowercase()).into();
            mounts(container, &volumes, random);
            variables(container, &volumes);
            let is_plain_init = list == "initContainers" && container["restartPolicy"] != "Always";
            if is_plain_init {
                remove(container, &["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"]);
            }
            for policy in container["resizePolicy"].as_array_mut().into_iter().flatten() {
                if is_plain_init || !restarts {
                    policy["restartPolicy"] = "NotRequired".into();
                }
            }
        }
    }
    each_selector(spec, &mut |selector| selector["containerName"] = "container-0".into());
}

/// Without what indexing has put there.
pub fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(without_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// Namespaces of the host that exclude each other.
fn host(spec: &mut Value) {
    if spec["hostUsers"] == false {
        remove(spec, &["hostPID", "hostIPC", "hostNetwork"]);
        for list in LISTS {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                remove(container, &["volumeDevices"]);
            }
        }
    }
    if spec["hostPID"] == true {
        remove(spec, &["shareProcessNamespace"]);
    }
    if spec["hostIPC"] == true {
        remove(&mut spec["securityContext"], &["sysctls"]);
    }
    if spec["hostnameOverride"].is_string() {
        remove(spec, &["hostNetwork", "setHostnameAsFQDN"]);
    }
    if spec["dnsPolicy"] == "None" && spec["dnsConfig"]["nameservers"].is_null() {
        spec["dnsConfig"]["nameservers"] = json!(["10.0.0.10"]);
    }
    let network = spec["hostNetwork"] == true;
    for list in LISTS {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            for port in container["ports"].as_array_mut().into_iter().flatten() {
                if network {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
}

/// What only Windows or only Linux has.
fn system(spec: &mut Value) {
    let system = spec["os"]["name"].as_str().unwrap_or_default().to_owned();
    let own_users = spec["hostUsers"] == false;
    if system == "windows" {
        remove(spec, LINUX);
    }
    security(&mut spec["securityContext"], &system);
    for list in LISTS {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            security(&mut container["securityContext"], &system);
            if !own_users {
                remove(&mut container["securityContext"], &["procMount"]);
            }
            if system != "linux" {
                remove(&mut container["lifecycle"], &["stopSignal"]);
            }
            if container["lifecycle"].as_object().is_some_and(Map::is_empty) {
                remove(container, &["lifecycle"]);
            }
        }
    }
}

fn security(context: &mut Value, system: &str) {
    if context["windowsOptions"]["hostProcess"] == true {
        context["windowsOptions"]["hostProcess"] = false.into();
    }
    match (system, context.as_object_mut()) {
        ("windows", Some(context)) => context.retain(|name, _| name == "windowsOptions"),
        ("linux", Some(context)) => drop(context.remove("windowsOptions")),
        _ => {}
    }
}

fn scheduling(spec: &mut Value) {
    if spec["schedulingGates"].is_array() {
        remove(spec, &["nodeName"]);
    }
    if spec["priorityClassName"].is_string() {
        remove(spec, &["priority"]);
    }
    if spec["preemptionPolicy"].is_string() {
        spec["preemptionPolicy"] = "PreemptLowerPriority".into();
    }
    if spec["resources"].is_object() {
        // Room for all containers together.
        spec["resources"] = json!({
            "limits": {"memory": "64Gi", "cpu": "64"}, "requests": {"memory": "16Gi", "cpu": "16"},
        });
    }
    for name in ["serviceAccount", "serviceAccountName"] {
        if spec[name].is_string() {
            spec["serviceAccountName"] = "default".into();
        }
    }
}

/// Devices that containers claim are those of the pod.
fn claims(spec: &mut Value) {
    let has_claims = spec["resourceClaims"].is_array();
    if has_claims {
        unique(&mut spec["resourceClaims"], "name");
        spec["resourceClaims"][0]["name"] = "claim".into();
        unique(&mut spec["resourceClaims"], "name");
    }
    for list in LISTS {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            if !has_claims {
                remove(&mut container["resources"], &["claims"]);
            }
        }
    }
}

/// Mounts and devices name volumes that are there.
fn mounts(container: &mut Value, volumes: &[Value], random: &mut Rng) {
    let (claims, files): (Vec<_>, Vec<_>) = volumes
        .iter()
        .partition(|volume| volume["persistentVolumeClaim"].is_object() || volume["ephemeral"].is_object());
    for (list, volumes) in [("volumeMounts", files), ("volumeDevices", claims)] {
        if volumes.is_empty() {
            remove(container, &[list]);
            continue;
        }
        for mount in container[list].as_array_mut().into_iter().flatten() {
            let volume = volumes[random.usize(..volumes.len())];
            mount["name"] = volume["name"].clone();
            if volume["image"].is_object() {
                remove(mount, &["mountPropagation", "recursiveReadOnly", "readOnly", "subPathExpr"]);
            }
        }
        if list == "volumeDevices" {
            unique(&mut container[list], "name");
        }
    }
}

/// A file of variables is in a volume of the pod's own.
fn variables(container: &mut Value, volumes: &[Value]) {
    let own = volumes.iter().find(|volume| volume["emptyDir"].is_object());
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        if !variable["valueFrom"]["fileKeyRef"].is_object() {
            continue;
        }
        if let Some(own) = own {
            variable["valueFrom"]["fileKeyRef"]["volumeName"] = own["name"].clone();
        } else {
            *variable = json!({"name": variable["name"], "value": "no file"});
        }
    }
}

/// Each reference to resources of a container, wherever it is.
fn each_selector(value: &mut Value, found: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if name == "resourceFieldRef" && value.is_object() {
                    found(value);
                } else {
                    each_selector(value, found);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_selector(value, found)),
        _ => {}
    }
}
