// Package journey measures the duration of the whole path of objects in the laptop's
// cloud. The duration starts with the answer to the upload and ends with the state
// loaded in the journal.
package journey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake"
)

// Plan is the amount of measurements.
type Plan struct {
	// Rounds is the number of rounds. The report shows medians of all rounds.
	Rounds int
	// Single is the number of files in a round that are uploaded one by one. An upload
	// starts after the load of the file before.
	Single int
	// Burst is the number of files in a round that are uploaded at once, by Writers
	// clients.
	Burst, Writers int
}

// pollEvery is the interval between two reads of an object's journal entry. Each read
// costs the stand-in some milliseconds of processor time, which the measured processes
// share.
const pollEvery = 50 * time.Millisecond

// prefix is the landing prefix of the measured dataset. ledger is the table with the
// dataset's loads.
const (
	prefix = "shop/customer/"
	ledger = "RAW.SHOP_CUSTOMER_LOADS"
)

// Runner uploads files to a laptop's cloud and reads their states from the journal.
type Runner struct {
	cloud   *laptop.Cloud
	store   *s3.Client
	journal operator.Journal
	bucket  string
	// files counts the uploads, so that each file has another key.
	files int
}

// New connects to a running cloud.
func New(ctx context.Context, cloud *laptop.Cloud) (*Runner, error) {
	if err := cloud.SetEnvironment(os.Setenv); err != nil {
		return nil, err
	}
	o, err := app.New(ctx, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	return &Runner{
		cloud: cloud, journal: o.Journal, bucket: o.Stack.LandingBucket,
		store: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
	}, nil
}

// Run measures as the plan demands and writes the progress.
func (b *Runner) Run(ctx context.Context, plan Plan, progress io.Writer) (Results, error) {
	results := Results{Plan: plan, Machine: machine(), LoadBefore: loadAverage(), Began: time.Now()}
	cold, err := b.single(ctx)
	if err != nil {
		return results, err
	}
	results.Cold = cold
	if _, err := b.burst(ctx, plan); err != nil { // starts all processes of all functions
		return results, err
	}
	for n := range plan.Rounds {
		round, err := b.round(ctx, plan)
		if err != nil {
			return results, err
		}
		results.Rounds = append(results.Rounds, round)
		fmt.Fprintf(progress, "round %d of %d: one file p50 %s, %d at once %s\n", n+1, plan.Rounds,
			seconds(median(durations(round.Single, StateTimes.total))), plan.Burst, seconds(round.Burst.Last))
	}
	results.Ended, results.LoadAfter = time.Now(), loadAverage()
	return results, nil
}

func (b *Runner) round(ctx context.Context, plan Plan) (Round, error) {
	var round Round
	before := b.processorTime()
	for range plan.Single {
		times, err := b.single(ctx)
		if err != nil {
			return round, err
		}
		round.Single = append(round.Single, times)
	}
	round.SingleCPU = b.processorTime().since(before)
	before = b.processorTime()
	burst, err := b.burst(ctx, plan)
	if err != nil {
		return round, err
	}
	round.Burst, round.BurstCPU = burst, b.processorTime().since(before)
	return round, nil
}

// single uploads one file and waits for its load.
func (b *Runner) single(ctx context.Context) (StateTimes, error) {
	o, err := b.put(ctx, b.nextKey())
	put := time.Now()
	if err != nil {
		return StateTimes{}, err
	}
	entry, err := b.loaded(ctx, o)
	return stateTimesOf(entry, put), err
}

// burst uploads many files at once and waits until all are loaded.
func (b *Runner) burst(ctx context.Context, plan Plan) (Burst, error) {
	keys := make([]string, plan.Burst)
	for i := range keys {
		keys[i] = b.nextKey()
	}
	start := time.Now()
	objects := make([]object.Object, plan.Burst)
	puts := make([]time.Time, plan.Burst)
	writers, writing := errgroup.WithContext(ctx)
	writers.SetLimit(plan.Writers)
	for i, key := range keys {
		writers.Go(func() (err error) {
			objects[i], err = b.put(writing, key)
			puts[i] = time.Now()
			return err
		})
	}
	if err := writers.Wait(); err != nil {
		return Burst{}, err
	}
	burst := Burst{Uploaded: time.Since(start)}
	for i, o := range objects { // in sequence: 200 parallel reads would slow down the measured processes
		entry, err := b.loaded(ctx, o)
		if err != nil {
			return burst, err
		}
		burst.Times = append(burst.Times, stateTimesOf(entry, puts[i]))
		burst.Transformed = max(burst.Transformed, entry.Times[journal.Transformed].Sub(start))
		burst.Last = max(burst.Last, entry.Times[journal.Loaded].Sub(start))
	}
	var err error
	burst.Transactions, err = transactions(ctx, objects)
	return burst, err
}

func (b *Runner) nextKey() string {
	b.files++
	return fmt.Sprintf("%sbench-%05d.csv", prefix, b.files)
}

// put uploads a small file with unique content.
func (b *Runner) put(ctx context.Context, key string) (object.Object, error) {
	const rows = 20
	var text strings.Builder
	text.WriteString("code,name\n")
	for i := range rows {
		fmt.Fprintf(&text, "%c%c,%s %d\n", 'A'+i/10, '0'+i%10, key, i)
	}
	output, err := b.store.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(b.bucket), Key: aws.String(key), Body: strings.NewReader(text.String())})
	if err != nil {
		return object.Object{}, fmt.Errorf("upload %s: %w", key, err)
	}
	return object.Object{Bucket: b.bucket, Key: key, Version: aws.ToString(output.VersionId)}, nil
}

// loaded waits until the object's state is loaded. A failed object is an error.
func (b *Runner) loaded(ctx context.Context, o object.Object) (journal.Entry, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		entry, err := b.journal.Get(ctx, o.ID())
		switch {
		case err != nil && !errors.Is(err, journal.ErrNotFound):
			return entry, err
		case entry.State == journal.Loaded:
			return entry, nil
		case entry.State == journal.Failed:
			return entry, fmt.Errorf("%s failed: %s: %s", o.URI(), entry.Code, entry.Cause)
		}
		select {
		case <-ctx.Done():
			return entry, fmt.Errorf("%s has state %q: %w", o.URI(), entry.State, ctx.Err())
		case <-ticker.C:
		}
	}
}

// transactions returns the number of load transactions of the objects, from the ledger.
func transactions(ctx context.Context, objects []object.Object) (int64, error) {
	session, err := app.OpenSnowflake(ctx, os.LookupEnv)
	if err != nil {
		return 0, err
	}
	defer func() { _ = session.Close() }()
	return countLoads(ctx, session, objects)
}

func countLoads(ctx context.Context, session *snowflake.Session, objects []object.Object) (int64, error) {
	args := make([]any, len(objects))
	for i, o := range objects {
		args[i] = string(o.ID())
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(objects)), ", ")
	answer, err := session.Query(ctx, "count loads", "select count(distinct load_id) as n from "+ledger+" where object in ("+marks+")", args...)
	if err != nil {
		return 0, err
	}
	return answer.Number(0, "n"), nil
}
