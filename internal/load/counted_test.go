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

// TestLoadIsCountedAfterAnnouncement: a load is counted after the announcement, and is
// acknowledged after the count.
func TestLoadIsCountedAfterAnnouncement(t *testing.T) {
	t.Parallel()
	unavailable := errors.New("no answer")
	for name, test := range map[string]struct {
		topic, counter error
		want           int
	}{
		"both answer":                {nil, nil, 1},
		"the topic doesn't answer":   {unavailable, nil, 0},
		"the journal doesn't answer": {nil, unavailable, 1},
		"no answer from both":        {unavailable, unavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counter := &fakeCounter{err: test.counter}
			counted := load.CountingPublisher{Publisher: load.Topic{Client: &topic{err: test.topic}}, Counter: counter}
			err := counted.Publish(t.Context(), load.Announcement{LoadID: "l1"})
			if counter.loads != test.want || (err == nil) != (test.topic == nil && test.counter == nil) {
				t.Errorf("%d loads counted, want %d; error %v", counter.loads, test.want, err)
			}
		})
	}
}
