package reader

import (
	"fmt"
	"io"

	"golang.org/x/text/encoding/charmap"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
)

// toUTF8 converts text from the encoding. A byte without a meaning in the encoding
// becomes U+FFFD and so rejects its record. Text with a UTF-8 mark is refused if the
// contract has another encoding.
func toUTF8(text io.Reader, encoding contract.Encoding, marked bool) (io.Reader, error) {
	if encoding == contract.UTF8 || encoding == "" {
		return text, nil
	}
	if marked {
		return nil, fault.Permanentf("read object", fault.BadEncoding, "it begins with the mark of UTF-8, but its contract says %s", encoding)
	}
	switch encoding {
	case contract.Latin1:
		return charmap.ISO8859_1.NewDecoder().Reader(text), nil
	case contract.Windows1252:
		return charmap.Windows1252.NewDecoder().Reader(text), nil
	default:
		return nil, fmt.Errorf("encoding %q is unknown", encoding)
	}
}
