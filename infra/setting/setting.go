// Package setting reads the configuration of the stack: the context keys that
// begin with "firn:", from cdk.json or from cdk's option -c.
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

// Prefix begins the context keys that are firn's.
const Prefix = "firn:"

// Architecture is the processor that the functions run on.
type Architecture string

// The architectures that Lambda has.
const (
	ARM64 Architecture = "arm64"
	X8664 Architecture = "x86_64"
)

// GOARCH is the architecture's name in Go.
func (a Architecture) GOARCH() string {
	if a == X8664 {
		return "amd64"
	}
	return "arm64"
}

// Encryption says which key the buckets are encrypted with.
type Encryption string

const (
	// KMS is a customer key: it can be revoked, and its use is audited.
	KMS Encryption = "kms"
	// S3 is Amazon S3's own key: free, and no grants.
	S3 Encryption = "s3"
)

// Login says how the load function logs in to Snowflake.
type Login string

const (
	// Workload is by the function's role: no secret.
	Workload Login = "workload"
	// KeyPair is by a key pair in a secret of the stack's.
	KeyPair Login = "keypair"
)

// Settings is the configuration after it was checked.
type Settings struct {
	// AlertAddress gets the alert mails. firn:alertAddress; required.
	AlertAddress string
	// SnowflakeAccount is the account's identifier, "MYORG-ACCOUNT".
	// firn:snowflakeAccount; required.
	SnowflakeAccount string
	// SnowflakeDatabase has the raw tables. firn:snowflakeDatabase; defaults to
	// FIRN.
	SnowflakeDatabase string
	// SnowflakeUserARN is STORAGE_AWS_IAM_USER_ARN of the storage integration.
	// firn:snowflakeUserArn; empty until the integration exists, and then the
	// storage role trusts the account that it stands in.
	SnowflakeUserARN string
	// SnowflakeExternalID is STORAGE_AWS_EXTERNAL_ID of the storage
	// integration. firn:snowflakeExternalId; defaults to
	// "firn-<account>-<database>".
	SnowflakeExternalID string
	// SnowflakeLogin is firn:snowflakeLogin; defaults to workload.
	SnowflakeLogin Login
	// SnowflakeOCSP lets the load function ask whether Snowflake's certificates
	// were revoked, which needs port 80. firn:snowflakeOcsp; defaults to true.
	SnowflakeOCSP bool
	// Architecture is firn:architecture; defaults to arm64.
	Architecture Architecture
	// Encryption is firn:encryption; defaults to kms.
	Encryption Encryption
	// FanOut puts an SNS topic between each bucket and its queue, for when
	// others listen too. firn:fanOut; defaults to false.
	FanOut bool
	// Schedules makes an EventBridge schedule for each contract that has one.
	// firn:schedules; defaults to true. False leaves them to another scheduler,
	// such as Airflow.
	Schedules bool
	// Retain keeps buckets, their key and the journal when the stack is
	// deleted. firn:retain; defaults to true.
	Retain bool
	// Tick is how often alert looks for what is away. firn:tickMinutes; 1 to 60,
	// defaults to 5.
	Tick time.Duration
	// Sweep is how often route looks for what no event announced and for what
	// stands still. firn:sweepMinutes; 0 to 1440, and 0 is never;
	// defaults to 60.
	Sweep time.Duration
	// Glue is what the runs get that take the objects that Lambda can't.
	Glue Glue
}

var (
	account    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	database   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*$`)
	user       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/\S+$`)
	externalID = regexp.MustCompile(`^[\w+=,.@:/-]+$`) // sts API reference, AssumeRole
)

// Read takes the settings out of the context of a CDK app. Keys without Prefix
// are others'. All faults are reported in one line, which says what to type.
func Read(context map[string]any) (Settings, error) {
	r := reader{context: context}
	s := Settings{
		AlertAddress:      r.required("alertAddress", "you@example.com", "a mail address", isAddress),
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
		Tick:              time.Duration(r.number("tickMinutes", 5, 1, 60)) * time.Minute,
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

// reader takes settings one by one and collects what is wrong with them.
type reader struct {
	context map[string]any
	known   []string
	missing []string
	options []string
	faults  []string
}

// value returns a setting as text: cdk.json may hold true, -c gives "true".
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

// choice returns one of the values; the first is the default.
func (r *reader) choice(name string, values ...string) string {
	want := "one of " + strings.Join(values, ", ")
	return r.text(name, values[0], want, func(text string) bool { return slices.Contains(values, text) })
}

// number returns a whole number within bounds.
func (r *reader) number(name string, fallback, least, most int) int {
	within := func(text string) bool {
		n, err := strconv.Atoi(text)
		return err == nil && n >= least && n <= most
	}
	text := r.text(name, strconv.Itoa(fallback), fmt.Sprintf("a whole number from %d to %d", least, most), within)
	n, _ := strconv.Atoi(text) // what isn't one is a fault already
	return n
}

// reportUnknownKeys finds misspelt keys, which would otherwise count for nothing.
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
