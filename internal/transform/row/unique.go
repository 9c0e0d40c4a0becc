package row

import (
	"errors"
	"hash/maphash"
)

// MaxUnique bounds the values that are remembered for one unique column of an
// object: about 200 MB of memory.
const MaxUnique = 4_000_000

// errTooManyUnique refuses an object rather than let a double pass unseen.
var errTooManyUnique = errors.New("the object has more values than the unique rule can remember")

// seen remembers the values of a unique column by two independent hashes of 64
// bits: two different values are taken for one with a chance of 10^-25.
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
func (s *seen) accept() error {
	if len(s.values) >= MaxUnique {
		return errTooManyUnique
	}
	s.values[s.candidate] = struct{}{}
	return nil
}
