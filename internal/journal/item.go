package journal

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// stampLayout has a fixed width, so that the order of the texts is the order of the
// times.
const stampLayout = "2006-01-02T15:04:05.000000Z"

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func key(pk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": text(pk)}
}

func valueOf(v types.AttributeValue) string {
	switch value := v.(type) {
	case *types.AttributeValueMemberS:
		return value.Value
	case *types.AttributeValueMemberN:
		return value.Value
	default:
		return ""
	}
}

// item reads attributes and keeps the first error.
type item struct {
	attributes map[string]types.AttributeValue
	err        error
}

func (i *item) text(name string) string { return valueOf(i.attributes[name]) }

func (i *item) number(name string) int64 {
	digits := i.text(name)
	if digits == "" {
		return 0
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && i.err == nil {
		i.err = fmt.Errorf("journal: attribute %s=%q is not a number", name, digits)
	}
	return n
}

// maxRules is the number of rules in an entry.
const maxRules = 20

// rulesText returns the rules with the most rejects as JSON; empty without rejects.
func rulesText(byRule map[string]int64) string {
	most := make(map[string]int64)
	for _, c := range work.MostBroken(byRule, maxRules) {
		most[c.Rule] = c.Rejects
	}
	if len(most) == 0 {
		return ""
	}
	body, err := json.Marshal(most)
	if err != nil { // every map of texts to numbers has a JSON form
		panic(err)
	}
	return string(body)
}

// rules returns the value of rulesText; nil for an empty text.
func (i *item) rules(name string) (byRule map[string]int64) {
	encoded := i.text(name)
	if encoded == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(encoded), &byRule); err != nil && i.err == nil {
		i.err = fmt.Errorf("journal: attribute %s: %w", name, err)
	}
	return byRule
}

func (i *item) times() map[State]time.Time {
	times := make(map[State]time.Time)
	for name := range i.attributes {
		state, found := strings.CutPrefix(name, "at_")
		if !found {
			continue
		}
		at, err := time.Parse(stampLayout, i.text(name))
		if err != nil && i.err == nil {
			i.err = fmt.Errorf("journal: attribute %s: %w", name, err)
		}
		times[State(state)] = at
	}
	return times
}

func (i *item) receipt() *work.Location {
	if i.text("receipt_key") == "" {
		return nil
	}
	return &work.Location{Bucket: i.text("receipt_bucket"), Key: i.text("receipt_key")}
}

func decode(attributes map[string]types.AttributeValue) (Entry, error) {
	i := &item{attributes: attributes}
	entry := Entry{
		ID: object.ID(i.text("pk")),
		Object: object.Object{
			Bucket: i.text("bucket"), Key: i.text("key"), Version: i.text("version"),
			ETag: i.text("etag"), Size: i.number("size"), Sequencer: i.text("sequencer"),
		},
		Dataset: i.text("dataset"), State: State(i.text("state")), Times: i.times(),
		Attempts: int(i.number("attempts")), Generation: int(i.number("generation")),
		Receipt: i.receipt(), Engine: i.text("engine"), Manifest: i.text("manifest"), Run: i.text("run"),
		RowsRead: i.number("rows_read"), RowsWritten: i.number("rows_written"),
		RowsRejected: i.number("rows_rejected"), RowsLoaded: i.number("rows_loaded"),
		RejectsByRule: i.rules("rejects_by_rule"), LoadID: i.text("load_id"), QueryID: i.text("query_id"),
		DuplicateOf: object.ID(i.text("duplicate_of")), SupersededBy: object.ID(i.text("superseded_by")), Reason: i.text("reason"),
		WithdrawnBy: i.text("withdrawn_by"), DismissedBy: i.text("dismissed_by"), Unsent: i.text(attributeUnsent) != "",
		Stage: i.text("stage"), Code: i.text("code"), Cause: i.text("cause"), Hint: i.text("hint"),
		Message: i.text("message"), Queue: i.text("queue"), Redrives: int(i.number("redrives")), Reloads: int(i.number("reloads")),
		SweepCount: int(i.number("looks")), LastSweepAt: i.instant("looked_at"),
		Delay: i.delay(),
	}
	entry.Progressed = i.progressed(entry)
	return entry, i.err
}
