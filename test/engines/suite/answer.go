package suite

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// The files with the expected answer of a case.
const (
	Rows    = "expected.ndjson"
	Rejects = "rejects.ndjson"
	Receipt = "receipt.json"
)

// answerFile returns the file name of an engine's own answer, for example
// "receipt.glue.json".
func answerFile(kind, engine string) string {
	extension := filepath.Ext(kind)
	return strings.TrimSuffix(kind, extension) + "." + engine + extension
}

// Expected returns the expected answer of an engine in the form of Lines or Summary.
func (c Case) Expected(kind, engine string) (string, error) {
	body, err := os.ReadFile(filepath.Join(c.folder, answerFile(kind, engine)))
	if errors.Is(err, fs.ErrNotExist) {
		body, err = os.ReadFile(filepath.Join(c.folder, kind))
	}
	return string(body), err
}

// Update writes the answer of the Lambda engine to the case's file.
func (c Case) Update(kind, answer string) error {
	return os.WriteFile(filepath.Join(c.folder, kind), []byte(answer), 0o644)
}

// maxShownText is the length in bytes of the longest text in a case's file. Longer
// texts have length and hash.
const maxShownText = 2000

// Lines returns rows as NDJSON, without the object's id, which is the same in every
// row. Long texts become their length and hash.
func Lines(rows []map[string]any) (string, error) {
	var text strings.Builder
	for _, row := range rows {
		shown := make(map[string]any, len(row))
		for name, value := range row {
			if name != parquetfile.ObjectColumn {
				shown[name] = shortened(value)
			}
		}
		line, err := json.Marshal(shown)
		if err != nil {
			return "", fmt.Errorf("encode row: %w", err)
		}
		text.Write(append(line, '\n'))
	}
	return text.String(), nil
}

func shortened(value any) any {
	if text, ok := value.(string); ok && len(text) > maxShownText {
		return fmt.Sprintf("(%d bytes, sha256 %x)", len(text), sha256.Sum256([]byte(text)))
	}
	return value
}

// countedCodes are the codes of refusals after the last record. All engines then have
// read the same records.
var countedCodes = []string{string(fault.TooManyRejects), string(fault.NoGoodRow)}

// Summary returns the fields of a receipt that must be equal in all engines. For a
// refused object the counts are part of the summary only with the countedCodes.
func Summary(r work.Receipt) (string, error) {
	fields := map[string]any{"outcome": r.Outcome}
	if r.Code != "" {
		fields["code"] = r.Code
	}
	if len(r.ExtraColumns) > 0 {
		fields["extra_columns"] = r.ExtraColumns
	}
	if len(r.AbsentColumns) > 0 {
		fields["absent_columns"] = r.AbsentColumns
	}
	if len(r.Unchecked) > 0 {
		fields["unchecked"] = r.Unchecked
	}
	if r.Outcome == work.Accepted || slices.Contains(countedCodes, r.Code) {
		fields["rows_read"], fields["rows_rejected"] = r.RowsRead, r.RowsRejected
	}
	body, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode receipt: %w", err)
	}
	return string(body) + "\n", nil
}
