package snowflake

import (
	"maps"
	"slices"
)

// Unexported functions for tests.
var (
	DriverConfig = Config.driverConfig
	LoginFault   = loginFault
)

// Numbers returns the error numbers with an own rule, sorted.
func Numbers() []int {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(errorClasses)),
		numberStatementTimeout, numberDoesNotExist, numberFileMissing)))
}
