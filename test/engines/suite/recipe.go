package suite

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Recipe describes an object that is too large for the repository.
type Recipe struct {
	// Name is the last part of the object's key.
	Name string `json:"name"`
	// Gzip compresses the object.
	Gzip bool `json:"gzip,omitempty"`
	// Parts are the object's parts in order.
	Parts []Part `json:"parts"`
}

// Part is a text with its number of repetitions; 0 means 1. Inner comes before Text in
// each repetition, so that a long line can be repeated.
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

// body returns the object. For gzip, body writes a part's repetitions one by one, so
// that only the compressed object is in memory.
func (r Recipe) body() ([]byte, error) {
	var body bytes.Buffer
	if !r.Gzip {
		for _, part := range r.Parts {
			body.WriteString(part.text())
		}
		return body.Bytes(), nil
	}
	writer, err := gzip.NewWriterLevel(&body, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	for _, part := range r.Parts {
		repetition := Part{Text: part.Text, Inner: part.Inner}.text()
		for range max(part.Times, 1) {
			if _, err := writer.Write([]byte(repetition)); err != nil {
				return nil, fmt.Errorf("compress: %w", err)
			}
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return body.Bytes(), nil
}
