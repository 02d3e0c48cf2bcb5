// Compares what was injected with what has to be.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// What is wrong with the documents after an injection; `expected` are the decisions about each of their workloads.
func differences(before, after []document, expected [][]decision) []string {
	var wrong []string
	if len(before) != len(after) {
		return []string{fmt.Sprintf("%d documents became %d", len(before), len(after))}
	}
	index := 0
	for i := range before {
		if (before[i].err == nil) != (after[i].err == nil) {
			wrong = append(wrong, fmt.Sprintf("document %d: %v became %v", i+1, before[i].err, after[i].err))
			continue
		}
		// The workloads of `after` are what is compared, and then made what they were.
		for _, one := range workloads(after[i].value) {
			if index == len(expected) {
				return append(wrong, "more workloads than before")
			}
			wrong = append(wrong, check(one, expected[index])...)
			index++
		}
		beforeAll, afterAll := workloads(before[i].value), workloads(after[i].value)
		if len(beforeAll) != len(afterAll) {
			wrong = append(wrong, fmt.Sprintf("document %d: %d workloads became %d", i+1, len(beforeAll), len(afterAll)))
			continue
		}
		for j := range afterAll {
			strip(beforeAll[j].pod)
			strip(afterAll[j].pod)
		}
		if !reflect.DeepEqual(before[i].value, after[i].value) {
			wrong = append(wrong, fmt.Sprintf("document %d: something else changed", i+1))
		}
	}
	return wrong
}

// Checks the values and the status of a workload.
func check(one workload, expected []decision) []string {
	var wrong []string
	say := func(format string, arguments ...any) {
		wrong = append(wrong, fmt.Sprintf("%s %s/%s: ", one.kind, one.namespace, one.name)+fmt.Sprintf(format, arguments...))
	}
	var recorded struct {
		Containers map[string]struct {
			Value, Kind, Skipped string
			Limit                int64
		}
	}
	record := text(one.pod, "metadata", "annotations", status)
	isInjected := false
	for _, decision := range expected {
		isInjected = isInjected || decision.reason == "injected"
	}
	if !isInjected {
		return nil
	}
	if err := json.Unmarshal([]byte(record), &recorded); err != nil {
		say("status %q: %v", record, err)
		return wrong
	}
	if len(recorded.Containers) != len(expected) {
		say("the status has %d containers, not %d", len(recorded.Containers), len(expected))
	}
	for _, decision := range expected {
		values := valuesOf(find1(one.pod, decision))
		entry := recorded.Containers[decision.name]
		if decision.reason != "injected" {
			if entry.Skipped != decision.reason {
				say("%s: the status has %q, not %s", decision.name, entry.Skipped, decision.reason)
			}
			continue
		}
		wanted := strconv.FormatInt(decision.value, 10)
		if len(values) != 1 || values[0] != wanted {
			say("%s: GOMEMLIMIT is %q, not %s", decision.name, values, wanted)
		}
		if entry.Value != wanted || entry.Limit != decision.limit || entry.Kind != "literal" {
			say("%s: the status has %+v", decision.name, entry)
		}
	}
	return wrong
}

func find1(pod map[string]any, decision decision) any {
	for _, container := range list(pod, "spec", decision.list) {
		if text(container, "name") == decision.name {
			return container
		}
	}
	return nil
}

func valuesOf(container any) []string {
	var values []string
	for _, variable := range list(container, "env") {
		if text(variable, "name") == "GOMEMLIMIT" {
			values = append(values, text(variable, "value"))
		}
	}
	return values
}

// Takes GOMEMLIMIT and the status away, and what is then empty.
func strip(pod map[string]any) {
	for _, name := range []string{"initContainers", "containers"} {
		for _, container := range list(pod, "spec", name) {
			object, isObject := container.(map[string]any)
			if !isObject {
				continue
			}
			var kept []any
			for _, variable := range list(object, "env") {
				if text(variable, "name") != "GOMEMLIMIT" {
					kept = append(kept, variable)
				}
			}
			if object["env"] = kept; len(kept) == 0 {
				delete(object, "env")
			}
		}
	}
	metadata, _ := pod["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	delete(annotations, status)
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	if len(metadata) == 0 {
		delete(pod, "metadata")
	}
}

// A container in the report of `explain -o json`.
type explained struct {
	Name, List, Reason string
	Limit, Bytes       *int64
}

// The report of `explain -o json`: containers by file, in order.
func explanations(report []byte) (map[string][]explained, error) {
	var parsed struct {
		Objects []struct {
			File       string
			Containers []explained
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(report))
	if err := decoder.Decode(&parsed); err != nil {
		return nil, err
	}
	found := map[string][]explained{}
	for _, object := range parsed.Objects {
		found[object.File] = append(found[object.File], object.Containers...)
	}
	return found, nil
}

// What `explain` says otherwise about a file.
func explainedWrong(found []explained, expected [][]decision) []string {
	var all []decision
	for _, one := range expected {
		all = append(all, one...)
	}
	if len(found) != len(all) {
		return []string{fmt.Sprintf("explain has %d containers, not %d", len(found), len(all))}
	}
	var wrong []string
	for i, decision := range all {
		one := found[i]
		number := func(pointer *int64) int64 {
			if pointer == nil {
				return 0
			}
			return *pointer
		}
		isRight := one.Name == decision.name && one.List == decision.list && one.Reason == decision.reason &&
			number(one.Bytes) == decision.value && (one.Limit == nil || *one.Limit == decision.limit)
		if !isRight {
			wrong = append(wrong, fmt.Sprintf("explain has %s %s %s %d, not %+v", one.List, one.Name, one.Reason, number(one.Bytes), decision))
		}
	}
	return wrong
}
