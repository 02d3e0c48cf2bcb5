// All runs over one repository.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// A repository while it is looked at.
type repository struct {
	*bench
	root, name string
	files      []*file
	paths      []string
	around     surroundings
	// Copies of the files: `tree` is written to, git applies the diff to `patched`, `good` has the files that kubectl reads.
	tree, patched, good string
	goodFiles           []*file
	// What kubectl prints of `good`.
	goodByKubectl []byte
	// Messages of `inject` about each file.
	messages map[string]*messages
	// The texts of `tree` after --in-place.
	texts map[string][]byte
}

func (b *bench) repository(root string) error {
	paths, err := find(root)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "manifests-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r := &repository{
		bench: b, root: root, name: filepath.Base(root), paths: paths, around: surroundings{},
		tree: filepath.Join(work, "tree"), patched: filepath.Join(work, "patched"), good: filepath.Join(work, "good"),
	}
	for _, path := range paths {
		one, err := read(root, path)
		if err != nil {
			return err
		}
		r.files = append(r.files, one)
		for _, document := range one.documents {
			r.around.add(document.value)
		}
	}
	b.totals.repositories++
	before := b.totals
	r.count()
	fmt.Printf("%s: %d files, %d workloads, %d values\n", r.name, len(r.files),
		b.totals.workloads-before.workloads, b.totals.values-before.values)
	if len(r.files) == 0 {
		return nil
	}
	for _, step := range []func() error{r.report, r.copies, r.inPlace, r.again, r.streams, r.each, r.before} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *repository) count() {
	t := &r.totals
	for _, one := range r.files {
		t.files++
		isUnreadable := false
		for _, document := range one.documents {
			t.documents++
			isUnreadable = isUnreadable || document.err != nil
		}
		if isUnreadable {
			t.unreadable++
		}
		values := 0
		for _, one := range one.workloads() {
			t.workloads++
			t.kinds[one.kind]++
			for _, decision := range r.around.decide(one) {
				t.reasons[decision.reason]++
				if decision.reason == "injected" {
					values++
				}
			}
		}
		t.values += values
		if values > 0 {
			t.changed++
		}
	}
}

// The workloads of a file.
func (f *file) workloads() []workload {
	var found []workload
	for _, document := range f.documents {
		found = append(found, workloads(document.value)...)
	}
	return found
}

// Whether something is to be injected into a file.
func (r *repository) isChanged(one *file, around surroundings) bool {
	for _, one := range one.workloads() {
		if isInjected(around.decide(one)) {
			return true
		}
	}
	return false
}

// What `explain` and `inject` print of the repository as it is.
func (r *repository) report() error {
	injected, err := r.gomemlimit("inject", r.root, "inject", "-R", "-f", ".")
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, path := range r.paths {
		known[path] = true
	}
	of, hasErrors := messagesOf(injected.stderr, known)
	r.messages = of
	for _, one := range r.files {
		place := filepath.Join(r.name, one.path)
		if refusal := of[one.path].refusal(one); refusal != "" {
			r.totals.refused++
			fmt.Printf("REFUSED %s: %s\n", place, refusal)
			continue
		}
		r.differAll(place, messagesWrong(one, of[one.path]))
	}
	if wanted := map[bool]int{false: 0, true: 2}[hasErrors]; injected.code != wanted {
		r.differ(r.name, "inject: exit code %d, not %d: %s", injected.code, wanted, lastLines(injected.stderr))
	}
	return r.explain("explain", r.root, "injected")
}

// What `explain` has about a folder. `reason` is that of a value.
func (r *repository) explain(name, folder, reason string) error {
	report, err := r.gomemlimit(name, folder, "explain", "-R", "-f", ".", "-o", "json")
	if err != nil {
		return err
	}
	found, err := explanations(report.stdout)
	if err != nil {
		r.differ(r.name, "explain -o json: %v; exit code %d: %s", err, report.code, lastLines(report.stderr))
		return nil
	}
	for _, one := range r.files {
		wanted := one.workloads()
		if of := r.messages[one.path]; of != nil && len(of.errors) > 0 {
			// What the error is about.
			wanted = without(wanted, isIllTyped)
		}
		r.differAll(filepath.Join(r.name, one.path), explainedWrong(found[one.path], wanted, r.around, reason))
	}
	return nil
}

func without(all []workload, isLeftOut func(workload) bool) []workload {
	var kept []workload
	for _, one := range all {
		if !isLeftOut(one) {
			kept = append(kept, one)
		}
	}
	return kept
}

func (r *repository) copies() error {
	for _, folder := range []string{r.tree, r.patched} {
		if err := copyTo(r.root, folder, r.paths); err != nil {
			return err
		}
	}
	var good []string
	for _, one := range r.files {
		objects, err := stream(one.text)
		of := r.messages[one.path]
		if err == nil && reflect.DeepEqual(objects, values(one.documents)) && (of == nil || len(of.errors) == 0) {
			good = append(good, one.path)
			r.goodFiles = append(r.goodFiles, one)
		}
	}
	return copyTo(r.root, r.good, good)
}

// --in-place, file by file, and for kubectl.
func (r *repository) inPlace() error {
	before, err := r.byKubectl("kubectl annotate --local -o json", r.tree, nil)
	if err != nil {
		return err
	}
	injected, err := r.gomemlimit("inject --in-place", r.tree, "inject", "-R", "-f", ".", "--in-place")
	if err != nil {
		return err
	}
	if injected.code > 2 || injected.code < 0 {
		r.differ(r.name, "inject --in-place: exit code %d: %s", injected.code, lastLines(injected.stderr))
	}
	if r.texts, err = contents(r.tree, r.paths); err != nil {
		return err
	}
	for _, one := range r.files {
		place, after := filepath.Join(r.name, one.path), r.texts[one.path]
		r.compare(place, one, after, r.around)
		if bytes.Equal(one.text, after) || isUTF16(after) || r.isWrittenOut(one.path) {
			continue
		}
		wrong, err := textWrong(filepath.Join(r.root, one.path), filepath.Join(r.tree, one.path))
		if err != nil {
			return err
		}
		r.differAll(place, wrong)
	}
	after, err := r.byKubectl("", r.tree, nil)
	if err != nil {
		return err
	}
	r.totals.byKubectl += len(after)
	r.differAll(r.name+" as kubectl reads it", differences(before, after, r.around))
	return nil
}

func (r *repository) isWrittenOut(path string) bool {
	of := r.messages[path]
	return of != nil && strings.Contains(strings.Join(of.notes, "\n"), writtenOut)
}

// The objects that kubectl itself reads from a folder, or from stdin; none without kubectl.
func (r *repository) byKubectl(name, folder string, stdin []byte) ([]any, error) {
	printed, err := r.printedByKubectl(name, folder, stdin)
	if err != nil {
		return nil, err
	}
	return objectsOf(printed)
}

func objectsOf(printed []byte) ([]any, error) {
	found, err := objects(printed)
	if err != nil {
		return nil, fmt.Errorf("kubectl prints no JSON: %w", err)
	}
	return values(found), nil
}

func (r *repository) printedByKubectl(name, folder string, stdin []byte) ([]byte, error) {
	if r.kubectl == "" {
		return nil, nil
	}
	input := "."
	if stdin != nil {
		input = "-"
	}
	arguments := []string{"annotate", "--local", "-R", "-f", input, domain + "/bench=1", "-o", "json"}
	found, err := r.measured(name, folder, stdin, r.kubectl, arguments...)
	return found.stdout, err
}

// Compares a file with what has become of it.
func (r *repository) compare(place string, one *file, after []byte, around surroundings) {
	if bytes.Equal(one.text, after) && !r.isChanged(one, around) {
		return
	}
	if !r.isChanged(one, around) {
		r.differ(place, "changed, although there is nothing to inject")
		return
	}
	// Read anew, since the comparison takes them apart.
	before, now := documents(one.text), documents(after)
	if len(before) != len(now) {
		r.differ(place, "%d documents became %d", len(before), len(now))
		return
	}
	for i := range before {
		if before[i].err != nil && !bytes.Equal(before[i].text, now[i].text) {
			r.differ(place, "document %d, which cannot be read, changed", i+1)
		}
	}
	r.differAll(place, differences(values(before), values(now), around))
}

// A second run changes nothing, the diff of the first is taken by git, and `explain` finds everything kept.
func (r *repository) again() error {
	if err := r.explain("", r.tree, "kept"); err != nil {
		return err
	}
	empty, err := r.gomemlimit("", r.tree, "inject", "-R", "-f", ".", "--diff")
	if err != nil {
		return err
	}
	if len(empty.stdout) > 0 {
		r.differ(r.name, "the diff of a second run is not empty: %.200q", empty.stdout)
	}
	if _, err := r.gomemlimit("", r.tree, "inject", "-R", "-f", ".", "--in-place"); err != nil {
		return err
	}
	second, err := contents(r.tree, r.paths)
	if err != nil {
		return err
	}
	diff, err := r.gomemlimit("inject --diff", r.patched, "inject", "-R", "-f", ".", "--diff")
	if err != nil {
		return err
	}
	if len(diff.stdout) > 0 {
		applied, err := run(treeDeadline, r.patched, diff.stdout, "git", "apply", "--whitespace=nowarn", "-")
		if err != nil {
			return err
		}
		if applied.code != 0 {
			r.differ(r.name, "git apply: %s", lastLines(applied.stderr))
		}
	}
	byGit, err := contents(r.patched, r.paths)
	if err != nil {
		return err
	}
	for _, path := range r.paths {
		if !bytes.Equal(r.texts[path], second[path]) {
			r.differ(filepath.Join(r.name, path), "a second run changed it")
		}
		if !bytes.Equal(r.texts[path], byGit[path]) {
			r.differ(filepath.Join(r.name, path), "git apply of the diff and --in-place differ")
		}
	}
	return nil
}
