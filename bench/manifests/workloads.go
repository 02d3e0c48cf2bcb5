// The pods and pod templates of objects: the table of kinds, written down a second time.
package main

import (
	"maps"
	"slices"
	"strings"
)

// A pod or pod template in an object.
type workload struct {
	kind, name, namespace string
	// `metadata` and `spec` of the pod.
	pod map[string]any
}

// Paths to the pods of a kind: keys, `*` for each element of a list or, in the order of their keys, of a mapping.
var kinds = map[string][]string{
	"/Pod":                                       {""},
	"/PodTemplate":                               {"template"},
	"/ReplicationController":                     {"spec.template"},
	"apps/Deployment":                            {"spec.template"},
	"apps/StatefulSet":                           {"spec.template"},
	"apps/DaemonSet":                             {"spec.template"},
	"apps/ReplicaSet":                            {"spec.template"},
	"extensions/Deployment":                      {"spec.template"},
	"extensions/DaemonSet":                       {"spec.template"},
	"extensions/ReplicaSet":                      {"spec.template"},
	"batch/Job":                                  {"spec.template"},
	"batch/CronJob":                              {"spec.jobTemplate.spec.template"},
	"argoproj.io/Rollout":                        {"spec.template"},
	"argoproj.io/Experiment":                     {"spec.templates.*.template"},
	"argoproj.io/AnalysisTemplate":               {"spec.metrics.*.provider.job.spec.template"},
	"argoproj.io/ClusterAnalysisTemplate":        {"spec.metrics.*.provider.job.spec.template"},
	"apps.openshift.io/DeploymentConfig":         {"spec.template"},
	"/DeploymentConfig":                          {"spec.template"},
	"serving.knative.dev/Service":                {"spec.template"},
	"serving.knative.dev/Configuration":          {"spec.template"},
	"serving.knative.dev/Revision":               {""},
	"operators.coreos.com/ClusterServiceVersion": {"spec.install.spec.deployments.*.spec.template"},
	"pkg.crossplane.io/DeploymentRuntimeConfig":  {"spec.deploymentTemplate.spec.template"},
	"apps.kruise.io/CloneSet":                    {"spec.template"},
	"apps.kruise.io/StatefulSet":                 {"spec.template"},
	"apps.kruise.io/DaemonSet":                   {"spec.template"},
	"apps.kruise.io/BroadcastJob":                {"spec.template"},
	"apps.kruise.io/AdvancedCronJob": {
		"spec.template.jobTemplate.spec.template", "spec.template.broadcastJobTemplate.spec.template",
	},
	"apps.kruise.io/UnitedDeployment": {
		"spec.template.statefulSetTemplate.spec.template", "spec.template.advancedStatefulSetTemplate.spec.template",
		"spec.template.cloneSetTemplate.spec.template", "spec.template.deploymentTemplate.spec.template",
	},
	"keda.sh/ScaledJob":      {"spec.jobTargetRef.template"},
	"jobset.x-k8s.io/JobSet": {"spec.replicatedJobs.*.template.spec.template"},
	"leaderworkerset.x-k8s.io/LeaderWorkerSet": {
		"spec.leaderWorkerTemplate.leaderTemplate", "spec.leaderWorkerTemplate.workerTemplate",
	},
	"batch.volcano.sh/Job":        {"spec.tasks.*.template"},
	"batch.volcano.sh/CronJob":    {"spec.jobTemplate.spec.tasks.*.template"},
	"flow.volcano.sh/JobTemplate": {"spec.tasks.*.template"},
	"ray.io/RayCluster":           {"spec.headGroupSpec.template", "spec.workerGroupSpecs.*.template"},
	"ray.io/RayService": {
		"spec.rayClusterConfig.headGroupSpec.template", "spec.rayClusterConfig.workerGroupSpecs.*.template",
	},
	"ray.io/RayJob": {
		"spec.rayClusterSpec.headGroupSpec.template", "spec.rayClusterSpec.workerGroupSpecs.*.template",
		"spec.submitterPodTemplate",
	},
	"ray.io/RayCronJob": {
		"spec.jobTemplate.rayClusterSpec.headGroupSpec.template",
		"spec.jobTemplate.rayClusterSpec.workerGroupSpecs.*.template", "spec.jobTemplate.submitterPodTemplate",
	},
	"kubeflow.org/Notebook":                       {}, // Its template takes no annotations.
	"kubeflow.org/PyTorchJob":                     {"spec.pytorchReplicaSpecs.*.template"},
	"kubeflow.org/TFJob":                          {"spec.tfReplicaSpecs.*.template"},
	"kubeflow.org/MPIJob":                         {"spec.mpiReplicaSpecs.*.template"},
	"kubeflow.org/XGBoostJob":                     {"spec.xgbReplicaSpecs.*.template"},
	"kubeflow.org/PaddleJob":                      {"spec.paddleReplicaSpecs.*.template"},
	"kubeflow.org/JAXJob":                         {"spec.jaxReplicaSpecs.*.template"},
	"trainer.kubeflow.org/TrainingRuntime":        {"spec.template.spec.replicatedJobs.*.template.spec.template"},
	"trainer.kubeflow.org/ClusterTrainingRuntime": {"spec.template.spec.replicatedJobs.*.template.spec.template"},
	"agones.dev/GameServer":                       {"spec.template"},
	"agones.dev/GameServerSet":                    {"spec.template.spec.template"},
	"agones.dev/Fleet":                            {"spec.template.spec.template"},
	"sources.knative.dev/ContainerSource":         {"spec.template"},
}

// The pods of a document, in its order.
func workloads(value any) []workload {
	return collect(value, "", "")
}

func collect(value any, kind, version string) []workload {
	object, _ := value.(map[string]any)
	if found := text(object, "kind"); found != "" {
		kind = found
	}
	if found := text(object, "apiVersion"); found != "" {
		version = found
	}
	var found []workload
	if items, isList := object["items"].([]any); isList {
		for _, item := range items {
			found = append(found, collect(item, strings.TrimSuffix(kind, "List"), version)...)
		}
		return found
	}
	group := ""
	if before, _, hasGroup := strings.Cut(version, "/"); hasGroup {
		group = before
	}
	if kind == "Template" && (group == "template.openshift.io" || version == "v1") {
		for _, item := range list(object, "objects") {
			found = append(found, collect(item, "", "")...)
		}
		return found
	}
	if group == "" && version != "v1" && version != "" {
		return nil
	}
	paths, isKnown := kinds[group+"/"+kind]
	if !isKnown && group != "" && list(object, "spec", "template", "spec", "containers") != nil {
		paths = []string{"spec.template"}
	}
	name := text(object, "metadata", "name")
	if name == "" {
		name = text(object, "metadata", "generateName")
	}
	namespace := text(object, "metadata", "namespace")
	if namespace == "" {
		namespace = "default"
	}
	for _, path := range paths {
		for _, pod := range follow(object, path) {
			found = append(found, workload{kind, name, namespace, pod})
		}
	}
	return found
}

func follow(value any, path string) []map[string]any {
	if path == "" {
		if object, isObject := value.(map[string]any); isObject {
			return []map[string]any{object}
		}
		return nil
	}
	key, rest, _ := strings.Cut(path, ".")
	if key != "*" {
		return follow(at(value, key), rest)
	}
	var found []map[string]any
	elements, _ := value.([]any)
	if mapping, isMapping := value.(map[string]any); isMapping {
		for _, key := range slices.Sorted(maps.Keys(mapping)) {
			elements = append(elements, mapping[key])
		}
	}
	for _, element := range elements {
		found = append(found, follow(element, rest)...)
	}
	return found
}
