package object

import (
	"fmt"
	"strconv"
	"strings"
)

// ReceiptName ends the key of every receipt; the curated bucket announces keys
// with this suffix only.
const ReceiptName = "receipt.json"

// Attempt is the place in the curated bucket that one attempt at one object
// writes to. No two attempts share one, so a late or repeated attempt never
// overwrites files that a receipt names.
type Attempt struct {
	// Dataset is "<source>.<entity>".
	Dataset string
	// Object is the id of the object that is transformed.
	Object ID
	// Name tells the attempts of one object apart.
	Name string
}

// AttemptName names the nth attempt at an object in a generation. Counts alone
// don't tell attempts apart, since a redrive counts from 1 again: unique is a
// text that no other attempt has.
func AttemptName(generation, n int, unique string) string {
	return fmt.Sprintf("%02d-%02d-%s", generation, n, unique)
}

// Generation returns the generation that AttemptName wrote into the name; 0 for a
// name of another form.
func (a Attempt) Generation() int {
	digits, _, _ := strings.Cut(a.Name, "-")
	generation, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return generation
}

// Prefix returns "<source>/<entity>/<object id>/<attempt>/".
func (a Attempt) Prefix() string { return ObjectPrefix(a.Dataset, a.Object) + a.Name + "/" }

// ObjectPrefix returns "<source>/<entity>/<object id>/", below which all attempts
// at an object are.
func ObjectPrefix(dataset string, id ID) string { return DatasetPrefix(dataset) + string(id) + "/" }

// DatasetPrefix returns "<source>/<entity>/", below which all is that a dataset has in
// the curated bucket.
func DatasetPrefix(dataset string) string { return strings.Replace(dataset, ".", "/", 1) + "/" }

// Data returns the key of the nth file of accepted rows, from 0.
func (a Attempt) Data(n int) string { return fmt.Sprintf("%sdata-%05d.parquet", a.Prefix(), n) }

// Rejects returns the key of the nth file of rejected rows, from 0.
func (a Attempt) Rejects(n int) string { return fmt.Sprintf("%srejects-%05d.parquet", a.Prefix(), n) }

// Receipt returns the key of the attempt's receipt.
func (a Attempt) Receipt() string { return a.Prefix() + ReceiptName }
