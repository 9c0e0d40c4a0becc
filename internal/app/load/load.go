// Package load wires the load function: environment, clients, handler.
package load

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/keys"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	function.Common
	function.Contracts
	function.Source
	CuratedBucket string `env:"FIRN_CURATED_BUCKET"`
	LoadedTopic   string `env:"FIRN_LOADED_TOPIC_ARN"`
	Account       string `env:"FIRN_SNOWFLAKE_ACCOUNT"`
	Database      string `env:"FIRN_SNOWFLAKE_DATABASE,default=FIRN"`
	Warehouse     string `env:"FIRN_SNOWFLAKE_WAREHOUSE,default=FIRN_LOAD"`
	Role          string `env:"FIRN_SNOWFLAKE_ROLE,default=FIRN_LOADER"`
	// SecretARN names the secret with the key pair to log in by; without it
	// the login is by the function's role.
	SecretARN string `env:"FIRN_SNOWFLAKE_SECRET_ARN,optional"`
	// OCSP lets the driver ask whether Snowflake's certificates were revoked.
	OCSP bool `env:"FIRN_SNOWFLAKE_OCSP,default=true"`
	// Host, Port and Protocol are the laptop's; Snowflake's follow from the
	// account.
	Host     string `env:"SNOWFLAKE_HOST,optional"`
	Port     int    `env:"SNOWFLAKE_PORT,default=443"`
	Protocol string `env:"SNOWFLAKE_PROTOCOL,default=https"`
}

// New returns the function's handler. Its error joins every fault of the
// environment and the contracts.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (function.Handler, error) {
	var s settings
	contracts, err := function.Read(lookup, &s, &s.Contracts)
	if err != nil {
		return nil, err
	}
	cloud, err := function.Connect(ctx, s.Common)
	if err != nil {
		return nil, err
	}
	bucket := load.Bucket{Client: s3.NewFromConfig(cloud.Config, func(o *s3.Options) { o.UsePathStyle = s.PathStyle() })}
	loader := &load.Loader{
		Warehouse: load.GuardedWarehouse{Warehouse: warehouse.Warehouse{Config: s.login(cloud.Config)}, Breaker: cloud.Breaker(breaker.Snowflake)},
		Receipts:  bucket,
		Versions:  bucket,
		Journal:   cloud.Journal,
		Publisher: load.CountingPublisher{
			Publisher: load.Topic{Client: sns.NewFromConfig(cloud.Config), ARN: s.LoadedTopic}, Counter: cloud.Journal,
		},
		CuratedBucket: s.CuratedBucket,
		Contracts:     contracts,
		NewID:         uuid.NewString,
	}
	return cloud.Consume(work.Load, loader.Handle, log, s.Queue()), nil
}

// login is by workload identity, on the laptop too, unless there is a secret.
func (s settings) login(cfg aws.Config) snowflake.Config {
	login := snowflake.Config{
		Account: s.Account, Database: s.Database, Schema: "RAW", Warehouse: s.Warehouse, Role: s.Role, SkipRevocation: !s.OCSP, Now: time.Now,
	}
	if s.SecretARN != "" {
		login.Keys = &snowflake.Keyring{Secret: keys.Secret{Client: secretsmanager.NewFromConfig(cfg), ARN: s.SecretARN}}
	}
	if s.Host != "" {
		login.Host, login.Port, login.Protocol = s.Host, s.Port, s.Protocol
	}
	return login
}
