package journey

// Unexported names for tests.
var (
	Percentile = percentile
	ParseStat  = parseStat
	Shortened  = shortName
	WayOf      = stateTimesOf
)
