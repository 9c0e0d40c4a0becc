package contract

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Mode selects the current rows. RAW itself holds the rows of each key's newest version
// in every mode.
type Mode string

const (
	// Append makes all rows of RAW current.
	Append Mode = "append"
	// Merge makes the newest row of each primary key current.
	Merge Mode = "merge"
	// Snapshot makes the rows of the newest complete delivery current.
	Snapshot Mode = "snapshot"
)

// DuplicateContent is the action for an object whose bytes are already loaded under
// another key of the dataset.
type DuplicateContent string

const (
	// WarnDuplicate loads the object. Logs and announcements name the other object.
	WarnDuplicate DuplicateContent = "warn"
	// RefuseDuplicate doesn't load the object.
	RefuseDuplicate DuplicateContent = "refuse"
	// LoadDuplicate loads the object like any other. Only the ledger names the other
	// object.
	LoadDuplicate DuplicateContent = "load"
)

// Delivery describes the objects of a snapshot's delivery, and the number of objects in
// a complete delivery.
type Delivery struct {
	// Key is the form of the landing keys after the contract's KeyPrefix: literal text
	// with {delivery}. A delivery of several objects also has {part}, and {parts} or
	// Files. The text at {delivery} is the delivery's name, and starts with a digit. The
	// newest delivery has the greatest name, compared as text.
	Key string
	// Files is the number of objects in a delivery. It is 0 if {parts} holds the
	// number, or if each object is a delivery.
	Files int

	// pattern is the compiled DeliveryPattern. Nil for a contract without a file.
	pattern *regexp.Regexp
}

// The placeholders of Delivery.Key.
const (
	DeliveryName  = "{delivery}"
	DeliveryPart  = "{part}"
	DeliveryParts = "{parts}"
)

var (
	placeholder = regexp.MustCompile(`\{[^{}]*\}`)
	// keyLiteral matches the literal text of a key. With brackets around dots, pluses
	// and parentheses, these characters have the same meaning in every dialect of
	// regular expressions.
	keyLiteral = regexp.MustCompile(`^[A-Za-z0-9 !_.'()/=+,:;@&~#%-]*$`)
)

// Group returns the number of the placeholder's group in DeliveryPattern, from 1; 0 for
// a placeholder that isn't in the key.
func (d Delivery) Group(name string) int {
	return slices.Index(placeholder.FindAllString(d.Key, -1), name) + 1
}

// DeliveryPattern returns the regular expression of a whole landing key of a snapshot,
// with a group for each placeholder. The expression has the same meaning in POSIX, RE2
// and Snowflake (docs.snowflake.com, sql-reference/functions-regexp), and no backslash.
// The dot must match a line break too: RE2 has the flag (?s), and Snowflake's functions
// have the parameter s. Empty for other modes.
func (c *Contract) DeliveryPattern() string {
	if c.Delivery == nil {
		return ""
	}
	groups := map[string]string{DeliveryName: "([0-9].*)", DeliveryPart: "([^/]+)", DeliveryParts: "([0-9]{1,9})"}
	if c.Delivery.Group(DeliveryParts) > 0 {
		groups[DeliveryPart] = groups[DeliveryParts]
	}
	var pattern strings.Builder
	pattern.WriteString("^" + escapePattern(c.KeyPrefix))
	end := 0
	for _, at := range placeholder.FindAllStringIndex(c.Delivery.Key, -1) {
		pattern.WriteString(escapePattern(c.Delivery.Key[end:at[0]]) + groups[c.Delivery.Key[at[0]:at[1]]])
		end = at[1]
	}
	pattern.WriteString(escapePattern(c.Delivery.Key[end:]) + "$")
	return pattern.String()
}

func (c *Contract) compileDeliveryPattern() *regexp.Regexp {
	return regexp.MustCompile("(?s)" + c.DeliveryPattern())
}

// InDelivery reports whether a landing key belongs to a delivery of a snapshot.
// False for other modes.
func (c *Contract) InDelivery(key string) bool { return c.DeliveryOf(key) != "" }

// DeliveryOf returns the name of the delivery that a landing key belongs to. Empty for
// a key of another form, and for modes other than Snapshot.
func (c *Contract) DeliveryOf(key string) string {
	if c.Delivery == nil {
		return ""
	}
	pattern := c.Delivery.pattern
	if pattern == nil {
		pattern = c.compileDeliveryPattern()
	}
	groups := pattern.FindStringSubmatch(key)
	if groups == nil {
		return ""
	}
	return groups[c.Delivery.Group(DeliveryName)]
}

var patternEscaper = strings.NewReplacer(".", "[.]", "+", "[+]", "(", "[(]", ")", "[)]")

func escapePattern(text string) string { return patternEscaper.Replace(text) }

var deliveryShape = mapping(map[kind]string{text: "key", whole: "files", anything: "marker manifest"}, nil)

func (r *reader) readMode(v value, d *draft) {
	d.mode, d.contract.Mode = v, Mode(v.node.Value)
	if !slices.Contains(modes, d.contract.Mode) {
		r.reportf(v, "must be append, merge or snapshot")
	}
}

var modes = []Mode{Append, Merge, Snapshot}

// requireMode reports a property of another mode, and returns whether the mode is
// right. For an unknown mode there is no second report.
func (r *reader) requireMode(mode Mode, v value, c *Contract) bool {
	if c.Mode != mode && slices.Contains(modes, c.Mode) {
		r.reportf(v, "is for firn.mode %s only", mode)
	}
	return c.Mode == mode
}

func (r *reader) readDuplicateContent(v value, d *draft) {
	d.contract.DuplicateContent = DuplicateContent(v.node.Value)
	if !slices.Contains([]DuplicateContent{WarnDuplicate, RefuseDuplicate, LoadDuplicate}, d.contract.DuplicateContent) {
		r.reportf(v, "must be warn, refuse or load")
	}
}

// readOrderBy reads the names. checkMode compares the names with the columns later,
// when the columns are known.
func (r *reader) readOrderBy(v value, d *draft) {
	if !r.requireMode(Merge, v, d.contract) {
		return
	}
	names := v.items()
	if v.is(text) {
		names = []value{v}
	}
	seen := map[string]value{}
	for _, name := range names {
		if r.reportOnce(seen, name.node.Value, name, "the column") {
			d.orderBy = append(d.orderBy, name)
			d.contract.OrderBy = append(d.contract.OrderBy, name.node.Value)
		}
	}
}

func (r *reader) readDelivery(v value, d *draft) {
	if !r.requireMode(Snapshot, v, d.contract) {
		return
	}
	for _, name := range []string{"marker", "manifest"} {
		if at, ok := v.get(name, anything); ok {
			r.reportf(at, "a %s can't mark the end of a delivery, because firn doesn't load such objects."+
				" Give the number of files in the keys as {parts}, or here as files", name)
		}
	}
	delivery := &Delivery{}
	d.contract.Delivery = delivery
	at, ok := v.get("key", text)
	if !ok {
		r.reportf(v, "%s", deliveryAdvice)
		return
	}
	delivery.Key = at.node.Value
	r.checkDeliveryKey(at)
	files, counted := v.get("files", whole)
	if counted {
		if delivery.Files, _ = files.whole(); delivery.Files < 1 { // 0 for a number such as 0x10
			r.reportf(files, "must be 1 or more")
		}
	}
	hasPart, hasParts := delivery.Group(DeliveryPart) > 0, delivery.Group(DeliveryParts) > 0
	switch {
	case hasPart && counted == hasParts:
		r.reportf(v, "a key with {part} needs the number of files: either as {parts} in the key or as files, not both")
	case !hasPart && (counted || hasParts):
		r.reportf(v, "a delivery of several files needs a key with {part}")
	}
}

// deliveryAdvice is the message for a snapshot without a form of the keys. Without the
// form, a file such as test.csv would be the newest delivery, because its key is greater
// than each date.
const deliveryAdvice = "a snapshot needs the form of its files' keys: set key in firn.delivery, such as {key: \"orders_{delivery}.csv\"}" +
	" for orders_2026-01-31.csv; the newest delivery has the greatest name at {delivery}"

// DefaultHoldBelow is Contract.HoldBelow without firn.holdBelow.
const DefaultHoldBelow = 0.5

func (r *reader) readHoldBelow(v value, d *draft) {
	if !r.requireMode(Snapshot, v, d.contract) {
		return
	}
	share, err := strconv.ParseFloat(v.node.Value, 64)
	if err != nil || !(share >= 0 && share <= 1) {
		r.reportf(v, "must be between 0 and 1; 0 holds no delivery")
		return
	}
	d.contract.HoldBelow, d.hasHoldBelow = share, true
}

func (r *reader) checkDeliveryKey(at value) {
	key := at.node.Value
	var names []string
	for _, name := range placeholder.FindAllString(key, -1) {
		switch {
		case !slices.Contains([]string{DeliveryName, DeliveryPart, DeliveryParts}, name):
			r.reportf(at, "%s is no placeholder: use {delivery}, {part} and {parts}", name)
		case slices.Contains(names, name):
			r.reportf(at, "has %s twice", name)
		}
		names = append(names, name)
	}
	switch {
	case !slices.Contains(names, DeliveryName):
		r.reportf(at, "needs {delivery}, the name of the delivery")
	case strings.Contains(key, "}{"):
		r.reportf(at, "needs a text between two placeholders, because the end of the first is unknown otherwise")
	case !keyLiteral.MatchString(placeholder.ReplaceAllString(key, "")):
		r.reportf(at, "%q has a character that firn doesn't allow in the keys of a delivery", key)
	}
}

// completeSnapshot reports a missing firn.delivery and sets the default of HoldBelow.
func (r *reader) completeSnapshot(d *draft) {
	if d.contract.Delivery == nil && d.contract.Ingest == nil {
		r.reportf(d.mode, "%s", deliveryAdvice)
	}
	if !d.hasHoldBelow {
		d.contract.HoldBelow = DefaultHoldBelow
	}
}

// orderable are the types whose greatest value is the newest.
var orderable = []Type{String, Integer, Decimal, Double, Date, Timestamp, Time}

// checkMode checks the properties of the mode against the columns and the other
// properties. The reader must have read all of these before.
func (r *reader) checkMode(d *draft) {
	c := d.contract
	switch {
	case c.Mode == Merge && len(c.PrimaryKeyColumns()) == 0:
		r.reportf(d.mode, "merge keeps the newest row of each primary key: set primaryKey on the columns of the key")
	case c.Mode == Snapshot && c.Ingest != nil:
		r.reportf(d.mode, "a dataset with firn.ingest can't have the mode snapshot: the keys of a run don't hold the number of parts")
	case c.Mode == Snapshot && !keyLiteral.MatchString(c.KeyPrefix):
		r.reportf(d.prefix, "%q has a character that firn doesn't allow in the keys of a delivery", c.KeyPrefix)
	}
	if c.Mode == Snapshot {
		r.completeSnapshot(d)
	}
	if c.Mode == Snapshot && d.maxRejects != nil {
		r.reportf(*d.maxRejects, "isn't for firn.mode snapshot: a snapshot allows rejects only by their share, firn.maxRejectRatio")
	}
	for _, at := range d.orderBy {
		switch column := c.Column(at.node.Value); {
		case column == nil:
			r.reportf(at, "%q is no column of the contract", at.node.Value)
		case column.Type != "" && !slices.Contains(orderable, column.Type):
			r.reportf(at, "a %s has no greatest value: order by a number, a text, a date or a time", column.Type)
		}
	}
}
