package reader_test

import "bytes"

// record is the expected record.
type record struct {
	Number, Line int64
	Raw          string
	Fields       []string
}

// referenceCSV splits text byte by byte, by the rules of the package, without
// optimizations. records are the records before the first bad quote.
func referenceCSV(text []byte, delimiter byte) (records []record, badQuote bool) {
	line, number := int64(1), int64(0)
	for len(text) > 0 {
		r := record{Line: line}
		at := 0
		for {
			field, next, ok := referenceField(text, at, delimiter)
			if !ok {
				return records, true
			}
			r.Fields = append(r.Fields, field)
			at = next
			if at < len(text) && text[at] == delimiter {
				at++
				continue
			}
			break
		}
		raw := text[:at]
		if rest := text[at:]; len(rest) > 0 && rest[0] == '\r' {
			at++
		}
		if at < len(text) && text[at] == '\n' {
			at++
		}
		line += int64(bytes.Count(text[:at], []byte{'\n'}))
		text = text[at:]
		if len(raw) == 0 {
			continue
		}
		number++
		r.Number, r.Raw = number, string(raw)
		records = append(records, r)
	}
	return records, false
}

// referenceField returns the value and the end of a field. The end is before the
// delimiter, before the line end with its "\r", or at the end of the text.
func referenceField(text []byte, at int, delimiter byte) (value string, next int, ok bool) {
	if at < len(text) && text[at] == '"' {
		return referenceQuoted(text, at+1, delimiter)
	}
	end := at
	for end < len(text) && text[end] != delimiter && text[end] != '\n' {
		end++
	}
	ends := end == len(text) || text[end] == '\n'
	if ends && end > at && text[end-1] == '\r' {
		end--
	}
	return string(text[at:end]), end, true
}

func referenceQuoted(text []byte, at int, delimiter byte) (value string, next int, ok bool) {
	var content []byte
	for ; at < len(text); at++ {
		if text[at] != '"' {
			content = append(content, text[at])
			continue
		}
		if at+1 < len(text) && text[at+1] == '"' {
			content = append(content, '"')
			at++
			continue
		}
		rest := text[at+1:]
		isEnd := len(rest) == 0 || rest[0] == delimiter || rest[0] == '\n' ||
			string(rest) == "\r" || bytes.HasPrefix(rest, []byte("\r\n"))
		return string(content), at + 1, isEnd
	}
	return "", 0, false
}

// referenceLines splits NDJSON.
func referenceLines(text []byte) (records []record) {
	number := int64(0)
	for i, line := range bytes.Split(text, []byte{'\n'}) {
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(line) > 0 {
			number++
			records = append(records, record{Number: number, Line: int64(i + 1), Raw: string(line)})
		}
	}
	return records
}
