package load

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/snowflake"
)

// Login is how a function with this environment logs in.
func Login(lookup environment.Lookup) (snowflake.Config, error) {
	var s settings
	err := environment.Decode(lookup, &s)
	return s.login(aws.Config{}), err
}
