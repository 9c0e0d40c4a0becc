package journal

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// postPrefix begins the key of a message for the webhook. postsKey is the key of the
// item with the number of undelivered messages.
const (
	postPrefix = "post#"
	postsKey   = "posts"
)

// postPartition is the partition of the waiting messages in the index "work". The order
// is the time of the next try.
const postPartition = "post"

// The status of a message for the webhook.
const (
	postWaits       = "waits"
	postDelivered   = "delivered"
	postUndelivered = "undelivered"
)

// postTime is the time from the record of a message until DynamoDB may delete the item,
// in any status.
const postTime = 7 * 24 * time.Hour

// Post is a message for the webhook.
type Post struct {
	// ID is a random text. All tries of a message have the same id.
	ID string
	// Body is the JSON text of the message.
	Body string
	// Tries is the number of begun tries.
	Tries int
	// NextAt is the earliest time of the next try.
	NextAt time.Time
}

// AddPost records a message, and the first try is due at once. A message that is in the
// journal already doesn't change.
func (t *Table) AddPost(ctx context.Context, id, body string) error {
	now := t.Now()
	_, err := t.write(ctx, postPrefix+id, waitingPost(id, now).
		set("post", text(id)).set("body", text(body)).
		set("status", text(postWaits)).set("tries", number(0)).
		set("expires_at", number(now.Add(postTime).Unix())).
		where("attribute_not_exists(#status)"))
	return err
}

// waitingPost returns the change that sets the time of a message's next try.
func waitingPost(id string, next time.Time) *change {
	return newChange("").set("next_at", instant(next)).
		set("work_pk", text(postPartition)).set("work_sk", text(stamp(next)+"#"+id))
}

// DuePosts returns the messages whose next try is due, at most limit, the message with
// the earliest next try first. The index is eventually consistent: the next call finds a
// missed message.
func (t *Table) DuePosts(ctx context.Context, limit int) ([]Post, error) {
	input := queryPartition(indexWork, postPartition, "#s < :s", stamp(t.Now().Add(time.Microsecond)))
	input.Limit = aws.Int32(int32(limit))
	output, err := t.page(ctx, input)
	if err != nil {
		return nil, err
	}
	posts := make([]Post, 0, len(output.Items))
	for _, attributes := range output.Items {
		i := &item{attributes: attributes}
		p := Post{ID: i.text("post"), Body: i.text("body"), Tries: int(i.number("tries")), NextAt: i.instant("next_at")}
		if i.err != nil {
			return nil, i.err
		}
		posts = append(posts, p)
	}
	return posts, nil
}

// TakePost begins a try, and counts the try before the message is sent. next is the
// time of the try after this one, if this one fails or the function is killed. The
// result is false if another caller has begun a try since the read of p, or if the tries
// have ended. claim is a random text of the caller.
func (t *Table) TakePost(ctx context.Context, p Post, claim string, next time.Time) (bool, error) {
	return t.write(ctx, postPrefix+p.ID, waitingPost(p.ID, next).
		set("tries", number(int64(p.Tries+1))).set("claim", text(claim)).
		where("#status = :waits AND (#tries = :was_tries OR #claim = :claim)", "status").
		bind(":waits", text(postWaits)).bind(":was_tries", number(int64(p.Tries))))
}

// EndPost ends the tries of a message. A delivered message sets the number of
// UndeliveredPosts to 0, and an undelivered message adds one. For a message whose tries
// have ended already, EndPost changes nothing.
func (t *Table) EndPost(ctx context.Context, p Post, delivered bool) error {
	status := postUndelivered
	if delivered {
		status = postDelivered
	}
	ended, err := t.writeOnce(ctx, postPrefix+p.ID, newChange("").
		set("status", text(status)).
		clear("work_pk", "work_sk", "body", "next_at").
		where("#status = :waits").bind(":waits", text(postWaits)))
	if err != nil || !ended {
		return err
	}
	if delivered {
		_, err = t.write(ctx, postsKey, newChange("").
			set("undelivered", number(0)).
			where("#undelivered > :none").bind(":none", number(0)))
		return err
	}
	_, err = t.writeOnce(ctx, postsKey, newChange("").set("failed_at", instant(t.Now())).count("undelivered"))
	return err
}

// UndeliveredPosts returns the number of messages that no try delivered, since the last
// delivered message. The number can be too low: a kill of the function between the two
// writes of EndPost leaves a message out.
func (t *Table) UndeliveredPosts(ctx context.Context) (int, error) {
	i, err := t.find(ctx, postsKey)
	if err != nil {
		return 0, err
	}
	undelivered := int(i.number("undelivered"))
	return undelivered, i.err
}
