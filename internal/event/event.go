// Package event reads what S3 says about new objects, in the forms in which it
// reaches a queue: an S3 event, the same inside an SNS envelope, and the test
// event that S3 sends when a notification is set up.
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

// Notice says that one version of one object was created.
type Notice struct {
	// Object has its key decoded and its sequencer normalized. Size is what S3
	// reports, in bytes.
	Object object.Object
	// Name is S3's event name: "ObjectCreated:Put", "ObjectCreated:Copy", ...
	Name string
	// Time is when S3 finished the request; zero if the event doesn't tell.
	Time time.Time
}

const (
	testEvent    = "s3:TestEvent"
	notification = "Notification"
	source       = "aws:s3"
	majorVersion = "2"
	created      = "ObjectCreated:"
)

// Decode returns a notice for each object that the body says was created: none
// for S3's test event and for events of other kinds (removed, restored,
// tagged), which are no error. A body that isn't an S3 event, a record that
// names no bucket or key, and a key that isn't form-encoded UTF-8 are errors.
//
// AWS sends one record a message, and asks to compare the major version only
// and to ignore fields that are new (AmazonS3 userguide,
// notification-content-structure).
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
		return nil, errors.New("decode event: it has no Records, so S3 didn't send it")
	}
	return notices(m.Records)
}

// message is the union of the three forms; a form's fields are absent from the
// others.
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

// check refuses what isn't S3's, or is of a version that may mean otherwise.
func (r record) check() error {
	major, _, _ := strings.Cut(r.Version, ".")
	switch {
	case r.Source != source:
		return fmt.Errorf("its source is %q, not %q", r.Source, source)
	case major != majorVersion:
		return fmt.Errorf("its version is %q, not %s.x", r.Version, majorVersion)
	case r.Name == "":
		return errors.New("it has no event name")
	}
	return nil
}

func (r record) notice() (Notice, error) {
	key, err := decodeKey(r.S3.Object.Key)
	switch {
	case err != nil:
		return Notice{}, err
	case r.S3.Bucket.Name == "":
		return Notice{}, errors.New("it names no bucket")
	case r.S3.Object.Size < 0:
		return Notice{}, fmt.Errorf("its size is %d", r.S3.Object.Size)
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

// decodeKey undoes S3's form encoding, in which a space is "+" and a plus is
// "%2B". S3's keys are UTF-8 (AmazonS3 userguide, object-keys); bytes that are
// not would change on their way through JSON and name another object.
func decodeKey(encoded string) (string, error) {
	key, err := url.QueryUnescape(encoded)
	switch {
	case err != nil:
		return "", fmt.Errorf("key %q: %w", encoded, err)
	case key == "":
		return "", errors.New("it names no key")
	case !utf8.ValidString(key):
		return "", fmt.Errorf("key %q isn't UTF-8", encoded)
	}
	return key, nil
}
