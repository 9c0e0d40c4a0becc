package object

import (
	"path"
	"strings"
)

// IgnoreReason returns why an object is none of anybody's data; empty if it may
// be. S3's console makes "folders" that are empty objects with a key that ends in
// a slash (AmazonS3 userguide, using-folders).
func (o Object) IgnoreReason() string {
	name := path.Base(o.Key)
	switch {
	case strings.HasSuffix(o.Key, "/") && o.Size == 0:
		return "an empty object that stands for a folder"
	case strings.HasPrefix(name, "_"), strings.HasPrefix(name, "."):
		return "a marker or a manifest: its name begins with " + name[:1]
	default:
		return ""
	}
}
