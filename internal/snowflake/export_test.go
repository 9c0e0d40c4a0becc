package snowflake

import (
	"maps"
	"slices"
)

// DriverConfig, LoginFault and the like are the package's own, for tests.
var (
	DriverConfig = Config.driverConfig
	LoginFault   = loginFault
)

// Numbers are the errors that the package knows one by one, sorted.
func Numbers() []int {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(meanings)),
		numberStatementTimeout, numberDoesNotExist, numberFileMissing)))
}
