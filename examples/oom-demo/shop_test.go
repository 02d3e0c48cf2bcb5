package main

import (
	"runtime"
	"testing"
)

func TestLiveDataTakesTheSizeThatWasAskedFor(t *testing.T) {
	before := heap()
	shop := newShop(serveSettings{live: 64 << 20})
	held := heap() - before
	if held < 58<<20 || held > 70<<20 {
		t.Errorf("64 MiB asked for, %d bytes held", held)
	}
	count := 0
	for n := shop.live; n != nil; n = n.next {
		if len(n.payload) != payloadBytes || n.payload[1] != byte(n.id+1) {
			t.Fatalf("entry %d was not written to", n.id)
		}
		count++
	}
	if count != shop.entries || count != (64<<20)/nodeBytes {
		t.Errorf("%d entries, %d said", count, shop.entries)
	}
}

func TestARequestAllocatesItsGarbageAndKeepsNothing(t *testing.T) {
	shop := newShop(serveSettings{garbage: 256 << 10})
	before, allocated := heap(), total()
	for n := range 200 {
		shop.request(n)
	}
	each := (total() - allocated) / 200
	if each < 256<<10 || each > 330<<10 {
		t.Errorf("256 KiB a request asked for, %d bytes allocated", each)
	}
	if kept := heap() - before; kept > 4<<20 {
		t.Errorf("%d bytes kept of 200 requests", kept)
	}
}

func TestALeakKeepsWhatItIsAskedFor(t *testing.T) {
	shop := newShop(serveSettings{leak: 64 << 10})
	before := heap()
	for n := range 300 {
		shop.request(n)
	}
	if leaked := shop.sessions.leaked(); leaked != 300*64<<10 {
		t.Errorf("says %d bytes", leaked)
	}
	if held := heap() - before; held < 18<<20 || held > 24<<20 {
		t.Errorf("300 times 64 KiB leaked, %d bytes held", held)
	}
	runtime.KeepAlive(shop)
}

// heap is what lives after a collection.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// total is what was ever allocated.
func total() int64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.TotalAlloc)
}
