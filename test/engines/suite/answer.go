package suite

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// The files of a case that say what must come out.
const (
	Rows    = "expected.ndjson"
	Rejects = "rejects.ndjson"
	Receipt = "receipt.json"
)

// answerFile names the file that says an engine's own answer: "receipt.glue.json".
func answerFile(kind, engine string) string {
	extension := filepath.Ext(kind)
	return strings.TrimSuffix(kind, extension) + "." + engine + extension
}

// Expected returns what an engine must answer, in the form of Lines or Summary.
func (c Case) Expected(kind, engine string) (string, error) {
	body, err := os.ReadFile(filepath.Join(c.folder, answerFile(kind, engine)))
	if errors.Is(err, fs.ErrNotExist) {
		body, err = os.ReadFile(filepath.Join(c.folder, kind))
	}
	return string(body), err
}

// Update writes what the first engine answered.
func (c Case) Update(kind, answer string) error {
	return os.WriteFile(filepath.Join(c.folder, kind), []byte(answer), 0o644)
}

// maxShownText is the length in bytes of a text that is written out.
const maxShownText = 2000

// Lines returns rows as NDJSON. The object's id is left out, it is the same in
// every row, and a long text is said by its length and hash.
func Lines(rows []map[string]any) (string, error) {
	var text strings.Builder
	for _, row := range rows {
		said := make(map[string]any, len(row))
		for name, value := range row {
			if name != parquetfile.ObjectColumn {
				said[name] = shortened(value)
			}
		}
		line, err := json.Marshal(said)
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

// Summary is what every engine's receipt must say besides the rows. How many
// rows it read before it refused is an engine's own affair, but for rejects.
func Summary(r work.Receipt) (string, error) {
	said := map[string]any{"outcome": r.Outcome}
	if r.Code != "" {
		said["code"] = r.Code
	}
	if len(r.ExtraColumns) > 0 {
		said["extra_columns"] = r.ExtraColumns
	}
	if len(r.Unchecked) > 0 {
		said["unchecked"] = r.Unchecked
	}
	if r.Outcome == work.Accepted || r.Code == string(fault.TooManyRejects) {
		said["rows_read"], said["rows_rejected"] = r.RowsRead, r.RowsRejected
	}
	body, err := json.MarshalIndent(said, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode receipt: %w", err)
	}
	return string(body) + "\n", nil
}
