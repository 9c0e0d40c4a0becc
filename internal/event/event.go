// Package event reads messages about new and deleted objects. The messages have three forms: an S3
// event, an S3 event in an SNS envelope, and S3's test event for a new notification.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/firn-data/firn/internal/object"
)

// Notice reports a created or a deleted version of an object.
type Notice struct {
	// Object has a decoded key and a normalized sequencer. Size is S3's size, in bytes.
	// For a deletion without a version id, the object is the delete marker. For a
	// permanent deletion, the object is the deleted version, but the sequencer is the
	// deletion's.
	Object object.Object
	// Name is S3's event name without the prefix "s3:": "ObjectCreated:Put",
	// "ObjectCreated:Copy", "ObjectRemoved:DeleteMarkerCreated", ...
	Name string
	// Principal is the id of the identity that caused the event; empty if S3 names none.
	Principal string
	// Time is the end of the request to S3; zero for an event without a time.
	Time time.Time
}

const (
	testEvent    = "s3:TestEvent"
	notification = "Notification"
	source       = "aws:s3"
	majorVersion = "2"
	created      = "ObjectCreated:"
	removed      = "ObjectRemoved:"
	// removedForGood is the deletion of one version, or of an object without versions.
	// S3 sends other events for expired objects (AmazonS3 userguide,
	// notification-how-to-event-types-and-destinations).
	removedForGood = removed + "Delete"
	// namePrefix begins the names of event types in the configuration of a bucket. S3's
	// messages have the names without the prefix (AmazonS3 userguide,
	// notification-content-structure). Replays made by hand often have the prefix.
	namePrefix = "s3:"
)

// IsRemoval reports whether the object was deleted.
func (n Notice) IsRemoval() bool { return strings.HasPrefix(n.Name, removed) }

// IsPermanent reports whether a deletion removed one version, without a delete marker.
func (n Notice) IsPermanent() bool { return n.Name == removedForGood }

// otherKinds are the events that report neither a created nor a deleted object, by the part of the name
// before the colon (AmazonS3 userguide, notification-how-to-event-types-and-destinations).
var otherKinds = []string{
	"ObjectRestore", "ObjectTagging", "ObjectAcl", "ReducedRedundancyLostObject",
	"Replication", "LifecycleExpiration", "LifecycleTransition", "IntelligentTiering",
}

// Decode returns a notice for each created or deleted object in the body. S3's test
// event and events of other kinds (restored, tagged) give no notice and no error. Errors
// are a body without an S3 event, an event name that S3 doesn't have, a record without
// bucket or key, and a key in another form than form-encoded UTF-8.
//
// AWS sends one record in each message. Consumers should compare only the major
// version, and ignore new fields (AmazonS3 userguide, notification-content-structure).
func Decode(body string) ([]Notice, error) {
	m, err := parse(body)
	if err != nil {
		return nil, err
	}
	if m.Type == notification && m.Message != nil {
		if m, err = parse(*m.Message); err != nil {
			return nil, fmt.Errorf("SNS envelope: %w", err)
		}
	}
	if m.Event == testEvent {
		return nil, nil
	}
	if len(m.Records) == 0 {
		return nil, errors.New("decode event: the body has no Records, so S3 isn't the sender")
	}
	return notices(m.Records)
}

// message has the fields of all three forms. The fields of other forms are empty.
type message struct {
	Type    string   `json:"Type"`
	Message *string  `json:"Message"`
	Event   string   `json:"Event"`
	Records []record `json:"Records"`
}

type record struct {
	Version string    `json:"eventVersion"`
	Source  string    `json:"eventSource"`
	Name    string    `json:"eventName"`
	Time    time.Time `json:"eventTime"`
	User    struct {
		Principal string `json:"principalId,omitempty"`
	} `json:"userIdentity,omitzero"`
	S3 struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Size      int64  `json:"size"`
			ETag      string `json:"eTag"`
			Version   string `json:"versionId"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
}

func parse(body string) (message, error) {
	var m message
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return message{}, fmt.Errorf("decode event: %w", err)
	}
	return m, nil
}

func notices(records []record) ([]Notice, error) {
	var all []Notice
	for i, r := range records {
		r.Name = strings.TrimPrefix(r.Name, namePrefix)
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("decode event: record %d: %w", i+1, err)
		}
		if !r.isCreation() && !r.isRemoval() {
			continue
		}
		n, err := r.notice()
		if err != nil {
			return nil, fmt.Errorf("decode event: record %d: %w", i+1, err)
		}
		all = append(all, n)
	}
	return all, nil
}

// isCreation reports whether the event is about a created object. The name has no
// namePrefix.
func (r record) isCreation() bool { return strings.HasPrefix(r.Name, created) }

// isRemoval reports whether the event is about a deleted object.
func (r record) isRemoval() bool { return strings.HasPrefix(r.Name, removed) }

// check refuses a record of another service, of another major version, or without the
// name of an event of S3.
func (r record) check() error {
	major, _, _ := strings.Cut(r.Version, ".")
	switch {
	case r.Source != source:
		return fmt.Errorf("the source is %q, not %q", r.Source, source)
	case major != majorVersion:
		return fmt.Errorf("the version is %q, not %s.x", r.Version, majorVersion)
	case r.Name == "":
		return errors.New("the record has no event name")
	}
	if kind, _, _ := strings.Cut(r.Name, ":"); !r.isCreation() && !r.isRemoval() && !slices.Contains(otherKinds, kind) {
		return fmt.Errorf("S3 has no event with the name %q", r.Name)
	}
	return nil
}

func (r record) notice() (Notice, error) {
	key, err := decodeKey(r.S3.Object.Key)
	switch {
	case err != nil:
		return Notice{}, err
	case r.S3.Bucket.Name == "":
		return Notice{}, errors.New("the record names no bucket")
	case r.S3.Object.Size < 0:
		return Notice{}, fmt.Errorf("the size is %d", r.S3.Object.Size)
	}
	return Notice{
		Object: object.Object{
			Bucket:    r.S3.Bucket.Name,
			Key:       key,
			Version:   r.S3.Object.Version,
			ETag:      strings.Trim(r.S3.Object.ETag, `"`),
			Size:      r.S3.Object.Size,
			Sequencer: object.NormalizeSequencer(r.S3.Object.Sequencer),
		},
		Name:      r.Name,
		Principal: r.User.Principal,
		Time:      r.Time,
	}, nil
}

// decodeKey decodes S3's form encoding: "+" is a space and "%2B" is a plus. S3's keys
// are UTF-8 (AmazonS3 userguide, object-keys). Other bytes would change in JSON and
// name another object.
func decodeKey(encoded string) (string, error) {
	key, err := url.QueryUnescape(encoded)
	switch {
	case err != nil:
		return "", fmt.Errorf("key %q: %w", encoded, err)
	case key == "":
		return "", errors.New("the record names no key")
	case !utf8.ValidString(key):
		return "", fmt.Errorf("key %q isn't UTF-8", encoded)
	}
	return key, nil
}
