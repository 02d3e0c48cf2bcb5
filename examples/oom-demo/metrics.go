package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// started tells one life of the service from the next.
var started = time.Now()

// writeMetrics writes the runtime's own figures in the Prometheus text format, named as client_golang names them,
// and a few of the demo's.
func writeMetrics(w io.Writer, requests, leaked int64) {
	fmt.Fprintf(w, "go_info{version=%q} 1\n", runtime.Version())
	fmt.Fprintf(w, "go_goroutines %d\n", runtime.NumGoroutine())
	var samples []metrics.Sample
	var names []string
	for _, description := range metrics.All() {
		if description.Kind == metrics.KindUint64 || description.Kind == metrics.KindFloat64 {
			samples = append(samples, metrics.Sample{Name: description.Name})
			names = append(names, prometheusName(description))
		}
	}
	metrics.Read(samples)
	for i, sample := range samples {
		switch sample.Value.Kind() {
		case metrics.KindUint64:
			fmt.Fprintf(w, "%s %d\n", names[i], sample.Value.Uint64())
		case metrics.KindFloat64:
			fmt.Fprintf(w, "%s %g\n", names[i], sample.Value.Float64())
		}
	}
	fmt.Fprintf(w, "process_start_time_seconds %.3f\n", float64(started.UnixMilli())/1000)
	if resident, ok := residentBytes(); ok {
		fmt.Fprintf(w, "process_resident_memory_bytes %d\n", resident)
	}
	if limit, ok := containerLimit(); ok {
		fmt.Fprintf(w, "oom_demo_container_memory_limit_bytes %d\n", limit)
	}
	fmt.Fprintf(w, "oom_demo_requests_total %d\n", requests)
	fmt.Fprintf(w, "oom_demo_leaked_bytes %d\n", leaked)
}

// prometheusName makes go_gc_gomemlimit_bytes of /gc/gomemlimit:bytes, by client_golang's rule.
func prometheusName(description metrics.Description) string {
	name := "go" + strings.NewReplacer("/", "_", "-", "_", ":", "_", ".", "_", "*", "_").Replace(description.Name)
	if description.Cumulative {
		name += "_total"
	}
	return name
}

// residentBytes is the process's resident set.
func residentBytes() (int64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}

// containerLimit is the memory limit of the cgroup as a container sees it, version 2 or 1.
func containerLimit() (int64, bool) {
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if text, err := os.ReadFile(path); err == nil {
			limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			return limit, err == nil // "max" is no limit
		}
	}
	return 0, false
}
