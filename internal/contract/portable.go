package contract

import "encoding/json"

// portable is the JSON form of a contract for an engine in another language. The
// manifest of a Glue run holds this form.
type portable struct {
	Dataset        string           `json:"dataset"`
	Version        string           `json:"version"`
	Format         Format           `json:"format"`
	Delimiter      string           `json:"delimiter"`
	Encoding       Encoding         `json:"encoding"`
	NullValues     []string         `json:"null_values,omitempty"`
	QuotedNull     QuotedNull       `json:"quoted_null,omitempty"`
	NewColumns     NewColumns       `json:"new_columns,omitempty"`
	MaxRejectRatio float64          `json:"max_reject_ratio"`
	MaxRejects     int64            `json:"max_rejects"`
	MaxUnique      int64            `json:"max_unique"`
	Columns        []portableColumn `json:"columns"`
}

type portableColumn struct {
	Name             string   `json:"name"`
	Header           string   `json:"header"`
	Path             string   `json:"path"`
	Type             Type     `json:"type"`
	Precision        int      `json:"precision,omitempty"`
	Scale            int      `json:"scale,omitempty"`
	Required         bool     `json:"required,omitempty"`
	Unique           bool     `json:"unique,omitempty"`
	Format           string   `json:"format,omitempty"`
	FormatPattern    string   `json:"format_pattern,omitempty"`
	Pattern          string   `json:"pattern,omitempty"`
	MinLength        *int     `json:"min_length,omitempty"`
	MaxLength        *int     `json:"max_length,omitempty"`
	Minimum          string   `json:"minimum,omitempty"`
	Maximum          string   `json:"maximum,omitempty"`
	ExclusiveMinimum string   `json:"exclusive_minimum,omitempty"`
	ExclusiveMaximum string   `json:"exclusive_maximum,omitempty"`
	Enum             []string `json:"enum,omitempty"`
}

// Portable returns the contract as JSON for an engine in another language: all
// properties that affect rows, with every default. Bounds are texts.
func (c *Contract) Portable() (json.RawMessage, error) {
	p := portable{
		Dataset: c.Dataset(), Version: c.Version, Format: c.Format, Delimiter: string(rune(c.Delimiter)), Encoding: c.Encoding,
		NullValues: c.NullValues, QuotedNull: c.QuotedNull, NewColumns: c.NewColumns,
		MaxRejectRatio: c.MaxRejectRatio, MaxRejects: c.AllowedRejects(), MaxUnique: c.MaxUnique,
	}
	for _, column := range c.Columns {
		p.Columns = append(p.Columns, portableColumn{
			Name: column.Name, Header: column.Header, Path: column.Path, Type: column.Type,
			Precision: column.Precision, Scale: column.Scale, Required: column.Required, Unique: column.Unique,
			Format: column.Format, FormatPattern: column.FormatPattern(), Pattern: column.Pattern,
			MinLength: column.MinLength, MaxLength: column.MaxLength, Minimum: column.Minimum, Maximum: column.Maximum,
			ExclusiveMinimum: column.ExclusiveMinimum, ExclusiveMaximum: column.ExclusiveMaximum, Enum: column.Enum,
		})
	}
	return json.Marshal(p)
}
