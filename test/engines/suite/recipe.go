package suite

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Recipe makes an object that is too large to keep: its parts, one after the
// other, packed if it says so.
type Recipe struct {
	// Name is the last part of the object's key.
	Name string `json:"name"`
	// Gzip packs the parts.
	Gzip bool `json:"gzip,omitempty"`
	// Parts are texts, each repeated.
	Parts []Part `json:"parts"`
}

// Part is a text and how often it stands in the object; 0 is once. Inner is
// repeated first, in front of Text, so that a line may be long and come often.
type Part struct {
	Text  string `json:"text"`
	Times int    `json:"times,omitempty"`
	Inner *Part  `json:"inner,omitempty"`
}

func (p Part) text() string {
	text := p.Text
	if p.Inner != nil {
		text = p.Inner.text() + text
	}
	return strings.Repeat(text, max(p.Times, 1))
}

// body writes a part's repetitions one by one: the packed object is small even
// where the parts are not.
func (r Recipe) body() ([]byte, error) {
	var body bytes.Buffer
	if !r.Gzip {
		for _, part := range r.Parts {
			body.WriteString(part.text())
		}
		return body.Bytes(), nil
	}
	packer, err := gzip.NewWriterLevel(&body, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	for _, part := range r.Parts {
		once := Part{Text: part.Text, Inner: part.Inner}.text()
		for range max(part.Times, 1) {
			if _, err := packer.Write([]byte(once)); err != nil {
				return nil, fmt.Errorf("pack: %w", err)
			}
		}
	}
	if err := packer.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return body.Bytes(), nil
}
