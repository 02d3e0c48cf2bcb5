// Writes heap profiles of a program that allocates in every way that matters to an aggregation: inlined
// calls, recursion, generics, methods, closures, maps, goroutines; some of it live, some garbage.
//
//	profiles DIR RATE
//
// writes DIR/heap-N.pb.gz at MemProfileRate RATE, one for each step of the program's life.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
)

const steps = 4

var (
	blocks [][]byte
	byName = map[string][]byte{}
	lists  = map[int]*list[[64]byte]{}
	sink   any
)

type list[T any] struct {
	value T
	next  *list[T]
}

func (l *list[T]) push(value T) *list[T] { return &list[T]{value, l} }

func small(n int) []byte { return make([]byte, n) }

// Inlined into its caller, and small into it.
func inlined(n int) { blocks = append(blocks, small(n)) }

//go:noinline
func direct(n int) { blocks = append(blocks, small(n)) }

//go:noinline
func recursive(depth int) {
	if depth > 0 {
		recursive(depth - 1)
	}
	blocks = append(blocks, make([]byte, 512))
}

//go:noinline
func even(n int) {
	if n > 0 {
		odd(n - 1)
	}
	sink = make([]byte, 3000)
}

//go:noinline
func odd(n int) {
	if n > 0 {
		even(n - 1)
	}
	blocks = append(blocks, make([]byte, 700))
}

type store struct{ entries map[string]*strings.Builder }

func (s *store) add(name string) {
	builder := s.entries[name]
	if builder == nil {
		builder = &strings.Builder{}
		s.entries[name] = builder
	}
	builder.WriteString(strings.Repeat(name, 40))
}

func step(n int) {
	var group sync.WaitGroup
	saved := &store{map[string]*strings.Builder{}}
	sink = saved
	for i := 0; i < 400; i++ {
		inlined(1000 + i)
		direct(2000)
		byName[strconv.Itoa(i*n)] = make([]byte, 900)
		lists[i%7] = lists[i%7].push([64]byte{byte(i)})
		saved.add(fmt.Sprint("key", i))
		// Garbage.
		sink = func() []byte { return make([]byte, 10_000) }()
	}
	recursive(30)
	even(40)
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			kept := small(100_000)
			direct(len(kept))
		}()
	}
	group.Wait()
	if n%2 == 0 {
		// Some functions shrink from here on.
		blocks = blocks[len(blocks)/2:]
		clear(byName)
	}
}

func main() {
	rate, err := strconv.Atoi(os.Args[2])
	check(err)
	runtime.MemProfileRate = rate
	for n := 1; n <= steps; n++ {
		step(n)
		runtime.GC()
		file, err := os.Create(filepath.Join(os.Args[1], fmt.Sprintf("heap-%d.pb.gz", n)))
		check(err)
		check(pprof.Lookup("heap").WriteTo(file, 0))
		check(file.Close())
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
