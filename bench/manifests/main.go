// The program of bench/manifests/run: gomemlimit over whole repositories, beside an independent reader.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Deadlines of a run; whatever takes longer hangs.
const (
	fileDeadline = time.Minute
	treeDeadline = 10 * time.Minute
)

// Differences that are printed of one file or run; all are counted.
const maxPrinted = 20

// Everything that is counted.
type totals struct {
	repositories, files, unreadable, refused, documents, workloads, changed, values, byKubectl, singles int
	hangs, differences                                                                                  int
	kinds, reasons                                                                                      map[string]int
	seconds                                                                                             map[string]float64
	peaks                                                                                               map[string]int64
}

type bench struct {
	program, baseline, kubectl string
	fileDeadline, treeDeadline time.Duration
	totals                     totals
}

func newBench() *bench {
	return &bench{fileDeadline: fileDeadline, treeDeadline: treeDeadline, totals: totals{
		kinds: map[string]int{}, reasons: map[string]int{}, seconds: map[string]float64{}, peaks: map[string]int64{},
	}}
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == measureArgument {
		os.Exit(measure(os.Args[2], os.Args[3:]))
	}
	b := newBench()
	flag.StringVar(&b.program, "program", "", "gomemlimit")
	flag.StringVar(&b.baseline, "baseline", "", "another gomemlimit, measured on the files that it can read")
	flag.StringVar(&b.kubectl, "kubectl", "", "kubectl, which reads everything, too")
	flag.Parse()
	started := time.Now()
	for _, root := range flag.Args() {
		root, err := filepath.EvalSymlinks(root)
		if err == nil {
			err = b.repository(root)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", root, err)
			os.Exit(2)
		}
	}
	b.print(time.Since(started))
	if b.totals.values == 0 {
		fmt.Fprintln(os.Stderr, "nothing to inject: this proves nothing")
		os.Exit(2)
	}
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
	return b.measured(name, folder, nil, b.program, arguments...)
}

func (b *bench) measured(name, folder string, stdin []byte, program string, arguments ...string) (outcome, error) {
	found, err := run(b.treeDeadline, folder, stdin, program, arguments...)
	if err != nil {
		return found, err
	}
	if found.isHung && program == b.program {
		b.hang(folder, arguments)
	}
	if name != "" {
		b.totals.seconds[name] += found.seconds
		b.totals.peaks[name] = max(b.totals.peaks[name], found.peak)
	}
	return found, nil
}

func (b *bench) hang(folder string, arguments []string) {
	b.totals.hangs++
	fmt.Printf("HANG %s: %s\n", folder, strings.Join(arguments, " "))
}

func lastLines(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}

func (b *bench) print(wall time.Duration) {
	t := b.totals
	fmt.Printf("\n%d repositories, %d files (%d unreadable, %d refused), %d documents, %d workloads\n",
		t.repositories, t.files, t.unreadable, t.refused, t.documents, t.workloads)
	fmt.Printf("injected: %d values in %d files\n", t.values, t.changed)
	printCounts("workloads", t.kinds)
	printCounts("containers", t.reasons)
	fmt.Printf("%d files also by themselves; %d objects also read by kubectl\n", t.singles, t.byKubectl)
	fmt.Println("\nall repositories one after the other; the most memory of any")
	names := make([]string, 0, len(t.seconds))
	for name := range t.seconds {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("  %-42s %s\n", name, outcome{seconds: t.seconds[name], peak: t.peaks[name]})
	}
	fmt.Printf("\n%.0f s, %d differences, %d hangs\n", wall.Seconds(), t.differences, t.hangs)
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
