package snowflake

// DriverConfig, LoginFault and the like are the package's own, for tests.
var (
	DriverConfig = Config.driverConfig
	LoginFault   = loginFault
)
