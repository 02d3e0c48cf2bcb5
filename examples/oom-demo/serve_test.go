package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTheServiceIsReadyOnceTheDataIsThere(t *testing.T) {
	service := &service{}
	server := httptest.NewServer(service.handler())
	defer server.Close()
	for _, path := range []string{"/work", "/healthz"} {
		if status, _ := get(t, server.URL+path); status != http.StatusServiceUnavailable {
			t.Errorf("%s before the data is there: %d", path, status)
		}
	}
	service.shop.Store(newShop(serveSettings{live: 1 << 20, garbage: 64 << 10, leak: 1000}))
	for _, path := range []string{"/work", "/work", "/healthz"} {
		if status, _ := get(t, server.URL+path); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	_, text := get(t, server.URL+"/metrics")
	for _, line := range []string{"oom_demo_requests_total 2", "oom_demo_leaked_bytes 2000"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

func TestTheMetricsAreTheRuntimesOwn(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(241591910))
	var out bytes.Buffer
	writeMetrics(&out, 0, 0)
	form := regexp.MustCompile(`^[a-z_0-9]+(\{version="go[^"]*"\})? [-+0-9.e]+$`)
	values := map[string]float64{}
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if !form.MatchString(line) {
			t.Errorf("not a sample: %s", line)
		}
		name, value, _ := strings.Cut(line, " ")
		values[name], _ = strconv.ParseFloat(value, 64)
	}
	if got := values["go_gc_gomemlimit_bytes"]; got != 241591910 {
		t.Errorf("go_gc_gomemlimit_bytes is %f", got)
	}
	for _, name := range []string{
		"go_gc_heap_live_bytes", "go_memory_classes_total_bytes", "go_cpu_classes_gc_total_cpu_seconds_total",
		"go_cpu_classes_total_cpu_seconds_total", "go_cpu_classes_idle_cpu_seconds_total",
		"process_resident_memory_bytes", "process_start_time_seconds", "go_goroutines",
	} {
		if _, found := values[name]; !found {
			t.Errorf("no %s", name)
		}
	}
}

func TestServeEndsWithItsContextAndSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().String()
	for want, args := range map[string][]string{
		"choose another -listen address": {"serve", "-listen", busy},
		"choose another -pprof address":  {"serve", "-listen", "127.0.0.1:0", "-pprof", busy},
		"is not a size":                  {"serve", "-live", "150Mi"},
		"unknown command":                {"sevre"},
		"unexpected argument":            {"serve", "now"},
		"must be above zero":             {"load", "-rate", "0"},
	} {
		if err := run(context.Background(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err = run(ctx, []string{"serve", "-listen", "127.0.0.1:0", "-pprof", "127.0.0.1:0", "-live", "1MiB"}, io.Discard, io.Discard)
	if err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
