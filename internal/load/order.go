package load

import (
	"context"
	"slices"

	"github.com/firn-data/firn/internal/object"
)

// newer reports whether a is a later version of its key than b.
//
// Both sequencers decide, if there are two and they differ. Where one is
// missing (the sweep found the object, no event did), the bucket's own order of
// versions decides: S3 lists the versions of a key from the newest to the
// oldest (AmazonS3 API, ListObjectVersions). A version that the bucket has no
// more is older than one that it has, since versions expire from the oldest
// on; if it has neither, b stands: a is what asks to take its place.
//
// Which of two versions was transformed or loaded first says nothing: events
// and transforms overtake each other.
func (t *transaction) newer(ctx context.Context, a, b object.Object) (bool, error) {
	if a.Sequencer != "" && b.Sequencer != "" && a.Sequencer != b.Sequencer {
		return a.Sequencer > b.Sequencer, nil
	}
	versions, err := t.loader.Versions.NewestFirst(ctx, KeyOf(a))
	if err != nil {
		return false, err
	}
	atA, atB := slices.Index(versions, a.Version), slices.Index(versions, b.Version)
	return atA >= 0 && (atB < 0 || atA < atB), nil
}
