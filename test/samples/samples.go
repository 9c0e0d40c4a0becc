// Package samples has the tests of the sample project and no other tests: the real data
// in datasets/nycflights and datasets/usgs, the contracts, and the counts of `firn
// demo`. All other tests use the project in testdata/project.
package samples
