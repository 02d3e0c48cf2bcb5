package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"
)

type loadSettings struct {
	url           string
	rate          float64
	duration      time.Duration
	timeout       time.Duration
	maxInFlight   int
	startAtMillis int64
}

func loadFlags(args []string, stderr io.Writer) (loadSettings, error) {
	var s loadSettings
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.url, "url", "http://127.0.0.1:8080/work", "what is requested")
	flags.Float64Var(&s.rate, "rate", 200, "requests a `second`, sent whatever becomes of earlier ones")
	flags.DurationVar(&s.duration, "for", 30*time.Second, "how long")
	flags.DurationVar(&s.timeout, "timeout", 2*time.Second, "a request that takes longer has failed")
	flags.IntVar(&s.maxInFlight, "max-in-flight", 256, "`requests` under way at once; one above it has failed unsent")
	flags.Int64Var(&s.startAtMillis, "start-at", 0, "wait until this time, in `milliseconds` since 1970")
	if err := parse(flags, args); err != nil {
		return s, err
	}
	if !(s.rate > 0) || s.rate > 1e5 || s.duration <= 0 || s.timeout <= 0 || s.maxInFlight < 1 {
		return s, errors.New("-rate (at most 100000), -for, -timeout and -max-in-flight must be above zero")
	}
	return s, nil
}

// summary is what became of the requests.
type summary struct {
	URL     string         `json:"url"`
	Seconds float64        `json:"seconds"`
	Planned int            `json:"planned"`
	OK      int            `json:"ok"`
	Failed  int            `json:"failed"`
	Reasons map[string]int `json:"reasons"`
	// Milliseconds of the requests that were served, from the time they were due.
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// Requests served in each second, by the time they were due.
	OKBySecond []int `json:"ok_by_second"`
}

// load sends requests at fixed times and writes the summary as one line of JSON.
//
// The loop is open: a request is sent when it is due, however many are unanswered, and its time runs from
// when it was due. A closed loop would slow down with the service and hide what users see.
func load(ctx context.Context, s loadSettings, stdout io.Writer) error {
	if s.startAtMillis > 0 {
		if err := sleep(ctx, time.Until(time.UnixMilli(s.startAtMillis))); err != nil {
			return err
		}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: s.maxInFlight, DialContext: (&net.Dialer{Timeout: s.timeout}).DialContext}
	defer transport.CloseIdleConnections()
	tally := newTally(s)
	client := &http.Client{Transport: transport}
	slots := make(chan struct{}, s.maxInFlight)
	var requests sync.WaitGroup
	started := time.Now()
	planned := int(s.rate * s.duration.Seconds())
	sent := 0
	for ; sent < planned; sent++ {
		due := started.Add(time.Duration(float64(sent) / s.rate * float64(time.Second)))
		if sleep(ctx, time.Until(due)) != nil {
			break
		}
		select {
		case slots <- struct{}{}:
		default:
			tally.add(due.Sub(started), 0, "not-sent")
			continue
		}
		requests.Add(1)
		go func() {
			defer requests.Done()
			defer func() { <-slots }()
			reason := request(ctx, client, s, due)
			tally.add(due.Sub(started), time.Since(due), reason)
		}()
	}
	requests.Wait()
	return json.NewEncoder(stdout).Encode(tally.summary(s, sent, time.Since(started)))
}

// request says why it failed, or "".
func request(ctx context.Context, client *http.Client, s loadSettings, due time.Time) string {
	ctx, cancel := context.WithDeadline(ctx, due.Add(s.timeout))
	defer cancel()
	// A POST, since Go's client quietly repeats a GET whose connection breaks, and each failure is to be counted.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, nil)
	if err != nil {
		return "not-sent"
	}
	response, err := client.Do(request)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	var timeout net.Error
	switch {
	case err == nil && response.StatusCode == http.StatusOK:
		return ""
	case err == nil:
		return fmt.Sprintf("status-%d", response.StatusCode)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "broken"
	}
}

// tally counts what becomes of requests; every latency is kept, eight bytes each.
type tally struct {
	sync.Mutex
	latencies []time.Duration
	reasons   map[string]int
	bySecond  []int
}

func newTally(s loadSettings) *tally {
	return &tally{reasons: map[string]int{}, bySecond: make([]int, int(s.duration.Seconds()+0.999))}
}

func (t *tally) add(due, latency time.Duration, reason string) {
	t.Lock()
	defer t.Unlock()
	if reason != "" {
		t.reasons[reason]++
		return
	}
	t.latencies = append(t.latencies, latency)
	t.bySecond[min(int(due.Seconds()), len(t.bySecond)-1)]++
}

func (t *tally) summary(s loadSettings, sent int, took time.Duration) summary {
	slices.Sort(t.latencies)
	quantile := func(q float64) float64 {
		if len(t.latencies) == 0 {
			return 0
		}
		return float64(t.latencies[int(q*float64(len(t.latencies)-1))].Microseconds()) / 1000
	}
	return summary{
		URL: s.url, Seconds: took.Seconds(), Planned: sent,
		OK: len(t.latencies), Failed: sent - len(t.latencies), Reasons: t.reasons,
		P50: quantile(0.5), P90: quantile(0.9), P99: quantile(0.99), Max: quantile(1),
		OKBySecond: t.bySecond,
	}
}

// sleep waits; the error says that the context ended first.
func sleep(ctx context.Context, duration time.Duration) error {
	if duration <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
