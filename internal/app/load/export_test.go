package load

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/snowflake"
)

// Login returns the login configuration of a function in this environment.
func Login(lookup environment.Lookup) (snowflake.Config, error) {
	var s settings
	err := environment.Decode(lookup, &s)
	return s.login(aws.Config{}), err
}
