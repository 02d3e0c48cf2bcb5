package main

// #include <stdlib.h>
// #include <string.h>
import "C"

import "time"

func init() {
	conditions["off-heap-cgo"] = condition{"allocated by C, unknown to the runtime", allocatedByC, churn, 20 * time.Millisecond}
}

// Memory of malloc that is written to, and never freed.
func allocatedByC(live int) {
	bytes := C.size_t(live * mib)
	C.memset(C.malloc(bytes), 1, bytes)
}
