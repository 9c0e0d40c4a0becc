//go:build endtoend

package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// action is one step of a run.
type action struct {
	name string
	// weight is the share of the action among all steps. Each action occurs at least once.
	weight int
	// objects is the number of objects that the action puts.
	objects int
	do      func(*world)
}

// actions are all actions of a run.
var actions = []action{
	// files and their events
	{"put a file", 400, 1, func(w *world) { w.announce(w.put(true)) }},
	{"put a file, the event comes two or three times", 100, 1, putWithRepeatedEvent},
	{"put a file, the event comes later", 120, 1, func(w *world) { w.delay(w.put(true)) }},
	{"put a file, the event is lost", 80, 1, func(w *world) { w.put(true) }},
	{"put two versions, their events come in reverse order", 60, 2, putInReverseOrder},
	{"put a file that breaks the contract", 60, 1, func(w *world) { w.announce(w.put(false)) }},
	{"put a file without a contract", 15, 1, putWithoutContract},
	{"put a file with a lying receipt", 30, 1, putWithLyingReceipt},
	{"delete a key", 25, 0, deleteKey},
	{"deliver the late events in another order", 60, 0, deliverLate},
	{"stop or start the events of receipts", 20, 0, switchReceiptEvents},
	{"send a forged message", 50, 0, sendForged},
	// crashes and limits
	{"kill the processes of a function", 25, 0, killFunction},
	{"kill Snowflake and start it again", 4, 0, killSnowflake},
	{"stop AWS and start it again", 4, 0, restartAWS},
	{"throttle DynamoDB", 15, 0, func(w *world) { w.throttle(dynamoDB) }},
	{"throttle SQS", 15, 0, func(w *world) { w.throttle(queues) }},
	{"throttle S3", 15, 0, func(w *world) { w.throttle(buckets) }},
	// the operator's commands
	{"pause or resume a dataset", 15, 0, pauseOrResume},
	{"reload an object", 25, 0, func(w *world) { w.try("reload", "--object", string(w.earlyVersion().object.ID())) }},
	{"withdraw an object", 20, 0, withdraw},
	{"dismiss a broken object", 8, 0, dismiss},
	{"redrive a broken object", 8, 0, func(w *world) { w.try("redrive", string(w.brokenVersion().object.ID())) }},
	{"sweep", 8, 0, func(w *world) { w.must("sweep", "--grace", "0s", "--stuck", "0s") }},
}

// migration is in the middle of each run.
var migration = action{"migrate a dataset to a newer contract", 0, 0, migrate}

// beginning is the number of files at the beginning, before the first fault.
const beginning = 5

// planOf draws the steps of a run: each action once, then actions by their weights until
// the run puts all objects.
func planOf(r *rand.Rand, objects int) []action {
	sum := 0
	for _, a := range actions {
		sum += a.weight
	}
	var plan []action
	for left := objects - beginning; left > 0; {
		next := len(plan)
		if next >= len(actions) {
			next = -1
			for drawn := r.IntN(sum); drawn >= 0; drawn -= actions[next].weight {
				next++
			}
		}
		plan = append(plan, actions[next])
		left -= actions[next].objects
	}
	r.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	first := make([]action, beginning, beginning+len(plan)+1)
	for i := range first {
		first[i] = actions[0]
	}
	middle := len(plan) / 2
	return append(append(append(first, plan[:middle]...), migration), plan[middle:]...)
}

func putWithRepeatedEvent(w *world) {
	v := w.put(true)
	for range 2 + w.r.IntN(2) {
		w.announce(v)
	}
}

func putInReverseOrder(w *world) {
	older := w.put(true)
	newer := w.putVersion(older.key, true)
	w.announce(newer)
	w.announce(older)
}

func putWithoutContract(w *world) {
	k := &key{dataset: noContract, name: fmt.Sprintf("unknown/%04d.csv", len(w.keys))}
	w.keys = append(w.keys, k)
	w.announce(w.putVersion(k, false))
}

// lies are the lies of a receipt, in the order of the draw.
var lies = []string{"one row too many", "a file that isn't Parquet", "a missing file", "a file of another object", "counts that don't add up", "no JSON"}

// putWithLyingReceipt writes a receipt before the transform of the object. The event of
// the object comes later.
func putWithLyingReceipt(w *world) {
	v := w.put(true)
	w.delay(v)
	lie, other := lies[w.r.IntN(len(lies))], w.someVersion()
	id := v.object.ID()
	attempt := object.Attempt{Dataset: v.key.dataset.name, Object: id, Name: object.AttemptName(0, 1, "lie")}
	data := work.File{Key: attempt.Data(0), Rows: 2, Bytes: 100}
	receipt := work.Receipt{
		Object: v.object, Dataset: attempt.Dataset, ObjectID: id, Contract: stack.operator.Contracts.ByDataset(attempt.Dataset).Version,
		Attempt: attempt.Name, Engine: "lambda", Outcome: work.Accepted, ContentHash: "sha256:00", RowsRead: 2, RowsWritten: 2,
		Data: []work.File{data}, Rejects: []work.File{}, StartedAt: time.Now().UTC(), FinishedAt: time.Now().UTC(),
	}
	receipt.Object.Sequencer = object.NormalizeSequencer(v.sequencer)
	switch lie {
	case "one row too many":
		receipt.RowsRead, receipt.RowsWritten, receipt.Data[0].Rows = 3, 3, 3
	case "a file of another object":
		elsewhere := object.Attempt{Dataset: other.key.dataset.name, Object: other.object.ID(), Name: attempt.Name}
		receipt.Data[0].Key = elsewhere.Data(0)
	case "counts that don't add up":
		receipt.RowsRead = 7
	}
	if lie != "a missing file" {
		body, err := loadtest.File{Object: id, Rows: 2, Broken: lie == "a file that isn't Parquet"}.Parquet(load.Rows)
		w.check("write a lying receipt's file", err)
		w.putCurated(data.Key, body)
	}
	body, err := json.Marshal(receipt)
	w.check("encode a receipt", err)
	if lie == "no JSON" {
		body = []byte("{")
	}
	w.putCurated(attempt.Receipt(), body)
}

// deleteKey writes a delete marker, as a person does.
func deleteKey(w *world) {
	k := w.someVersion().key
	marker := w.deleteKey(k)
	if w.r.IntN(2) == 0 {
		w.announce(marker)
	} else {
		w.delay(marker)
	}
}

func deliverLate(w *world) {
	w.r.Shuffle(len(w.late), func(i, j int) { w.late[i], w.late[j] = w.late[j], w.late[i] })
	for _, v := range w.late {
		w.announce(v)
	}
	w.late = nil
}

func switchReceiptEvents(w *world) {
	w.receiptEvents = !w.receiptEvents
	w.setNotifications(stack.operator.Stack.CuratedBucket, w.receiptEvents)
}

// forgeries make messages that no part of firn would send: the queue and the text.
var forgeries = []func(v *version) (queue, body string){
	func(v *version) (string, string) { return "RouteQueue", "no JSON about " + v.key.name },
	func(v *version) (string, string) {
		o := v.object
		o.Bucket = "another-bucket"
		return "RouteQueue", eventOf(o, "ObjectCreated:Put", v.sequencer)
	},
	func(v *version) (string, string) {
		o := v.object
		o.Key, o.Version = v.key.name+".never-put"+v.key.dataset.extension, "never-put"
		return "RouteQueue", eventOf(o, "ObjectCreated:Put", v.sequencer)
	},
	func(v *version) (string, string) {
		return "ReceiptsQueue", eventOf(object.Object{
			Bucket: stack.operator.Stack.CuratedBucket, Key: v.key.dataset.name + "/receipt.json", Version: "v", ETag: "e",
		}, "ObjectCreated:Put", v.sequencer)
	},
	func(v *version) (string, string) {
		o := v.object
		o.Key, o.Version = v.key.name+".never-received"+v.key.dataset.extension, "never-put"
		return "TransformQueue", work.Work{Stage: work.Transform, Dataset: v.key.dataset.name, Object: o}.Encode()
	},
	func(v *version) (string, string) {
		return "TransformQueue", work.Work{Stage: work.Transform, Dataset: "shop.nothing", Object: v.object}.Encode()
	},
	func(v *version) (string, string) {
		attempt := object.Attempt{Dataset: v.key.dataset.name, Object: v.object.ID(), Name: object.AttemptName(0, 1, "forged")}
		return "LoadQueue", work.Work{
			Stage: work.Load, Dataset: attempt.Dataset, Object: v.object,
			Receipt: &work.Location{Bucket: stack.operator.Stack.CuratedBucket, Key: attempt.Receipt()},
		}.Encode()
	},
	func(v *version) (string, string) {
		return "LoadQueue", work.Work{
			Stage: work.Load, Dataset: v.key.dataset.name, Object: v.object,
			Receipt: &work.Location{Bucket: stack.operator.Stack.LandingBucket, Key: v.key.name},
		}.Encode()
	},
	func(v *version) (string, string) {
		return "LoadDeadLetters", `{"stage":"load","about":"` + v.key.name + `"}`
	},
}

func sendForged(w *world) {
	queue, body := forgeries[w.r.IntN(len(forgeries))](w.someVersion())
	w.send(queue, body)
}

func killFunction(w *world) {
	names := []string{"Route", "Transform", "Load", "Alert"}
	w.kill(names[w.r.IntN(len(names))])
}

// killSnowflake kills the stand-in with SIGKILL. Files arrive during the outage.
func killSnowflake(w *world) {
	w.check("kill Snowflake", stack.cloud.Kill("snowflake"))
	for _, v := range w.someKeys(3) {
		w.announce(w.putVersion(v, true))
	}
	w.startServers("snowflake")
	// The stand-in loses its stages.
	w.query("create stage if not exists RAW.CURATED url = 's3://" + stack.operator.Stack.CuratedBucket + "/'")
}

// restartAWS ends the stand-in and all processes of functions with SIGTERM.
func restartAWS(w *world) {
	w.check("stop AWS", stack.cloud.StopServer("aws"))
	w.startServers("aws")
}

func (w *world) throttle(s service) { stack.proxy.throttle(s, 1+w.r.IntN(maxThrottled)) }

// maxThrottled is above the number of tries of the AWS client, so that some requests
// fail in all tries.
const maxThrottled = 12

func pauseOrResume(w *world) {
	d := datasets[w.r.IntN(len(datasets))]
	if w.paused[d.name] {
		w.paused[d.name] = false
		w.owe("resume", d.name)
		return
	}
	w.paused[d.name] = true
	w.try("pause", d.name)
}

func withdraw(w *world) {
	v := w.someVersion()
	v.withdrawn = true
	w.owe("withdraw", string(v.object.ID()), "--reason", "chaos")
}

func dismiss(w *world) {
	v := w.brokenVersion()
	v.dismissed = true
	w.try("dismiss", string(v.object.ID()), "--reason", "chaos")
}

// migrate adds a column to the contract of shop.order, in a copy of the project. The
// functions keep the older contract.
func migrate(w *world) {
	folder := filepath.Join(w.t.TempDir(), "project")
	w.check("copy the project", os.CopyFS(folder, os.DirFS(stack.cloud.Project)))
	path := filepath.Join(folder, "datasets", "shop", "order", "contract.odcs.yaml")
	content, err := os.ReadFile(path)
	w.check("read the contract", err)
	newer := strings.Replace(string(content), "version: 1.0.0", "version: 1.1.0", 1) +
		"      - name: chaos_note\n        logicalType: string\n        description: A new column.\n        logicalTypeOptions: {maxLength: 50}\n"
	w.check("write the newer contract", os.WriteFile(path, []byte(newer), 0o600))
	w.oweWith([]string{"FIRN_DATASETS=" + filepath.Join(folder, "datasets")}, "migrate")
}

// startServers starts stopped stand-ins.
func (w *world) startServers(names ...string) {
	w.check("start "+strings.Join(names, ", "), stack.cloud.StartServers(context.WithoutCancel(w.t.Context()), names...))
}
