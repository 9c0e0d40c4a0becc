package row

import (
	"hash/maphash"
)

// seen remembers the values of a unique column as two independent 64-bit hashes. The
// chance of two different values with equal hashes is 10^-25. A value takes about 50
// bytes; the contract limits the number of values.
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

// accept remembers the value of the last call of before. Values of rejected rows aren't
// remembered.
func (s *seen) accept() { s.values[s.candidate] = struct{}{} }
