// Pods with a value of another type than its field, by the types of Kubernetes.
package main

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	kubejson "sigs.k8s.io/json"
)

// Whether the API server would not take it: the program may leave it out, with an error.
func isIllTyped(one workload) bool {
	raw, err := json.Marshal(map[string]any{"metadata": one.pod["metadata"], "spec": one.pod["spec"]})
	if err != nil {
		return true
	}
	return kubejson.UnmarshalCaseSensitivePreserveInts(raw, &corev1.PodTemplateSpec{}) != nil
}
