package object

import (
	"path"
	"strings"
)

// IgnoreReason returns the reason to ignore an object, or "" for an object that may
// hold data. The console of S3 makes "folders", empty objects with a key that ends in a
// slash (AmazonS3 userguide, using-folders).
func (o Object) IgnoreReason() string {
	name := path.Base(o.Key)
	switch {
	case strings.HasSuffix(o.Key, "/") && o.Size == 0:
		return "an empty object for a folder"
	case strings.HasPrefix(name, "_"), strings.HasPrefix(name, "."):
		return "a marker or a manifest: the name begins with " + name[:1]
	default:
		return ""
	}
}
