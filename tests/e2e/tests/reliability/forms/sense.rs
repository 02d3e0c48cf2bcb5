//! Rules of validation within one object: what excludes or needs what.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Requests are at most the limits, as quantities of any form.
pub fn resources(random: &mut Rng) -> Value {
    let mut limits = Map::new();
    let mut requests = Map::new();
    for (name, small, large) in [
        (
            "memory",
            &["64Mi", "1M", "100e6", "0.0625Gi"][..],
            &["1Gi", "0.5Gi", "129e6", "536870912", "128974848000m", "1.5Gi"][..],
        ),
        ("cpu", &["10m", "0.1"], &["1", "1500m", "0.5"]),
        ("ephemeral-storage", &["1Mi"], &["1Gi", "2G"]),
    ] {
        if random.u8(..10) < 7 {
            limits.insert(name.to_owned(), large[random.usize(..large.len())].into());
        }
        if random.bool() {
            requests.insert(name.to_owned(), small[random.usize(..small.len())].into());
        }
    }
    if random.u8(..10) == 0 {
        for list in [&mut limits, &mut requests] {
            list.insert("example.com/device".to_owned(), "2".into());
        }
    }
    let mut resources = json!({"limits": limits, "requests": requests});
    if random.u8(..10) == 0 {
        resources["claims"] = json!([{"name": "claim"}]);
    }
    resources
}

/// Takes away and puts in place what validation would refuse.
pub fn make_sense(kind: &str, object: &mut Value, random: &mut Rng) {
    match kind {
        "Container" => container(object),
        "SecurityContext" if object["privileged"] == true => remove(object, &["allowPrivilegeEscalation"]),
        "AppArmorProfile" | "SeccompProfile" => profile(object),
        "ResourceFieldSelector" => divisor(object),
        "NodeSelectorRequirement" | "LabelSelectorRequirement" => requirement(object),
        "NodeSelectorTerm" => term(object),
        "Toleration" => toleration(object),
        "TopologySpreadConstraint" if object["whenUnsatisfiable"] != "DoNotSchedule" => {
            remove(object, &["minDomains"]);
        }
        "VolumeMount" => mount(object),
        "LabelSelector" if object.as_object().is_some_and(Map::is_empty) => {
            object["matchLabels"] = json!({"app": "form"});
        }
        _ => volume(kind, object, random),
    }
}

/// Removes properties.
pub fn remove(object: &mut Value, names: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|name, _| !names.contains(&&**name));
    }
}

fn container(container: &mut Value) {
    if container["restartPolicyRules"].is_array() {
        container["restartPolicy"] = "Never".into();
    }
    for (list, key) in [
        ("ports", "name"),
        ("resizePolicy", "resourceName"),
        ("volumeMounts", "mountPath"),
        ("volumeDevices", "devicePath"),
    ] {
        unique(&mut container[list], key);
    }
    for probe in ["livenessProbe", "startupProbe"] {
        if container[probe].is_object() {
            container[probe]["successThreshold"] = 1.into();
        }
    }
    remove(&mut container["readinessProbe"], &["terminationGracePeriodSeconds"]);
}

/// One element a key.
pub fn unique(list: &mut Value, key: &str) {
    let mut seen = Vec::new();
    if let Some(list) = list.as_array_mut() {
        list.retain(|one| {
            let is_new = one[key].is_null() || !seen.contains(&one[key]);
            seen.push(one[key].clone());
            is_new
        });
    }
}

fn profile(profile: &mut Value) {
    if profile["type"] == "Localhost" {
        profile["localhostProfile"] = "profiles/app.json".into();
    } else {
        remove(profile, &["localhostProfile"]);
    }
}

fn divisor(selector: &mut Value) {
    let cpu = selector["resource"].as_str().is_some_and(|name| name.ends_with("cpu"));
    selector["divisor"] = if cpu { "1m" } else { "1Mi" }.into();
}

fn requirement(requirement: &mut Value) {
    match requirement["operator"].as_str() {
        Some("Exists" | "DoesNotExist") => remove(requirement, &["values"]),
        Some("Gt" | "Lt") => requirement["values"] = json!(["7"]),
        _ => {}
    }
}

/// By fields a node is only found by its name.
fn term(term: &mut Value) {
    for field in term["matchFields"].as_array_mut().into_iter().flatten() {
        *field = json!({"key": "metadata.name", "operator": "In", "values": ["node-1"]});
    }
    if term["matchFields"].is_array() {
        unique(&mut term["matchFields"], "key");
    } else {
        remove(term, &["matchFields"]);
    }
}

fn toleration(toleration: &mut Value) {
    if toleration["operator"] == "Exists" {
        remove(toleration, &["value"]);
    }
    if toleration["tolerationSeconds"].is_number() {
        toleration["effect"] = "NoExecute".into();
    }
}

fn mount(mount: &mut Value) {
    if mount["recursiveReadOnly"].is_string() {
        mount["readOnly"] = true.into();
        mount["mountPropagation"] = "None".into();
    }
    if mount["mountPropagation"] == "Bidirectional" {
        mount["mountPropagation"] = "HostToContainer".into();
    }
    let path = format!("/mnt/{}", mount["mountPath"].as_str().unwrap());
    mount["mountPath"] = path.into();
}

fn volume(kind: &str, object: &mut Value, random: &mut Rng) {
    match kind {
        "FCVolumeSource" if object["targetWWNs"].is_array() => object["lun"] = random.u8(..).into(),
        "FCVolumeSource" => remove(object, &["lun"]),
        "ISCSIVolumeSource" if object["chapAuthDiscovery"] == true || object["chapAuthSession"] == true => {
            object["secretRef"] = json!({"name": "chap"});
        }
        "ClusterTrustBundleProjection" if object["signerName"].is_null() => {
            remove(object, &["labelSelector"]);
        }
        "PodCertificateProjection" if object["keyPath"].is_string() => {
            object["certificateChainPath"] = "chain.pem".into();
        }
        "PodCertificateProjection" => remove(object, &["certificateChainPath"]),
        "PersistentVolumeClaimSpec" => {
            object["resources"] = json!({"requests": {"storage": "1Gi"}, "limits": {"storage": "1.5Gi"}});
            remove(&mut object["dataSourceRef"], &["namespace"]);
        }
        "ProjectedVolumeSource" => {
            // Files of two sources may not have one path; names made up hardly do, those of certificates would.
            unique(&mut object["sources"], "podCertificate");
        }
        _ => {}
    }
}
