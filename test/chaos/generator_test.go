//go:build endtoend

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/firn-data/firn/internal/object"
)

// key is a landing key with its versions, in the order of their uploads.
type key struct {
	dataset  *dataset
	name     string
	versions []*version
}

// version is one version of a key, as the generator made it. The oracle trusts only
// these facts and the bucket's list.
type version struct {
	object object.Object
	key    *key
	number int
	// sound means that firn must load the file. The rows of a version that isn't sound
	// never reach a table.
	sound bool
	// marker means a delete marker.
	marker bool
	// rows are the tags of the good rows, and rejects the lines of the broken rows.
	rows, rejects []string
	// withdrawn and dismissed mean that the run asked for the withdrawal or the
	// dismissal.
	withdrawn, dismissed bool
	// sequencer is the sequencer of the version's events.
	sequencer string
}

// tag returns the text in a row: key, version and row number.
func (v *version) tag(row int) string {
	return fmt.Sprintf("%s version %d row %d", v.key.name, v.number, row)
}

// dataset describes the files of one dataset.
type dataset struct {
	name, table, column string
	extension           string
	header              string
	// good and broken return a line of a file, without its end. A broken line becomes a
	// reject.
	good, broken func(row int, tag string) string
	// cleanRows is the smallest number of good rows of a file with rejects. A snapshot
	// has a limit on the share of its rejects.
	cleanRows int
	// deletion means that a deletion in S3 withdraws the rows (firn.onDelete).
	deletion bool
	// unreadable is the line that makes the file unreadable; empty for none.
	unreadable string
}

const (
	maxRows    = 20
	maxRejects = 3
	// tooManyRejects is above the limit of firn.maxRejects.
	tooManyRejects = 15
)

// datasets are the datasets of the made-up project that a Lambda function transforms.
var datasets = []*dataset{
	{
		name: "shop.customer", table: "SHOP_CUSTOMER", column: "NAME", extension: ".csv", header: "code,name",
		good: func(row int, tag string) string {
			return fmt.Sprintf("%c%c,%s", 'A'+row/10, '0'+row%10, tag)
		},
		broken:    func(_ int, tag string) string { return "too long," + tag },
		cleanRows: 100, unreadable: "\"ZZ,never closed",
	},
	{
		name: "shop.order", table: "SHOP_ORDER", column: "CUSTOMER", extension: ".csv",
		header: "number,year,kind,customer,channel,lines,boxes,discount,state",
		good: func(row int, tag string) string {
			return fmt.Sprintf("N%04d,2020,express,%s,web,1,2,NA,open", row, tag)
		},
		broken: func(row int, tag string) string {
			return fmt.Sprintf("N%04d,nineteen,express,%s,web,1,2,NA,open", row, tag)
		},
		cleanRows: 1, unreadable: "\"N9999,never closed",
	},
	{
		name: "shop.item", table: "SHOP_ITEM", column: "NAME", extension: ".csv",
		header: "sku,name,price,weight,stock,gift,category,since,updated_at",
		good: func(row int, tag string) string {
			return fmt.Sprintf("S%05d,%s,1.50,NA,7,true,garden,2025-07-22,2026-03-01T00:00:00Z", row, tag)
		},
		broken: func(row int, tag string) string {
			return fmt.Sprintf("S%05d,%s,free,NA,7,true,garden,2025-07-22,2026-03-01T00:00:00Z", row, tag)
		},
		cleanRows: 1, deletion: true, unreadable: "\"S99999,never closed",
	},
	{
		name: "station.event", table: "STATION_EVENT", column: "PLACE", extension: ".ndjson",
		good:   func(row int, tag string) string { return feature(row, tag, "reviewed") },
		broken: func(row int, tag string) string { return feature(row, tag, "unheard of") },

		cleanRows: 1,
	},
}

// feature returns a record of station.event.
func feature(row int, tag, status string) string {
	return fmt.Sprintf(`{"id":"e%d","properties":{"mag":1.5,"place":%q,"time":1,"updated":%d,"status":%q,"net":"xx","type":"quake"},"geometry":{"coordinates":[1.5,2.5,3.5]}}`,
		row, tag, row, status)
}

// noContract has the keys without a contract.
var noContract = &dataset{name: "", extension: ".csv", header: "a", good: func(_ int, tag string) string { return tag }}

// fill draws the content of a version. A sound file has a few rejects or none.
func (v *version) fill(r *rand.Rand) string {
	good, rejects := 1+r.IntN(maxRows), 0
	withRejects, kind := r.IntN(5) == 0, r.IntN(3)
	d := v.key.dataset
	readable := true
	switch {
	case v.sound && withRejects:
		rejects = 1 + r.IntN(maxRejects)
		good = max(good, d.cleanRows)
	case v.sound, d == noContract:
	case kind == 0 && d.unreadable != "":
		readable = false
	case kind == 1:
		good, rejects = 0, 2
	default:
		rejects = tooManyRejects
	}
	lines := make([]string, 0, good+rejects+2)
	if d.header != "" {
		lines = append(lines, d.header)
	}
	for i := range good {
		tag := v.tag(i)
		v.rows = append(v.rows, tag)
		lines = append(lines, d.good(i, tag))
	}
	for i := range rejects {
		line := d.broken(good+i, v.tag(good+i))
		v.rejects = append(v.rejects, line)
		lines = append(lines, line)
	}
	if !readable {
		lines = append(lines, d.unreadable)
	}
	return strings.Join(lines, "\n") + "\n"
}
