package load

import "golang.org/x/sync/errgroup"

// requestsAtOnce bounds what the loader asks of a service at a time: as many
// requests as the SDK's client keeps connections to one host open (MaxIdleConnsPerHost
// of aws-sdk-go-v2/aws/transport/http). More would be a new connection each.
const requestsAtOnce = 10

// atOnce calls do with 0 to n-1, some of them at a time and in any order, and
// returns when all have returned.
func atOnce(n int, do func(i int)) {
	var requests errgroup.Group
	requests.SetLimit(requestsAtOnce)
	for i := range n {
		requests.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = requests.Wait() // none returns an error
}
