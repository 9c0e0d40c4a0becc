package load_test

import (
	"context"
	"errors"
	"testing"

	"github.com/firn-data/firn/internal/load"
)

type fakeCounter struct {
	loads int
	err   error
}

func (c *fakeCounter) CountLoad(context.Context) error {
	c.loads++
	return c.err
}

// A load is counted once it is announced, and not acknowledged before it is.
func TestLoadIsCountedAfterAnnouncement(t *testing.T) {
	t.Parallel()
	away := errors.New("no answer")
	for name, test := range map[string]struct {
		topic, counter error
		want           int
	}{
		"both answer":             {nil, nil, 1},
		"the topic is away":       {away, nil, 0},
		"the journal is away":     {nil, away, 1},
		"neither of them answers": {away, away, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counter := &fakeCounter{err: test.counter}
			counted := load.CountingPublisher{Publisher: load.Topic{Client: &topic{err: test.topic}}, Counter: counter}
			err := counted.Publish(t.Context(), load.Announcement{LoadID: "l1"})
			if counter.loads != test.want || (err == nil) != (test.topic == nil && test.counter == nil) {
				t.Errorf("%d counted, want %d; error %v", counter.loads, test.want, err)
			}
		})
	}
}
