package event

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// sweepEventName is the event name of what a sweep announces, so that a person who reads
// the message sees that S3 didn't send it.
const sweepEventName = created + "FoundBySweep"

// Announce is the message that S3 would have sent for an object: Decode reads
// it as S3's own.
func Announce(o object.Object, at time.Time) string {
	r := record{Version: majorVersion + ".1", Source: source, Name: sweepEventName, Time: at.UTC()}
	r.S3.Bucket.Name = o.Bucket
	r.S3.Object.Key = encodeKey(o.Key)
	r.S3.Object.Size, r.S3.Object.ETag = o.Size, o.ETag
	r.S3.Object.Version, r.S3.Object.Sequencer = o.Version, o.Sequencer
	body, err := json.Marshal(struct {
		Records []record `json:"Records"`
	}{[]record{r}})
	if err != nil { // only strings, a number and a time: can't happen
		panic(fmt.Sprintf("encode event: %v", err))
	}
	return string(body)
}

// encodeKey is S3's form encoding, which leaves the slashes as they are.
func encodeKey(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") }
