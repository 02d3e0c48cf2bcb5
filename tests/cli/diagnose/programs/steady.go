package main

import (
	"runtime"
	"syscall"
	"time"
)

// A linked list of small objects with a block each: a cache, as the collector sees it.
type node struct {
	next  *node
	block []byte
}

var cache *node

// Fills the cache, and writes to it, so that it is resident.
func fill(live int) {
	const size = 480
	for kept := 0; kept < live*mib; kept += size + 48 {
		block := make([]byte, size)
		for i := 0; i < size; i += 64 {
			block[i] = 1
		}
		cache = &node{cache, block}
	}
}

var garbage [64][]byte

// A request's worth of garbage: 256 KiB in blocks of 0.5 to 7.5 KiB.
func churn() {
	for total, i := 0, 0; total < 256<<10; i++ {
		size := 512 + i%15*512
		garbage[i%len(garbage)] = make([]byte, size)
		total += size
	}
}

func init() {
	conditions["tuning"] = condition{"live heap in the window, garbage beside it", fill, churn, 10 * time.Millisecond}
	conditions["undersized"] = condition{"live heap too large for the limit", fill, churn, 20 * time.Millisecond}
	conditions["healthy"] = condition{"small live heap, some garbage", fill, churn, 20 * time.Millisecond}
	conditions["gc-thrash"] = condition{"no room between live heap and GOMEMLIMIT", fill, func() {
		churn()
		churn()
	}, time.Millisecond}
	conditions["inconclusive"] = condition{"a cache that fills, and then is full", fill, warmUp(), 50 * time.Millisecond}
	conditions["fragmented"] = condition{"few survivors hold many spans", fragment, churn, 50 * time.Millisecond}
	conditions["off-heap"] = condition{"mapped and written to, unknown to the runtime", mapped, churn, 20 * time.Millisecond}
	conditions["burst"] = condition{"a huge body once, then nothing", burst, churn, 20 * time.Millisecond}
}

const warmUpHalf = 2 * time.Second

// Grows by less and less: half of what is missing every two seconds, up to 128 MiB.
func warmUp() func() {
	begin := time.Time{}
	kept := 0.0
	return func() {
		if begin.IsZero() {
			begin = time.Now()
		}
		missing := 128 * mib * pow(0.5, time.Since(begin).Seconds()/warmUpHalf.Seconds())
		for ; kept < 128*mib-missing; kept += 4096 {
			cache = &node{cache, make([]byte, 4000)}
		}
	}
}

// Survivors: one of a hundred, each alone in its span.
var survivors [][]byte

func fragment(live int) {
	const size = 1024
	var all [][]byte
	for kept := 0; kept < live*mib; kept += size {
		block := make([]byte, size)
		block[0] = 1
		all = append(all, block)
	}
	for i, block := range all {
		if i%8 == 0 {
			survivors = append(survivors, block)
		}
	}
	all = nil
	runtime.GC()
}

var mapping []byte

// Memory of a library: GOMEMLIMIT does not see it.
func mapped(live int) {
	var err error
	mapping, err = syscall.Mmap(-1, 0, live*mib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	check(err)
	for i := 0; i < len(mapping); i += 4096 {
		mapping[i] = 1
	}
}

var body []byte

// Reads one huge body into memory, as io.ReadAll does.
//
//go:noinline
func readAll(size int) {
	body = nil
	for capacity := mib; capacity < size; capacity *= 2 {
		larger := make([]byte, capacity)
		copy(larger, body)
		for i := len(body); i < len(larger); i += 4096 {
			larger[i] = 1
		}
		body = larger
	}
}

func burst(live int) {
	readAll(live * mib)
	body = nil
	runtime.GC()
}

func pow(base, exponent float64) float64 {
	// Without math, for one call: exp by squares of the halves.
	result := 1.0
	for ; exponent >= 1; exponent-- {
		result *= base
	}
	return result * (1 - (1-base)*exponent)
}
