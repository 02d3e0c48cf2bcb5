// The Go program of tests/go_runtime.rs; 1.19 is the first release that reads GOMEMLIMIT.
module gomemlimit.dev/runtime-check

go 1.19
