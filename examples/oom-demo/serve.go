package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"
)

type serveSettings struct {
	listen, pprof       string
	live, garbage, leak size
	hold                time.Duration
}

func serveFlags(args []string, stderr io.Writer) (serveSettings, error) {
	s := serveSettings{live: 150 << 20, garbage: 256 << 10}
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.listen, "listen", ":8080", "`address` of /work, /healthz and /metrics")
	flags.StringVar(&s.pprof, "pprof", "127.0.0.1:6060", "`address` of /debug/pprof, or nothing for none")
	flags.Var(&s.live, "live", "`size` of the data that is held for good")
	flags.Var(&s.garbage, "garbage", "`size` of what a request allocates and drops")
	flags.DurationVar(&s.hold, "hold", 5*time.Millisecond, "how long a request keeps what it allocates")
	flags.Var(&s.leak, "leak", "`size` of what a request leaves behind for ever")
	return s, parse(flags, args)
}

// serve runs the service until the context ends.
func serve(ctx context.Context, settings serveSettings, stderr io.Writer) error {
	listener, err := net.Listen("tcp", settings.listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; choose another -listen address", settings.listen, err)
	}
	if settings.pprof != "" {
		profiles, err := net.Listen("tcp", settings.pprof)
		if err != nil {
			return fmt.Errorf("cannot listen on %s: %w; choose another -pprof address", settings.pprof, err)
		}
		go http.Serve(profiles, pprofHandler())
	}
	service := &service{}
	server := &http.Server{Handler: service.handler()}
	go func() {
		shop := newShop(settings)
		service.shop.Store(shop)
		fmt.Fprintf(stderr, "ready: %d entries, GOMEMLIMIT as the runtime reads it: %d bytes\n", shop.entries,
			debug.SetMemoryLimit(-1))
	}()
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(grace)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// service answers requests; it is ready once there is a shop.
type service struct {
	shop     atomic.Pointer[shop]
	requests atomic.Int64
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/work", s.whenReady(func(w http.ResponseWriter, shop *shop) {
		fmt.Fprintln(w, strconv.Itoa(shop.request(int(s.requests.Add(1)))))
	}))
	mux.HandleFunc("GET /healthz", s.whenReady(func(w http.ResponseWriter, shop *shop) {
		fmt.Fprintf(w, "%d entries\n", shop.entries)
	}))
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		leaked := int64(0)
		if shop := s.shop.Load(); shop != nil {
			leaked = shop.sessions.leaked()
		}
		writeMetrics(w, s.requests.Load(), leaked)
	})
	return mux
}

func (s *service) whenReady(answer func(http.ResponseWriter, *shop)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		shop := s.shop.Load()
		if shop == nil {
			http.Error(w, "the data is still being loaded", http.StatusServiceUnavailable)
			return
		}
		answer(w, shop)
	}
}

func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
