//go:build standin

package load_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/load/loadtest"
)

// BenchmarkTransaction measures a transaction of 1, 10 or 200 new objects on the
// laptop's Snowflake, and the milliseconds of each statement.
func BenchmarkTransaction(b *testing.B) {
	snowflake := laptop(b)
	for _, objects := range []int{1, 10, 200} {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			fixture := loadtest.NewFixture(b, snowflake)
			durations, transactions := make(map[string]time.Duration), 0
			fixture.Loader = fixture.NewLoaderOn(loadtest.Intercept(snowflake, func(step string, run func() error) error {
				start := time.Now()
				defer func() { durations[step] += time.Since(start) }()
				return run()
			}))
			for b.Loop() {
				b.StopTimer()
				group := make([]loadtest.Delivered, objects)
				for i := range group {
					group[i] = fixture.Deliver(b, loadtest.Delivery{Key: fmt.Sprintf("%d/%d.csv", transactions, i), Sequencer: "1", Rows: 2})
				}
				transactions++
				b.StartTimer()
				fixture.MustHandle(b, group...)
			}
			for step, sum := range durations {
				b.ReportMetric(float64(sum.Microseconds())/1000/float64(transactions), "ms/"+strings.ReplaceAll(step, " ", "_"))
			}
			b.ReportMetric(float64(len(durations)), "statements")
		})
	}
}
