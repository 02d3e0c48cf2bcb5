// Compares what was injected with what has to be.
package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// What is wrong with the objects after an injection. Takes both apart.
func differences(before, after []any, around surroundings) []string {
	if len(before) != len(after) {
		return []string{fmt.Sprintf("%d objects became %d", len(before), len(after))}
	}
	var wrong []string
	for i := range before {
		was, is := workloads(before[i]), workloads(after[i])
		if len(was) != len(is) {
			wrong = append(wrong, fmt.Sprintf("object %d: %d workloads became %d", i+1, len(was), len(is)))
			continue
		}
		for j := range was {
			wrong = append(wrong, check(was[j], is[j], around.decide(was[j]))...)
		}
		if !reflect.DeepEqual(before[i], after[i]) {
			wrong = append(wrong, fmt.Sprintf("object %d (%s %s): something else changed: %s", i+1,
				text(before[i], "kind"), text(before[i], "metadata", "name"), firstDifference(before[i], after[i], "")))
		}
	}
	return wrong
}

// Checks the values and the status of a workload, and takes them away again. Whatever else changed is then still there.
func check(was, is workload, decisions []decision) []string {
	if !isInjected(decisions) || isIllTyped(was) && reflect.DeepEqual(was.pod, is.pod) {
		return nil
	}
	var wrong []string
	say := func(format string, arguments ...any) {
		wrong = append(wrong, fmt.Sprintf("%s %s/%s: ", is.kind, is.namespace, is.name)+fmt.Sprintf(format, arguments...))
	}
	for _, problem := range checkStatus(text(is.pod, "metadata", "annotations", status), decisions) {
		say("%s", problem)
	}
	removeStatus(is.pod)
	removeEmptyMetadata(was.pod)
	removeEmptyMetadata(is.pod)
	for _, one := range decisions {
		if one.reason != "injected" {
			continue
		}
		before, isBefore := element(list(was.pod, "spec", one.list), one.index)
		after, isAfter := element(list(is.pod, "spec", one.list), one.index)
		if !isBefore || !isAfter {
			say("%s is lost", one.name)
			continue
		}
		if problem := removeValue(before, after, strconv.FormatInt(one.value, 10)); problem != "" {
			say("%s: %s", one.name, problem)
		}
	}
	return wrong
}

func element(of []any, index int) (map[string]any, bool) {
	if index >= len(of) {
		return nil, false
	}
	object, isObject := of[index].(map[string]any)
	return object, isObject
}

// Takes the one variable away, the last of its list, or the first if another one refers to it.
func removeValue(before, after map[string]any, wanted string) string {
	variables := list(after, "env")
	var places []int
	for i, variable := range variables {
		if text(variable, "name") == "GOMEMLIMIT" {
			places = append(places, i)
		}
	}
	if len(places) != 1 {
		return fmt.Sprintf("GOMEMLIMIT is there %d times, not once", len(places))
	}
	place := places[0]
	if found := variables[place]; !reflect.DeepEqual(found, map[string]any{"name": "GOMEMLIMIT", "value": wanted}) {
		return fmt.Sprintf("the variable is %v, not %s", found, wanted)
	}
	isUsed := slices.ContainsFunc(list(before, "env"), func(variable any) bool {
		return strings.Contains(text(variable, "value"), "$(GOMEMLIMIT)")
	})
	if isUsed && place != 0 || !isUsed && place != len(variables)-1 {
		return fmt.Sprintf("GOMEMLIMIT has place %d of %d", place+1, len(variables))
	}
	after["env"] = slices.Delete(slices.Clone(variables), place, place+1)
	for _, container := range []map[string]any{before, after} {
		if len(list(container, "env")) == 0 {
			delete(container, "env")
		}
	}
	return ""
}

// What is wrong with the annotation.
func checkStatus(record string, decisions []decision) []string {
	var recorded struct {
		Version    int
		Containers map[string]struct {
			Value, Kind, Ratio, Source, Skipped string
			Limit, Headroom                     int64
		}
	}
	if err := json.Unmarshal([]byte(record), &recorded); err != nil {
		return []string{fmt.Sprintf("status %q: %v", record, err)}
	}
	var wrong []string
	names := map[string]bool{}
	for _, one := range decisions {
		names[one.name] = true
		entry, isThere := recorded.Containers[one.name]
		isRight := isThere && entry.Skipped == one.reason && entry.Value == ""
		if one.reason == "injected" {
			isRight = isThere && entry.Skipped == "" && entry.Value == strconv.FormatInt(one.value, 10) &&
				entry.Limit == one.limit && entry.Kind == "literal" && entry.Ratio == "0.9" && entry.Headroom == 0 &&
				entry.Source == "default"
		}
		if !isRight {
			wrong = append(wrong, fmt.Sprintf("the status of %s is %+v, not %+v", one.name, entry, one))
		}
	}
	if recorded.Version != 1 || len(recorded.Containers) != len(names) {
		wrong = append(wrong, fmt.Sprintf("the status has version %d and %d containers, not 1 and %d",
			recorded.Version, len(recorded.Containers), len(names)))
	}
	return wrong
}

func removeStatus(pod map[string]any) {
	annotations, _ := at(pod, "metadata", "annotations").(map[string]any)
	delete(annotations, status)
}

func removeEmptyMetadata(pod map[string]any) {
	metadata, _ := pod["metadata"].(map[string]any)
	if annotations, _ := metadata["annotations"].(map[string]any); len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	if len(metadata) == 0 {
		delete(pod, "metadata")
	}
}

// The first place at which two values differ, in words.
func firstDifference(one, other any, path string) string {
	switch one := one.(type) {
	case map[string]any:
		if other, isMap := other.(map[string]any); isMap {
			for key := range one {
				if _, isThere := other[key]; !isThere {
					return path + "." + key + " is gone"
				}
				if !reflect.DeepEqual(one[key], other[key]) {
					return firstDifference(one[key], other[key], path+"."+key)
				}
			}
			for key := range other {
				if _, isThere := one[key]; !isThere {
					return path + "." + key + " is new"
				}
			}
		}
	case []any:
		if other, isList := other.([]any); isList {
			for i := range min(len(one), len(other)) {
				if !reflect.DeepEqual(one[i], other[i]) {
					return firstDifference(one[i], other[i], fmt.Sprintf("%s[%d]", path, i))
				}
			}
		}
	}
	return fmt.Sprintf("%s: %.100v became %.100v", path, one, other)
}

// An object in the report of `explain -o json`.
type explained struct {
	File, Kind, Namespace, Name string
	Containers                  []struct {
		Name, List, Reason string
		Limit, Bytes       *int64
	}
}

// The report of `explain -o json`: objects by file, in their order.
func explanations(report []byte) (map[string][]explained, error) {
	var parsed struct{ Objects []explained }
	if err := json.Unmarshal(report, &parsed); err != nil {
		return nil, err
	}
	found := map[string][]explained{}
	for _, object := range parsed.Objects {
		path := strings.TrimPrefix(object.File, "./")
		found[path] = append(found[path], object)
	}
	return found, nil
}

// What `explain` has otherwise about the workloads of a file. `injected` is the reason that it has for a value.
func explainedWrong(found []explained, wanted []workload, around surroundings, injected string) []string {
	if len(found) != len(wanted) {
		return []string{fmt.Sprintf("explain has %d pods, not %d", len(found), len(wanted))}
	}
	var wrong []string
	for i, one := range wanted {
		object, decisions := found[i], around.decide(one)
		if object.Kind != one.kind || object.Namespace != one.namespace || object.Name != one.name {
			wrong = append(wrong, fmt.Sprintf("explain has %s %s/%s, not %s %s/%s",
				object.Kind, object.Namespace, object.Name, one.kind, one.namespace, one.name))
		}
		if len(object.Containers) != len(decisions) {
			wrong = append(wrong, fmt.Sprintf("explain has %d containers, not %d", len(object.Containers), len(decisions)))
			continue
		}
		for j, decision := range decisions {
			container, reason := object.Containers[j], decision.reason
			if reason == "injected" {
				reason = injected
			}
			isRight := container.Name == decision.name && container.List == decision.list && container.Reason == reason &&
				number(container.Bytes) == decision.value && number(container.Limit) == decision.limit
			if !isRight {
				wrong = append(wrong, fmt.Sprintf("explain has %s %s: %s, limit %d, value %d, not %+v", container.List,
					container.Name, container.Reason, number(container.Limit), number(container.Bytes), decision))
			}
		}
	}
	return wrong
}

// A number that may be null.
func number(pointer *int64) int64 {
	if pointer == nil {
		return 0
	}
	return *pointer
}
