//! The kinds that have pods: the one table for manifests, for targets on the command line, and for completions.
//!
//! Names, scopes and paths are those of the `CustomResourceDefinition` or the API type of each kind, owners those that its
//! controller writes:
//! Argo Rollouts (`manifests/crds/`, `rollout/sync.go`, `experiments/replicaset.go`), `OpenShift` (`openshift/api`,
//! `apps/v1/types.go`, `template/v1/types.go`), Knative (`config/core/300-resources/`), OLM (`operator-framework/api`,
//! `crds/`), Crossplane (`cluster/crds/`), `OpenKruise` (`apis/apps/v1beta1/`, `broadcastjob_controller.go`), KEDA
//! (`keda.sh_scaledjobs.yaml`, `scale_jobs.go`), `JobSet` (`jobset.x-k8s.io_jobsets.yaml`), `LeaderWorkerSet`
//! (`leaderworkerset_types.go`), Volcano (`config/crd/`, `job_controller_util.go`), `KubeRay` (`ray-operator/config/crd/`,
//! `raycluster_controller.go`), Kubeflow (`training-operator`, `mpi-operator` and `trainer`, `manifests/base/`), Agones
//! (`install/helm/agones/templates/crds/`, `pkg/apis/agones/v1/gameserver.go`), Knative Eventing (`config/core/resources/`).
//!
//! Every one of these templates takes annotations in its schema, and its controller keeps variables and annotations.

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
const VOLCANO: &str = "batch.volcano.sh";
const RAY: &str = "ray.io";
const KUBEFLOW: &str = "kubeflow.org";
const TRAINER: &str = "trainer.kubeflow.org";
const AGONES: &str = "agones.dev";

/// Path of the templates of a runtime of Kubeflow's Trainer, in its `JobSet`.
const JOBS_OF_RUNTIME: &str = "spec.template.spec.replicatedJobs[*].template.spec.template";

/// Label with the name of the job of Kubeflow that a pod belongs to.
const KUBEFLOW_LABEL: &str = "training.kubeflow.org/job-name";

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
        Self::new(VOLCANO, ("Job", "jobs", "job"), &["vcjob", "vj"])
            .labels_pods("volcano.sh/job-name")
            .with(&[template("spec.tasks[*].template", "Job")]),
        Self::new(VOLCANO, ("CronJob", "cronjobs", "cronjob"), &["cronvcjob", "cronvj"])
            .with(&[template("spec.jobTemplate.spec.tasks[*].template", "Job")]),
        Self::new("flow.volcano.sh", ("JobTemplate", "jobtemplates", "jobtemplate"), &["jt"])
            .with(&[template("spec.tasks[*].template", "Job")]),
        Self::new(RAY, ("RayCluster", "rayclusters", "raycluster"), &[]).labels_pods("ray.io/cluster").with(
            &[
                template("spec.headGroupSpec.template", "RayCluster"),
                template("spec.workerGroupSpecs[*].template", "RayCluster"),
            ],
        ),
        Self::new(RAY, ("RayJob", "rayjobs", "rayjob"), &[]).with(&[
            template("spec.rayClusterSpec.headGroupSpec.template", "RayCluster"),
            template("spec.rayClusterSpec.workerGroupSpecs[*].template", "RayCluster"),
            template("spec.submitterPodTemplate", "Job"),
        ]),
        Self::new(RAY, ("RayService", "rayservices", "rayservice"), &[]).with(&[
            template("spec.rayClusterConfig.headGroupSpec.template", "RayCluster"),
            template("spec.rayClusterConfig.workerGroupSpecs[*].template", "RayCluster"),
        ]),
        Self::new(RAY, ("RayCronJob", "raycronjobs", "raycronjob"), &[]).with(&[
            template("spec.jobTemplate.rayClusterSpec.headGroupSpec.template", "RayCluster"),
            template("spec.jobTemplate.rayClusterSpec.workerGroupSpecs[*].template", "RayCluster"),
            template("spec.jobTemplate.submitterPodTemplate", "Job"),
        ]),
        Self::new(KUBEFLOW, ("PyTorchJob", "pytorchjobs", "pytorchjob"), &[])
            .labels_pods(KUBEFLOW_LABEL)
            .with(&[template("spec.pytorchReplicaSpecs.*.template", "PyTorchJob")]),
        Self::new(KUBEFLOW, ("TFJob", "tfjobs", "tfjob"), &[])
            .labels_pods(KUBEFLOW_LABEL)
            .with(&[template("spec.tfReplicaSpecs.*.template", "TFJob")]),
        // The launcher is a pod of a Job in `v2beta1`, and of the MPIJob in `v1`.
        Self::new(KUBEFLOW, ("MPIJob", "mpijobs", "mpijob"), &[])
            .labels_pods(KUBEFLOW_LABEL)
            .with(&[without_owner("spec.mpiReplicaSpecs.*.template")]),
        Self::new(KUBEFLOW, ("XGBoostJob", "xgboostjobs", "xgboostjob"), &[])
            .labels_pods(KUBEFLOW_LABEL)
            .with(&[template("spec.xgbReplicaSpecs.*.template", "XGBoostJob")]),
        Self::new(KUBEFLOW, ("PaddleJob", "paddlejobs", "paddlejob"), &[])
            .labels_pods(KUBEFLOW_LABEL)
            .with(&[template("spec.paddleReplicaSpecs.*.template", "PaddleJob")]),
        Self::new(KUBEFLOW, ("JAXJob", "jaxjobs", "jaxjob"), &[])
            .labels_pods(KUBEFLOW_LABEL)
            .with(&[template("spec.jaxReplicaSpecs.*.template", "JAXJob")]),
        Self::new(TRAINER, ("TrainingRuntime", "trainingruntimes", "trainingruntime"), &[])
            .with(&[template(JOBS_OF_RUNTIME, "Job")]),
        Self::new(
            TRAINER,
            ("ClusterTrainingRuntime", "clustertrainingruntimes", "clustertrainingruntime"),
            &[],
        )
        .cluster_scoped()
        .with(&[template(JOBS_OF_RUNTIME, "Job")]),
        Self::new(AGONES, ("GameServer", "gameservers", "gameserver"), &["gs"])
            .labels_pods("agones.dev/gameserver")
            .with(&[template(TEMPLATE, "GameServer")]),
        Self::new(AGONES, ("GameServerSet", "gameserversets", "gameserverset"), &["gss", "gsset"])
            .with(&[template("spec.template.spec.template", "GameServer")]),
        Self::new(AGONES, ("Fleet", "fleets", "fleet"), &["flt"])
            .with(&[template("spec.template.spec.template", "GameServer")]),
        Self::new("sources.knative.dev", ("ContainerSource", "containersources", "containersource"), &[])
            .with(&[template(TEMPLATE, "ReplicaSet")]),
    ];
}
