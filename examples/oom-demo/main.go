// Command oom-demo is a small Go service that is OOMKilled although half of its heap is garbage, and the
// load that brings it there. It shows what GOMEMLIMIT changes, and what it cannot change.
//
//	oom-demo serve -live 150MiB            a service with a live data set, garbage for each request, pprof, metrics
//	oom-demo load -url http://shop/work    an open-loop load, with its figures as JSON on stdout
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `oom-demo is a Go service with a live data set and garbage for each request, and a load for it.

Usage:
  oom-demo serve [flags]    run the service
  oom-demo load [flags]     send requests at a fixed rate, whatever becomes of them

  oom-demo serve -live 150MiB -leak 8KiB
  oom-demo load -url http://127.0.0.1:8080/work -rate 200 -for 30s

"oom-demo serve -help" and "oom-demo load -help" list the flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintf(os.Stderr, "oom-demo: %v\n", err)
		os.Exit(2)
	}
}

// run is main without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		settings, err := serveFlags(args, stderr)
		if err != nil {
			return err
		}
		return serve(ctx, settings, stderr)
	case "load":
		settings, err := loadFlags(args, stderr)
		if err != nil {
			return err
		}
		return load(ctx, settings, stdout)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stderr, usage)
		return nil
	default:
		return fmt.Errorf("unknown command %q; try oom-demo help", command)
	}
}

// parse reads flags that leave nothing over.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; try oom-demo %s -help", flags.Arg(0), flags.Name())
	}
	return nil
}
