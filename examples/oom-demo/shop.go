package main

import (
	"sync"
	"time"
)

// A node is one entry of the live data set: small objects linked to each other, as in a cache or an index, so
// that the garbage collector has something to follow.
type node struct {
	next    *node
	id      int
	payload []byte
}

const (
	payloadBytes = 480
	// What an entry takes, its header included.
	nodeBytes = payloadBytes + 32
	// The garbage of a request comes in pieces between these two sizes.
	smallestPiece = 512
	largestPiece  = 7680
)

// shop is the service's memory: what it holds for good, what a request uses for a moment, and what it forgets to
// let go of.
type shop struct {
	live    *node
	entries int
	// garbage is what a request allocates, hold how long it keeps that.
	garbage size
	hold    time.Duration
	// leak is what a request leaves behind for ever.
	leak     size
	sessions sessions
}

// sessions only ever grows: the leak.
type sessions struct {
	sync.Mutex
	byRequest map[int][]byte
	bytes     int64
}

// newShop builds the live data set.
func newShop(s serveSettings) *shop {
	shop := &shop{garbage: s.garbage, hold: s.hold, leak: s.leak}
	shop.sessions.byRequest = map[int][]byte{}
	for range int(s.live / nodeBytes) {
		shop.live = &node{next: shop.live, id: shop.entries, payload: written(payloadBytes, shop.entries)}
		shop.entries++
	}
	return shop
}

// request does what a request does: allocates, writes to what it allocated, keeps it for a moment and drops it.
func (s *shop) request(number int) int {
	var pieces [][]byte
	for allocated := size(0); allocated < s.garbage; {
		// A spread of sizes, the same for each request.
		piece := smallestPiece + (len(pieces)*1789)%(largestPiece-smallestPiece)
		pieces = append(pieces, written(piece, number))
		allocated += size(piece)
	}
	s.sessions.remember(number, s.leak)
	time.Sleep(s.hold)
	sum := 0
	for _, piece := range pieces {
		sum += int(piece[len(piece)-1])
	}
	return sum
}

// remember keeps bytes for a request, and nothing ever removes them.
func (s *sessions) remember(number int, bytes size) {
	if bytes == 0 {
		return
	}
	session := written(int(bytes), number)
	s.Lock()
	defer s.Unlock()
	s.byRequest[len(s.byRequest)] = session
	s.bytes += int64(bytes)
}

// leaked is how many bytes were never let go of.
func (s *sessions) leaked() int64 {
	s.Lock()
	defer s.Unlock()
	return s.bytes
}

// written allocates and writes every byte: memory that nobody wrote to is not resident, and nothing is killed for it.
func written(bytes, seed int) []byte {
	b := make([]byte, bytes)
	for i := range b {
		b[i] = byte(i + seed)
	}
	return b
}
