//go:build standin

package main_test

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

var loadCases = []wayCase{
	{wayOut{code: fault.ReceiptMismatch, kind: help.Redrive}, func(t *testing.T, p *path) situation {
		dataset := p.plain(t)
		o := p.transformed(t, "till/plain/mismatch.csv", goodFile)
		p.changeReceipt(t, o, func(r *work.Receipt) { r.RowsRead, r.RowsWritten, r.Data[0].Rows = 3, 3, 3 })
		return p.refusedLoad(t, dataset, o, fault.ReceiptMismatch)
	}},
	{wayOut{code: fault.ReceiptMissing, kind: help.Redrive}, func(t *testing.T, p *path) situation {
		dataset := p.plain(t)
		o := p.transformed(t, "till/plain/missing.csv", goodFile)
		if _, err := p.store.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &p.curated, Key: aws.String(p.receipt(t, o).Data[0].Key)}); err != nil {
			t.Fatal(err)
		}
		return p.refusedLoad(t, dataset, o, fault.ReceiptMissing)
	}},
	{wayOut{code: fault.CopyRefused, kind: help.Redrive}, func(t *testing.T, p *path) situation {
		dataset := p.plain(t)
		o := p.transformed(t, "till/plain/broken.csv", goodFile)
		p.overwrite(t, p.receipt(t, o).Data[0].Key, "no Parquet")
		return p.refusedLoad(t, dataset, o, fault.CopyRefused)
	}},
	{wayOut{code: fault.DuplicateContent, kind: help.Dismiss}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "twice", "firn.duplicateContent, value: refuse")
		p.put(t, "till/twice/a.csv", goodFile)
		o := p.put(t, "till/twice/b.csv", goodFile)
		p.mustFail(t, o, fault.DuplicateContent)
		return situation{subject: one(dataset, o, fault.DuplicateContent), ended: p.becomes(t, o, journal.Dismissed)}
	}},
	{wayOut{code: fault.DuplicateContent, kind: help.Redrive}, func(t *testing.T, p *path) situation {
		o := p.put(t, "till/twice/c.csv", goodFile)
		p.mustFail(t, o, fault.DuplicateContent)
		return situation{subject: one("till.twice", o, fault.DuplicateContent), ended: p.becomes(t, o, journal.Loaded), first: func() {
			p.changeContract(t, "till.twice", "refuse", "load")
		}}
	}},
	{wayOut{code: fault.NoDelivery, kind: help.Dismiss}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "month", "firn.mode, value: snapshot", `firn.delivery, value: {key: "{delivery}.csv"}`)
		o := p.put(t, "till/month/january.csv", goodFile)
		p.mustFail(t, o, fault.NoDelivery)
		return situation{subject: one(dataset, o, fault.NoDelivery), ended: p.becomes(t, o, journal.Dismissed), first: func() {
			p.load(t, "till/month/2026-01-31.csv", goodFile)
		}}
	}},
	{wayOut{code: fault.NoDelivery, kind: help.Redrive}, func(t *testing.T, p *path) situation {
		o := p.put(t, "till/month/of-2026-02-28.csv", goodFile)
		p.mustFail(t, o, fault.NoDelivery)
		return situation{subject: one("till.month", o, fault.NoDelivery), ended: p.becomes(t, o, journal.Loaded), first: func() {
			p.changeContract(t, "till.month", `"{delivery}.csv"`, `"of-{delivery}.csv"`)
		}}
	}},
	{wayOut{code: fault.DeliveryHeld, kind: help.Accept}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "held", "firn.mode, value: snapshot", `firn.delivery, value: {key: "{delivery}.csv"}`, "firn.holdBelow, value: 0.9")
		p.load(t, "till/held/2026-01-31.csv", goodFile)
		p.load(t, "till/held/2026-02-28.csv", otherGoodFile)
		p.checkHeld(t, dataset, 1)
		return situation{subject: help.Subject{Dataset: dataset, Delivery: "2026-02-28"}, ended: func() { p.checkHeld(t, dataset, 0) }}
	}},
	{wayOut{code: fault.DeliveryHeld, kind: help.Put}, func(t *testing.T, p *path) situation {
		p.load(t, "till/held/2026-03-31.csv", goodFile)
		o := p.load(t, "till/held/2026-04-30.csv", otherGoodFile)
		p.checkHeld(t, "till.held", 1)
		return situation{subject: one("till.held", o, fault.DeliveryHeld), file: goodFile, ended: func() {
			p.checkState(t, o, journal.Superseded)
			p.checkHeld(t, "till.held", 0)
		}}
	}},
	{wayOut{code: fault.LedgerBroken, kind: help.Redrive}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "ledger")
		p.sql(t, "insert into raw.till_ledger_loads select * from raw.till_ledger_loads where object = '~lock'")
		o, other := p.put(t, "till/ledger/a.csv", goodFile), p.put(t, "till/ledger/b.csv", otherGoodFile)
		p.mustFail(t, o, fault.LedgerBroken)
		return situation{
			subject: help.Subject{Dataset: dataset, Code: fault.LedgerBroken, Objects: 2},
			first: func() {
				p.followAudit(t, dataset)
				p.firn("migrate").succeed(t)
			},
			ended: func() {
				p.checkState(t, o, journal.Loaded)
				p.checkState(t, other, journal.Loaded)
			},
		}
	}},
	{wayOut{code: fault.StatementTimeout, kind: help.Redrive}, recorded(work.Load, fault.StatementTimeout, journal.Loaded)},
	{wayOut{code: fault.NotWithdrawn, kind: help.Withdraw}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "deleted", "firn.onDelete, value: withdraw")
		o := p.put(t, "till/deleted/a.csv", goodFile)
		p.sql(t, "update raw.till_deleted_loads set object = '~none' where object = '~lock'")
		p.purge(t, "dead")
		if _, err := p.store.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &o.Bucket, Key: &o.Key}); err != nil {
			t.Fatal(err)
		}
		p.drain(t)
		if letters := p.take(t, "dead"); len(letters) != 1 {
			t.Errorf("%d dead letters about the withdrawal, want 1", len(letters))
		}
		subject := one(dataset, o, fault.NotWithdrawn)
		return situation{subject: subject, ended: p.becomes(t, o, journal.Withdrawn), first: func() {
			p.sql(t, "update raw.till_deleted_loads set object = '~lock' where object = '~none'")
		}}
	}},
}

// refusedLoad sends the work of a transformed object, which fails with the code. A load
// of the same receipt would fail again.
func (p *path) refusedLoad(t *testing.T, dataset string, o object.Object, code fault.Code) situation {
	t.Helper()
	p.send(t, "load", work.Work{Stage: work.Load, Dataset: dataset, Object: o, Receipt: p.entry(t, o).Receipt}.Encode())
	p.drain(t)
	p.mustFail(t, o, code)
	return situation{subject: one(dataset, o, code), ended: p.becomes(t, o, journal.Loaded)}
}

// receipt reads the receipt of an object.
func (p *path) receipt(t *testing.T, o object.Object) work.Receipt {
	t.Helper()
	output, err := p.store.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &p.curated, Key: aws.String(p.entry(t, o).Receipt.Key)})
	if err != nil {
		t.Fatal(err)
	}
	defer output.Body.Close()
	body, err := io.ReadAll(output.Body)
	if err != nil {
		t.Fatal(err)
	}
	var receipt work.Receipt
	if err := json.Unmarshal(body, &receipt); err != nil {
		t.Fatal(err)
	}
	return receipt
}

// changeReceipt overwrites the receipt of an object. The event of the new receipt is lost.
func (p *path) changeReceipt(t *testing.T, o object.Object, change func(*work.Receipt)) {
	t.Helper()
	receipt := p.receipt(t, o)
	change(&receipt)
	body, err := json.Marshal(receipt)
	if err != nil {
		t.Fatal(err)
	}
	p.overwrite(t, p.entry(t, o).Receipt.Key, string(body))
	p.loseEvents(t)
}

// checkHeld compares the number of held deliveries in `firn status`.
func (p *path) checkHeld(t *testing.T, dataset string, want int) {
	t.Helper()
	got := p.firn("status", "--dataset", dataset, "--json").run(t)
	if needsPerson := map[bool]int{true: 1}[want > 0]; got.code != needsPerson {
		t.Errorf("firn status: exit code %d, want %d: %s", got.code, needsPerson, got.stderr)
	}
	summaries := decodeAny[[]struct {
		Held []json.RawMessage `json:"held"`
	}](t, got.stdout)
	if len(summaries) != 1 || len(summaries[0].Held) != want {
		t.Errorf("%s: %d held deliveries, want %d", dataset, len(summaries[0].Held), want)
	}
}
