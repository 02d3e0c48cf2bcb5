package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

func init() {
	conditions["heap-leak-map"] = condition{"sessions that are never deleted", fill, remember, 5 * time.Millisecond}
	conditions["heap-leak-slice"] = condition{"a log in memory that only grows", fill, appendEvent, 5 * time.Millisecond}
	conditions["goroutine-leak"] = condition{"receivers of a channel that nobody sends to", nil, waitForever, 20 * time.Millisecond}
	conditions["unclosed-bodies"] = condition{"an HTTP client that forgets response.Body.Close", serveBodies, fetch, 25 * time.Millisecond}
	conditions["heap-leak-limited"] = condition{"a leak under GOMEMLIMIT, with garbage", fill, func() {
		remember()
		churn()
	}, 5 * time.Millisecond}
}

type session struct {
	id   int
	data []byte
}

var (
	sessions = map[int]*session{}
	nextID   int
)

//go:noinline
func remember() {
	nextID++
	sessions[nextID] = &session{nextID, []byte(strings.Repeat("x", 8000))}
}

var events [][]byte

//go:noinline
func appendEvent() {
	event := make([]byte, 8000)
	event[0] = 1
	events = append(events, event)
}

func waitForever() {
	answer := make(chan int)
	go receive(answer)
}

//go:noinline
func receive(answer chan int) int { return <-answer }

var bodies string

// A server of its own for the client below: it sends more than the client's buffers take, so that a
// body that is not read keeps its connection.
func serveBodies(int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	bodies = "http://" + listener.Addr().String()
	big := strings.Repeat("a line of text\n", 1<<16)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, big)
	}))
}

func fetch() {
	go func() {
		response, err := http.Get(bodies)
		if err != nil {
			return
		}
		// The bug: response.Body is neither read nor closed.
		_ = response.StatusCode
	}()
}
