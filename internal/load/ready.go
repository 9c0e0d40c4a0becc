package load

import (
	"context"
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// readyObject is an object with a receipt: the files are ready for COPY.
type readyObject struct {
	work.Receipt
	// requested is true if a message of this invocation asks for the object.
	requested bool
}

func (o readyObject) id() object.ID { return o.ObjectID }

// fault returns err as a fault of the object.
func (o readyObject) fault(err error) *fault.Fault {
	return fault.ForObject(err, string(o.id()), o.Dataset, o.Object.URI())
}

func namesOf(files []work.File) []string {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Key
	}
	return names
}

func (o readyObject) bytes() int64 {
	var sum int64
	for _, f := range o.Data {
		sum += f.Bytes
	}
	return sum
}

// open reads the receipts of the work, in parallel. The fault of an unreadable receipt
// is in the results.
func (l *Loader) open(ctx context.Context, dataset string, wanted []work.Work, into results) []readyObject {
	opened := make([]readyObject, len(wanted))
	faults := make([]error, len(wanted))
	inParallel(len(wanted), func(i int) { opened[i], faults[i] = l.readReceipt(ctx, dataset, wanted[i]) })
	var objects []readyObject
	for i, w := range wanted {
		if faults[i] != nil {
			into[w.Object.ID()] = result{err: fault.ForObject(faults[i], string(w.Object.ID()), dataset, w.Object.URI())}
			continue
		}
		objects = append(objects, opened[i])
	}
	return objects
}

func (l *Loader) readReceipt(ctx context.Context, dataset string, w work.Work) (readyObject, error) {
	if w.Receipt.Bucket != l.CuratedBucket {
		return readyObject{}, fault.Permanentf("read receipt", fault.ReceiptMismatch,
			"the receipt is in bucket %q, but the stage reads bucket %q", w.Receipt.Bucket, l.CuratedBucket)
	}
	receipt, err := l.Receipts.Read(ctx, *w.Receipt)
	if err != nil {
		return readyObject{}, err
	}
	if err := matches(receipt, dataset, w); err != nil {
		return readyObject{}, err
	}
	if err := l.checkDelivery(receipt); err != nil {
		return readyObject{}, err
	}
	return readyObject{Receipt: receipt, requested: true}, nil
}

// matches compares a receipt with the work that names the receipt. A receipt must not
// load files of another object.
func matches(r work.Receipt, dataset string, w work.Work) error {
	const op = "check receipt"
	prefix := object.AttemptsPrefix(dataset, w.Object.ID())
	switch {
	case r.ObjectID != w.Object.ID() || r.Dataset != dataset:
		return fault.Permanentf(op, fault.ReceiptMismatch, "the receipt is for object %s of %s", r.ObjectID, r.Dataset)
	case r.Outcome != work.Accepted:
		return fault.Permanentf(op, fault.Code(r.Code), "the transform refused the object: %s", r.Cause)
	}
	for _, name := range append(namesOf(r.Data), namesOf(r.Rejects)...) {
		if !strings.HasPrefix(name, prefix) {
			return fault.Permanentf(op, fault.ReceiptMismatch, "file %q isn't in the object's folder %s", name, prefix)
		}
	}
	return nil
}

// checkDelivery refuses an object of a snapshot dataset without a delivery in the key.
// The rows of such an object would never be current rows.
func (l *Loader) checkDelivery(r work.Receipt) error {
	c := l.Contracts.ByDataset(r.Dataset)
	if c == nil || c.Delivery == nil || c.InDelivery(r.Object.Key) {
		return nil
	}
	return fault.Permanentf("check delivery", fault.NoDelivery,
		"the key %q doesn't have the form %q of the snapshot's deliveries", r.Object.Key, c.KeyPrefix+c.Delivery.Key)
}
