// What has to be injected, by the rules of docs/behaviour written down a second time, with the quantities of Kubernetes.
package main

import (
	"encoding/json"
	"math/big"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	minLimit = 32 << 20
	domain   = "gomemlimit.dev"
	status   = domain + "/status"
)

// The decision about one container, with its place in its list.
type decision struct {
	list, name, reason string
	index              int
	limit, value       int64
}

// The other objects that count: LimitRanges by namespace.
type surroundings map[string]*resource.Quantity

// Adds the LimitRanges of a document; the smallest of several counts.
func (s surroundings) add(value any) {
	for _, item := range list(value, "items") {
		s.add(item)
	}
	if text(value, "kind") != "LimitRange" || text(value, "apiVersion") != "v1" {
		return
	}
	namespace := text(value, "metadata", "namespace")
	if namespace == "" {
		namespace = "default"
	}
	for _, item := range list(value, "spec", "limits") {
		if text(item, "type") != "Container" {
			continue
		}
		memory := at(item, "default", "memory")
		if memory == nil {
			memory = at(item, "max", "memory")
		}
		if limit := quantity(memory); limit != nil && (s[namespace] == nil || limit.Cmp(*s[namespace]) < 0) {
			s[namespace] = limit
		}
	}
}

func quantity(value any) *resource.Quantity {
	if value == nil {
		return nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var quantity resource.Quantity
	if quantity.UnmarshalJSON(raw) != nil {
		return nil
	}
	return &quantity
}

// The memory limit of some resources: bytes, and whether it is one.
func memoryLimit(resources any, fallback *resource.Quantity) (int64, bool) {
	limit := at(resources, "limits", "memory")
	if limit == nil {
		if fallback == nil {
			return 0, true
		}
		return fallback.Value(), true
	}
	quantity := quantity(limit)
	if quantity == nil || quantity.Sign() < 0 {
		return 0, false
	}
	return quantity.Value(), true
}

func (s surroundings) decide(one workload) []decision {
	spec := one.pod["spec"]
	fallback := s[one.namespace]
	reason := podReason(one.pod)
	var decisions []decision
	for _, name := range []string{"initContainers", "containers"} {
		for index, container := range list(spec, name) {
			if isDirective(container) {
				continue
			}
			found := decision{list: name, index: index, name: text(container, "name")}
			isPlainInit := name == "initContainers" && text(container, "restartPolicy") != "Always"
			var isValid, isShared bool
			found.limit, isValid, isShared = s.limit(spec, container, isPlainInit, fallback)
			found.reason = reason
			if reason == "" {
				found.reason = containerReason(container, isPlainInit)
			}
			if found.reason == "" {
				switch {
				case !isValid:
					found.reason = "invalid-limit"
				case isShared:
					found.reason = "shared-pod-limit"
				case found.limit == 0:
					found.reason = "no-memory-limit"
				case found.limit < minLimit:
					found.reason = "below-minimum"
				default:
					found.reason = "injected"
					found.value = ninety(found.limit)
				}
			}
			decisions = append(decisions, found)
		}
	}
	return decisions
}

// Whether it is a directive of a strategic merge patch and no container.
func isDirective(container any) bool {
	directive := text(container, "$patch")
	return directive == "delete" || directive != "" && at(container, "name") == nil
}

func isInjected(decisions []decision) bool {
	return slices.ContainsFunc(decisions, func(one decision) bool { return one.reason == "injected" })
}

// 90 % of the limit, rounded down.
func ninety(limit int64) int64 {
	value := new(big.Int).Mul(big.NewInt(limit), big.NewInt(9))
	return value.Div(value, big.NewInt(10)).Int64()
}

// The limit that applies: the container's, or what the others leave of the pod's.
func (s surroundings) limit(
	spec, container any, isPlainInit bool, fallback *resource.Quantity,
) (limit int64, isValid, isShared bool) {
	own, isValid := memoryLimit(at(container, "resources"), fallback)
	if !isValid || own > 0 {
		return own, isValid, false
	}
	left, isValid := memoryLimit(at(spec, "resources"), nil)
	if !isValid || left == 0 {
		return 0, isValid || isPlainInit, false
	}
	if isPlainInit {
		return 0, true, true
	}
	sharers := 0
	for _, name := range []string{"initContainers", "containers"} {
		for _, other := range list(spec, name) {
			if name == "initContainers" && text(other, "restartPolicy") != "Always" {
				continue
			}
			limit, isValid := memoryLimit(at(other, "resources"), fallback)
			if !isValid {
				return 0, false, false
			}
			left -= limit
			if limit == 0 {
				sharers++
			}
		}
	}
	if sharers != 1 || left <= 0 {
		return 0, true, true
	}
	return left, true, false
}

func podReason(pod map[string]any) string {
	if _, isMirror := at(pod, "metadata", "annotations", "kubernetes.io/config.mirror").(string); isMirror {
		return "mirror-pod"
	}
	if text(pod, "spec", "os", "name") == "windows" || text(pod, "spec", "nodeSelector", "kubernetes.io/os") == "windows" {
		return "windows"
	}
	switch text(pod, "metadata", "labels", domain+"/inject") {
	case "disabled", "false":
		return "opted-out"
	}
	return ""
}

func containerReason(container any, isPlainInit bool) string {
	if isPlainInit {
		return "init-container"
	}
	automemlimit, has := "", false
	for _, variable := range list(container, "env") {
		switch text(variable, "name") {
		case "GOMEMLIMIT":
			return "already-set"
		case "AUTOMEMLIMIT":
			automemlimit, has = text(variable, "value"), true
		}
	}
	arguments := append(list(container, "command"), list(container, "args")...)
	isAuto, isRefused := false, false
	for _, argument := range arguments {
		flag, _ := argument.(string)
		switch {
		case flag == "--auto-gomemlimit=false" || flag == "--no-auto-gomemlimit":
			isRefused = true
		case strings.HasPrefix(flag, "--auto-gomemlimit"):
			isAuto = true
		}
	}
	if has && automemlimit != "off" || !has && isAuto && !isRefused {
		return "self-managed"
	}
	isOff := has && automemlimit == "off"
	if isKnown(text(container, "image"), isOff, isRefused) {
		return "self-managed"
	}
	return ""
}

// The programs of the built-in rules.
func isKnown(image string, isOff, isRefused bool) bool {
	name, _, _ := strings.Cut(image, "@")
	version := tag(name)
	name = cutTag(name)
	last2 := path.Base(path.Dir(name)) + "/" + path.Base(name)
	switch {
	case (last2 == "prom/prometheus" || last2 == "prometheus/prometheus" && strings.Count(name, "/") > 1) &&
		strings.HasPrefix(version, "v3."):
		return !isOff && !isRefused
	case strings.HasSuffix(name, "grafana/alloy"):
		minor, _, hasPatch := strings.Cut(strings.TrimPrefix(version, "v1."), ".")
		return !isOff && hasPatch && strings.HasPrefix(version, "v1.") && (minor >= "5" && len(minor) == 1 || len(minor) == 2)
	}
	return strings.HasPrefix(name, "victoriametrics/") || strings.Contains(name, "/victoriametrics/")
}

func cutTag(name string) string {
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		return name[:colon]
	}
	return name
}

func tag(name string) string {
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		return name[colon+1:]
	}
	return ""
}
