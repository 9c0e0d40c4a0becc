package contract

import (
	"regexp"
	"slices"
	"strings"
)

// Mode says which rows of RAW are the current ones. RAW itself holds the rows
// of each key's newest version in every mode.
type Mode string

const (
	// Append means that all rows of RAW are current.
	Append Mode = "append"
	// Merge means that the newest row of each primary key is current.
	Merge Mode = "merge"
	// Snapshot means that the rows of the newest complete delivery are current.
	Snapshot Mode = "snapshot"
)

// DuplicateContent says what becomes of an object whose bytes the dataset has
// loaded under another key.
type DuplicateContent string

const (
	// WarnDuplicate loads it and says so.
	WarnDuplicate DuplicateContent = "warn"
	// RefuseDuplicate doesn't load it.
	RefuseDuplicate DuplicateContent = "refuse"
	// LoadDuplicate loads it as any other; the ledger alone tells.
	LoadDuplicate DuplicateContent = "load"
)

// Delivery says which objects of a snapshot belong together, and when all of
// them are there.
type Delivery struct {
	// Key is the form of the landing keys behind the contract's KeyPrefix:
	// literal text with {delivery}, and {part} and {parts} where a delivery has
	// several objects. The text of {delivery} is the delivery's name: the newest
	// has the greatest, compared as text.
	Key string
	// Files is how many objects a delivery has; 0 where {parts} says it, or where
	// each object is a delivery.
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
	// keyLiteral is what stands in a key beside placeholders: what means the same in
	// every dialect of regular expressions once a dot, plus and parentheses are
	// put in brackets.
	keyLiteral = regexp.MustCompile(`^[A-Za-z0-9 !_.'()/=+,:;@&~#%-]*$`)
)

// Group returns the number of the placeholder's group in DeliveryPattern, from
// 1; 0 if the key has no such placeholder.
func (d Delivery) Group(name string) int {
	return slices.Index(placeholder.FindAllString(d.Key, -1), name) + 1
}

// DeliveryPattern returns the regular expression that a whole landing key of a
// snapshot matches, with one group for each placeholder. It keeps to what POSIX,
// RE2 and Snowflake (docs.snowflake.com, sql-reference/functions-regexp) read
// alike, and needs no backslash. Empty for other modes.
func (c *Contract) DeliveryPattern() string {
	if c.Delivery == nil {
		return ""
	}
	groups := map[string]string{DeliveryName: "(.+)", DeliveryPart: "([^/]+)", DeliveryParts: "([0-9]{1,9})"}
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

// InDelivery reports whether a landing key belongs to a delivery of a snapshot.
// False for other modes.
func (c *Contract) InDelivery(key string) bool {
	if c.Delivery == nil {
		return false
	}
	pattern := c.Delivery.pattern
	if pattern == nil {
		pattern = regexp.MustCompile(c.DeliveryPattern())
	}
	return pattern.MatchString(key)
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

// requireMode reports a property that another mode has; of a mode that firn doesn't
// know, nothing more is said.
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

// readOrderBy takes the names; checkMode holds them against the columns, which
// are read later.
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
			r.reportf(at, "firn can't tell a delivery's end by a %s: such objects aren't loaded, so the warehouse never hears of them."+
				" Say the number of files, in the keys as {parts} or here as files", name)
		}
	}
	delivery := &Delivery{Key: DeliveryName}
	d.contract.Delivery = delivery
	if at, ok := v.get("key", text); ok {
		delivery.Key = at.node.Value
		r.checkDeliveryKey(at)
	}
	files, counted := v.get("files", whole)
	if counted {
		if delivery.Files, _ = files.whole(); delivery.Files < 1 { // out of range reads as 0
			r.reportf(files, "must be 1 or more")
		}
	}
	hasPart, hasParts := delivery.Group(DeliveryPart) > 0, delivery.Group(DeliveryParts) > 0
	switch {
	case hasPart && counted == hasParts:
		r.reportf(v, "a delivery of several files says how many, once: as {parts} in their keys, or as files")
	case !hasPart && (counted || hasParts):
		r.reportf(v, "the files of one delivery need {part} in their keys, by which they differ")
	}
}

func (r *reader) checkDeliveryKey(at value) {
	key := at.node.Value
	var names []string
	for _, name := range placeholder.FindAllString(key, -1) {
		switch {
		case !slices.Contains([]string{DeliveryName, DeliveryPart, DeliveryParts}, name):
			r.reportf(at, "%s is no placeholder: they are {delivery}, {part} and {parts}", name)
		case slices.Contains(names, name):
			r.reportf(at, "%s stands there twice", name)
		}
		names = append(names, name)
	}
	switch {
	case !slices.Contains(names, DeliveryName):
		r.reportf(at, "has no {delivery}, the name of the delivery that a file belongs to")
	case strings.Contains(key, "}{"):
		r.reportf(at, "two placeholders need a text between them, or nobody can tell where one ends")
	case !keyLiteral.MatchString(placeholder.ReplaceAllString(key, "")):
		r.reportf(at, "%q has a character that firn doesn't match in keys of deliveries", key)
	}
}

// orderable are the types of which a greatest value is the newest.
var orderable = []Type{String, Integer, Decimal, Double, Date, Timestamp, Time}

// checkMode holds what was said of the mode against the columns, which are
// there, and the rest.
func (r *reader) checkMode(d *draft) {
	c := d.contract
	switch {
	case c.Mode == Merge && len(c.PrimaryKeyColumns()) == 0:
		r.reportf(d.mode, "merge keeps one row a primary key: say primaryKey on the columns that tell rows apart")
	case c.Mode == Snapshot && c.Ingest != nil:
		r.reportf(d.mode, "snapshot isn't for records that firn.ingest fetches: the keys of a run don't tell how many parts it has")
	case c.Mode == Snapshot && !keyLiteral.MatchString(c.KeyPrefix):
		r.reportf(d.prefix, "%q has a character that firn doesn't match in keys of deliveries", c.KeyPrefix)
	}
	if c.Mode == Snapshot && c.Delivery == nil {
		c.Delivery = &Delivery{Key: DeliveryName}
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
