// Package event reads messages about new objects. The messages have three forms: an S3
// event, an S3 event in an SNS envelope, and S3's test event for a new notification.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/firn-data/firn/internal/object"
)

// Notice reports a created version of an object.
type Notice struct {
	// Object has a decoded key and a normalized sequencer. Size is S3's size, in bytes.
	Object object.Object
	// Name is S3's event name: "ObjectCreated:Put", "ObjectCreated:Copy", ...
	Name string
	// Time is the end of the request to S3; zero for an event without a time.
	Time time.Time
}

const (
	testEvent    = "s3:TestEvent"
	notification = "Notification"
	source       = "aws:s3"
	majorVersion = "2"
	created      = "ObjectCreated:"
)

// Decode returns a notice for each created object in the body. S3's test event and
// events of other kinds (removed, restored, tagged) give no notice and no error. Errors
// are a body without an S3 event, a record without bucket or key, and a key in another
// form than form-encoded UTF-8.
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
	S3      struct {
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
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("decode event: record %d: %w", i+1, err)
		}
		if !strings.HasPrefix(r.Name, created) {
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

// check refuses a record of another service, of another major version or without an
// event name.
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
		Name: r.Name,
		Time: r.Time,
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
