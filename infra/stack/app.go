package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// configuration is the CDK's own file, at the root of the repository.
const configuration = "cdk.json"

// Root finds the repository from a folder inside it: the folder with cdk.json.
func Root(folder string) (string, error) {
	for {
		_, err := os.Stat(filepath.Join(folder, configuration))
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no cdk.json here or above: type the command in the repository")
		}
		folder = parent
	}
}

// NewApp makes a CDK app with the feature flags of the repository's cdk.json:
// the cdk command line passes them on, go run and go test don't. Context of
// the command line (-c) wins. An empty outdir leaves the choice to the CDK.
func NewApp(root, outdir string) (awscdk.App, error) {
	content, err := os.ReadFile(filepath.Join(root, configuration))
	if err != nil {
		return nil, err
	}
	var file struct {
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", configuration, err)
	}
	props := &awscdk.AppProps{Context: &file.Context, AnalyticsReporting: jsii.Bool(false)}
	if outdir != "" {
		props.Outdir = jsii.String(outdir)
	}
	return awscdk.NewApp(props), nil
}

// Context returns all context of an app: cdk.json's and the command line's.
func Context(app awscdk.App) map[string]any {
	context, _ := app.Node().GetAllContext(nil).(map[string]any)
	return context
}
