package event

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// foundBySweep ends the event names in messages of a sweep, and of a redrive without the
// original message. The name shows readers of a message that S3 isn't the sender.
const foundBySweep = "FoundBySweep"

// Announce returns a message about an object in the form of S3's event. Decode accepts
// the message.
func Announce(o object.Object, at time.Time) string { return encode(created+foundBySweep, o, at) }

// AnnounceRemoval returns a message about a delete marker in the form of S3's event.
// Decode accepts the message.
func AnnounceRemoval(marker object.Object, at time.Time) string {
	return encode(removed+foundBySweep, marker, at)
}

func encode(name string, o object.Object, at time.Time) string {
	r := record{Version: majorVersion + ".1", Source: source, Name: name, Time: at.UTC()}
	r.S3.Bucket.Name = o.Bucket
	r.S3.Object.Key = encodeKey(o.Key)
	r.S3.Object.Size, r.S3.Object.ETag = o.Size, o.ETag
	r.S3.Object.Version, r.S3.Object.Sequencer = o.Version, o.Sequencer
	body, err := json.Marshal(struct {
		Records []record `json:"Records"`
	}{[]record{r}})
	if err != nil { // unreachable: strings, a number and a time
		panic(fmt.Sprintf("encode event: %v", err))
	}
	return string(body)
}

// encodeKey applies S3's form encoding, which doesn't encode slashes.
func encodeKey(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") }
