// Package load wires the load function: environment, clients and handler.
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
	"github.com/firn-data/firn/internal/s3keys"
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
	// SecretARN is the ARN of the secret with the key pair for the login. Without
	// SecretARN, the function logs in by its role.
	SecretARN string `env:"FIRN_SNOWFLAKE_SECRET_ARN,optional"`
	// OCSP enables the driver's check for revoked certificates of Snowflake.
	OCSP bool `env:"FIRN_SNOWFLAKE_OCSP,default=true"`
	// Host, Port and Protocol are the address of the laptop's Snowflake. Without Host,
	// the driver uses the address of the account.
	Host     string `env:"SNOWFLAKE_HOST,optional"`
	Port     int    `env:"SNOWFLAKE_PORT,default=443"`
	Protocol string `env:"SNOWFLAKE_PROTOCOL,default=https"`
}

// New returns the function's handler. The error joins all faults of the environment and
// the contracts.
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
	bucket := load.Bucket{Client: s3.NewFromConfig(cloud.Config, s3keys.Encode, func(o *s3.Options) { o.UsePathStyle = s.PathStyle() })}
	loader := &load.Loader{
		Warehouse: load.GuardedWarehouse{Warehouse: warehouse.Warehouse{Config: s.login(cloud.Config)}, Breaker: cloud.Breaker(breaker.Snowflake)},
		Receipts:  bucket,
		Versions:  bucket,
		Journal:   cloud.Journal,
		Volumes:   cloud.Journal,
		Publisher: load.CountingPublisher{
			Publisher: load.Topic{Client: sns.NewFromConfig(cloud.Config), ARN: s.LoadedTopic}, Counter: cloud.Journal,
		},
		Notices:       load.DeadLetters{Client: cloud.Queues, URL: s.DeadLetterURL},
		CuratedBucket: s.CuratedBucket,
		Contracts:     contracts,
		NewID:         uuid.NewString,
	}
	if contracts.WithdrawsOnDelete() { // otherwise the function's role may not delete files
		loader.Files = load.Bucket{Client: bucket.Client, Curated: s.CuratedBucket}
	}
	return cloud.Consume(work.Load, loader.Handle, log, s.Queue()), nil
}

// login returns the configuration of the login: by key pair with a SecretARN, else by
// workload identity. The laptop uses workload identity too.
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
