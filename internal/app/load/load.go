// Package load wires the load function: environment, clients, handler.
package load

import (
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	function.Common
	function.Source
	CuratedBucket string `env:"FIRN_CURATED_BUCKET"`
	LoadedTopic   string `env:"FIRN_LOADED_TOPIC_ARN"`
	Account       string `env:"FIRN_SNOWFLAKE_ACCOUNT"`
	Database      string `env:"FIRN_SNOWFLAKE_DATABASE,default=FIRN"`
	Warehouse     string `env:"FIRN_SNOWFLAKE_WAREHOUSE,default=FIRN_LOAD"`
	Role          string `env:"FIRN_SNOWFLAKE_ROLE,default=FIRN_LOADER"`
	// Host, Port and Protocol are the laptop's; Snowflake's follow from the
	// account.
	Host     string `env:"SNOWFLAKE_HOST,optional"`
	Port     int    `env:"SNOWFLAKE_PORT,default=443"`
	Protocol string `env:"SNOWFLAKE_PROTOCOL,default=https"`
}

// New returns the function's handler. Its error joins every fault of the
// environment.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (function.Handler, error) {
	var s settings
	if err := environment.Decode(lookup, &s); err != nil {
		return nil, err
	}
	cloud, err := function.Connect(ctx, s.Common)
	if err != nil {
		return nil, err
	}
	bucket := load.Bucket{Client: s3.NewFromConfig(cloud.Config, func(o *s3.Options) { o.UsePathStyle = s.PathStyle() })}
	loader := &load.Loader{
		Warehouse: warehouse.Warehouse{Config: s.login()},
		Receipts:  bucket,
		Versions:  bucket,
		Journal:   cloud.Journal,
		Publisher: load.Counted{
			Publisher: load.Topic{Client: sns.NewFromConfig(cloud.Config), ARN: s.LoadedTopic}, Counter: cloud.Journal,
		},
		CuratedBucket: s.CuratedBucket,
		NewID:         uuid.NewString,
	}
	return cloud.Consume(work.Load, loader.Handle, log, s.Queue()), nil
}

// login is by workload identity, on the laptop too.
func (s settings) login() snowflake.Config {
	login := snowflake.Config{Account: s.Account, Database: s.Database, Schema: "RAW", Warehouse: s.Warehouse, Role: s.Role}
	if s.Host != "" {
		login.Host, login.Port, login.Protocol = s.Host, s.Port, s.Protocol
	}
	return login
}
