package transform

import (
	"fmt"
	"io"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
)

// records returns the records of an object in blocks. A record has its values in the
// contract's order, or a broken rule for the whole record. io.EOF ends the records; any
// other error refuses the object.
type records interface {
	next() (*row.Block, error)
	// extra returns the names of the object's columns without a column in the contract.
	extra() []string
	// absent returns the names of the contract's columns without a column in the object.
	// All their values are null. For NDJSON absent returns nil: each record has members
	// of its own.
	absent() []string
}

// openRecords returns the records of uncompressed UTF-8 text in the contract's format.
func openRecords(plain io.Reader, c *contract.Contract) (records, error) {
	switch c.Format {
	case contract.CSV:
		return openCSV(plain, c)
	case contract.NDJSON:
		return &ndjsonRecords{reader: reader.NewNDJSON(plain), document: row.NewDocument(c)}, nil
	default:
		return nil, fmt.Errorf("format %q is unknown", c.Format)
	}
}

type csvRecords struct {
	reader *reader.CSV
	fields *row.Fields
}

func openCSV(plain io.Reader, c *contract.Contract) (records, error) {
	lines := reader.NewCSV(plain, c.Delimiter)
	header, err := lines.Header()
	if err != nil {
		return nil, err
	}
	fields, err := row.NewFields(header, c)
	if err != nil {
		return nil, err
	}
	return &csvRecords{reader: lines, fields: fields}, nil
}

func (c *csvRecords) next() (*row.Block, error) {
	block, err := c.reader.NextBlock(row.BlockRecords)
	if err != nil {
		return nil, err
	}
	return c.fields.Block(block), nil
}

func (c *csvRecords) extra() []string { return c.fields.Extra }

func (c *csvRecords) absent() []string { return c.fields.Absent }

type ndjsonRecords struct {
	reader   *reader.NDJSON
	document *row.Document
}

func (n *ndjsonRecords) next() (*row.Block, error) {
	block, err := n.reader.NextBlock(row.BlockRecords)
	if err != nil {
		return nil, err
	}
	return n.document.Block(block), nil
}

func (n *ndjsonRecords) extra() []string { return n.document.Extra() }

func (n *ndjsonRecords) absent() []string { return nil }
