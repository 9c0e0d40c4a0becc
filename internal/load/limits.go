package load

// Limits bound a transaction: the time of the lock, and the repeated work after a bad
// object.
type Limits struct {
	// Objects defaults to 1,000: each object has at least one file, and one COPY takes
	// 1,000 files.
	Objects int
	// Files defaults to 1,000, the limit of one COPY.
	Files int
	// Bytes of Parquet, defaults to 2 GiB. A larger object is loaded alone.
	Bytes int64
}

func (l Limits) objects() int {
	if l.Objects > 0 {
		return l.Objects
	}
	return maxFilesPerCopy
}

func (l Limits) files() int {
	if l.Files > 0 {
		return l.Files
	}
	return maxFilesPerCopy
}

func (l Limits) bytes() int64 {
	if l.Bytes > 0 {
		return l.Bytes
	}
	return 2 << 30
}

// split cuts the objects into groups, in order. A new group begins where a limit would
// be exceeded.
func (l Limits) split(objects []readyObject) [][]readyObject {
	var groups [][]readyObject
	var group []readyObject
	var files int
	var bytes int64
	for _, o := range objects {
		full := len(group) >= l.objects() || files+len(o.Data) > l.files() || bytes+o.bytes() > l.bytes()
		if full && len(group) > 0 {
			groups, group, files, bytes = append(groups, group), nil, 0, 0
		}
		group, files, bytes = append(group, o), files+len(o.Data), bytes+o.bytes()
	}
	return append(groups, nonEmpty(group)...)
}
