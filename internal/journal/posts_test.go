//go:build standin

package journal_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/journal"
)

// duePost returns the due message with the id, or false. The tests of the package share
// the index.
func (b *fixture) duePost(t *testing.T, id string) (journal.Post, bool) {
	t.Helper()
	posts, err := b.DuePosts(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(posts, func(p journal.Post) bool { return p.ID == id })
	if i < 0 {
		return journal.Post{}, false
	}
	return posts[i], true
}

// TestPostHasOneTryAtATime: a begun try hides the message until the next try.
func TestPostHasOneTryAtATime(t *testing.T) {
	t.Parallel()
	for _, repeats := range []bool{false, true} {
		b := newFixture(t)
		b.client.repeats = repeats
		id := rand.Text()
		if err := b.AddPost(t.Context(), id, `{"text":"x"}`); err != nil {
			t.Fatal(err)
		}
		p, due := b.duePost(t, id)
		want := journal.Post{ID: id, Body: `{"text":"x"}`, NextAt: b.clock().Truncate(time.Millisecond)}
		if diff := cmp.Diff(want, p); !due || diff != "" {
			t.Fatalf("due %t, message (-want +got):\n%s", due, diff)
		}
		take := func(claim string, want bool) {
			t.Helper()
			if taken, err := b.TakePost(t.Context(), p, claim, b.clock().Add(time.Minute)); err != nil || taken != want {
				t.Errorf("TakePost = %t, %v; want %t", taken, err, want)
			}
		}
		take("a", true)
		take("b", false)
		if _, due := b.duePost(t, id); due {
			t.Error("the message is due during its try")
		}
		b.advance(time.Minute)
		if p, due = b.duePost(t, id); !due || p.Tries != 1 {
			t.Fatalf("after a minute: due %t, %+v", due, p)
		}
		take("b", true)
		if err := b.EndPost(t.Context(), p, true); err != nil {
			t.Fatal(err)
		}
		b.advance(time.Hour)
		if _, due := b.duePost(t, id); due {
			t.Error("the message is due after its end")
		}
		take("c", false)
	}
}

// TestUndeliveredPostsAreCountedUntilDelivery doesn't run in parallel, because the
// table has one count.
func TestUndeliveredPostsAreCountedUntilDelivery(t *testing.T) { //nolint:paralleltest // the table has one count
	b := newFixture(t)
	end := func(delivered bool, want int) {
		t.Helper()
		id := rand.Text()
		if err := b.AddPost(t.Context(), id, "{}"); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second end changes nothing
			if err := b.EndPost(t.Context(), journal.Post{ID: id}, delivered); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := b.UndeliveredPosts(t.Context()); err != nil || got != want {
			t.Errorf("requests come twice: %t: %d undelivered messages, %v; want %d", b.client.repeats, got, err, want)
		}
	}
	for _, repeats := range []bool{false, true} {
		b.client.repeats = repeats
		end(false, 1)
		end(false, 2)
		end(true, 0)
		end(false, 1)
		end(true, 0)
	}
}
