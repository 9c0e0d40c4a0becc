// Package journey measures how long objects take through the whole path on the
// laptop's cloud: from the answer to their upload to the journal's `loaded`.
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
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake"
)

// Plan is how much is measured.
type Plan struct {
	// Rounds is how often everything is measured; medians count.
	Rounds int
	// Single files of a round are put one after the other, each once the one
	// before is loaded.
	Single int
	// Burst files of a round are put at once, by Writers clients.
	Burst, Writers int
}

// pollEvery is how often the journal is asked whether an object is loaded. Each
// question costs the stand-in some milliseconds of the processor that it
// shares with what is measured.
const pollEvery = 50 * time.Millisecond

// prefix is the landing prefix of the dataset that is measured, and ledger the
// table of its loads.
const (
	prefix = "shop/customer/"
	ledger = "RAW.SHOP_CUSTOMER_LOADS"
)

// Runner puts files into a laptop's cloud and follows them by the journal.
type Runner struct {
	cloud   *laptop.Cloud
	store   *s3.Client
	journal operator.Journal
	bucket  string
	// files counts those that were put, so that no two have the same key.
	files int
}

// New connects to a cloud that is up.
func New(ctx context.Context, cloud *laptop.Cloud) (*Runner, error) {
	if err := cloud.SetEnvironment(os.Setenv); err != nil {
		return nil, err
	}
	o, err := app.New(ctx, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	return &Runner{
		cloud: cloud, journal: o.Journal, bucket: o.Stack.LandingBucket,
		store: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
	}, nil
}

// Run measures as the plan says, and tells its progress.
func (b *Runner) Run(ctx context.Context, plan Plan, progress io.Writer) (Results, error) {
	results := Results{Plan: plan, Machine: machine(), LoadBefore: loadAverage(), Began: time.Now()}
	cold, err := b.single(ctx)
	if err != nil {
		return results, err
	}
	results.Cold = cold
	if _, err := b.burst(ctx, plan); err != nil { // starts every copy of every function
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
		way, err := b.single(ctx)
		if err != nil {
			return round, err
		}
		round.Single = append(round.Single, way)
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

// single puts one file and waits until it is loaded.
func (b *Runner) single(ctx context.Context) (StateTimes, error) {
	o, err := b.put(ctx, b.nextKey())
	put := time.Now()
	if err != nil {
		return StateTimes{}, err
	}
	entry, err := b.loaded(ctx, o)
	return stateTimesOf(entry, put), err
}

// burst puts many files at once, and waits until all are loaded.
func (b *Runner) burst(ctx context.Context, plan Plan) (Burst, error) {
	keys := make([]string, plan.Burst)
	for i := range keys {
		keys[i] = b.nextKey()
	}
	began := time.Now()
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
	burst := Burst{Uploaded: time.Since(began)}
	for i, o := range objects { // one after the other: 200 questions at a time would slow down what is measured
		entry, err := b.loaded(ctx, o)
		if err != nil {
			return burst, err
		}
		burst.Times = append(burst.Times, stateTimesOf(entry, puts[i]))
		burst.Transformed = max(burst.Transformed, entry.Times[journal.Transformed].Sub(began))
		burst.Last = max(burst.Last, entry.Times[journal.Loaded].Sub(began))
	}
	var err error
	burst.Transactions, err = transactions(ctx, objects)
	return burst, err
}

func (b *Runner) nextKey() string {
	b.files++
	return fmt.Sprintf("%sbench-%05d.csv", prefix, b.files)
}

// put uploads a small file of its own.
func (b *Runner) put(ctx context.Context, key string) (object.Object, error) {
	const rows = 20
	var text strings.Builder
	text.WriteString("code,name\n")
	for i := range rows {
		fmt.Fprintf(&text, "%c%c,%s %d\n", 'A'+i/10, '0'+i%10, key, i)
	}
	output, err := b.store.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(b.bucket), Key: aws.String(key), Body: strings.NewReader(text.String())})
	if err != nil {
		return object.Object{}, fmt.Errorf("put %s: %w", key, err)
	}
	return object.Object{Bucket: b.bucket, Key: key, Version: aws.ToString(output.VersionId)}, nil
}

// loaded waits until the journal has the object as loaded. One that failed is
// an error.
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
			return entry, fmt.Errorf("%s is %q: %w", o.URI(), entry.State, ctx.Err())
		case <-ticker.C:
		}
	}
}

// transactions counts by the ledger in how many the objects were loaded.
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
