// The runs that print manifests: one stream of all files, and each file by itself.
package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
)

// The size of an input that the program takes.
const maxInput = 64 << 20

// The good files as one stream in each format, which kubectl's decoder and kubectl itself read as a whole.
func (r *repository) streams() error {
	if len(r.goodFiles) == 0 {
		return nil
	}
	around := surroundings{}
	for _, one := range r.goodFiles {
		for _, document := range one.documents {
			around.add(document.value)
		}
	}
	var err error
	if r.goodByKubectl, err = r.printedByKubectl("", r.good, nil); err != nil {
		return err
	}
	for _, format := range []string{"", "json", "yaml"} {
		arguments, name := []string{"inject", "-R", "-f", "."}, "inject, good files"
		if format != "" {
			arguments, name = append(arguments, "-o", format), "inject -o "+format+", good files"
		}
		printed, err := r.gomemlimit(name, r.good, arguments...)
		if err != nil {
			return err
		}
		if printed.code != 0 {
			r.differ(r.name, "%s: exit code %d: %s", name, printed.code, lastLines(printed.stderr))
		}
		if err := r.stream(name, printed.stdout, format == "json", around); err != nil {
			return err
		}
	}
	return nil
}

func (r *repository) stream(name string, printed []byte, isList bool, around surroundings) error {
	place := r.name + ", " + name
	after, err := stream(printed)
	if err != nil {
		r.differ(place, "kubectl's decoder: %v after %d objects", err, len(after))
		return nil
	}
	before := r.goodObjects()
	if isList {
		before, after = flattened(before), printedObjects(after)
	}
	r.differAll(place, differences(before, after, around))
	if !isList && len(printed) <= maxInput {
		again, err := r.measured("", r.good, printed, r.program, "inject", "-f", "-")
		if err != nil {
			return err
		}
		// LimitRanges are in the stream, too.
		if !bytes.Equal(printed, again.stdout) {
			r.differ(place, "inject -f - changes its own output")
		}
	}
	if r.kubectl == "" {
		return nil
	}
	wanted, err := objectsOf(r.goodByKubectl)
	if err != nil {
		return err
	}
	if isList {
		// kubectl reads one alone, but not in a List.
		wanted = slices.DeleteFunc(wanted, func(object any) bool { return text(object, "apiVersion") == "" })
	}
	arrived, err := r.byKubectl("", r.good, printed)
	if err != nil {
		return err
	}
	if isList {
		// It reads more of them there: not so strictly, and lists of nothing as objects.
		arrived = inOrder(wanted, arrived)
	}
	r.differAll(place+" | kubectl", differences(wanted, arrived, around))
	return nil
}

// Of the objects that arrived, those that were wanted, in their order.
func inOrder(wanted, arrived []any) []any {
	var found []any
	for _, object := range arrived {
		if len(found) < len(wanted) && isSame(object, wanted[len(found)]) {
			found = append(found, object)
		}
	}
	return found
}

func isSame(one, other any) bool {
	for _, key := range [][]string{{"apiVersion"}, {"kind"}, {"metadata", "name"}, {"metadata", "namespace"}} {
		if text(one, key...) != text(other, key...) {
			return false
		}
	}
	return true
}

// Read anew, since the comparison takes them apart.
func (r *repository) goodObjects() []any {
	var found []any
	for _, one := range r.goodFiles {
		found = append(found, values(documents(one.text))...)
	}
	return found
}

// Each file with workloads by itself, and each tenth other.
func (r *repository) each() error {
	for i, one := range r.files {
		if len(one.workloads()) == 0 && i%10 != 0 {
			continue
		}
		around := surroundings{}
		for _, document := range one.documents {
			around.add(document.value)
		}
		place, arguments := filepath.Join(r.name, one.path), []string{"inject", "-f", one.path}
		found, err := run(r.fileDeadline, r.root, nil, r.program, arguments...)
		if err != nil {
			return err
		}
		r.totals.singles++
		if found.isHung {
			r.hang(r.root, arguments)
			continue
		}
		isBroken := r.messages[one.path].refusal(one) != ""
		for _, document := range one.documents {
			isBroken = isBroken || document.err != nil
		}
		hasErrors := strings.Contains("\n"+string(found.stderr), "\nerror: ")
		if isBroken != hasErrors && !(hasErrors && len(without(one.workloads(), isIllTyped)) < len(one.workloads())) {
			r.differ(place, "inject -f: cannot be read: %t, has an error: %t: %s", isBroken, hasErrors, lastLines(found.stderr))
		}
		if wanted := map[bool]int{false: 0, true: 2}[hasErrors]; found.code != wanted {
			r.differ(place, "inject -f: exit code %d, not %d: %s", found.code, wanted, lastLines(found.stderr))
		}
		if hasErrors && len(found.stdout) == 0 && len(one.workloads()) == 0 || isUTF16(one.text) && !r.isChanged(one, around) {
			// No text, or in another encoding.
			continue
		}
		r.compare(place+" by itself", one, found.stdout, around)
	}
	return nil
}

// The baseline beside the program on the files that the baseline can read.
func (r *repository) before() error {
	if r.baseline == "" {
		return nil
	}
	var paths []string
	for _, one := range r.files {
		found, err := run(r.fileDeadline, r.root, nil, r.baseline, "explain", "-f", one.path)
		if err != nil {
			return err
		}
		if found.code == 0 {
			paths = append(paths, one.path)
		}
	}
	folder := filepath.Join(filepath.Dir(r.good), "baseline")
	if err := copyTo(r.root, folder, paths); err != nil || len(paths) == 0 {
		return err
	}
	for _, arguments := range [][]string{{"explain"}, {"inject"}, {"inject", "-o", "json"}} {
		line := append(append([]string{}, arguments...), "-R", "-f", ".")
		name := strings.Join(arguments, " ") + ", files of the baseline"
		if _, err := r.measured(name+": baseline", folder, nil, r.baseline, line...); err != nil {
			return err
		}
		if _, err := r.measured(name, folder, nil, r.program, line...); err != nil {
			return err
		}
	}
	return nil
}
