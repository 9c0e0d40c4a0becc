// Package samples holds the tests about the sample project, and nothing else:
// the real data in datasets/nycflights and datasets/usgs, their contracts, and
// the figures of `firn demo`. All other tests use the made-up project in
// testdata/project.
package samples
