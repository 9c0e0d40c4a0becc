package snowflake

import (
	"maps"
	"slices"
)

// DriverConfig, LoginFault and CleanMessage give tests access to unexported functions.
var (
	DriverConfig = Config.driverConfig
	LoginFault   = loginFault
	CleanMessage = cleanMessage
)

// Numbers returns the error numbers that the code handles one by one, sorted.
func Numbers() []int {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(errorClasses)),
		numberStatementTimeout, numberFileMissing)))
}
