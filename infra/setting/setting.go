// Package setting reads the configuration of the stack: the context keys that begin
// with "firn:". They come from cdk.json or from cdk's option -c.
package setting

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Prefix begins each of firn's context keys.
const Prefix = "firn:"

// Architecture is the processor of the functions.
type Architecture string

// The processor architectures of Lambda.
const (
	ARM64 Architecture = "arm64"
	X8664 Architecture = "x86_64"
)

// GOARCH returns the architecture's name in Go.
func (a Architecture) GOARCH() string {
	if a == X8664 {
		return "amd64"
	}
	return "arm64"
}

// Encryption selects the key of the buckets.
type Encryption string

const (
	// KMS is a customer key. A customer key can be revoked, and its use is audited.
	KMS Encryption = "kms"
	// S3 is Amazon S3's own key. Amazon S3's key is free and needs no grants.
	S3 Encryption = "s3"
)

// Login selects the method by which the load function logs in to Snowflake.
type Login string

const (
	// Workload is a login by the function's role, without a secret.
	Workload Login = "workload"
	// KeyPair is a login by a key pair. The stack creates a secret for the key pair.
	KeyPair Login = "keypair"
)

// Settings is the checked configuration.
type Settings struct {
	// AlertAddress receives the alert mails. firn:alertAddress; required.
	AlertAddress string
	// Environment is the name of the deployment in the subjects of the mails.
	// firn:environment; default empty, for the stack's name.
	Environment string
	// MailsPerHour is the largest number of mails in an hour. firn:mailsPerHour; 1 to
	// 1000, default 30.
	MailsPerHour int
	// RunbookURL is the address of the runbook in the mails. firn:runbookUrl; default
	// empty, for the runbook of firn's repository.
	RunbookURL string
	// WebhookSecretARN is the secret with the address and the key of the webhook that
	// receives a copy of each mail. firn:webhookSecretArn; default empty, for no webhook.
	WebhookSecretARN string
	// SnowflakeAccount is the account identifier, for example "MYORG-ACCOUNT".
	// firn:snowflakeAccount; required.
	SnowflakeAccount string
	// SnowflakeDatabase is the database with the raw tables. firn:snowflakeDatabase;
	// default FIRN.
	SnowflakeDatabase string
	// SnowflakeUserARN is STORAGE_AWS_IAM_USER_ARN of the storage integration. Empty
	// until the integration exists: the storage role then trusts the stack's own
	// account. firn:snowflakeUserArn; default empty.
	SnowflakeUserARN string
	// SnowflakeExternalID is STORAGE_AWS_EXTERNAL_ID of the storage integration.
	// firn:snowflakeExternalId; default "firn-<account>-<database>".
	SnowflakeExternalID string
	// SnowflakeLogin is the login of the load function. firn:snowflakeLogin; default
	// workload.
	SnowflakeLogin Login
	// SnowflakeOCSP makes the load function check by OCSP whether Snowflake's
	// certificates were revoked. The check needs port 80. firn:snowflakeOcsp; default
	// true.
	SnowflakeOCSP bool
	// Architecture is the functions' processor. firn:architecture; default arm64.
	Architecture Architecture
	// Encryption is the buckets' key. firn:encryption; default kms.
	Encryption Encryption
	// FanOut adds an SNS topic between each bucket and its queue, so that other systems
	// can subscribe. firn:fanOut; default false.
	FanOut bool
	// Schedules creates an EventBridge schedule for each contract with a schedule.
	// False is for another scheduler, for example Airflow. firn:schedules; default
	// true.
	Schedules bool
	// Retain keeps the buckets, the buckets' key and the journal if the stack is
	// deleted. firn:retain; default true.
	Retain bool
	// Tick is the interval at which alert's tick runs. The alarm FirnHeartbeat rings after
	// two periods of 5 minutes without a tick, so the limit is 5 minutes.
	// firn:tickMinutes; 1 to 5, default 1.
	Tick time.Duration
	// Sweep is the interval at which route searches for objects without an event and
	// for objects that stopped moving. 0 means never. firn:sweepMinutes; 0 to 1440,
	// default 60.
	Sweep time.Duration
	// Glue holds the settings of Glue runs. A Glue run transforms the objects that
	// Lambda can't transform.
	Glue Glue
}

var (
	account  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	database = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*$`)
	user     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/\S+$`)
	// environment leaves room for dataset, count and cause in a subject of 99 characters.
	environment = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,23}$`)
	runbook     = regexp.MustCompile(`^https?://[^\s/#]+[^\s#]*$`)
	// secret is a full ARN, with the six random characters at its end: a grant on a
	// shorter ARN would cover other secrets too (secretsmanager/latest/userguide,
	// auth-and-access_iam-policies).
	secret     = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$`)
	externalID = regexp.MustCompile(`^[\w+=,.@:/-]+$`) // sts API reference, AssumeRole
)

// Read returns the settings from the context of a CDK app. Keys without Prefix are
// ignored. The error lists all faults in a single line, with the command to type.
func Read(context map[string]any) (Settings, error) {
	r := reader{context: context}
	s := Settings{
		AlertAddress:      r.required("alertAddress", "you@example.com", "a mail address", isAddress),
		Environment:       r.text("environment", "", "a name of at most 24 letters, digits, points, hyphens and underscores", environment.MatchString),
		MailsPerHour:      r.number("mailsPerHour", 30, 1, 1000),
		RunbookURL:        r.text("runbookUrl", "", "an address without a fragment", runbook.MatchString),
		WebhookSecretARN:  r.text("webhookSecretArn", "", "the ARN of a secret in Secrets Manager", secret.MatchString),
		SnowflakeAccount:  r.required("snowflakeAccount", "MYORG-ACCOUNT", "an account identifier", account.MatchString),
		SnowflakeDatabase: r.text("snowflakeDatabase", "FIRN", "an identifier", database.MatchString),
		SnowflakeUserARN:  r.text("snowflakeUserArn", "", "the ARN of an IAM user", user.MatchString),
		SnowflakeLogin:    Login(r.choice("snowflakeLogin", string(Workload), string(KeyPair))),
		SnowflakeOCSP:     r.choice("snowflakeOcsp", "true", "false") == "true",
		Architecture:      Architecture(r.choice("architecture", string(ARM64), string(X8664))),
		Encryption:        Encryption(r.choice("encryption", string(KMS), string(S3))),
		FanOut:            r.choice("fanOut", "false", "true") == "true",
		Schedules:         r.choice("schedules", "true", "false") == "true",
		Retain:            r.choice("retain", "true", "false") == "true",
		Tick:              time.Duration(r.number("tickMinutes", 1, 1, 5)) * time.Minute,
		Sweep:             time.Duration(r.number("sweepMinutes", 60, 0, 24*60)) * time.Minute,
		Glue:              r.glue(),
	}
	derived := "firn-" + s.SnowflakeAccount + "-" + s.SnowflakeDatabase
	s.SnowflakeExternalID = r.text("snowflakeExternalId", derived, "an external id", externalID.MatchString)
	r.reportUnknownKeys()
	return s, r.err()
}

func isAddress(text string) bool {
	address, err := mail.ParseAddress(text)
	return err == nil && address.Address == text
}

// reader reads settings and collects their faults.
type reader struct {
	context map[string]any
	known   []string
	missing []string
	options []string
	faults  []string
}

// value returns a setting as text. cdk.json may hold true, and -c gives "true".
func (r *reader) value(name string) string {
	r.known = append(r.known, Prefix+name)
	v := r.context[Prefix+name]
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func (r *reader) required(name, example, want string, valid func(string) bool) string {
	text := r.text(name, "", want, valid)
	if r.value(name) == "" {
		r.missing = append(r.missing, Prefix+name)
		text = example
	}
	r.options = append(r.options, fmt.Sprintf("-c %s%s=%s", Prefix, name, text))
	return text
}

func (r *reader) text(name, fallback, want string, valid func(string) bool) string {
	text := r.value(name)
	if text == "" {
		return fallback
	}
	if !valid(text) {
		r.faults = append(r.faults, fmt.Sprintf("%s%s is %q, not %s", Prefix, name, text, want))
	}
	return text
}

// choice returns a setting with a fixed list of values. The first value is the default.
func (r *reader) choice(name string, values ...string) string {
	want := "one of " + strings.Join(values, ", ")
	return r.text(name, values[0], want, func(text string) bool { return slices.Contains(values, text) })
}

// number returns a setting that is a whole number from least to most.
func (r *reader) number(name string, fallback, least, most int) int {
	within := func(text string) bool {
		n, err := strconv.Atoi(text)
		return err == nil && n >= least && n <= most
	}
	text := r.text(name, strconv.Itoa(fallback), fmt.Sprintf("a whole number from %d to %d", least, most), within)
	n, _ := strconv.Atoi(text) // r.text has reported an invalid number
	return n
}

// reportUnknownKeys adds a fault for each unknown key. Without this check a misspelt
// key would have no effect and no error.
func (r *reader) reportUnknownKeys() {
	var keys []string
	for key := range r.context {
		if strings.HasPrefix(key, Prefix) && !slices.Contains(r.known, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		r.faults = append(r.faults, key+" is not a setting")
	}
}

func (r *reader) err() error {
	faults := r.faults
	if len(r.missing) > 0 {
		verb := " is missing"
		if len(r.missing) > 1 {
			verb = " are missing"
		}
		faults = append(faults, strings.Join(r.missing, " and ")+verb+": type cdk deploy "+strings.Join(r.options, " "))
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.New(strings.Join(faults, "; "))
}
