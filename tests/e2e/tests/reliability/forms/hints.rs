//! What the schema says in words only: what a text or a number has to be, and what excludes what.

use std::ops::RangeInclusive;

use super::schema::Schema;

/// Not made: ephemeral containers and most metadata cannot be set at creation, and an admission plugin refuses these unless
/// there are objects that go with them. The page lists them.
pub fn is_never(kind: &str, name: &str) -> bool {
    match kind {
        "ObjectMeta" => !matches!(name, "labels" | "annotations"),
        "PodSpec" => matches!(name, "ephemeralContainers" | "overhead" | "runtimeClassName"),
        _ => false,
    }
}

/// Needed although the schema does not say so.
pub fn is_needed(kind: &str, name: &str) -> bool {
    let needed: &[&str] = match kind {
        "Container" => &["image", "resources"],
        "ImageVolumeSource" => &["reference"],
        "AzureDiskVolumeSource" => &["kind"],
        "TypedLocalObjectReference" | "TypedObjectReference" => &["apiGroup"],
        "ContainerRestartRule" => &["exitCodes"],
        "ContainerRestartRuleOnExitCodes" | "NodeSelectorRequirement" | "LabelSelectorRequirement" => {
            &["values"]
        }
        "NodeSelectorTerm" => &["matchExpressions"],
        "SecretVolumeSource" => &["secretName"],
        "EphemeralVolumeSource" => &["volumeClaimTemplate"],
        "PersistentVolumeClaimSpec" => &["accessModes"],
        "PodDNSConfigOption"
        | "SecretKeySelector"
        | "ConfigMapKeySelector"
        | "ConfigMapEnvSource"
        | "SecretEnvSource"
        | "LocalObjectReference"
        | "ConfigMapVolumeSource"
        | "ConfigMapProjection"
        | "SecretProjection" => &["name"],
        "StorageOSVolumeSource" | "ScaleIOVolumeSource" => &["volumeName"],
        "PodAffinityTerm" | "TopologySpreadConstraint" => &["labelSelector"],
        "ProjectedVolumeSource" => &["sources"],
        "ExecAction" => &["command"],
        "HTTPGetAction" => &["path"],
        "PodSchedulingGroup" => &["podGroupName"],
        "HostAlias" => &["hostnames"],
        "Toleration" => &["key"],
        _ => &[],
    };
    needed.contains(&name)
}

/// Properties of which exactly one has to be there.
pub fn alternatives<'s>(schema: &'s Schema, kind: &str) -> Vec<&'s str> {
    let names: &[&str] = match kind {
        "Probe" => &["exec", "grpc", "httpGet", "tcpSocket"],
        "EnvVar" => &["value", "valueFrom"],
        "EnvFromSource" => &["configMapRef", "secretRef"],
        "DownwardAPIVolumeFile" => &["fieldRef", "resourceFieldRef"],
        "PodResourceClaim" => &["resourceClaimName", "resourceClaimTemplateName"],
        "FlockerVolumeSource" => &["datasetName", "datasetUUID"],
        "ClusterTrustBundleProjection" => &["name", "signerName"],
        "PodCertificateProjection" => &["credentialBundlePath", "keyPath"],
        "FCVolumeSource" => &["targetWWNs", "wwids"],
        "PersistentVolumeClaimSpec" => &["dataSource", "dataSourceRef"],
        "VolumeMount" => &["subPath", "subPathExpr"],
        "Volume" | "LifecycleHandler" | "EnvVarSource" | "VolumeProjection" => &[],
        _ => return Vec::new(),
    };
    let all = schema.properties(kind).iter().map(|property| &*property.name);
    all.filter(|name| if names.is_empty() { *name != "name" } else { names.contains(name) }).collect()
}

/// The longest list that makes sense.
pub fn most(name: &str) -> usize {
    match name {
        "containers" | "initContainers" | "volumes" | "env" | "ports" | "volumeMounts" => 4,
        "nameservers" | "args" | "command" | "tolerations" => 3,
        "sysctls" | "podIPs" | "portals" => 1,
        _ => 2,
    }
}

pub fn range(kind: &str, name: &str) -> RangeInclusive<i64> {
    match (kind, name) {
        (_, "containerPort" | "hostPort" | "port") => 1..=65535,
        (_, "mode" | "defaultMode") => 0..=511,
        (_, "lun" | "partition" | "values") => 1..=255,
        (_, "expirationSeconds") => 600..=7200,
        (_, "maxExpirationSeconds") => 3600..=7200,
        ("PodSpec", "priority") => 0..=0,
        ("EvictionResponder", _) => 100..=9999,
        ("PodSpec", "terminationGracePeriodSeconds") => 30..=120,
        ("SleepAction", _) => 1..=29,
        (_, "runAsUser" | "runAsGroup" | "fsGroup" | "supplementalGroups" | "user" | "defaultUser") => {
            1..=i64::from(i32::MAX)
        }
        _ => 1..=100,
    }
}

/// Texts that are valid there, or those of an enumeration that need nothing else; none where any is.
pub fn texts(kind: &str, name: &str) -> &'static [&'static str] {
    texts_of_containers(kind, name)
        .or_else(|| texts_of_volumes(kind, name))
        .or_else(|| texts_of_pods(kind, name))
        .unwrap_or(&[])
}

fn texts_of_containers(kind: &str, name: &str) -> Option<&'static [&'static str]> {
    Some(match (kind, name) {
        ("Container", "image") => &[
            "gomemlimit.invalid/pause:1",
            "prom/prometheus:v3.1.0",
            "redis",
            "ghcr.io/acme/app@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ],
        ("Container", "restartPolicy") => &["Always", "Never", "OnFailure"],
        ("Container", "args" | "command") | ("ExecAction", _) => {
            &["--verbose", "/app", "-c", "$(HOME)", "", "ü\n\"quoted\"", "--auto-gomemlimit"]
        }
        ("Container", "terminationMessagePath" | "workingDir") => &["/dev/termination-log", "/var/tmp/x"],
        ("ContainerResizePolicy", "resourceName") => &["cpu", "memory"],
        ("ContainerResizePolicy", "restartPolicy") => &["NotRequired", "RestartContainer"],
        ("ContainerRestartRule", "action") => &["Restart"],
        ("ContainerRestartRuleOnExitCodes", "operator") => &["In", "NotIn"],
        ("EnvVar", "name") => {
            &["HOME", "PATH", "GOGC", "GOMEMLIMIT", "AUTOMEMLIMIT", "my.var", "lower_case", "GOMEMLIMIT_MIB"]
        }
        ("EnvVar", "value") => &["", "1", "512MiB", "$(HOME)/x", "a=b", "ü", "\"", "off", "tab\there"],
        ("EnvFromSource", "prefix") => &["APP_", "GO", ""],
        ("ObjectFieldSelector", "apiVersion") => &["v1"],
        ("ObjectFieldSelector", "fieldPath") => &[
            "metadata.name",
            "metadata.namespace",
            "metadata.uid",
            "metadata.labels['app']",
            "metadata.annotations['note']",
        ],
        ("ResourceFieldSelector", "resource") => {
            &["limits.memory", "requests.memory", "limits.cpu", "requests.ephemeral-storage"]
        }
        ("HTTPHeader", "name") => &["X-Probe", "Accept"],
        ("ContainerPort", "hostIP") | ("HTTPGetAction" | "TCPSocketAction", "host") => {
            &["127.0.0.1", "10.0.0.1"]
        }
        ("Capabilities", _) => &["NET_ADMIN", "CHOWN", "ALL"],
        ("WindowsSecurityContextOptions", "runAsUserName") => &["ContainerUser", "NT AUTHORITY\\SYSTEM"],
        ("VolumeMount", "recursiveReadOnly") => &["Disabled", "IfPossible", "Enabled"],
        ("VolumeMount", "bindMountOptions") => &["noexec", "nodev", "nosuid"],
        ("VolumeMount", "subPathExpr") => &["a/$(HOME)", "plain"],
        _ => return None,
    })
}

fn texts_of_volumes(kind: &str, name: &str) -> Option<&'static [&'static str]> {
    Some(match (kind, name) {
        ("AzureDiskVolumeSource", "kind") => &["Managed"],
        ("AzureDiskVolumeSource", "diskURI") => &["/subscriptions/a/b"],
        ("EmptyDirVolumeSource", "medium") => &["", "Memory"],
        ("ISCSIVolumeSource", "iqn" | "initiatorName") => &["iqn.2001-04.com.example:storage.kube.sys1.xyz"],
        ("ISCSIVolumeSource", "targetPortal" | "portals") => &["10.0.2.15:3260"],
        ("NFSVolumeSource" | "HostPathVolumeSource", "path") => &["/srv/data", "/tmp"],
        ("QuobyteVolumeSource", "registry") => &["registry.example:7861"],
        ("CSIVolumeSource" | "FlexVolumeSource", "driver") => &["inline.storage.example"],
        ("PersistentVolumeClaimSpec", "accessModes") => &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
        ("TypedLocalObjectReference" | "TypedObjectReference", "apiGroup") => &["snapshot.storage.k8s.io"],
        ("TypedLocalObjectReference" | "TypedObjectReference", "kind") => &["VolumeSnapshot"],
        ("PodCertificateProjection", "keyType") => {
            &["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"]
        }
        (_, "signerName") => &["example.com/signer"],
        ("ScaleIOVolumeSource", "storageMode") => &["ThickProvisioned", "ThinProvisioned"],
        _ => return None,
    })
}

fn texts_of_pods(kind: &str, name: &str) -> Option<&'static [&'static str]> {
    Some(match (kind, name) {
        ("PodSpec", "serviceAccount" | "serviceAccountName") => &["default"],
        ("PodSpec", "priorityClassName") => &["system-node-critical", "system-cluster-critical"],
        ("PodSpec", "schedulerName") => &["default-scheduler", "nobody"],
        ("PodOS", "name") => &["linux", "linux", "windows"],
        ("PodReadinessGate" | "PodSchedulingGate" | "EvictionResponder", _) => {
            &["example.com/first", "example.com/second"]
        }
        ("HostAlias", "ip") | ("PodDNSConfig", "nameservers") => &["127.0.0.1", "10.0.0.10", "fd00::10"],
        ("Toleration", "operator") => &["Exists", "Equal"],
        ("Sysctl", "name") => &["kernel.shm_rmid_forced"],
        ("PodSecurityContext", "seLinuxChangePolicy") => &["MountOption", "Recursive"],
        ("LabelSelectorRequirement", "operator") => &["In", "NotIn", "Exists", "DoesNotExist"],
        ("LabelSelectorRequirement" | "NodeSelectorRequirement" | "Toleration", "key") => {
            &["app", "example.com/zone"]
        }
        (_, "topologyKey") => &["kubernetes.io/hostname", "topology.kubernetes.io/zone"],
        (_, "matchLabelKeys") => &["pod-template-hash", "version"],
        (_, "mismatchLabelKeys") => &["tenant"],
        _ => return None,
    })
}
