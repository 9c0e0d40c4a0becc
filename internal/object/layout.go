package object

import (
	"fmt"
	"strconv"
	"strings"
)

// ReceiptName is the end of every receipt's key. The curated bucket sends events only
// for keys with this suffix.
const ReceiptName = "receipt.json"

// Attempt is the place of one attempt in the curated bucket. Every attempt has a place
// of its own. So a late or repeated attempt never overwrites the files of a receipt.
type Attempt struct {
	// Dataset is "<source>.<entity>".
	Dataset string
	// Object is the id of the transformed object.
	Object ID
	// Name is different for each attempt at an object.
	Name string
}

// AttemptName names the nth attempt at an object in a generation. unique is a text that
// no other attempt has. The numbers alone don't make a name unique, because a redrive
// counts from 1 again.
func AttemptName(generation, n int, unique string) string {
	return fmt.Sprintf("%02d-%02d-%s", generation, n, unique)
}

// Generation returns the generation in a name from AttemptName; 0 for a name of another
// form.
func (a Attempt) Generation() int {
	digits, _, found := strings.Cut(a.Name, "-")
	generation, err := strconv.Atoi(digits)
	if !found || err != nil || generation < 0 {
		return 0
	}
	return generation
}

// Prefix returns "<source>/<entity>/<object id>/<attempt>/".
func (a Attempt) Prefix() string { return AttemptsPrefix(a.Dataset, a.Object) + a.Name + "/" }

// AttemptsPrefix returns "<source>/<entity>/<object id>/", the prefix of all attempts at
// an object.
func AttemptsPrefix(dataset string, id ID) string { return DatasetPrefix(dataset) + string(id) + "/" }

// DatasetPrefix returns "<source>/<entity>/", the prefix of all keys of a dataset in
// the curated bucket.
func DatasetPrefix(dataset string) string { return strings.Replace(dataset, ".", "/", 1) + "/" }

// Data returns the key of the nth file of accepted rows, from 0.
func (a Attempt) Data(n int) string { return fmt.Sprintf("%sdata-%05d.parquet", a.Prefix(), n) }

// Rejects returns the key of the nth file of rejected rows, from 0.
func (a Attempt) Rejects(n int) string { return fmt.Sprintf("%srejects-%05d.parquet", a.Prefix(), n) }

// Receipt returns the key of the attempt's receipt.
func (a Attempt) Receipt() string { return a.Prefix() + ReceiptName }
