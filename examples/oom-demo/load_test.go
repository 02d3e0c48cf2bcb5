package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestEveryRequestIsAccountedFor(t *testing.T) {
	var number atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch number.Add(1) % 4 {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
		case 1:
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	got := measure(t, loadSettings{url: server.URL, rate: 400, duration: time.Second, timeout: 5 * time.Second, maxInFlight: 400})
	if got.Planned != 400 || got.OK+got.Failed != 400 {
		t.Errorf("%+v", got)
	}
	if got.Reasons["status-500"] != 100 || got.Reasons["broken"] != 100 {
		t.Errorf("%+v", got)
	}
}

func TestASlowServiceIsNotSparedAndItsRequestsAreSlow(t *testing.T) {
	var arrived atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived.Add(1)
		time.Sleep(300 * time.Millisecond)
	}))
	defer server.Close()
	got := measure(t, loadSettings{url: server.URL, rate: 100, duration: time.Second, timeout: 5 * time.Second, maxInFlight: 500})
	// A closed loop of any fixed width below 30 could not send so many.
	if arrived.Load() != 100 || got.OK != 100 || got.P50 < 300 {
		t.Errorf("%d arrived, %+v", arrived.Load(), got)
	}
}

func TestWhatCannotBeSentInTimeHasFailed(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	got := measure(t, loadSettings{url: server.URL, rate: 100, duration: time.Second, timeout: 2 * time.Second, maxInFlight: 10})
	if got.OK != 0 || got.Reasons["not-sent"] != 90 || got.Reasons["timeout"] != 10 {
		t.Errorf("%+v", got)
	}
}

func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	got := measure(t, loadSettings{url: server.URL, rate: 50, duration: 200 * time.Millisecond, timeout: time.Second, maxInFlight: 10})
	if got.Planned != 10 || got.Reasons["refused"] != 10 || got.P99 != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheLoadStartsWhenItIsToldTo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	started := time.Now()
	at := started.Add(500 * time.Millisecond)
	measure(t, loadSettings{url: server.URL, rate: 10, duration: 100 * time.Millisecond, timeout: time.Second, maxInFlight: 1, startAtMillis: at.UnixMilli()})
	if time.Since(started) < 499*time.Millisecond {
		t.Errorf("done after %s", time.Since(started))
	}
}

func measure(t *testing.T, settings loadSettings) summary {
	t.Helper()
	var out bytes.Buffer
	if err := load(context.Background(), settings, &out); err != nil {
		t.Fatal(err)
	}
	var got summary
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return got
}
