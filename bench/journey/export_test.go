package journey

// The private parts that tests look at.
var (
	Percentile = percentile
	ParseStat  = parseStat
	Shortened  = shortName
	WayOf      = stateTimesOf
)
