package snowflake

import (
	"maps"
	"slices"
)

// DriverConfig and LoginFault give tests access to unexported functions.
var (
	DriverConfig = Config.driverConfig
	LoginFault   = loginFault
)

// Numbers returns the error numbers that the code handles one by one, sorted.
func Numbers() []int {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(errorClasses)),
		numberStatementTimeout, numberDoesNotExist, numberFileMissing)))
}
