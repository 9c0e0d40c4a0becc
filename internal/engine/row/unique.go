package row

import (
	"hash/maphash"
)

// seen remembers the values of a unique column by two independent hashes of 64
// bits: two different values are taken for one with a chance of 10^-25. A value
// takes about 50 bytes; the contract bounds how many there are.
type seen struct {
	first, second maphash.Seed
	values        map[[2]uint64]struct{}
	candidate     [2]uint64
}

func newSeen() *seen {
	return &seen{first: maphash.MakeSeed(), second: maphash.MakeSeed(), values: make(map[[2]uint64]struct{})}
}

// before reports whether an accepted row had the value.
func (s *seen) before(value []byte) bool {
	s.candidate = [2]uint64{maphash.Bytes(s.first, value), maphash.Bytes(s.second, value)}
	_, found := s.values[s.candidate]
	return found
}

// accept remembers the value that before was asked for last: values of
// rejected rows don't count.
func (s *seen) accept() { s.values[s.candidate] = struct{}{} }
