package environment_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/app/environment"
)

// Shared is embedded, like the settings of every function.
type Shared struct {
	Region string `env:"REGION,default=eu-central-1"`
}

type config struct {
	Shared
	Table   string        `env:"TABLE"`
	Count   int           `env:"COUNT,default=3"`
	Quick   bool          `env:"QUICK,default=false"`
	Wait    time.Duration `env:"WAIT,default=30s"`
	Queues  []string      `env:"QUEUES,optional"`
	Derived string
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		variables map[string]string
		want      config
		wantErr   string
	}{
		{
			name:      "defaults",
			variables: map[string]string{"TABLE": "journal"},
			want:      config{Shared: Shared{"eu-central-1"}, Table: "journal", Count: 3, Wait: 30 * time.Second},
		},
		{
			name:      "all given",
			variables: map[string]string{"TABLE": "j", "COUNT": "7", "QUICK": "true", "WAIT": "0s", "QUEUES": "a,b", "REGION": "us-east-1"},
			want:      config{Shared: Shared{"us-east-1"}, Table: "j", Count: 7, Quick: true, Queues: []string{"a", "b"}},
		},
		{
			name:      "all faults in one error",
			variables: map[string]string{"TABLE": "", "COUNT": "x", "QUICK": "maybe", "WAIT": "5"},
			want:      config{Shared: Shared{"eu-central-1"}},
			wantErr: "environment variable TABLE is missing\n" +
				"environment variable COUNT=\"x\": not a whole number\n" +
				"environment variable QUICK=\"maybe\": not true or false\n" +
				"environment variable WAIT=\"5\": not a duration such as \"30s\"",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got config
			err := environment.Decode(func(name string) (string, bool) {
				value, found := test.variables[name]
				return value, found
			}, &got)
			var gotErr string
			if err != nil {
				gotErr = err.Error()
			}
			if diff := cmp.Diff(test.wantErr, gotErr); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}
