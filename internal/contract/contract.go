// Package contract reads data contracts (ODCS v3.1 YAML). A contract describes the
// files, the valid rows and the table of a dataset. firn derives everything else about
// the dataset from the contract.
package contract

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Contract is the checked contract of a dataset: all values for the stages, with
// defaults filled in.
type Contract struct {
	// File is the path of the contract's file.
	File string
	// Version is the contract's own version, three numbers ("1.0.0").
	Version string
	// Source names the system that the data comes from: a single word, lower case.
	Source string
	// Entity names the thing that a row describes: a single word, lower case.
	Entity string
	// Description is the purpose in a single paragraph, and the comment of the table.
	Description string
	// KeyPrefix is the start of every landing key of the dataset. firn.keyPrefix;
	// defaults to "<source>/<entity>/".
	KeyPrefix string
	// Format is the format of the files. firn.format; defaults to CSV.
	Format Format
	// Delimiter separates the fields of a CSV record. firn.delimiter; defaults
	// to a comma.
	Delimiter byte
	// Encoding is the character encoding of a CSV file. firn.encoding; defaults to
	// UTF8.
	Encoding Encoding
	// Engine selects Lambda or Glue for the transform. firn.engine; defaults to
	// AutoEngine.
	Engine Engine
	// NullValues are texts that mean null, in addition to the empty text.
	// firn.nullValues; CSV only.
	NullValues []string
	// MaxRejectRatio is the largest share of rejects (0 to 1). firn refuses an object
	// with a larger share and more rejects than MaxRejects. firn.maxRejectRatio;
	// defaults to 0.05.
	MaxRejectRatio float64
	// QuotedNull is the meaning of a quoted empty field and of a quoted null text.
	// firn.quotedNull; CSV only; defaults to QuotedIsNull.
	QuotedNull QuotedNull
	// NewColumns is the action for columns of a file that the contract doesn't have.
	// firn.newColumns; defaults to ReportNewColumns.
	NewColumns NewColumns
	// MaxRejects is the number of rejects that firn accepts in a file with a good
	// record, so that one bad record doesn't refuse a small file. AllowedRejects is the
	// number for the contract's mode. firn.maxRejects, not for Snapshot; defaults to 10.
	MaxRejects int64
	// MaxUnique is the number of records of an object up to which firn checks Unique,
	// because firn keeps the values in memory. firn doesn't check later records, and
	// the receipt lists the unchecked rule. firn.maxUnique; defaults to 4,000,000, at
	// most 10,000,000.
	MaxUnique int64
	// LoadEvery is the longest time that a load waits for other objects of the dataset.
	// firn.loadEvery; defaults to one minute.
	LoadEvery time.Duration
	// Mode selects the current rows. firn.mode; defaults to Append.
	Mode Mode
	// OrderBy are the columns that order the rows of a primary key, most important
	// column first. The row with the greatest values is the newest. firn.orderBy; Merge
	// only. Without OrderBy, or for equal values, the object's sequencer decides.
	OrderBy []string
	// Delivery describes the objects of a delivery. firn.delivery; required for
	// Snapshot, and nil for the other modes.
	Delivery *Delivery
	// HoldBelow is the smallest share of the rows of the accepted delivery before (0 to
	// 1). A smaller delivery is held: loaded, but not current until a person accepts the
	// delivery. 0 holds no delivery. firn.holdBelow; Snapshot only; defaults to
	// DefaultHoldBelow.
	HoldBelow float64
	// DuplicateContent is the action for bytes that are already loaded under another
	// key. firn.duplicateContent; defaults to WarnDuplicate.
	DuplicateContent DuplicateContent
	// OnDelete is the action for an object whose key is deleted in the landing bucket.
	// firn.onDelete; defaults to KeepOnDelete.
	OnDelete OnDelete
	// Expect describes the usual deliveries, for mails about missing or unusual data.
	Expect Expectations
	// Columns are the table's columns, in order.
	Columns []Column
	// Ingest describes the API that firn fetches records from. Nil for a dataset
	// without ingestion.
	Ingest *Ingest
}

// Format is the format of a dataset's files.
type Format string

const (
	// CSV is RFC 4180 with a header line.
	CSV Format = "csv"
	// NDJSON is one JSON object on each line.
	NDJSON Format = "ndjson"
)

// Encoding is a character encoding.
type Encoding string

// The encodings. A byte outside the encoding becomes U+FFFD, and the record becomes a
// reject.
const (
	UTF8        Encoding = "utf-8"
	Latin1      Encoding = "latin-1"
	Windows1252 Encoding = "windows-1252"
)

// QuotedNull is the meaning of a CSV field in quotes whose text is empty or a null text.
type QuotedNull string

const (
	// QuotedIsNull makes the field null, as without quotes.
	QuotedIsNull QuotedNull = "none"
	// QuotedIsValue makes the field the text between the quotes.
	QuotedIsValue QuotedNull = "value"
)

// NewColumns is the action for a file with columns that the contract doesn't have.
type NewColumns string

const (
	// ReportNewColumns loads the file without the values of the new columns. The
	// receipt names the columns.
	ReportNewColumns NewColumns = "report"
	// RefuseNewColumns refuses the file.
	RefuseNewColumns NewColumns = "refuse"
)

// Engine selects Lambda or Glue for the transform.
type Engine string

const (
	// AutoEngine uses Lambda for objects within Lambda's limits, else Glue.
	AutoEngine Engine = "auto"
	// LambdaEngine never uses Glue.
	LambdaEngine Engine = "lambda"
	// GlueEngine uses Glue for every object in a form that Glue reads.
	GlueEngine Engine = "glue"
)

// Ingest describes the HTTP API that firn fetches a dataset's records from.
type Ingest struct {
	// API names the protocol: "fdsn-event" (FDSN event web service 1.2).
	API string
	// URL is the address of the query method, without a query string.
	URL string
	// PageSize is the number of records in a request; at most 20,000, the limit of the
	// service.
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
	// JSON holds an object or an array as JSON text.
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
	// Precision (1 to 38) is the number of digits of a Decimal, and Scale (0 to
	// Precision) the number of digits after the point.
	Precision, Scale int
	// Required rejects a record in which the column is null. ODCS required.
	Required bool
	// PrimaryKey is the column's position in the primary key, from 1; 0 outside the
	// key. Columns of the key are required.
	PrimaryKey int
	// Unique rejects a record with the value of an earlier accepted row of the object,
	// up to MaxUnique records.
	Unique bool
	// Format is the name of a text format, such as "email"; empty for none.
	// FormatPattern returns the pattern of the format. ODCS format.
	Format string
	// Pattern must match the whole text; empty for none. RE2 syntax.
	Pattern string
	// MinLength and MaxLength limit the length of a text, in characters; nil for none.
	MinLength, MaxLength *int
	// Minimum and Maximum limit a number, in the spelling of the contract; empty for
	// none. ExclusiveMinimum and ExclusiveMaximum exclude the limit.
	Minimum, Maximum                   string
	ExclusiveMinimum, ExclusiveMaximum string
	// Enum holds the allowed texts; empty for any text. ODCS quality rule with metric
	// invalidValues, validValues and mustBe 0.
	Enum []string
	// Line is the column's first line in the contract.
	Line int
}

// Dataset returns "<source>.<entity>".
func (c *Contract) Dataset() string { return c.Source + "." + c.Entity }

// Table returns the raw table's name without its schema, upper case:
// "<SOURCE>_<ENTITY>".
func (c *Contract) Table() string {
	return strings.ToUpper(c.Source + "_" + c.Entity)
}

// AllowedRejects returns the number of rejects that firn accepts without a look at their
// share. It is MaxRejects, but 0 in mode Snapshot: a small delivery with few good
// records would replace the rows of a whole delivery.
func (c *Contract) AllowedRejects() int64 {
	if c.Mode == Snapshot {
		return 0
	}
	return c.MaxRejects
}

// Column returns the column with the name, or nil.
func (c *Contract) Column(name string) *Column {
	for i := range c.Columns {
		if c.Columns[i].Name == name {
			return &c.Columns[i]
		}
	}
	return nil
}

// PrimaryKeyColumns returns the columns of the primary key in key order; none for a
// dataset without a key.
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

// ByKey returns the contract whose KeyPrefix begins the landing key, or nil. The
// prefixes of a set from ReadAll never overlap.
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

// Set holds all contracts of a deployment, sorted by dataset.
type Set []*Contract
