package contract

import (
	"strconv"
	"time"
)

// Expectations describe the usual deliveries of a dataset. firn reports a deviation by
// mail, and loads the data nevertheless.
type Expectations struct {
	// NewFileWithin is the longest time between two loaded files: the sum of the
	// slaProperties frequency and latency. 0 means no expectation.
	NewFileWithin time.Duration
	// Rows is the smallest expected share (0 to 1) of the usual number of records in a
	// file, the median of the files before. firn.expectRows; 0 means no expectation.
	Rows float64
	// Rejects is the largest expected share (0 to 1) of rejects in a file.
	// firn.expectRejects; nil means no expectation.
	Rejects *float64
}

// The properties of a service-level agreement that firn reads: the time between two
// deliveries, and the delay of a delivery. ODCS v3.1, section Service-Level Agreement.
const (
	slaFrequency = "frequency"
	slaLatency   = "latency"
)

// timeUnits are the spellings of units in slaProperties.
var timeUnits = map[string]time.Duration{
	"d": day, "day": day, "days": day,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
}

const day = 24 * time.Hour

// maxSLA is the longest time in slaProperties, five years.
const maxSLA = 5 * 365 * day

// readSLA reads frequency and latency of slaProperties. Other properties, and values
// without a number of days, hours or minutes, are for other tools.
func (r *reader) readSLA(root value, c *Contract) {
	properties, ok := root.get("slaProperties", list)
	if !ok {
		return
	}
	for _, p := range properties.items() {
		if name := p.text("property"); name != slaFrequency && name != slaLatency {
			continue
		}
		unit, known := timeUnits[p.text("unit")]
		at, found := p.get("value", anything)
		if !known || !found {
			continue
		}
		number, err := strconv.ParseFloat(at.node.Value, 64)
		if err != nil {
			continue
		}
		if !(number >= 0 && number*float64(unit) <= float64(maxSLA)) {
			r.reportf(at, "must be between 0 and five years")
			continue
		}
		c.Expect.NewFileWithin += time.Duration(number * float64(unit))
	}
}

func (r *reader) readExpectRows(v value, d *draft) {
	share, err := strconv.ParseFloat(v.node.Value, 64)
	if err != nil || !(share > 0 && share < 1) {
		r.reportf(v, "must be a share above 0 and below 1, such as 0.5")
		return
	}
	d.contract.Expect.Rows = share
}

func (r *reader) readExpectRejects(v value, d *draft) {
	share, err := strconv.ParseFloat(v.node.Value, 64)
	if err != nil || !(share >= 0 && share < 1) {
		r.reportf(v, "must be a share from 0 and below 1, such as 0.01")
		return
	}
	d.contract.Expect.Rejects = &share
}
