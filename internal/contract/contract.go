// Package contract reads data contracts (ODCS v3.1 YAML): what a dataset's
// files look like, which rows are good, and what its table is called. All else
// that firn makes of a dataset follows from its contract.
package contract

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Contract is one dataset's contract after it was checked: everything that the
// stages need, with defaults filled in.
type Contract struct {
	// File is the path that the contract was read from.
	File string
	// Version is the contract's own version, semantic ("1.0.0").
	Version string
	// Source says who the data comes from: one word, lower case.
	Source string
	// Entity says what one row is: one word, lower case.
	Entity string
	// Description is the purpose, one paragraph; the table's comment.
	Description string
	// KeyPrefix is the start of every landing key that belongs to the dataset.
	// firn.keyPrefix; defaults to "<source>/<entity>/".
	KeyPrefix string
	// Format is how the files are written. firn.format; defaults to CSV.
	Format Format
	// Delimiter separates the fields of a CSV record. firn.delimiter; defaults
	// to a comma.
	Delimiter byte
	// Encoding is how the bytes of a CSV file are text. firn.encoding; defaults
	// to UTF8.
	Encoding Encoding
	// Engine says where objects are transformed. firn.engine; defaults to
	// AutoEngine.
	Engine Engine
	// NullValues are the texts that mean "no value", besides the empty one.
	// firn.nullValues; CSV only.
	NullValues []string
	// MaxRejectRatio is the share of rejected rows (0 to 1) above which an
	// object is refused as a whole. firn.maxRejectRatio; defaults to 0.05.
	MaxRejectRatio float64
	// MaxRejects is the number of rejected rows that is always tolerated, so
	// that one bad row doesn't refuse a small file. firn.maxRejects; defaults
	// to 10.
	MaxRejects int64
	// MaxUnique is the number of records of an object up to which Unique is
	// checked: the values are kept in memory. Records that follow are neither
	// checked nor remembered, and the receipt says so. firn.maxUnique; defaults
	// to 4,000,000, at most 10,000,000.
	MaxUnique int64
	// LoadEvery is how long a load may wait for others of the same dataset.
	// firn.loadEvery; defaults to one minute.
	LoadEvery time.Duration
	// Mode says which rows are the current ones. firn.mode; defaults to Append.
	Mode Mode
	// OrderBy are the columns that tell which row of a primary key is the newest,
	// the first one first: the greatest value is. firn.orderBy; Merge only.
	// Without them, or where they are equal, the object's sequencer decides.
	OrderBy []string
	// Delivery says which objects make one delivery. firn.delivery; defaults to
	// each object. Nil unless the mode is Snapshot.
	Delivery *Delivery
	// DuplicateContent is what becomes of bytes that were loaded under another
	// key. firn.duplicateContent; defaults to WarnDuplicate.
	DuplicateContent DuplicateContent
	// Columns are the table's columns, in order.
	Columns []Column
	// Ingest says where records are fetched from. Nil for datasets whose files
	// are dropped.
	Ingest *Ingest
}

// Format is how a dataset's files are written.
type Format string

const (
	// CSV is RFC 4180 with a header line.
	CSV Format = "csv"
	// NDJSON is one JSON object a line.
	NDJSON Format = "ndjson"
)

// Encoding is how bytes are text.
type Encoding string

// The encodings. A byte that an encoding doesn't define becomes U+FFFD, which
// rejects its record.
const (
	UTF8        Encoding = "utf-8"
	Latin1      Encoding = "latin-1"
	Windows1252 Encoding = "windows-1252"
)

// Engine is where objects are transformed.
type Engine string

const (
	// AutoEngine takes the Lambda for what it can hold, else Glue.
	AutoEngine Engine = "auto"
	// LambdaEngine never takes Glue.
	LambdaEngine Engine = "lambda"
	// GlueEngine always takes Glue, for what Glue can read.
	GlueEngine Engine = "glue"
)

// Ingest says how the records of a dataset are fetched from an HTTP API.
type Ingest struct {
	// API names the protocol: "fdsn-event" (FDSN event web service 1.2).
	API string
	// URL is the address of the query method, without a query string.
	URL string
	// PageSize is the number of records a request asks for; at most 20,000,
	// the service's own limit.
	PageSize int
	// Schedule is an EventBridge Scheduler expression; empty for none.
	Schedule string
}

// Type is a column's type, from logicalType and physicalType.
type Type string

// The column types. Each has one Parquet and one Snowflake type.
const (
	String    Type = "string"
	Integer   Type = "integer"
	Decimal   Type = "decimal"
	Double    Type = "double"
	Boolean   Type = "boolean"
	Date      Type = "date"
	Timestamp Type = "timestamp"
	Time      Type = "time"
	// JSON holds an object or an array as its JSON text.
	JSON Type = "json"
)

// Column is one column of the table.
type Column struct {
	// Name is the column's name in the table and in Parquet: lower case.
	Name string
	// Header is the column's name in a CSV file. ODCS physicalName; defaults to
	// Name.
	Header string
	// Path is the JSON pointer (RFC 6901) to the value in an NDJSON record.
	// firn.path; defaults to "/" and Name. "" is the whole record.
	Path string
	// Description is the column's comment.
	Description string
	Type        Type
	// Precision (1 to 38) and Scale (0 to Precision) are Decimal's.
	Precision, Scale int
	// Required columns reject a row in which they are null. ODCS required.
	Required bool
	// PrimaryKey is the column's place in the primary key, from 1; 0 if it
	// isn't part of it. Parts of the key are required.
	PrimaryKey int
	// Unique columns reject a row whose value an accepted row of the object had
	// before, up to MaxUnique records.
	Unique bool
	// Format is the name of what a text must be, such as "email"; empty for
	// none. FormatPattern says what that means. ODCS format.
	Format string
	// Pattern must match the whole text; empty for none. RE2 syntax.
	Pattern string
	// MinLength and MaxLength bound a text, in characters; nil for none.
	MinLength, MaxLength *int
	// Minimum and Maximum bound a number, as written in the contract; empty for
	// none. The exclusive ones leave out the bound itself.
	Minimum, Maximum                   string
	ExclusiveMinimum, ExclusiveMaximum string
	// Enum are the only texts that are allowed; empty for any. ODCS quality rule
	// of metric invalidValues: validValues, mustBe 0.
	Enum []string
	// Line is the line of the contract on which the column begins.
	Line int
}

// Dataset returns "<source>.<entity>".
func (c *Contract) Dataset() string { return c.Source + "." + c.Entity }

// Table returns the raw table's name without its schema, upper case:
// "<SOURCE>_<ENTITY>".
func (c *Contract) Table() string {
	return strings.ToUpper(c.Source + "_" + c.Entity)
}

// Column returns the column of that name, or nil.
func (c *Contract) Column(name string) *Column {
	for i := range c.Columns {
		if c.Columns[i].Name == name {
			return &c.Columns[i]
		}
	}
	return nil
}

// PrimaryKeyColumns returns the columns of the primary key in its order; none
// if the dataset has no key.
func (c *Contract) PrimaryKeyColumns() []Column {
	var key []Column
	for _, column := range c.Columns {
		if column.PrimaryKey > 0 {
			key = append(key, column)
		}
	}
	slices.SortFunc(key, func(a, b Column) int { return cmp.Compare(a.PrimaryKey, b.PrimaryKey) })
	return key
}

// ByKey returns the contract whose KeyPrefix starts the landing key, or nil.
// Prefixes never overlap in a set that ReadAll accepted.
func (s Set) ByKey(key string) *Contract {
	for _, c := range s {
		if strings.HasPrefix(key, c.KeyPrefix) {
			return c
		}
	}
	return nil
}

// ByDataset returns the contract of "<source>.<entity>", or nil.
func (s Set) ByDataset(dataset string) *Contract {
	for _, c := range s {
		if c.Dataset() == dataset {
			return c
		}
	}
	return nil
}

// Set is all contracts of a deployment, sorted by dataset.
type Set []*Contract
