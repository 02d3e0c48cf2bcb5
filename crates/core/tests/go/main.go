// Command runtime-check prints the memory limit that the Go runtime took from GOMEMLIMIT, in bytes.
package main

import (
	"fmt"
	"runtime/debug"
)

func main() {
	// A negative limit changes nothing and returns the one that holds.
	fmt.Println(debug.SetMemoryLimit(-1))
}
