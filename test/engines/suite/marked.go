package suite

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// Mark is the text of every value in a marked file, and MarkNumber is the number. No
// receipt, message, log or mail may have one of them.
const (
	Mark       = "SSN078Mark1120"
	MarkNumber = "7807811209"
)

// MarkedFile is a file whose values have a mark.
type MarkedFile struct {
	// Name says the property of the file, without a space.
	Name string
	// File is the last part of the object's key.
	File     string
	Contract *contract.Contract
	Body     []byte
	// Code is the code of the refusal; empty for an accepted file. GlueCode is the code of
	// the Glue engine if the engines differ, and empty otherwise.
	Code, GlueCode string
}

// MarkedFiles returns an accepted file of each format, and a file for each reason of a
// refusal that depends on the bytes of the object.
func MarkedFiles() []MarkedFile {
	const header = "name,n,day\n"
	const good = Mark + "," + MarkNumber + ",2026-01-31\n"
	const badDay = Mark + "," + MarkNumber + "," + Mark + "\n"
	const badNumber = Mark + "," + Mark + ",2026-01-31\n"
	repeat := strings.Repeat
	return []MarkedFile{
		csvFile("good", "", header+good),
		csvFile("few-rejects", "", header+repeat(good, 30)+badDay+badNumber+Mark+"\n"),
		csvFile("extra-columns", "", "name,n,day,other\n"+Mark+","+MarkNumber+",,"+Mark+"\n"),
		csvFile("too-many-rejects", "too_many_rejects", header+good+repeat(badDay, 12)+repeat(badNumber, 12)),
		csvFile("no-good-row", "no_good_row", header+badDay+badNumber+Mark+"\n"+MarkNumber+"\n"),
		csvFile("new-column", "new_column", "name,n,day,other\n"+good).refusingNewColumns(),
		csvFile("no-header", "bad_header", good+good),
		csvFile("no-header-equal-texts", "bad_header", Mark+","+Mark+","+MarkNumber+"\n"+good),
		csvFile("no-header-equal-numbers", "bad_header", MarkNumber+","+MarkNumber+","+Mark+"\n"+good),
		csvFile("equal-columns", "bad_header", "name,n,n\n"+good),
		csvFile("absent-column", "bad_header", "n,day\n"+MarkNumber+",2026-01-31\n"),
		csvFile("carriage-returns-only", "bad_header", strings.ReplaceAll(header+good+good, "\n", "\r")),
		csvFile("carriage-returns-and-extra-column", "bad_header", strings.ReplaceAll("name,n,day,other\n"+Mark+","+MarkNumber+",2026-01-31,x\n", "\n", "\r")),
		csvFile("header-not-utf8", "bad_encoding", "name,n,"+Mark+"\xff\n"+good),
		csvFile("not-utf8", "no_good_row", header+Mark+"\xff,"+MarkNumber+",\n"),
		csvFile("utf16", "bad_encoding", "\xff\xfe"+header+good),
		csvFile("text-after-quote", "bad_quoting", header+good+`"`+Mark+`"`+Mark+","+MarkNumber+",\n"),
		csvFile("open-quote", "bad_quoting", header+good+`"`+Mark+","+MarkNumber+",\n"+good),
		csvFile("text-after-quote-in-header", "bad_quoting", `"name"`+Mark+",n,day\n"+good),
		csvFile("empty", "empty_object", ""),
		csvFile("plain-with-the-name-of-gzip", "bad_compression", header+good).named("input.csv.gz"),
		csvFile("plain-with-the-name-of-zstd", "bad_compression", header+good).named("input.csv.zst").onGlue("unsupported_format"),
		csvFile("gzip-with-a-plain-name", "bad_compression", zipped(header+good)),
		csvFile("cut-gzip", "bad_compression", cut(zipped(header+repeat(good, 500)))).named("input.csv.gz"),
		csvFile("gzip-and-text", "bad_compression", zipped(header+good)+good).named("input.csv.gz"),
		csvFile("other-format", "unsupported_format", header+good).named("input.parquet"),
		ndjsonFile("json", "", object("")),
		ndjsonFile("json-rejects", "", repeat(object(""), 40)+`{"name": "`+Mark+`", "n": "`+Mark+`"}`+"\n"),
		ndjsonFile("json-extra-members", "", object(`"other": "`+Mark+`", "list": ["`+Mark+`"], `)),
		ndjsonFile("json-broken", "no_good_row", `{"name": `+Mark+"}\n"+`{"name": "`+Mark+`", "n": `+MarkNumber+"x}\n"),
		ndjsonFile("json-texts", "no_good_row", `"`+Mark+"\"\n"+MarkNumber+"\n"+`["`+Mark+`"]`+"\n"),
		ndjsonFile("json-twice", "no_good_row", object(`"name": "`+Mark+`", `)),
		ndjsonFile("json-new-member", "new_column", object(`"other": "`+Mark+`", `)).refusingNewColumns(),
		ndjsonFile("csv-as-json", "no_good_row", header+good),
	}
}

// object is one record of NDJSON with a mark in each value.
func object(members string) string {
	return fmt.Sprintf(`{%s"name": %q, "n": %s, "day": "2026-01-31"}`+"\n", members, Mark, MarkNumber)
}

func csvFile(name, code, body string) MarkedFile {
	return MarkedFile{Name: "marked-" + name, File: "input.csv", Contract: markedContract(contract.CSV), Body: []byte(body), Code: code}
}

func ndjsonFile(name, code, body string) MarkedFile {
	return MarkedFile{Name: "marked-" + name, File: "input.ndjson", Contract: markedContract(contract.NDJSON), Body: []byte(body), Code: code}
}

func (f MarkedFile) named(file string) MarkedFile {
	f.File = file
	return f
}

func (f MarkedFile) onGlue(code string) MarkedFile {
	f.GlueCode = code
	return f
}

func (f MarkedFile) refusingNewColumns() MarkedFile {
	f.Contract.NewColumns = contract.RefuseNewColumns
	return f
}

func markedContract(format contract.Format) *contract.Contract {
	c := &contract.Contract{
		Version: "1.0.0", Source: "shop", Entity: "order", Format: format, Delimiter: ',',
		Encoding: contract.UTF8, MaxRejectRatio: 0.05, MaxRejects: 10, MaxUnique: contract.DefaultMaxUnique,
		Columns: []contract.Column{
			{Name: "name", Type: contract.String, Required: true}, {Name: "n", Type: contract.Integer}, {Name: "day", Type: contract.Date},
		},
	}
	for i := range c.Columns {
		fillPlace(&c.Columns[i])
	}
	return c
}

func zipped(text string) string {
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, err := w.Write([]byte(text))
	if closeErr := w.Close(); err != nil || closeErr != nil { // unreachable: a buffer takes every byte
		panic(fmt.Sprint(err, closeErr))
	}
	return body.String()
}

// cut returns the first half of a text.
func cut(text string) string { return text[:len(text)/2] }

// MarksIn returns the marks that a text has, in any case of the letters.
func MarksIn(text string) []string {
	var found []string
	for _, mark := range []string{Mark, MarkNumber} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(mark)) {
			found = append(found, mark)
		}
	}
	return found
}
