package load

import (
	"context"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// readyObject is an object with a receipt: the files are ready for COPY.
type readyObject struct {
	work.Receipt
	// requested is true if a message of this invocation asks for the object.
	requested bool
	// withdrawal is set for an object to withdraw. Such an object has no files, and its
	// receipt has only the object.
	withdrawal *work.Withdrawal
}

func (o readyObject) goal() goal {
	return goal{id: o.id(), generation: o.Generation, withdrawal: o.withdrawal != nil}
}

func (o readyObject) id() object.ID { return o.ObjectID }

// fault returns err as a fault of the object.
func (o readyObject) fault(err error) *fault.Fault {
	return faultOf(work.Work{Dataset: o.Dataset, Object: o.Object, Generation: o.Generation, Withdraw: o.withdrawal}, err)
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
			into[w.Object.ID()] = result{err: faultOf(w, faults[i])}
			continue
		}
		objects = append(objects, opened[i])
	}
	return objects
}

func (l *Loader) readReceipt(ctx context.Context, dataset string, w work.Work) (readyObject, error) {
	if w.Withdraw != nil {
		return toWithdraw(w), nil
	}
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

// matches compares a valid receipt with the work that names the receipt. A receipt must
// not load files of another object, or of another generation.
func matches(r work.Receipt, dataset string, w work.Work) error {
	const op = "check receipt"
	switch {
	case r.ObjectID != w.Object.ID() || r.Dataset != dataset:
		return fault.Permanentf(op, fault.ReceiptMismatch, "the receipt is for object %s of %s", r.ObjectID, r.Dataset)
	case r.Generation != w.Generation:
		return fault.Permanentf(op, fault.ReceiptMismatch, "the receipt has generation %d, and the work has generation %d", r.Generation, w.Generation)
	case r.Outcome != work.Accepted:
		return fault.Permanentf(op, fault.Code(r.Code), "the transform refused the object: %s", r.Cause)
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
