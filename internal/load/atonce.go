package load

import "golang.org/x/sync/errgroup"

// maxParallelRequests is the maximum of concurrent requests to one service. The SDK's
// client keeps the same number of connections to one host open (MaxIdleConnsPerHost of
// aws-sdk-go-v2/aws/transport/http). Each further request would open a new connection.
const maxParallelRequests = 10

// inParallel calls do with 0 to n-1, in parallel and in any order, and returns after
// the last call.
func inParallel(n int, do func(i int)) {
	var requests errgroup.Group
	requests.SetLimit(maxParallelRequests)
	for i := range n {
		requests.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = requests.Wait() // no call returns an error
}
