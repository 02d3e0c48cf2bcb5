// The program of bench/manifests/run: gomemlimit over whole repositories, beside an independent reader.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

const (
	fileDeadline = time.Minute
	treeDeadline = 10 * time.Minute
	maxPrinted   = 20
)

// Everything that is counted.
type totals struct {
	repositories, files, unreadable, documents, workloads, changed, hangs, differences int
	kinds, reasons                                                                     map[string]int
	seconds                                                                            map[string]float64
	peaks                                                                              map[string]int64
}

type bench struct {
	program, baseline, kubectl string
	totals                     totals
}

func main() {
	var b bench
	flag.StringVar(&b.program, "program", "", "gomemlimit")
	flag.StringVar(&b.baseline, "baseline", "", "another gomemlimit, measured on the files that it can read")
	flag.StringVar(&b.kubectl, "kubectl", "", "kubectl, measured beside it")
	flag.Parse()
	b.totals = totals{
		kinds: map[string]int{}, reasons: map[string]int{}, seconds: map[string]float64{}, peaks: map[string]int64{},
	}
	for _, root := range flag.Args() {
		if err := b.repository(root); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", root, err)
			os.Exit(2)
		}
	}
	b.print()
	if b.totals.differences > 0 || b.totals.hangs > 0 {
		os.Exit(1)
	}
}

// A difference, printed once it is known.
func (b *bench) differ(place, format string, arguments ...any) {
	b.totals.differences++
	fmt.Printf("DIFFERENCE %s: %s\n", place, fmt.Sprintf(format, arguments...))
}

func (b *bench) differAll(place string, wrong []string) {
	for i, one := range wrong {
		if i < maxPrinted {
			b.differ(place, "%s", one)
		} else {
			b.totals.differences++
		}
	}
}

// Runs gomemlimit, and notes its time and memory under a name; none with an empty name.
func (b *bench) gomemlimit(name, folder string, arguments ...string) (outcome, error) {
	return b.measured(name, treeDeadline, folder, b.program, arguments...)
}

func (b *bench) measured(name string, deadline time.Duration, folder, program string, arguments ...string) (outcome, error) {
	found, err := run(deadline, folder, program, arguments...)
	if err != nil {
		return found, err
	}
	if found.isHung {
		b.totals.hangs++
		fmt.Printf("HANG %s: %s %s\n", folder, filepath.Base(program), strings.Join(arguments, " "))
	}
	if name != "" {
		b.totals.seconds[name] += found.seconds
		b.totals.peaks[name] = max(b.totals.peaks[name], found.peak)
	}
	return found, nil
}

func (b *bench) repository(root string) error {
	paths, err := find(root)
	if err != nil {
		return err
	}
	var files []*file
	around := surroundings{}
	for _, path := range paths {
		one, err := read(root, path)
		if err != nil {
			return err
		}
		files = append(files, one)
		for _, document := range one.documents {
			around.add(document.value)
		}
	}
	work, err := os.MkdirTemp("", "manifests-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b.totals.repositories++
	before := b.totals
	if err := b.count(files, around); err != nil {
		return err
	}
	fmt.Printf("%s: %d files, %d workloads, %d to change\n", filepath.Base(root), len(files),
		b.totals.workloads-before.workloads, b.totals.changed-before.changed)
	if len(files) == 0 {
		return nil
	}
	if err := b.tree(root, work, files, around); err != nil {
		return err
	}
	if err := b.each(root, files); err != nil {
		return err
	}
	return b.peers(root, filepath.Join(work, "good"), files)
}

func (b *bench) count(files []*file, around surroundings) error {
	for _, one := range files {
		b.totals.files++
		isUnreadable := false
		for _, document := range one.documents {
			b.totals.documents++
			isUnreadable = isUnreadable || document.err != nil
		}
		if isUnreadable {
			b.totals.unreadable++
		}
		for _, one := range all(one.documents) {
			b.totals.workloads++
			b.totals.kinds[one.kind]++
			for _, decision := range around.decide(one) {
				b.totals.reasons[decision.reason]++
			}
		}
		if isChanged(expected(one.documents, around)) {
			b.totals.changed++
		}
	}
	return nil
}

// The workloads of a file.
func all(documents []document) []workload {
	var found []workload
	for _, document := range documents {
		found = append(found, workloads(document.value)...)
	}
	return found
}

// The decisions about the workloads of a file.
func expected(documents []document, around surroundings) [][]decision {
	var decisions [][]decision
	for _, one := range all(documents) {
		decisions = append(decisions, around.decide(one))
	}
	return decisions
}

func isChanged(decisions [][]decision) bool {
	for _, of := range decisions {
		for _, one := range of {
			if one.reason == "injected" {
				return true
			}
		}
	}
	return false
}

// The whole repository in one run of each command.
func (b *bench) tree(root, work string, files []*file, around surroundings) error {
	name := filepath.Base(root)
	paths := make([]string, len(files))
	for i, one := range files {
		paths[i] = one.path
	}
	tree, patched := filepath.Join(work, "tree"), filepath.Join(work, "patched")
	for _, folder := range []string{tree, patched} {
		if err := copyTo(root, folder, paths); err != nil {
			return err
		}
	}
	report, err := b.gomemlimit("explain", tree, "explain", "-R", "-f", ".", "-o", "json")
	if err != nil {
		return err
	}
	found, err := explanations(report.stdout)
	if err != nil {
		b.differ(name, "explain -o json: %v; exit code %d: %s", err, report.code, lastLines(report.stderr))
	}
	for _, one := range files {
		of := found[one.path]
		if of == nil {
			of = found["./"+one.path]
		}
		b.differAll(filepath.Join(name, one.path), explainedWrong(of, expected(one.documents, around)))
	}
	for what, arguments := range map[string][]string{"inject": {}, "inject -o json": {"-o", "json"}} {
		if _, err := b.gomemlimit(what, tree, append([]string{"inject", "-R", "-f", "."}, arguments...)...); err != nil {
			return err
		}
	}
	diff, err := b.gomemlimit("inject --diff", tree, "inject", "-R", "-f", ".", "--diff")
	if err != nil {
		return err
	}
	injected, err := b.gomemlimit("inject --in-place", tree, "inject", "-R", "-f", ".", "--in-place")
	if err != nil {
		return err
	}
	if injected.code > 2 || injected.code < 0 {
		b.differ(name, "inject --in-place: exit code %d: %s", injected.code, lastLines(injected.stderr))
	}
	texts, err := contents(tree, paths)
	if err != nil {
		return err
	}
	for _, one := range files {
		b.compare(filepath.Join(name, one.path), one, texts[one.path], around)
	}
	return b.again(name, tree, patched, paths, texts, diff.stdout)
}

// Compares a file with what has become of it.
func (b *bench) compare(place string, one *file, after []byte, around surroundings) {
	decisions := expected(one.documents, around)
	if !isChanged(decisions) {
		if !bytes.Equal(one.text, after) {
			b.differ(place, "changed, although there is nothing to inject")
		}
		return
	}
	// Read anew, since the comparison takes them apart.
	b.differAll(place, differences(documents(one.text), documents(after), decisions))
}

// A second run changes nothing, and git applies the diff.
func (b *bench) again(name, tree, patched string, paths []string, texts map[string][]byte, diff []byte) error {
	if _, err := b.gomemlimit("", tree, "inject", "-R", "-f", ".", "--in-place"); err != nil {
		return err
	}
	second, err := contents(tree, paths)
	if err != nil {
		return err
	}
	if len(diff) > 0 {
		file := filepath.Join(filepath.Dir(patched), "diff")
		if err := os.WriteFile(file, diff, 0o644); err != nil {
			return err
		}
		applied, err := run(treeDeadline, patched, "git", "apply", "--whitespace=nowarn", file)
		if err != nil {
			return err
		}
		if applied.code != 0 {
			b.differ(name, "git apply: %s", lastLines(applied.stderr))
		}
	}
	byGit, err := contents(patched, paths)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if !bytes.Equal(texts[path], second[path]) {
			b.differ(filepath.Join(name, path), "a second run changed it")
		}
		if !bytes.Equal(texts[path], byGit[path]) {
			b.differ(filepath.Join(name, path), "git apply of the diff and --in-place differ")
		}
	}
	return nil
}

// Each file with workloads on its own, and some without.
func (b *bench) each(root string, files []*file) error {
	for i, one := range files {
		if len(all(one.documents)) == 0 && i%10 != 0 {
			continue
		}
		around := surroundings{}
		for _, document := range one.documents {
			around.add(document.value)
		}
		place := filepath.Join(filepath.Base(root), one.path)
		found, err := run(fileDeadline, root, b.program, "inject", "-f", one.path)
		if err != nil {
			return err
		}
		if found.isHung {
			b.totals.hangs++
			fmt.Printf("HANG %s\n", place)
			continue
		}
		if found.code == 2 && len(found.stdout) == 0 && len(all(one.documents)) == 0 {
			continue
		}
		b.compare(place, one, found.stdout, around)
	}
	return nil
}

// kubectl on the same repository, and the baseline beside the program on the files that the baseline can read.
func (b *bench) peers(root, good string, files []*file) error {
	if b.kubectl != "" {
		arguments := []string{"annotate", "--local", "-R", "-f", ".", "gomemlimit.dev/bench=1", "-o", "json"}
		if _, err := b.measured("kubectl annotate --local -o json", treeDeadline, root, b.kubectl, arguments...); err != nil {
			return err
		}
	}
	if b.baseline == "" {
		return nil
	}
	var paths []string
	for _, one := range files {
		found, err := run(fileDeadline, root, b.baseline, "explain", "-f", one.path)
		if err != nil {
			return err
		}
		if found.code == 0 {
			paths = append(paths, one.path)
		}
	}
	if err := copyTo(root, good, paths); err != nil || len(paths) == 0 {
		return err
	}
	for _, arguments := range [][]string{{"explain"}, {"inject"}, {"inject", "-o", "json"}} {
		line := append(append([]string{}, arguments...), "-R", "-f", ".")
		name := strings.Join(arguments, " ")
		if _, err := b.measured(name+", good files, baseline", treeDeadline, good, b.baseline, line...); err != nil {
			return err
		}
		if _, err := b.measured(name+", good files", treeDeadline, good, b.program, line...); err != nil {
			return err
		}
	}
	return nil
}

func lastLines(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}

func (b *bench) print() {
	t := b.totals
	fmt.Printf("\n%d repositories, %d files (%d unreadable), %d documents, %d workloads, %d files to change\n",
		t.repositories, t.files, t.unreadable, t.documents, t.workloads, t.changed)
	printCounts("workloads", t.kinds)
	printCounts("containers", t.reasons)
	fmt.Println("\nall repositories one after the other; the most memory of any")
	names := make([]string, 0, len(t.seconds))
	for name := range t.seconds {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("  %-42s %s\n", name, outcome{seconds: t.seconds[name], peak: t.peaks[name]})
	}
	fmt.Printf("\n%d differences, %d hangs\n", t.differences, t.hangs)
}

func printCounts(what string, counts map[string]int) {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		return counts[names[i]] > counts[names[j]] || counts[names[i]] == counts[names[j]] && names[i] < names[j]
	})
	fmt.Printf("%s:", what)
	for i, name := range names {
		separator := ","
		if i == 0 {
			separator = ""
		}
		fmt.Printf("%s %s %d", separator, name, counts[name])
	}
	fmt.Println()
}
