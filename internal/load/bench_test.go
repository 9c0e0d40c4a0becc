//go:build standin

package load_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/load/loadtest"
)

// BenchmarkTransaction is one transaction of so many new objects against the
// laptop's Snowflake, with the time of each of its statements, in milliseconds.
func BenchmarkTransaction(b *testing.B) {
	bench := laptop(b)
	for _, objects := range []int{1, 10, 200} {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			w := loadtest.NewFixture(b, bench)
			took, transactions := make(map[string]time.Duration), 0
			w.Loader = w.NewLoaderOn(loadtest.Intercept(bench, func(step string, run func() error) error {
				began := time.Now()
				defer func() { took[step] += time.Since(began) }()
				return run()
			}))
			for b.Loop() {
				b.StopTimer()
				group := make([]loadtest.Delivered, objects)
				for i := range group {
					group[i] = w.Deliver(b, loadtest.Delivery{Key: fmt.Sprintf("%d/%d.csv", transactions, i), Sequencer: "1", Rows: 2})
				}
				transactions++
				b.StartTimer()
				w.MustHandle(b, group...)
			}
			for step, sum := range took {
				b.ReportMetric(float64(sum.Microseconds())/1000/float64(transactions), "ms/"+strings.ReplaceAll(step, " ", "_"))
			}
			b.ReportMetric(float64(len(took)), "statements")
		})
	}
}
