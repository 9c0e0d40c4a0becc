package fdsn

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// event is one feature with the values that a search may use.
type event struct {
	id        string
	time      time.Time
	magnitude *float64
	feature   []byte
}

type feature struct {
	ID         string `json:"id"`
	Properties struct {
		Time      *int64   `json:"time"`
		Magnitude *float64 `json:"mag"`
	} `json:"properties"`
}

// readCatalog reads a FeatureCollection, plain or gzip, and sorts the events by time,
// then by id. A feature without id or time is an error, and so are two features with
// one id.
func readCatalog(source io.Reader) ([]event, error) {
	plain, err := decompress(source)
	if err != nil {
		return nil, err
	}
	var collection struct {
		Type     string            `json:"type"`
		Features []json.RawMessage `json:"features"`
	}
	if err := json.NewDecoder(plain).Decode(&collection); err != nil {
		return nil, fmt.Errorf("decode catalog: %w", err)
	}
	if collection.Type != "FeatureCollection" {
		return nil, fmt.Errorf("decode catalog: type is %q, not FeatureCollection", collection.Type)
	}
	events := make([]event, 0, len(collection.Features))
	for n, raw := range collection.Features {
		e, err := readEvent(raw)
		if err != nil {
			return nil, fmt.Errorf("decode catalog: feature %d: %w", n+1, err)
		}
		events = append(events, e)
	}
	slices.SortFunc(events, byTime)
	return events, checkUnique(events)
}

func readEvent(raw json.RawMessage) (event, error) {
	var f feature
	if err := json.Unmarshal(raw, &f); err != nil {
		return event{}, err
	}
	if f.ID == "" || f.Properties.Time == nil {
		return event{}, fmt.Errorf("id or time is missing")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return event{}, err
	}
	return event{
		id: f.ID, time: time.UnixMilli(*f.Properties.Time).UTC(),
		magnitude: f.Properties.Magnitude, feature: compact.Bytes(),
	}, nil
}

func checkUnique(events []event) error {
	seen := make(map[string]bool, len(events))
	for _, e := range events {
		if seen[e.id] {
			return fmt.Errorf("decode catalog: two features have the id %q", e.id)
		}
		seen[e.id] = true
	}
	return nil
}

// decompress returns plain text. Gzip is recognized by the first two bytes (RFC 1952,
// 2.3.1).
func decompress(source io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(source)
	magic, err := buffered.Peek(2)
	if err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return buffered, nil //nolint:nilerr // text of less than two bytes is plain text; a read error comes again later
	}
	plain, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("decompress catalog: %w", err)
	}
	return plain, nil
}

func byTime(a, b event) int {
	return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.id, b.id))
}

func byMagnitude(a, b event) int {
	return cmp.Or(cmp.Compare(magnitudeOf(a), magnitudeOf(b)), byTime(a, b))
}

// magnitudeOf returns a very low number for an event without a magnitude. Such events
// are first in ascending order, like nulls in the service's SQL.
func magnitudeOf(e event) float64 {
	if e.magnitude == nil {
		return -1e9
	}
	return *e.magnitude
}
