// A mutating webhook as the documentation of controller-runtime teaches it (examples/builtins), with the same job as
// gomemlimit: GOMEMLIMIT at 90 % of each container's memory limit, unless it is set, and an annotation that says so.
// It logs nothing, which is in its favour.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"strconv"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	variable   = "GOMEMLIMIT"
	annotation = "gomemlimit.dev/status"
)

type set struct {
	Value string `json:"value"`
	Limit int64  `json:"limit"`
}

type injector struct{}

func (injector) Default(_ context.Context, pod *corev1.Pod) error {
	status := map[string]set{}
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		limit, found := container.Resources.Limits[corev1.ResourceMemory]
		if !found || isSet(container.Env) {
			continue
		}
		bytes := limit.Value()
		value := strconv.FormatInt(bytes/10*9+bytes%10*9/10, 10)
		container.Env = append(container.Env, corev1.EnvVar{Name: variable, Value: value})
		status[container.Name] = set{Value: value, Limit: bytes}
	}
	if len(status) == 0 {
		return nil
	}
	text, err := json.Marshal(status)
	if err != nil {
		return err
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[annotation] = string(text)
	return nil
}

func isSet(env []corev1.EnvVar) bool {
	for i := range env {
		if env[i].Name == variable {
			return true
		}
	}
	return false
}

func main() {
	port := flag.Int("port", 9443, "port of the webhook")
	host := flag.String("host", "127.0.0.1", "address to listen on")
	certificates := flag.String("certificates", "", "folder with tls.crt and tls.key")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())

	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		log.Fatal(err)
	}
	server := webhook.NewServer(webhook.Options{Host: *host, Port: *port, CertDir: *certificates})
	server.Register("/mutate", admission.WithDefaulter[*corev1.Pod](scheme, injector{}))
	if err := server.Start(ctrl.SetupSignalHandler()); err != nil {
		log.Print(err)
		os.Exit(1)
	}
}
