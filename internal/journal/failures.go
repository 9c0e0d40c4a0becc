package journal

import (
	"context"
	"errors"

	"github.com/firn-data/firn/internal/object"
)

// attributeFailures is the attribute of a key's item with the ids of the failed versions.
// A version that failed before can have an id there until the next read.
const attributeFailures = "failures"

// maxFailures is the largest number of failed versions in the item of a key. DynamoDB
// limits an item to 400 KB (docs.aws.amazon.com, amazondynamodb/latest/developerguide/Constraints).
const maxFailures = 1000

// noteFailure adds the object to the failed versions of its key. The note comes before
// the failure, so that a killed function leaves no failure without a note. A key with
// 1,000 notes or more gets no further note.
func (t *Table) noteFailure(ctx context.Context, o object.Object) error {
	_, err := t.write(ctx, newestPrefix+object.KeyID(o.Bucket, o.Key), newChange("").
		add(attributeFailures, textSet([]string{string(o.ID())})).
		where("attribute_not_exists(#"+attributeFailures+") OR size(#"+attributeFailures+") < :most").
		bind(":most", number(maxFailures)))
	return err
}

// FailedVersions returns the failed versions of a key, in the order of their ids, and
// removes the notes of versions in a final state. At most 1,000 failures of a key are noted.
func (t *Table) FailedVersions(ctx context.Context, bucket, key string) ([]Entry, error) {
	pk := newestPrefix + object.KeyID(bucket, key)
	i, err := t.find(ctx, pk)
	if err != nil {
		return nil, err
	}
	var failed []Entry
	var ended []string
	for _, id := range i.set(attributeFailures) {
		entry, err := t.Get(ctx, object.ID(id))
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			return nil, err
		case err == nil && entry.State == Failed:
			failed = append(failed, entry)
		case err != nil || entry.State.Final():
			ended = append(ended, id)
		}
	}
	return failed, t.forgetFailures(ctx, pk, ended)
}

// forgetFailures removes the notes of ended versions from the item of a key.
func (t *Table) forgetFailures(ctx context.Context, pk string, ended []string) error {
	if len(ended) == 0 {
		return nil
	}
	_, err := t.write(ctx, pk, newChange("").remove(attributeFailures, ended))
	return err
}

// loadedSuccessor returns the newest version of the object's key if this version is
// loaded and newer than the object; else an empty id. Only the sequencers of S3 decide.
func (t *Table) loadedSuccessor(ctx context.Context, e Entry) (object.ID, error) {
	newest, err := t.Newest(ctx, e.Object.Bucket, e.Object.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	case newest.State == Loaded && e.Object.Sequencer != "" && newest.Object.Sequencer > e.Object.Sequencer:
		return newest.ID, nil
	}
	return "", nil
}
