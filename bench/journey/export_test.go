package journey

// Unexported names for tests.
var (
	Percentile   = percentile
	ParseStat    = parseStat
	ShortName    = shortName
	StateTimesOf = stateTimesOf
)
