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

// The engines, by the names that they have in receipts. Each writes to a
// curated bucket of this name.
const (
	lambda = "lambda"
	glue   = "glue"
)

// environment is a folder with a landing bucket, and what the engines made of it.
type environment struct {
	root folderStore
	uris []string
	// took is how long the run of the engine on Glue took.
	took time.Duration
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	return &environment{root: folderStore(t.TempDir())}
}

// testObject is one object to transform.
type testObject struct {
	// name tells the objects of a world apart.
	name string
	// file is the last part of its key.
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

// add puts objects of one contract into the landing bucket, and their manifest
// into the curated one.
func (w *environment) add(t *testing.T, subjects ...testObject) {
	t.Helper()
	portable, err := subjects[0].contract.Portable()
	if err != nil {
		t.Fatal(err)
	}
	m := work.Manifest{
		ID: subjects[0].name, Dataset: subjects[0].contract.Dataset(), CuratedBucket: glue, Contract: portable,
	}
	for _, s := range subjects {
		o := s.object()
		w.put(t, work.Location{Bucket: landing, Key: o.Key}, s.body)
		m.Objects = append(m.Objects, work.Assignment{
			Object: o, ObjectID: o.ID(), Attempt: attempt, Source: work.Location{Bucket: landing, Key: o.Key},
		})
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	at := work.Location{Bucket: glue, Key: work.ManifestKey(m.ID)}
	w.put(t, at, body)
	w.uris = append(w.uris, "file://"+w.root.path(at.Bucket, at.Key))
}

func (w *environment) put(t *testing.T, at work.Location, body []byte) {
	t.Helper()
	if err := w.root.Put(t.Context(), at, body); err != nil {
		t.Fatal(err)
	}
}

// interpretedSettings are settings of Spark for many small objects: their queries are
// run as they are, which is faster than to compile each.
const interpretedSettings = "spark.sql.codegen.wholeStage false\nspark.sql.codegen.factoryMode NO_CODEGEN\n"

// runGlue transforms all objects by the engine on Glue, in one process, with
// more settings of Spark.
func (w *environment) runGlue(t *testing.T, settings string) {
	t.Helper()
	w.put(t, work.Location{Bucket: glue, Key: "spark.conf"}, []byte(settings))
	runner := filepath.Join(repository, "glue", "run_local.sh")
	script := filepath.Join(repository, "glue", "transform.py")
	command := exec.CommandContext(t.Context(), runner, script, "--manifest", strings.Join(w.uris, ","))
	command.Env = append(os.Environ(), "AWS_ENDPOINT_URL=", "FIRN_SPARK_CONF="+w.root.path(glue, "spark.conf"))
	started := time.Now()
	output, err := command.CombinedOutput()
	w.took = time.Since(started)
	if err != nil {
		t.Fatalf("glue/transform.py: %v\n%s", err, output[max(0, len(output)-8000):])
	}
}

// runLambda transforms one object by the engine on Lambda.
func (w *environment) runLambda(t *testing.T, s testObject) {
	t.Helper()
	engine := &transform.Engine{Store: w.root, Bucket: lambda, Now: time.Now}
	if _, err := engine.Transform(t.Context(), transform.Job{Work: s.work(), Contract: s.contract, Attempt: attempt}); err != nil {
		t.Fatalf("%s: transform: %v", s.name, err)
	}
}

// answer is all that an engine said of an object.
type answer struct {
	receipt work.Receipt
	// rows and rejects are in the form of suite.Lines; summary is suite.Summary.
	rows, rejects, summary string
	// types are the columns' types in the files of rows.
	types map[string]string
}

// answer reads what an engine made of an object, and checks the receipt
// against the files.
func (w *environment) answer(t *testing.T, engine string, s testObject) answer {
	t.Helper()
	var a answer
	id := s.object().ID()
	key := object.Attempt{Dataset: s.contract.Dataset(), Object: id, Name: attempt}.Receipt()
	body, err := os.ReadFile(w.root.path(engine, key))
	if err != nil {
		t.Fatalf("%s: no receipt of %s: %v", s.name, engine, err)
	}
	if a.receipt, err = work.DecodeReceipt(body); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	if a.receipt.Engine != engine || a.receipt.Object != s.object() || a.receipt.Contract != s.contract.Version {
		t.Errorf("%s: the receipt is of another job: %s", s.name, body)
	}
	a.rows = w.read(t, engine, a.receipt.Data, &a)
	a.rejects = w.read(t, engine, a.receipt.Rejects, nil)
	if a.summary, err = suite.Summary(a.receipt); err != nil {
		t.Fatal(err)
	}
	w.checkLeftovers(t, engine, a.receipt)
	return a
}

func (w *environment) read(t *testing.T, engine string, files []work.File, typesOf *answer) string {
	t.Helper()
	var rows []map[string]any
	for _, f := range files {
		body, err := os.ReadFile(w.root.path(engine, f.Key))
		if err != nil {
			t.Fatal(err)
		}
		read, err := suite.ReadParquet(body)
		if err != nil {
			t.Fatalf("%s: %v", f.Key, err)
		}
		if int64(len(read)) != f.Rows || int64(len(body)) != f.Bytes {
			t.Errorf("%s: %d rows and %d bytes, its receipt says %d and %d", f.Key, len(read), len(body), f.Rows, f.Bytes)
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

// checkLeftovers holds the attempt's folder against the receipt: no other
// Parquet file may be there.
func (w *environment) checkLeftovers(t *testing.T, engine string, r work.Receipt) {
	t.Helper()
	named := make(map[string]bool)
	for _, f := range append(append([]work.File{}, r.Data...), r.Rejects...) {
		named[w.root.path(engine, f.Key)] = true
	}
	home := w.root.path(engine, object.Attempt{Dataset: r.Dataset, Object: r.ObjectID, Name: r.Attempt}.Prefix())
	err := filepath.WalkDir(home, func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") && !named[path] {
			return fmt.Errorf("%s is left behind", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
