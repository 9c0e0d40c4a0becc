package work

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// Manifest is all that a Glue run is told: which objects to transform, by which
// contract. It lies in the curated bucket, and its key is the run's one
// argument.
type Manifest struct {
	// ID names the manifest; the runs that were started for it are found by it.
	ID string `json:"id"`
	// Dataset is "<source>.<entity>", that of all objects.
	Dataset string `json:"dataset"`
	// CuratedBucket is where receipts and files go.
	CuratedBucket string `json:"curated_bucket"`
	// Contract is what Contract.Portable returns.
	Contract json.RawMessage `json:"contract"`
	// Objects are transformed in this order.
	Objects []Assignment `json:"objects"`
	// Try counts the runs that these objects were in and that made no receipt of
	// any of them: 0 for new ones.
	Try int `json:"try"`
	// CreatedAt is when the manifest was written.
	CreatedAt time.Time `json:"created_at"`
}

// Assignment is one object of a manifest.
type Assignment struct {
	Object object.Object `json:"object"`
	// ObjectID is Object.ID(): the engine on Glue doesn't compute it.
	ObjectID object.ID `json:"object_id"`
	// Generation is the work's.
	Generation int `json:"generation"`
	// Attempt is the attempt's name, a part of every key that it writes.
	Attempt string `json:"attempt"`
	// Source is where the object's bytes are: its own key if that is its newest
	// version, else a copy. Spark reads no version but the newest.
	Source Location `json:"source"`
}

// ManifestPrefix begins the keys of manifests and of what belongs to them. No
// dataset's key begins so: sources are words of letters and digits.
const ManifestPrefix = "_glue/"

// ManifestKey returns the key of the manifest with the id.
func ManifestKey(id string) string { return ManifestPrefix + id + ".json" }

// Attempt returns the place in the curated bucket that the assignment writes to.
func (m Manifest) Attempt(a Assignment) object.Attempt {
	return object.Attempt{Dataset: m.Dataset, Object: a.ObjectID, Name: a.Attempt}
}

// DecodeManifest reads a manifest and checks that it is consistent in itself.
func DecodeManifest(body []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return Manifest{}, fmt.Errorf("decode manifest: %w", err)
	}
	for _, a := range m.Objects {
		if a.ObjectID != a.Object.ID() {
			return Manifest{}, fmt.Errorf("decode manifest: object id %q isn't that of %s", a.ObjectID, a.Object.URI())
		}
	}
	return m, nil
}

// checkRuns asks for the Glue runs whose end nobody told.
const checkRuns = "glue runs"

// CheckRuns is the message that a schedule puts in the glue queue: Glue's events
// are best effort.
func CheckRuns() map[string]string { return map[string]string{"check": checkRuns} }

// IsCheckRuns reports whether a message's body is CheckRuns as JSON.
func IsCheckRuns(body string) bool {
	var m struct {
		Check string `json:"check"`
	}
	return json.Unmarshal([]byte(body), &m) == nil && m.Check == checkRuns
}
