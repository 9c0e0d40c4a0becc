package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/firn-data/firn/internal/contract"
)

// FDSNEvent is the name in firn.ingest of the FDSN event web service with GeoJSON
// answers, as operated by the U.S. Geological Survey:
// https://earthquake.usgs.gov/fdsnws/event/1/
const FDSNEvent = "fdsn-event"

// FDSN returns the API with the name FDSNEvent.
func (h HTTP) FDSN(in contract.Ingest) (Source, error) {
	query, err := url.Parse(in.URL)
	if err != nil || query.Host == "" {
		return nil, badRequest("the url %q in the contract's firn.ingest isn't an address", in.URL)
	}
	return fdsn{http: h, query: *query}, nil
}

type fdsn struct {
	http  HTTP
	query url.URL
}

// fdsnTime has no fraction of a second, because the service cuts a fraction off
// (github.com/usgs/earthquake-event-ws, validateTime). "Up to 23:59:59.999" would lose
// a second.
const fdsnTime = "2006-01-02T15:04:05"

// parameters returns the parameters of the search. The end of the search is inclusive,
// so the answer may have records at the interval's end.
func (f fdsn) parameters(i Interval) url.Values {
	return url.Values{
		"format":    {"geojson"},
		"starttime": {i.Start.Format(fdsnTime)},
		"endtime":   {i.End.Format(fdsnTime)},
		"orderby":   {"time-asc"},
	}
}

// Address implements Source.
func (f fdsn) Address(i Interval) string {
	return addressOf(f.query, f.parameters(i))
}

// Count implements Source.
func (f fdsn) Count(ctx context.Context, i Interval) (Count, error) {
	var answer struct {
		Count      *int `json:"count"`
		MaxAllowed int  `json:"maxAllowed"`
	}
	found, err := f.http.get(ctx, addressOf(*f.query.JoinPath("../count"), f.parameters(i)), func(r io.Reader) error {
		if err := json.NewDecoder(r).Decode(&answer); err != nil {
			return err
		}
		if answer.Count == nil {
			return fmt.Errorf("%w: the count is missing", errUnexpectedAnswer)
		}
		return nil
	})
	if err != nil || !found {
		return Count{}, err
	}
	return Count{Matching: *answer.Count, Allowed: answer.MaxAllowed}, nil
}

// Page implements Source.
func (f fdsn) Page(ctx context.Context, i Interval, skip, limit int, take func(Record) error) error {
	parameters := f.parameters(i)
	parameters.Set("offset", strconv.Itoa(skip+1))
	parameters.Set("limit", strconv.Itoa(limit))
	_, err := f.http.get(ctx, addressOf(f.query, parameters), func(r io.Reader) error {
		return readFeatures(json.NewDecoder(r), take)
	})
	return err
}

func addressOf(at url.URL, parameters url.Values) string {
	at.RawQuery = parameters.Encode()
	return at.String()
}

// readFeatures reads a FeatureCollection and keeps one feature in memory. It returns an
// error for an incomplete document.
func readFeatures(decoder *json.Decoder, take func(Record) error) error {
	if err := expect(decoder, json.Delim('{')); err != nil {
		return err
	}
	found := false
	for decoder.More() {
		name, err := decoder.Token()
		switch {
		case err != nil:
			return err
		case name == "features" && !found:
			found = true
			err = readArray(decoder, take)
		default:
			var skipped json.RawMessage
			err = decoder.Decode(&skipped)
		}
		if err != nil {
			return err
		}
	}
	if err := expect(decoder, json.Delim('}')); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("%w: the features are missing", errUnexpectedAnswer)
	}
	return expectEnd(decoder)
}

func readArray(decoder *json.Decoder, take func(Record) error) error {
	if err := expect(decoder, json.Delim('[')); err != nil {
		return err
	}
	var raw json.RawMessage
	var line bytes.Buffer
	for decoder.More() {
		if err := decoder.Decode(&raw); err != nil {
			return err
		}
		line.Reset()
		if err := json.Compact(&line, raw); err != nil {
			return err
		}
		record, err := readFeature(line.Bytes())
		if err != nil {
			return err
		}
		if err := take(record); err != nil {
			return err
		}
	}
	return expect(decoder, json.Delim(']'))
}

// readFeature reads the id and the time of a feature. The contract checks all other
// values, so a feature without id or time is valid here.
func readFeature(line []byte) (Record, error) {
	var feature struct {
		ID         json.RawMessage `json:"id"`
		Properties struct {
			Time json.RawMessage `json:"time"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(line, &feature); err != nil || line[0] != '{' {
		return Record{}, fmt.Errorf("%w: a feature isn't an object with properties", errUnexpectedAnswer)
	}
	record := Record{JSON: line}
	if id := string(feature.ID); id != "null" {
		record.ID = id
	}
	if milliseconds, err := strconv.ParseInt(string(feature.Properties.Time), 10, 64); err == nil {
		record.Time = time.UnixMilli(milliseconds).UTC()
	}
	return record, nil
}

func expect(decoder *json.Decoder, want json.Delim) error {
	got, err := decoder.Token()
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: got %v, want %v", errUnexpectedAnswer, got, want)
	}
	return nil
}

func expectEnd(decoder *json.Decoder) error {
	_, err := decoder.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return fmt.Errorf("%w: there is data after the collection", errUnexpectedAnswer)
	}
	return err
}
