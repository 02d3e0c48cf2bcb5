// The program of the image with which the end-to-end tests see what a Go runtime makes of a pod's GOMEMLIMIT:
// it prints its memory limit in bytes, and stays until it is told to end.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	// A negative number only asks.
	fmt.Println(debug.SetMemoryLimit(-1))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
