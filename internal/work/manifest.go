package work

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// Manifest is the list of the objects that one Glue run transforms, with their
// contract. The manifest is in the curated bucket, and the key of the manifest is the
// run's only argument.
type Manifest struct {
	// ID names the manifest. firn finds the manifest's runs by this id.
	ID string `json:"id"`
	// Dataset is "<source>.<entity>", equal for all objects.
	Dataset string `json:"dataset"`
	// CuratedBucket is the bucket for receipts and files.
	CuratedBucket string `json:"curated_bucket"`
	// Contract is the result of Contract.Portable.
	Contract json.RawMessage `json:"contract"`
	// Objects are in the order of the transform.
	Objects []Assignment `json:"objects"`
	// Try is the number of earlier runs of these objects that made no receipt at all; 0
	// for new objects.
	Try int `json:"try"`
	// CreatedAt is the time at which the manifest was written.
	CreatedAt time.Time `json:"created_at"`
}

// Assignment is one object of a manifest.
type Assignment struct {
	Object object.Object `json:"object"`
	// ObjectID is Object.ID(), because the engine on Glue doesn't compute ids.
	ObjectID object.ID `json:"object_id"`
	// Generation is the generation in the work.
	Generation int `json:"generation"`
	// Attempt is the attempt's name, a part of every key of the attempt.
	Attempt string `json:"attempt"`
	// Source is the place of the object's bytes: the object's key for the newest
	// version of the key, else a copy. Spark reads only the newest version.
	Source Location `json:"source"`
}

// ManifestPrefix begins the keys of manifests and of their files. No dataset has keys
// with this prefix, because sources are words of letters and digits.
const ManifestPrefix = "_glue/"

// ManifestKey returns the key of the manifest with the id.
func ManifestKey(id string) string { return ManifestPrefix + id + ".json" }

// Attempt returns the assignment's place in the curated bucket.
func (m Manifest) Attempt(a Assignment) object.Attempt {
	return object.Attempt{Dataset: m.Dataset, Object: a.ObjectID, Name: a.Attempt}
}

// DecodeManifest reads a manifest and checks the ids of the objects.
func DecodeManifest(body []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return Manifest{}, fmt.Errorf("decode manifest: %w", err)
	}
	for _, a := range m.Objects {
		if a.ObjectID != a.Object.ID() {
			return Manifest{}, fmt.Errorf("decode manifest: object id %q doesn't belong to %s", a.ObjectID, a.Object.URI())
		}
	}
	return m, nil
}

// checkRunsText asks for a check of Glue runs whose end had no event.
const checkRunsText = "glue runs"

// CheckRuns returns the message that a schedule sends to the glue queue. The check is
// needed because Glue's events are best effort.
func CheckRuns() map[string]string { return map[string]string{"check": checkRunsText} }

// IsCheckRuns reports whether a message's body is CheckRuns as JSON.
func IsCheckRuns(body string) bool {
	var m struct {
		Check string `json:"check"`
	}
	return json.Unmarshal([]byte(body), &m) == nil && m.Check == checkRunsText
}
