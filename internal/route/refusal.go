package route

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// The numbers of rejects and of rules that a cause names.
const (
	maxNamedRejects = 5
	maxNamedRules   = 3
)

// routeRefusal returns the permanent fault of a refused object, or nil if the journal
// already has a later result.
func (r *Router) routeRefusal(ctx context.Context, receipt work.Receipt, at work.Location) error {
	entry, err := r.Journal.Get(ctx, receipt.ObjectID)
	if errors.Is(err, journal.ErrNotFound) {
		entry, err = r.Journal.Receive(ctx, receipt.Object, receipt.Dataset)
	}
	if err != nil {
		return err
	}
	if isLateRefusal(entry, receipt, at) {
		r.logDropped(ctx, entry)
		return nil
	}
	return refusal(receipt, at)
}

// isLateRefusal reports whether a refusal has no effect any more: the object is done,
// another attempt transformed the object, or a reload or redrive followed the attempt.
func isLateRefusal(entry journal.Entry, receipt work.Receipt, at work.Location) bool {
	otherReceipt := entry.Receipt != nil && *entry.Receipt != at
	redriven := entry.Redrives > 0 && receipt.FinishedAt.Before(entry.Times[journal.Received])
	return entry.State.Final() ||
		entry.State == journal.Transformed && otherReceipt ||
		receipt.Generation < entry.Generation ||
		redriven
}

// refusal returns the receipt's code, cause and hint as a fault, with the counts, the
// first rejects and the place of their texts. A cause names record numbers and rules,
// never the content of a row.
func refusal(r work.Receipt, at work.Location) error {
	code := fault.Code(r.Code)
	if code == "" {
		code = fault.Unexpected
	}
	words := []string{r.Cause}
	if r.Cause == "" {
		words[0] = "the transform refused the object without a cause"
	}
	if r.RowsRead > 0 {
		words = append(words, fmt.Sprintf("%d records were read, %d rejected, none is loaded", r.RowsRead, r.RowsRejected))
	}
	if len(r.RejectsByRule) > 0 {
		words = append(words, "rejects by rule: "+work.DescribeRules(r.RejectsByRule, maxNamedRules))
	}
	if len(r.FirstRejects) > 0 {
		words = append(words, "first rejects: "+describeRejects(r.FirstRejects))
	}
	for _, file := range r.Rejects {
		words = append(words, fmt.Sprintf("the texts of the first %d rejects are in s3://%s/%s", file.Rows, at.Bucket, file.Key))
	}
	return &fault.Fault{
		Stage: string(work.Transform), Op: "transform object", Code: code, Disposition: fault.Permanent, Hint: r.Hint,
		Err: errors.New(strings.Join(words, "; ")),
	}
}

func describeRejects(rejects []work.Reject) string {
	var words []string
	for _, reject := range rejects[:min(len(rejects), maxNamedRejects)] {
		text := fmt.Sprintf("record %d", reject.Record)
		if reject.Line > 0 {
			text += fmt.Sprintf(" (line %d)", reject.Line)
		}
		words = append(words, text+" "+reject.Rule)
	}
	return strings.Join(words, ", ")
}
