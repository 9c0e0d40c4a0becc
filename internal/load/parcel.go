package load

import (
	"context"
	"regexp"
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// parcel is one object whose files are ready to be copied.
type parcel struct {
	work.Receipt
	// asked tells that a message of this invocation waits for the object.
	asked bool
}

func (p parcel) id() object.ID { return p.ObjectID }

// fault makes err name the object.
func (p parcel) fault(err error) *fault.Fault {
	return fault.On(err, string(p.id()), p.Dataset, p.Object.URI())
}

func namesOf(files []work.File) []string {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Key
	}
	return names
}

func (p parcel) bytes() int64 {
	var sum int64
	for _, f := range p.Data {
		sum += f.Bytes
	}
	return sum
}

// open reads the receipts of the work. What can't be opened is in the results.
func (l *Loader) open(ctx context.Context, dataset string, wanted []work.Work, into results) []parcel {
	opened := make([]parcel, len(wanted))
	faults := make([]error, len(wanted))
	atOnce(len(wanted), func(i int) { opened[i], faults[i] = l.openOne(ctx, dataset, wanted[i]) })
	var parcels []parcel
	for i, w := range wanted {
		if faults[i] != nil {
			into[w.Object.ID()] = result{err: fault.On(faults[i], string(w.Object.ID()), dataset, w.Object.URI())}
			continue
		}
		parcels = append(parcels, opened[i])
	}
	return parcels
}

func (l *Loader) openOne(ctx context.Context, dataset string, w work.Work) (parcel, error) {
	if w.Receipt.Bucket != l.CuratedBucket {
		return parcel{}, fault.Permanentf("read receipt", fault.ReceiptMismatch,
			"the receipt is in bucket %q, the stage reads %q", w.Receipt.Bucket, l.CuratedBucket)
	}
	receipt, err := l.Receipts.Read(ctx, *w.Receipt)
	if err != nil {
		return parcel{}, err
	}
	if err := matches(receipt, dataset, w); err != nil {
		return parcel{}, err
	}
	if err := l.checkDelivery(receipt); err != nil {
		return parcel{}, err
	}
	return parcel{Receipt: receipt, asked: true}, nil
}

// matches holds a receipt against the work that names it: a receipt must not
// load another object's files.
func matches(r work.Receipt, dataset string, w work.Work) error {
	const op = "check receipt"
	home := object.AttemptsOf(dataset, w.Object.ID())
	switch {
	case r.ObjectID != w.Object.ID() || r.Dataset != dataset:
		return fault.Permanentf(op, fault.ReceiptMismatch, "it is for object %s of %s", r.ObjectID, r.Dataset)
	case r.Outcome != work.Accepted:
		return fault.Permanentf(op, fault.Code(r.Code), "the transform refused the object: %s", r.Cause)
	}
	for _, name := range append(namesOf(r.Data), namesOf(r.Rejects)...) {
		if !strings.HasPrefix(name, home) {
			return fault.Permanentf(op, fault.ReceiptMismatch, "file %q isn't in the object's folder %s", name, home)
		}
	}
	return nil
}

// checkDelivery refuses an object that belongs to no delivery of a snapshot: it
// would be loaded and never be current, and nobody would know.
func (l *Loader) checkDelivery(r work.Receipt) error {
	c := l.Contracts.ByDataset(r.Dataset)
	if c == nil || c.Delivery == nil || regexp.MustCompile(c.DeliveryPattern()).MatchString(r.Object.Key) {
		return nil
	}
	return fault.Permanentf("check delivery", fault.NoDelivery,
		"the key %q isn't of the form %q, by which the snapshot's deliveries are told apart", r.Object.Key, c.KeyPrefix+c.Delivery.Key)
}

// Limits bound one transaction: the lock's time, and what is done again if
// another object of the group is poisoned.
type Limits struct {
	// Objects defaults to 1,000: each has a file at least, and that is what one
	// COPY takes.
	Objects int
	// Files defaults to 1,000, what one COPY takes.
	Files int
	// Bytes of Parquet; defaults to 2 GiB. An object above it goes alone.
	Bytes int64
}

func (l Limits) objects() int {
	if l.Objects > 0 {
		return l.Objects
	}
	return maximumFiles
}

func (l Limits) files() int {
	if l.Files > 0 {
		return l.Files
	}
	return maximumFiles
}

func (l Limits) bytes() int64 {
	if l.Bytes > 0 {
		return l.Bytes
	}
	return 2 << 30
}

// split cuts the parcels into groups, in order.
func (l Limits) split(parcels []parcel) [][]parcel {
	var groups [][]parcel
	var group []parcel
	var files int
	var bytes int64
	for _, p := range parcels {
		full := len(group) >= l.objects() || files+len(p.Data) > l.files() || bytes+p.bytes() > l.bytes()
		if full && len(group) > 0 {
			groups, group, files, bytes = append(groups, group), nil, 0, 0
		}
		group, files, bytes = append(group, p), files+len(p.Data), bytes+p.bytes()
	}
	return append(groups, nonEmpty(group)...)
}
