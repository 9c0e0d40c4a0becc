package load

import (
	"context"
	"slices"

	"github.com/firn-data/firn/internal/object"
)

// newer reports whether a is a later version of the key than b.
//
// Two different sequencers decide. Without a sequencer, S3's own order decides: S3
// lists the versions of a key from newest to oldest (AmazonS3 API, ListObjectVersions).
// The sequencer is missing if the sweep found the object, because there was no event.
//
// Versions expire from the oldest to the newest. So a version missing from the bucket
// is older than a listed version. If both are missing, the answer is false: a is the
// candidate for the place of b, and b stays.
//
// The order of transforms or loads proves nothing, because events and transforms
// overtake each other.
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
