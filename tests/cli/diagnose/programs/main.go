// One program that has, by -mode, each of the conditions that `gomemlimit diagnose` tells apart, and
// serves net/http/pprof. It loads itself, at a steady rate, so that a test needs nothing else.
//
//	conditions -mode MODE [-listen 127.0.0.1:0] [-live MIB] [-metrics]
//
// prints `listening on ADDRESS` when it is ready to be looked at.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"time"
)

const mib = 1 << 20

// What each mode does before it is ready, and then on and on.
type condition struct {
	about string
	start func(live int)
	work  func()
	every time.Duration
}

var conditions = map[string]condition{}

var start = time.Now()

func main() {
	mode := flag.String("mode", "", "the condition: "+names())
	listen := flag.String("listen", "127.0.0.1:0", "address of pprof")
	live := flag.Int("live", 0, "MiB of live heap")
	metrics := flag.Bool("metrics", false, "serve /metrics with resident memory and start time")
	flag.Parse()
	condition, ok := conditions[*mode]
	if !ok {
		fmt.Fprintln(os.Stderr, "-mode must be one of", names())
		os.Exit(64)
	}
	if *metrics {
		http.HandleFunc("/metrics", serveMetrics)
	}
	if condition.start != nil {
		condition.start(*live)
	}
	listener, err := net.Listen("tcp", *listen)
	check(err)
	go loop(condition)
	fmt.Println("listening on", listener.Addr())
	check(http.Serve(listener, nil))
}

// Works at a steady rate, however long the work takes, as an open loop of requests would.
func loop(condition condition) {
	if condition.work == nil {
		return
	}
	for range time.Tick(condition.every) {
		condition.work()
	}
}

func names() string {
	var names []string
	for name := range conditions {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// The three samples of Prometheus' collectors that diagnose reads.
func serveMetrics(w http.ResponseWriter, _ *http.Request) {
	status, err := os.ReadFile("/proc/self/status")
	check(err)
	var kib int
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmRSS:") {
			fmt.Sscanf(strings.TrimPrefix(line, "VmRSS:"), "%d", &kib)
		}
	}
	fmt.Fprintln(w, "process_resident_memory_bytes", kib*1024)
	fmt.Fprintf(w, "process_start_time_seconds %.3f\n", float64(start.UnixNano())/1e9)
	fmt.Fprintln(w, "go_gc_gomemlimit_bytes", debug.SetMemoryLimit(-1))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
