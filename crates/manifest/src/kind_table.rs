//! The kinds that have pods: the one table for manifests, for targets on the command line, and for completions.
//!
//! Names, scopes and paths are those of the `CustomResourceDefinition` or the API type of each kind, owners those that its
//! controller writes:
//! Argo Rollouts (`manifests/crds/`, `rollout/sync.go`, `experiments/replicaset.go`), `OpenShift` (`openshift/api`,
//! `apps/v1/types.go`, `template/v1/types.go`), Knative (`config/core/300-resources/`), OLM (`operator-framework/api`,
//! `crds/`), Crossplane (`cluster/crds/`), `OpenKruise` (`apis/apps/v1beta1/`, `broadcastjob_controller.go`), KEDA
//! (`keda.sh_scaledjobs.yaml`, `scale_jobs.go`), `JobSet` (`jobset.x-k8s.io_jobsets.yaml`), `LeaderWorkerSet`
//! (`leaderworkerset_types.go`), Volcano (`batch.volcano.sh_jobs.yaml`, `job_controller_util.go`).

use crate::workload_kind::{PodTemplate, WorkloadKind};

const fn template(path: &'static str, pods_owner: &'static str) -> PodTemplate {
    PodTemplate { path, pods_owner: Some(pods_owner) }
}

/// A template whose pods no object owns that is known beforehand.
const fn without_owner(path: &'static str) -> PodTemplate {
    PodTemplate { path, pods_owner: None }
}

/// Path of most templates.
const TEMPLATE: &str = "spec.template";

/// Groups of the kinds of Kubernetes before they became `v1` of `apps`.
const EXTENSIONS: &[&str] = &["extensions"];

/// `OpenShift` 3 had its kinds in the core group.
const CORE: &[&str] = &[""];

const ARGO: &str = "argoproj.io";
const KNATIVE: &str = "serving.knative.dev";
const KRUISE: &str = "apps.kruise.io";

impl WorkloadKind {
    /// All kinds: those of Kubernetes itself, the most used first, then those of others.
    pub const ALL: &'static [Self] = &[
        Self::new("", ("Pod", "pods", "pod"), &["po"]).with(&[without_owner("")]),
        Self::new("apps", ("Deployment", "deployments", "deployment"), &["deploy"])
            .once_in(EXTENSIONS)
            .with(&[template(TEMPLATE, "ReplicaSet")]),
        Self::new("apps", ("StatefulSet", "statefulsets", "statefulset"), &["sts"])
            .with(&[template(TEMPLATE, "StatefulSet")]),
        Self::new("apps", ("DaemonSet", "daemonsets", "daemonset"), &["ds"])
            .once_in(EXTENSIONS)
            .with(&[template(TEMPLATE, "DaemonSet")]),
        Self::new("apps", ("ReplicaSet", "replicasets", "replicaset"), &["rs"])
            .once_in(EXTENSIONS)
            .with(&[template(TEMPLATE, "ReplicaSet")]),
        Self::new("", ("ReplicationController", "replicationcontrollers", "replicationcontroller"), &["rc"])
            .with(&[template(TEMPLATE, "ReplicationController")]),
        Self::new("batch", ("Job", "jobs", "job"), &[]).with(&[template(TEMPLATE, "Job")]),
        Self::new("batch", ("CronJob", "cronjobs", "cronjob"), &["cj"])
            .with(&[template("spec.jobTemplate.spec.template", "Job")]),
        Self::new("", ("PodTemplate", "podtemplates", "podtemplate"), &[]).with(&[without_owner("template")]),
        Self::new(ARGO, ("Rollout", "rollouts", "rollout"), &["ro"])
            .with(&[template(TEMPLATE, "ReplicaSet")]),
        Self::new(ARGO, ("Experiment", "experiments", "experiment"), &["exp"])
            .with(&[template("spec.templates[*].template", "ReplicaSet")]),
        Self::new(ARGO, ("AnalysisTemplate", "analysistemplates", "analysistemplate"), &["at"])
            .with(&[template("spec.metrics[*].provider.job.spec.template", "Job")]),
        Self::new(
            ARGO,
            ("ClusterAnalysisTemplate", "clusteranalysistemplates", "clusteranalysistemplate"),
            &["cat"],
        )
        .cluster_scoped()
        .with(&[template("spec.metrics[*].provider.job.spec.template", "Job")]),
        Self::new(
            "apps.openshift.io",
            ("DeploymentConfig", "deploymentconfigs", "deploymentconfig"),
            &["dc"],
        )
        .once_in(CORE)
        .with(&[template(TEMPLATE, "ReplicationController")]),
        Self::new("template.openshift.io", ("Template", "templates", "template"), &[]).once_in(CORE),
        Self::new(KNATIVE, ("Service", "services", "service"), &["ksvc", "kservice"])
            .labels_pods("serving.knative.dev/service")
            .with(&[template(TEMPLATE, "ReplicaSet")]),
        Self::new(KNATIVE, ("Configuration", "configurations", "configuration"), &["config", "cfg"])
            .labels_pods("serving.knative.dev/configuration")
            .with(&[template(TEMPLATE, "ReplicaSet")]),
        Self::new(KNATIVE, ("Revision", "revisions", "revision"), &["rev"])
            .labels_pods("serving.knative.dev/revision")
            .with(&[template("", "ReplicaSet")]),
        Self::new(
            "operators.coreos.com",
            ("ClusterServiceVersion", "clusterserviceversions", "clusterserviceversion"),
            &["csv", "csvs"],
        )
        .with(&[template("spec.install.spec.deployments[*].spec.template", "ReplicaSet")]),
        Self::new(
            "pkg.crossplane.io",
            ("DeploymentRuntimeConfig", "deploymentruntimeconfigs", "deploymentruntimeconfig"),
            &[],
        )
        .cluster_scoped()
        .with(&[template("spec.deploymentTemplate.spec.template", "ReplicaSet")]),
        Self::new(KRUISE, ("CloneSet", "clonesets", "cloneset"), &["clone"])
            .with(&[template(TEMPLATE, "CloneSet")]),
        Self::new(KRUISE, ("StatefulSet", "statefulsets", "statefulset"), &["asts"])
            .with(&[template(TEMPLATE, "StatefulSet")]),
        Self::new(KRUISE, ("DaemonSet", "daemonsets", "daemonset"), &["ads", "daemon"])
            .with(&[template(TEMPLATE, "DaemonSet")]),
        Self::new(KRUISE, ("BroadcastJob", "broadcastjobs", "broadcastjob"), &["bcj"])
            .labels_pods("broadcastjob-name")
            .with(&[template(TEMPLATE, "BroadcastJob")]),
        Self::new(KRUISE, ("AdvancedCronJob", "advancedcronjobs", "advancedcronjob"), &["acj"]).with(&[
            template("spec.template.jobTemplate.spec.template", "Job"),
            template("spec.template.broadcastJobTemplate.spec.template", "BroadcastJob"),
        ]),
        Self::new(KRUISE, ("UnitedDeployment", "uniteddeployments", "uniteddeployment"), &["ud"]).with(&[
            template("spec.template.statefulSetTemplate.spec.template", "StatefulSet"),
            template("spec.template.advancedStatefulSetTemplate.spec.template", "StatefulSet"),
            template("spec.template.cloneSetTemplate.spec.template", "CloneSet"),
            template("spec.template.deploymentTemplate.spec.template", "ReplicaSet"),
        ]),
        Self::new("keda.sh", ("ScaledJob", "scaledjobs", "scaledjob"), &["sj"])
            .labels_pods("scaledjob.keda.sh/name")
            .with(&[template("spec.jobTargetRef.template", "Job")]),
        Self::new("jobset.x-k8s.io", ("JobSet", "jobsets", "jobset"), &[])
            .labels_pods("jobset.sigs.k8s.io/jobset-name")
            .with(&[template("spec.replicatedJobs[*].template.spec.template", "Job")]),
        Self::new(
            "leaderworkerset.x-k8s.io",
            ("LeaderWorkerSet", "leaderworkersets", "leaderworkerset"),
            &["lws"],
        )
        .labels_pods("leaderworkerset.sigs.k8s.io/name")
        .with(&[
            template("spec.leaderWorkerTemplate.leaderTemplate", "StatefulSet"),
            template("spec.leaderWorkerTemplate.workerTemplate", "StatefulSet"),
        ]),
        Self::new("batch.volcano.sh", ("Job", "jobs", "job"), &["vcjob", "vj"])
            .labels_pods("volcano.sh/job-name")
            .with(&[template("spec.tasks[*].template", "Job")]),
    ];
}
