package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/laptop"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/shell"
)

// access is the effect of a command on a stack.
type access string

const (
	// local commands use no stack.
	local access = "local"
	// reads is the access of commands that show no target. Such a command only reads a
	// stack, except the statement of `firn query`.
	reads access = "reads"
	// writes is the access of commands that change a stack or its data.
	writes access = "writes"
)

// accesses has the access of every command. A local command and a command without an
// entry get no client of AWS and Snowflake, unless onCloud chose the target.
var accesses = map[string]access{
	"firn":                local,
	"firn accept":         writes,
	"firn audit":          reads,
	"firn contract":       local,
	"firn contract check": local,
	"firn contract diff":  local,
	"firn contract infer": local,
	"firn demo":           local,
	"firn dismiss":        writes,
	"firn down":           local,
	"firn ingest":         writes,
	"firn keys":           reads,
	"firn keys rotate":    writes,
	"firn migrate":        writes,
	"firn pause":          writes,
	"firn put":            writes,
	"firn query":          reads,
	"firn redrive":        writes,
	"firn reload":         writes,
	"firn resume":         writes,
	"firn serve-fdsn":     local,
	"firn status":         reads,
	"firn sweep":          writes,
	"firn up":             local,
	"firn withdraw":       writes,
}

// awsFlag chooses AWS while the laptop's cloud is up or half up.
const awsFlag = "aws"

// addTargetFlags adds the flag --aws to a command and the commands below, if the command
// uses a stack.
func addTargetFlags(command *cobra.Command) {
	if a := accesses[command.CommandPath()]; a == reads || a == writes {
		command.Flags().Bool(awsFlag, false, "use the AWS account of the environment, also while the laptop's cloud is up")
	}
	for _, below := range command.Commands() {
		addTargetFlags(below)
	}
}

// target is the place where a command works: the laptop's cloud, or AWS.
type target struct {
	access access
	// onlyAWS is the value of --aws.
	onlyAWS bool
	// out receives the line about the target.
	out io.Writer
	// cloud is the laptop's cloud; nil for AWS, and before the choice.
	cloud  *laptop.Cloud
	chosen bool
	// shown reports whether out has the line about the target.
	shown bool
}

type targetKey struct{}

// withTarget puts the target of a command into its context. The choice follows when the
// command needs a client.
func withTarget(cmd *cobra.Command) {
	onlyAWS, err := cmd.Flags().GetBool(awsFlag)
	t := &target{access: accesses[cmd.CommandPath()], onlyAWS: err == nil && onlyAWS, out: cmd.ErrOrStderr()}
	cmd.SetContext(context.WithValue(cmd.Context(), targetKey{}, t))
}

// onCloud puts a started cloud into the context as the chosen target.
func onCloud(ctx context.Context, cloud *laptop.Cloud) context.Context {
	return context.WithValue(ctx, targetKey{}, &target{access: reads, cloud: cloud, chosen: true})
}

// chosenTarget chooses the target of a command at the first call, and sets the
// variables of the laptop's cloud.
func chosenTarget(ctx context.Context) (*target, error) {
	t, there := ctx.Value(targetKey{}).(*target)
	if !there || !t.chosen && t.access != reads && t.access != writes {
		return nil, errors.New("the command isn't in the list of commands that read or write a stack")
	}
	if t.chosen {
		return t, nil
	}
	if err := t.choose(); err != nil {
		return nil, err
	}
	t.chosen = true
	return t, nil
}

// show prints the target of a writing command, once. For AWS the stack must be known.
func (t *target) show(stack operator.Stack) {
	if t.access != writes || t.shown {
		return
	}
	fmt.Fprintln(t.out, "target: "+describeTarget(t.cloud, stack, os.Getenv("AWS_ENDPOINT_URL")))
	t.shown = true
}

func describeTarget(cloud *laptop.Cloud, stack operator.Stack, endpoint string) string {
	if cloud != nil {
		return "the laptop's cloud (started in " + cmp.Or(cloud.Folder, cloud.Root) + ")"
	}
	place := fmt.Sprintf("account %s, region %s, stack %s", stack.Account, stack.Region, stack.Name)
	if endpoint != "" {
		return "endpoint " + endpoint + ", " + place
	}
	return place
}

// choose chooses the laptop's cloud or AWS. AWS is the choice of --aws, of AWS_PROFILE and
// of an AWS_ENDPOINT_URL that isn't the laptop's. AWS is also the choice of a folder whose
// cloud is down, or without a cloud. Without one of the three, a half-up cloud is an error,
// because the choice would be a guess. A cloud around the program in another folder is an
// error too. With the laptop's AWS_ENDPOINT_URL, --aws is an error.
func (t *target) choose() error {
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	named := t.onlyAWS || endpoint != "" || os.Getenv("AWS_PROFILE") != ""
	cloud, err := nearestCloud()
	switch {
	case err != nil && !named:
		return err
	case cloud != nil && isEndpointOf(cloud, endpoint):
		return t.chooseByEndpoint(cloud)
	case named:
		return nil
	default:
		return t.chooseByFolder(cloud)
	}
}

// isEndpointOf reports whether an endpoint is the address of a cloud that isn't down.
func isEndpointOf(cloud *laptop.Cloud, endpoint string) bool {
	condition, _ := cloud.Condition()
	return condition != laptop.ConditionDown && endpoint == cloud.Endpoint()
}

// chooseByEndpoint chooses a cloud whose variables the environment already has. The
// cloud may still be starting, because `firn up` migrates.
func (t *target) chooseByEndpoint(cloud *laptop.Cloud) error {
	if t.onlyAWS {
		return fmt.Errorf("AWS_ENDPOINT_URL=%s is the laptop's cloud, so --aws reaches no account: unset the variables of build/local.env", cloud.Endpoint())
	}
	if !cloud.Running() {
		_, reason := cloud.Condition()
		return errHalfUp(cloud, reason)
	}
	t.cloud = cloud
	return unsetRedirecting()
}

// chooseByFolder chooses the cloud of the repository around the working directory, or
// AWS without such a cloud.
func (t *target) chooseByFolder(cloud *laptop.Cloud) error {
	if cloud == nil {
		return refuseOtherCloud("")
	}
	switch condition, reason := cloud.Condition(); condition {
	case laptop.ConditionHalfUp:
		return errHalfUp(cloud, reason)
	case laptop.ConditionUp:
		t.cloud = cloud
		return useCloud(cloud)
	default:
		return refuseOtherCloud(cloud.Root)
	}
}

// useCloud sets the variables of a laptop's cloud.
func useCloud(cloud *laptop.Cloud) error {
	if err := unsetRedirecting(); err != nil {
		return err
	}
	return cloud.SetEnvironment(os.Setenv)
}

// unsetRedirecting removes the variables of the shell that could direct a call of the
// laptop's clients to another place.
func unsetRedirecting() error {
	for _, name := range laptop.Redirecting(os.Environ()) {
		if err := os.Unsetenv(name); err != nil {
			return fmt.Errorf("unset %s: %w", name, err)
		}
	}
	return nil
}

func errHalfUp(cloud *laptop.Cloud, reason string) error {
	return fmt.Errorf("the laptop's cloud in %s is half up: %s. Type `firn up` to start a new one with empty state, "+
		"or `firn down` to stop the rest. For the AWS account of the environment add --aws", cloud.Root, reason)
}

// nearestCloud returns the laptop's cloud of the repository around the working
// directory. Outside a repository, nearestCloud returns nil.
func nearestCloud() (*laptop.Cloud, error) {
	if _, err := repository(); errors.Is(err, errNoRepository) {
		return nil, nil
	}
	return openCloud(laptopDirectory)
}

// refuseOtherCloud returns an error if the repository of the running program isn't the
// given repository, and its laptop's cloud isn't down: the person has changed the folder.
func refuseOtherCloud(root string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program firn: %w", err)
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return fmt.Errorf("find the program firn: %w", err)
	}
	other, err := repositoryAround(filepath.Dir(program))
	if errors.Is(err, errNoRepository) || other == root {
		return nil
	}
	if err != nil {
		return err
	}
	cloud, err := laptop.Open(other, filepath.Join(other, "build", laptopDirectory), program)
	if err != nil {
		return err
	}
	if condition, _ := cloud.Condition(); condition == laptop.ConditionDown {
		return nil
	}
	return fmt.Errorf("the laptop's cloud is up in %s, but this folder is outside. Type `cd %s` and the command again. "+
		"For the AWS account of the environment add --aws", other, shell.Quote(other))
}
