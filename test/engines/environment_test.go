//go:build endtoend

package engines_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
	"github.com/firn-data/firn/test/engines/suite"
)

const (
	repository = "../.."
	landing    = "landing"
	attempt    = "01"
)

// The names of the engines in receipts. Each engine writes to a curated bucket with its
// name.
const (
	lambda = "lambda"
	glue   = "glue"
)

// environment is a folder with a landing bucket and the output of the engines.
type environment struct {
	root folderStore
	uris []string
	// took is the duration of the Glue engine's run.
	took time.Duration
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	return &environment{root: folderStore(t.TempDir())}
}

// testObject is one object to transform.
type testObject struct {
	// name is unique in an environment.
	name string
	// file is the last part of the object's key.
	file     string
	contract *contract.Contract
	body     []byte
}

func (s testObject) object() object.Object {
	key := "shop/order/" + s.name + "/" + s.file
	return object.Object{Bucket: landing, Key: key, Version: "v1", Size: int64(len(s.body))}
}

func (s testObject) work() work.Work {
	return work.Work{Stage: work.Transform, Dataset: s.contract.Dataset(), Object: s.object()}
}

// add writes objects of one contract to the landing bucket, and their manifest to the
// curated bucket.
func (e *environment) add(t *testing.T, objects ...testObject) {
	t.Helper()
	portable, err := objects[0].contract.Portable()
	if err != nil {
		t.Fatal(err)
	}
	m := work.Manifest{
		ID: objects[0].name, Dataset: objects[0].contract.Dataset(), CuratedBucket: glue, Contract: portable,
	}
	for _, s := range objects {
		o := s.object()
		e.put(t, work.Location{Bucket: landing, Key: o.Key}, s.body)
		m.Objects = append(m.Objects, work.Assignment{
			Object: o, ObjectID: o.ID(), Attempt: attempt, Source: work.Location{Bucket: landing, Key: o.Key},
		})
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	at := work.Location{Bucket: glue, Key: work.ManifestKey(m.ID)}
	e.put(t, at, body)
	e.uris = append(e.uris, "file://"+e.root.path(at.Bucket, at.Key))
}

func (e *environment) put(t *testing.T, at work.Location, body []byte) {
	t.Helper()
	if err := e.root.Put(t.Context(), at, body); err != nil {
		t.Fatal(err)
	}
}

// interpretedSettings are Spark settings for many small objects. Interpreted queries
// are faster here than the compilation of each query.
const interpretedSettings = "spark.sql.codegen.wholeStage false\nspark.sql.codegen.factoryMode NO_CODEGEN\n"

// runGlue transforms all objects with the Glue engine in one process. settings are
// additional Spark settings.
func (e *environment) runGlue(t *testing.T, settings string) {
	t.Helper()
	e.put(t, work.Location{Bucket: glue, Key: "spark.conf"}, []byte(settings))
	runner := filepath.Join(repository, "glue", "run_local.sh")
	script := filepath.Join(repository, "glue", "transform.py")
	command := exec.CommandContext(t.Context(), runner, script, "--manifest", strings.Join(e.uris, ","))
	command.Env = append(os.Environ(), "AWS_ENDPOINT_URL=", "FIRN_SPARK_CONF="+e.root.path(glue, "spark.conf"))
	started := time.Now()
	output, err := command.CombinedOutput()
	e.took = time.Since(started)
	if err != nil {
		t.Fatalf("glue/transform.py: %v\n%s", err, output[max(0, len(output)-8000):])
	}
}

// runLambda transforms one object with the Lambda engine.
func (e *environment) runLambda(t *testing.T, s testObject) {
	t.Helper()
	engine := &transform.Engine{Store: e.root, Bucket: lambda, Now: time.Now}
	if _, err := engine.Transform(t.Context(), transform.Job{Work: s.work(), Contract: s.contract, Attempt: attempt}); err != nil {
		t.Fatalf("%s: transform: %v", s.name, err)
	}
}

// answer is the output of an engine for one object.
type answer struct {
	receipt work.Receipt
	// rows and rejects have the form of suite.Lines; summary has the form of
	// suite.Summary.
	rows, rejects, summary string
	// types maps columns to their types in the files of rows.
	types map[string]string
}

// answer reads the output of an engine for an object and checks the receipt.
func (e *environment) answer(t *testing.T, engine string, s testObject) answer {
	t.Helper()
	var a answer
	id := s.object().ID()
	key := object.Attempt{Dataset: s.contract.Dataset(), Object: id, Name: attempt}.Receipt()
	body, err := os.ReadFile(e.root.path(engine, key))
	if err != nil {
		t.Fatalf("%s: no receipt of %s: %v", s.name, engine, err)
	}
	if a.receipt, err = work.DecodeReceipt(body, work.Location{Bucket: engine, Key: key}); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	if a.receipt.Engine != engine || a.receipt.Object != s.object() || a.receipt.Contract != s.contract.Version {
		t.Errorf("%s: the receipt belongs to another job: %s", s.name, body)
	}
	a.rows = e.read(t, engine, a.receipt.Data, &a)
	a.rejects = e.read(t, engine, a.receipt.Rejects, nil)
	if a.summary, err = suite.Summary(a.receipt); err != nil {
		t.Fatal(err)
	}
	e.checkLeftovers(t, engine, a.receipt)
	return a
}

func (e *environment) read(t *testing.T, engine string, files []work.File, typesOf *answer) string {
	t.Helper()
	var rows []map[string]any
	for _, f := range files {
		body, err := os.ReadFile(e.root.path(engine, f.Key))
		if err != nil {
			t.Fatal(err)
		}
		read, err := suite.ReadParquet(body)
		if err != nil {
			t.Fatalf("%s: %v", f.Key, err)
		}
		if int64(len(read)) != f.Rows || int64(len(body)) != f.Bytes {
			t.Errorf("%s: %d rows and %d bytes, the receipt has %d and %d", f.Key, len(read), len(body), f.Rows, f.Bytes)
		}
		rows = append(rows, read...)
		if typesOf != nil {
			if typesOf.types, err = suite.Types(body); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := suite.Lines(rows)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checkLeftovers checks that the attempt's folder has no Parquet files other than the
// receipt's files.
func (e *environment) checkLeftovers(t *testing.T, engine string, r work.Receipt) {
	t.Helper()
	inReceipt := make(map[string]bool)
	for _, f := range append(append([]work.File{}, r.Data...), r.Rejects...) {
		inReceipt[e.root.path(engine, f.Key)] = true
	}
	folder := e.root.path(engine, object.Attempt{Dataset: r.Dataset, Object: r.ObjectID, Name: r.Attempt}.Prefix())
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") && !inReceipt[path] {
			return fmt.Errorf("the receipt lacks the file %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// searchMarks fails the test if a receipt or a manifest of an engine has a mark. The
// result is the number of searched files.
func (e *environment) searchMarks(t *testing.T, engine string) (searched int) {
	t.Helper()
	err := filepath.WalkDir(e.root.path(engine, ""), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".json") {
			return err
		}
		body, err := os.ReadFile(path)
		if found := suite.MarksIn(string(body)); len(found) > 0 {
			t.Errorf("%s has %v: %s", path, found, body)
		}
		searched++
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return searched
}
